"""What cards say of themselves, whether they speak at all, and which devices do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.mine.change import Changes, EventKind
from gateway.mine.plan import MinePlan
from gateway.soak.holding import Holding
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.truth import ROUNDS, Delivered, Truth, counted_s
from gateway.soak.walkers import Flags
from gateway.soak.world import World
from positioning.observation import CardFlag, Records

_S: Final = 1e9
#: An alarm that comes of time alone may be so much off, seconds: steps are a second apart.
TIME_S: Final = 3.0
#: A flag that a card has taken back is seen to be so after so many seconds.
BACK_S: Final = 5.0

#: Steps so far apart are a standstill.
GAP_S: Final = 3

_BEGIN_OR_END: Final = (EventKind.ALARM_RAISED, EventKind.ALARM_CLEARED)


class _Flag:
    """One flag and its alarm."""

    def __init__(self, rule: str, bit: CardFlag, cards: int, clear_after_s: float) -> None:
        self.rule, self.bit, self.clear_after_s = rule, bit, clear_after_s
        self.was: Flags = np.zeros(cards, np.bool_)
        self.begun = np.zeros(cards, np.int64)  # how often it was set
        self.again = np.zeros(cards, np.int64)  # how often it was told once more
        self.shared = np.zeros(cards, np.int64)  # as `begun`, while another card's alarm was open
        self.said_ns = np.zeros(cards, np.int64)  # when it was measured set last
        self.back_s = np.full(cards, np.inf)  # listened seconds at which it was heard not set
        self.rounds = np.zeros(cards, np.int64)  # how often it was then heard not set

    def look(self, on: Flags) -> None:
        self.begun += on & ~self.was
        self.was = on


class Signs:
    """Compares flags, silence, strange cards and devices."""

    def __init__(
        self, plan: MinePlan, world: World, ledger: Ledger, truth: Truth, holding: Holding
    ) -> None:
        self._world, self._ledger, self._truth = world, ledger, truth
        cards = len(ledger.cards)
        rules = plan.rules
        self._flags = tuple(
            _Flag(rule, bit, cards, rules[rule].clear_after_s)
            for rule, bit in (
                ("distress", CardFlag.DISTRESS),
                ("low_battery", CardFlag.LOW_BATTERY),
            )
        )
        self._seen: Flags = np.zeros(cards, np.bool_)
        self.use(plan)
        self._holding = holding
        self._moved: Flags = np.zeros(cards, np.bool_)  # who has the alarm of another's call
        self.reload()
        #: In listened seconds: when each card was heard, by the times of its measurements.
        self._heard_s = np.full(cards, np.nan)
        #: Of what was given, by card, until now and before this step.
        self._newest_ns = self._before_ns = np.zeros(cards, np.int64)
        self._device_s = dict.fromkeys(plan.devices, np.inf)  # since when it is down
        self._told_down: set[str] = set()
        self._seen_down = False  # whether the gateway was there as it went down
        self._last_s = 0

    def use(self, plan: MinePlan) -> None:
        """Another configuration: other delays."""
        self._lost_s = plan.rules["signal_lost"].after_s
        self._down_s = plan.rules["device_down"].after_s

    def reload(self) -> None:
        """It has changed who has which card."""
        self._strange, self._spare = self._holding.is_strange, self._holding.is_spare

    def hand_over(self, old: int, new: int) -> None:
        """Who had the card `old` has `new`; -1: they have none."""
        if new >= 0:
            if new not in self._ledger.joined:  # or it is as silent as it was
                self._heard_s[new] = np.fmax(self._heard_s[new], self._heard_s[old])
            self._moved[new] = True
        self._heard_s[old] = np.nan
        for flag in self._flags:  # what it says is forgotten, and heard anew where it goes on
            flag.again[old] += flag.was[old]

    def advance(self) -> None:
        """Once a second of the world, also while the gateway is away."""
        self._flags[0].look(self._world.pressed & self._world.now.below)
        self._flags[1].look(self._world.low & self._world.now.below)

    def restarted(self, listened_s: float) -> None:
        """Who was not silent counts as heard now, who was as silent for just long enough."""
        silent = self._ledger.mask("signal_lost")
        self._heard_s[silent] = listened_s - self._lost_s
        self._heard_s[~silent & ~np.isnan(self._heard_s)] = listened_s

    def check(
        self, changes: Changes, given: Delivered, now_ns: int, down: str
    ) -> Iterator[Complaint]:
        """Compares after a step, of which `hear` was told."""
        for flag in self._flags:
            yield from self._flag(flag, changes, given)
        yield from self._silence(given.listened_s)
        # One that was issued before is strange only where it is below.
        self._seen |= given.heard
        strange = np.where(self._spare, self._ledger.since_ns > 0, self._seen & self._strange)
        wrong = strange != self._ledger.mask("unknown_card")
        yield from self._each("unknown card", wrong, "an alarm of each that is on no roster")
        yield from self._devices(given, down)

    def hear(self, given: Delivered) -> None:
        """Takes what was given in a step, before it is looked at who has which card since."""
        rows = given.rows
        self._before_ns = self._newest_ns.copy()
        np.maximum.at(self._newest_ns, rows["card"], rows["t_ns"])
        new = given.heard & np.isnan(self._heard_s)
        self._heard_s[new] = -np.inf
        np.maximum.at(self._heard_s, rows["card"], counted_s(given))
        self._heard_s[new] = given.listened_s

    def _flag(self, flag: _Flag, changes: Changes, given: Delivered) -> Iterator[Complaint]:
        rows, ledger = given.rows, self._ledger
        said, newly = (np.zeros(len(ledger.cards), np.bool_) for _ in range(2))
        says = np.flatnonzero(rows["flags"] & flag.bit)  # few
        said[rows["card"][says]] = True
        said_by, newest_ns = rows["card"][says], rows["t_ns"][says]
        newly[said_by[newest_ns > self._before_ns[said_by]]] = True
        np.maximum.at(flag.said_ns, said_by, newest_ns)
        # What was measured before takes nothing back.
        back = ~said & given.heard & (self._newest_ns > flag.said_ns)
        flag.rounds = np.where(said, 0, flag.rounds + back)
        flag.back_s[said] = np.inf
        flag.back_s[back] = np.minimum(flag.back_s[back], given.listened_s)
        is_open = ledger.mask(flag.rule)
        # What comes late may be of a press that has had its alarm: it asks for no other.
        flag.shared = np.where(is_open & self._moved, flag.begun, flag.shared)
        missed = flag.begun > np.maximum(ledger.raised_counts(flag.rule), flag.shared)
        wrong = newly & missed & ~is_open & ~self._told(flag.rule, changes)
        yield from self._each(flag.rule, wrong, "an alarm in the step in which it is said")
        after_s = flag.clear_after_s + BACK_S + TIME_S
        over = (flag.rounds > ROUNDS) & (given.listened_s - flag.back_s > after_s)
        self._moved &= is_open | (flag.rule != "distress")
        wrong = is_open & over & self._truth.settled & ~flag.was & ~self._moved
        yield from self._each(f"{flag.rule} over", wrong, "no alarm: it was taken back")
        wrong = ledger.raised_counts(flag.rule) > flag.begun + flag.again
        for card in np.flatnonzero(wrong).tolist():
            flag.again[card] += _again(rows[rows["card"] == card], flag.bit)
        wrong &= ledger.raised_counts(flag.rule) > flag.begun + flag.again
        yield from self._each(f"no {flag.rule}", wrong, "no more alarms than it was said")

    def _told(self, rule: str, changes: Changes) -> Flags:
        """Of whom an alarm began or ended in this step: what is late may be over already."""
        told = np.zeros(len(self._ledger.cards), np.bool_)
        for event in changes.events:
            if event.kind in _BEGIN_OR_END and event.alarm and event.alarm.rule == rule:
                told[self._ledger.number[event.card]] = True
        return told

    def _silence(self, listened_s: float) -> Iterator[Complaint]:
        silent_s = listened_s - self._heard_s
        is_open = self._ledger.mask("signal_lost")
        # The core's own word on who is at a wellhead is compared with the truth elsewhere.
        at_wellhead = self._ledger.inside[:, self._ledger.wellheads].any(axis=1)
        wrong = (silent_s > self._lost_s + TIME_S) & ~is_open & ~at_wellhead
        yield from self._each("signal lost", wrong, "an alarm: it is silent")
        wrong = ((silent_s < self._lost_s - TIME_S) | np.isnan(silent_s) | at_wellhead) & is_open
        yield from self._each("no signal lost", wrong, "no alarm: it is heard, or at a wellhead")

    def _devices(self, given: Delivered, down: str) -> Iterator[Complaint]:
        listened_s, gap_s = given.listened_s, given.second - self._last_s
        self._last_s = given.second
        for device in self._device_s:
            is_open = self._ledger.is_open("device_down", device=device)
            if device != down:
                self._device_s[device] = np.inf
                if is_open:
                    yield Complaint("no device down", "", device, "no alarm: it is heard", "one")
                continue
            if np.isinf(self._device_s[device]):
                self._device_s[device], self._seen_down = listened_s, gap_s < GAP_S
            down_s = listened_s - self._device_s[device]
            if down_s > self._down_s + TIME_S and not is_open:
                yield Complaint("device down", "", device, "an alarm: it is down", "none")
            # One that is told in the step that knows it as down was down for longer.
            raised = is_open and device not in self._told_down and down_s > 0.0
            if down_s < self._down_s - TIME_S and raised and self._seen_down:
                expected = f"no alarm before {self._down_s:g} s"
                yield Complaint("device down early", "", device, expected, f"after {down_s:g} s")
        self._told_down = {key.device for key in self._ledger.of_rule("device_down")}

    def _each(self, law: str, wrong: Flags, expected: str) -> Iterator[Complaint]:
        for card in np.flatnonzero(wrong).tolist():
            yield Complaint(law, self._ledger.cards[card], "", expected, "otherwise")


def _again(rows: Records, bit: CardFlag) -> int:
    """How often more than once a card's flag was set, by the times of what was given of it.

    What comes of several seconds at once is taken in the order of its times, and a device whose
    clock is off by less than the tolerance puts what it measured before among what came after.
    """
    said = (rows["flags"][np.argsort(rows["t_ns"], kind="stable")] & bit) > 0
    rises = said & ~np.concatenate([[False], said[:-1]])
    return max(int(rises.sum()) - 1, 0)
