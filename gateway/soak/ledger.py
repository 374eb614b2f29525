"""What a client and a disk know of a run from what the core has told, and what must hold in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from gateway.mine.alarm_states import OPEN
from gateway.mine.change import Alarm, Changes, Event, EventKind
from gateway.mine.occupancy import ENTRY_RULES
from gateway.soak.depths import Depths
from gateway.soak.walkers import Flags
from hil_sim.roadgraph import Ints
from positioning.mine_map import MineMap, ZoneKind

#: What an alarm is about: rule, card, device, zone. At most one is open for each.
Key = tuple[str, str, str, str]

_CROSSINGS: Final = (EventKind.ZONE_ENTERED, EventKind.ZONE_LEFT)


class Complaint(NamedTuple):
    """A law that was broken, of whom and where, what was expected and what was found."""

    law: str
    card: str
    where: str
    expected: str
    found: str


class Ledger:
    """The state that is kept, the zones of every card and the open alarms, by the events alone.

    `inside`: (cards, zones of the map), who is where; `entry_alarm`: (cards, columns of `Depths`),
    who has an alarm of being there; `heard`: (cards,), who was ever heard.
    """

    def __init__(self, cards: tuple[str, ...], mine: MineMap, depths: Depths) -> None:
        self.number = {card: number for number, card in enumerate(cards)}
        self.cards = cards
        self.zones = tuple(zone.id for zone in mine.zones)
        self._column = {zone: column for column, zone in enumerate(self.zones)}
        # An alarm about a zone with `near_m` is about its surroundings.
        self._alarm_column = self._column | {
            zone: column for column, zone in enumerate(depths.names) if depths.near[column]
        }
        self.wellheads = [
            column for column, zone in enumerate(mine.zones) if zone.kind is ZoneKind.WELLHEAD
        ]
        self.inside: Flags = np.zeros((len(cards), len(self.zones)), np.bool_)
        self.entry_alarm: Flags = np.zeros((len(cards), len(depths.names)), np.bool_)
        self.heard: Flags = np.zeros(len(cards), np.bool_)
        self.open: dict[Key, Alarm] = {}
        self.state: dict[str, bytes] = {}
        self.sequence = 0
        #: How often alarms were raised, by family and card.
        self.raised: dict[str, Counter[str]] = {}
        #: Cards with an open alarm of a family.
        self.alarmed: dict[str, set[str]] = {}
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Of all events so far."""
        return self._digest.hexdigest()

    def is_open(self, rule: str, card: str = "", device: str = "", zone: str = "") -> bool:
        """Whether an alarm is open."""
        return (rule, card, device, zone) in self.open

    def raised_counts(self, rule: str) -> Ints:
        """(cards,): how often an alarm of a family was raised for each."""
        counts = np.zeros(len(self.cards), np.int64)
        for card, count in self.raised.get(rule, {}).items():
            counts[self.number[card]] = count
        return counts

    def mask(self, rule: str) -> Flags:
        """(cards,): who has an open alarm of a family."""
        mask = np.zeros(len(self.cards), np.bool_)
        mask[[self.number[card] for card in self.alarmed.get(rule, ())]] = True
        return mask

    def take(self, changes: Changes, heard_now: Flags) -> Iterator[Complaint]:
        """Takes what a step has told; `heard_now` are the cards in its batch."""
        self.heard |= heard_now
        for key, value in changes.state.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        for event in changes.events:
            self._digest.update(repr(event).encode())
            self.sequence += 1
            if event.sequence != self.sequence:
                text = f"event {self.sequence}"
                yield Complaint("sequence", "", "", text, f"event {event.sequence}")
                self.sequence = event.sequence
            if event.kind in _CROSSINGS:
                yield from self._cross(event, heard_now)
            elif event.kind is EventKind.ALARM_RAISED:
                yield from self._raise(event)
            elif event.kind is EventKind.ALARM_CLEARED:
                yield from self._clear(event)
            elif event.kind is EventKind.MINE_LEFT:
                yield from self._leave(event, heard_now)
        yield from self._add_up(changes)

    def _cross(self, event: Event, heard_now: Flags) -> Iterator[Complaint]:
        card, column = self.number[event.card], self._column[event.zone]
        entered = event.kind is EventKind.ZONE_ENTERED
        if self.inside[card, column] == entered:
            was = "was in" if entered else "was not in"
            found = f"{event.kind.name}, but the card {was} it"
            yield Complaint("alternates", event.card, event.zone, "in, then out", found)
        if not entered and not heard_now[card]:
            found = "it left a zone, and nothing was heard of it"
            yield Complaint("silent stays", event.card, event.zone, "a silent card stays", found)
        self.inside[card, column] = entered

    def _leave(self, event: Event, heard_now: Flags) -> Iterator[Complaint]:
        card = self.number[event.card]
        if not (heard_now[card] and self.inside[card, self.wellheads].any()):
            expected, found = "heard at a wellhead", "MINE_LEFT without"
            yield Complaint("leaves at wellhead", event.card, "", expected, found)

    def _raise(self, event: Event) -> Iterator[Complaint]:
        alarm = event.alarm
        assert alarm is not None
        key = (alarm.rule, alarm.card, alarm.device, alarm.zone)
        if key in self.open:
            found = f"{alarm.id} beside {self.open[key].id}"
            yield Complaint("one alarm", alarm.card, alarm.rule, "at most one open", found)
        self.open[key] = alarm
        if alarm.card:
            self.alarmed.setdefault(alarm.rule, set()).add(alarm.card)
            self.raised.setdefault(alarm.rule, Counter())[alarm.card] += 1
        self._mark(alarm, is_open=True)

    def _clear(self, event: Event) -> Iterator[Complaint]:
        alarm = event.alarm
        assert alarm is not None
        key = (alarm.rule, alarm.card, alarm.device, alarm.zone)
        before = self.open.pop(key, None)
        if before is None or before.id != alarm.id:
            found = f"{alarm.id} ended, open was {before.id if before else 'none'}"
            yield Complaint("ends what began", alarm.card, alarm.rule, "the open one", found)
        if alarm.end_t_ns is None or alarm.end_t_ns < alarm.start_t_ns:
            found = f"from {alarm.start_t_ns} to {alarm.end_t_ns}"
            yield Complaint("end after start", alarm.card, alarm.rule, "start, then end", found)
        others = (key for key in self.open if key[0] == alarm.rule and key[1] == alarm.card)
        if alarm.card and not any(others):
            self.alarmed[alarm.rule].discard(alarm.card)
        self._mark(alarm, is_open=False)

    def _mark(self, alarm: Alarm, *, is_open: bool) -> None:
        if alarm.rule in ENTRY_RULES.values():
            column = self._alarm_column[alarm.zone]
            self.entry_alarm[self.number[alarm.card], column] = is_open

    def _add_up(self, changes: Changes) -> Iterator[Complaint]:
        count = changes.headcount
        below = int((self.heard & ~self.inside[:, self.wellheads].any(axis=1)).sum())
        if count.underground != below:
            yield Complaint("headcount", "", "", f"{below} below", f"{count.underground}")
        by_zone = dict(zip(self.zones, self.inside.sum(axis=0).tolist(), strict=True))
        if dict(count.by_zone) != by_zone:
            wrong = [zone for zone in self.zones if count.by_zone.get(zone) != by_zone[zone]]
            found = str({zone: count.by_zone.get(zone) for zone in wrong})
            expected = str({zone: by_zone[zone] for zone in wrong})
            yield Complaint("by zone", "", ",".join(wrong), expected, found)
        silent = len(self.alarmed.get("signal_lost", ()))
        if count.silent != silent:
            yield Complaint("silent", "", "", f"{silent} by their alarms", f"{count.silent}")
        ids = {alarm.id for alarm in self.open.values()} if changes.alarms else set()
        for name, alarm in changes.alarms.items():
            if (alarm.state in OPEN) != (name in ids):
                expected = "open" if name in ids else "not open"
                yield Complaint("alarms told", alarm.card, name, expected, alarm.state.name)

    def compare(self, again: Changes, names: Iterable[str]) -> Iterator[Complaint]:
        """Compares with what a core says that was built anew of the kept state.

        `names`: the cards by the handles of that core.
        """
        cards = tuple(names)
        for handle, zones in again.zones.items():
            inside = self.inside[self.number[cards[handle]]]
            mine = {zone for zone, is_in in zip(self.zones, inside, strict=True) if is_in}
            if set(zones) != mine:
                expected, found = str(sorted(mine)), str(sorted(zones))
                yield Complaint("kept zones", cards[handle], "", expected, found)
        kept = {alarm.id for alarm in again.alarms.values() if alarm.state in OPEN}
        ids = {alarm.id for alarm in self.open.values()}
        if kept != ids:
            expected, found = str(sorted(ids - kept)), str(sorted(kept - ids))
            yield Complaint("kept alarms", "", "", f"also {expected}", f"besides {found}")
        below = int((self.heard & ~self.inside[:, self.wellheads].any(axis=1)).sum())
        if again.headcount.underground != below:
            found = str(again.headcount.underground)
            yield Complaint("kept headcount", "", "", str(below), found)
