"""What a client and a disk know of a run from what the core has told, and what must hold in it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.alarms.states import OPEN, AlarmState
from gateway.mine.change import Alarm, Changes, Event, EventKind, Flow
from gateway.mine.zones.occupancy import ENTRY_RULES
from gateway.soak.depths import Depths
from gateway.soak.walkers import Flags
from hil_sim.roadgraph import Ints
from positioning.mine_map import MineMap, ZoneKind

#: The mine itself, beside the ids of zones.
MINE: Final = ""

_CROSSINGS: Final = (EventKind.ZONE_ENTERED, EventKind.ZONE_LEFT)
#: In these the condition of an alarm that is open is over.
_LATCHED: Final = (AlarmState.LATCHED_ACKNOWLEDGED, AlarmState.LATCHED_UNACKNOWLEDGED)


def key_of(alarm: Alarm) -> AlarmKey:
    """What an alarm is about: at most one is open for each."""
    return AlarmKey(
        alarm.rule, alarm.card, alarm.device, alarm.zone, alarm.limit, alarm.hazard, alarm.machine
    )


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
    who has an alarm of being there; `heard`: (cards,), who was ever heard and is in someone's
    hands; `since_ns`: (cards,), since when each is below, 0 where it is not.
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
        self.since_ns: Ints = np.zeros(len(cards), np.int64)
        #: By the roster as it is now.
        self.leader: Flags = np.zeros(len(cards), np.bool_)
        self.open: dict[AlarmKey, Alarm] = {}
        self.by_id: dict[str, AlarmKey] = {}
        self._of_rule: defaultdict[str, dict[AlarmKey, None]] = defaultdict(dict)
        #: How many times anyone came in and went out, by zone.
        self._entered: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._flows: object = None
        #: Cards that operators have moved from hand to hand in the step at hand: old to new, or
        #: to none.
        self.handed: dict[str, str] = {}
        #: Of these since when they were below, as they were told out.
        self._handed_ns: dict[int, int] = {}
        #: Cards that were below already when they were given to whom they are now.
        self.joined: set[int] = set()
        self._borders_moved = False
        self.state: dict[str, bytes] = {}
        self.sequence = 0
        #: How often alarms were raised, and how many are open, by family and card: (cards,) each.
        self._raised: defaultdict[str, Ints] = defaultdict(self._none)
        self._alarmed: defaultdict[str, Ints] = defaultdict(self._none)
        self._digest = hashlib.sha256()

    def _none(self) -> Ints:
        return np.zeros(len(self.cards), np.int64)

    @property
    def digest(self) -> str:
        """Of all events so far."""
        return self._digest.hexdigest()

    def is_open(self, rule: str, card: str = "", device: str = "", zone: str = "") -> bool:
        """Whether an alarm is open and its condition lasts, as far as is told."""
        return self.lasts(AlarmKey(rule, card, device, zone))

    def lasts(self, key: AlarmKey) -> bool:
        """The same of a key."""
        alarm = self.open.get(key)
        return alarm is not None and alarm.state not in _LATCHED

    def of_rule(self, rule: str) -> Collection[AlarmKey]:
        """What the open alarms of a family are about."""
        return self._of_rule[rule]

    def raised_counts(self, rule: str) -> Ints:
        """(cards,), to read: how often an alarm of a family was raised for each."""
        return self._raised[rule]

    def mask(self, rule: str) -> Flags:
        """(cards,): who has an open alarm of a family."""
        return self._alarmed[rule] > 0

    def any_alarmed(self) -> Flags:
        """(cards,): who has an open alarm of any family."""
        counts = np.array([self._none(), *self._alarmed.values()])
        return np.asarray((counts > 0).any(axis=0))

    def alarmed(self, rule: str) -> list[str]:
        """Who has an open alarm of a family."""
        return [self.cards[card] for card in np.flatnonzero(self._alarmed[rule]).tolist()]

    def take(
        self, changes: Changes, heard_now: Flags, *, borders_moved: bool = False
    ) -> Iterator[Complaint]:
        """Takes what a step has told; `heard_now` are the cards in its batch."""
        self.heard |= heard_now
        self._borders_moved = borders_moved
        self._handed_ns.clear()
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
            elif event.kind is EventKind.ALARM_CHANGED:
                self._change(event)
            elif event.kind is EventKind.MINE_ENTERED:
                yield from self._come(event)
            elif event.kind is EventKind.MINE_LEFT:
                yield from self._leave(event, heard_now)
            elif event.kind in (EventKind.CARD_REPLACED, EventKind.CARD_RETURNED):
                self._hand_over(event)
        yield from self._add_up(changes)

    def _cross(self, event: Event, heard_now: Flags) -> Iterator[Complaint]:
        card, column = self.number[event.card], self._column[event.zone]
        entered = event.kind is EventKind.ZONE_ENTERED
        if self.inside[card, column] == entered:
            was = "was in" if entered else "was not in"
            found = f"{event.kind.name}, but the card {was} it"
            yield Complaint("alternates", event.card, event.zone, "in, then out", found)
        (self._entered if entered else self._left)[event.zone] += 1
        excused = event.card in self.handed or self._borders_moved
        if not entered and not heard_now[card] and not excused:
            found = "it left a zone, and nothing was heard of it"
            yield Complaint("silent stays", event.card, event.zone, "a silent card stays", found)
        self.inside[card, column] = entered

    def _come(self, event: Event) -> Iterator[Complaint]:
        card = self.number[event.card]
        if self.since_ns[card]:
            yield Complaint("comes once", event.card, "", "it was not below", "MINE_ENTERED again")
        self.since_ns[card] = event.event_t_ns
        self._entered[MINE] += 1

    def _leave(self, event: Event, heard_now: Flags) -> Iterator[Complaint]:
        card = self.number[event.card]
        at_wellhead = heard_now[card] and self.inside[card, self.wellheads].any()
        if not at_wellhead and event.card not in self.handed:
            expected, found = "heard at a wellhead", "MINE_LEFT without"
            yield Complaint("leaves at wellhead", event.card, "", expected, found)
        if not self.since_ns[card]:
            yield Complaint("leaves once", event.card, "", "it was below", "MINE_LEFT all the same")
        if event.card in self.handed and not at_wellhead:
            self._handed_ns[card] = int(self.since_ns[card])
        self.since_ns[card] = 0
        self._left[MINE] += 1

    def _hand_over(self, event: Event) -> None:
        """A card is nobody's any more, or its holder has another one now."""
        replaced = event.kind is EventKind.CARD_REPLACED
        names = [old for old, new in self.handed.items() if new == event.card]
        old = self.number[names[0] if replaced else event.card]
        if replaced:
            new = self.number[event.card]
            self.inside[new] |= self.inside[old]
            self.heard[new] |= self.heard[old]
            self.joined.discard(new)
            if self.since_ns[new]:
                self.joined.add(new)
            times = [*self.since_ns[[old, new]].tolist(), self._handed_ns.pop(old, 0)]
            self.since_ns[new] = min((one for one in times if one), default=0)
        self.inside[old], self.heard[old], self.since_ns[old] = False, False, 0

    def _change(self, event: Event) -> None:
        """An alarm is another card's now, or its condition is over or there again."""
        alarm = event.alarm
        assert alarm is not None
        before = self.by_id.get(alarm.id)
        if before is None:
            return
        self._close(before)
        if alarm.state in OPEN:
            self._open(alarm)

    def _raise(self, event: Event) -> Iterator[Complaint]:
        alarm = event.alarm
        assert alarm is not None
        key = key_of(alarm)
        if key in self.open:
            found = f"{alarm.id} beside {self.open[key].id}"
            yield Complaint("one alarm", alarm.card, alarm.rule, "at most one open", found)
        self._open(alarm)
        if alarm.card:
            self._raised[alarm.rule][self.number[alarm.card]] += 1

    def _clear(self, event: Event) -> Iterator[Complaint]:
        alarm = event.alarm
        assert alarm is not None
        key = key_of(alarm)
        before = self.open.get(key)
        if before is None or before.id != alarm.id:
            found = f"{alarm.id} ended, open was {before.id if before else 'none'}"
            yield Complaint("ends what began", alarm.card, alarm.rule, "the open one", found)
        if alarm.end_t_ns is None or alarm.end_t_ns < alarm.start_t_ns:
            found = f"from {alarm.start_t_ns} to {alarm.end_t_ns}"
            yield Complaint("end after start", alarm.card, alarm.rule, "start, then end", found)
        self._close(key)

    def _open(self, alarm: Alarm) -> None:
        key, beside = key_of(alarm), self.open.get(key_of(alarm))
        if beside:
            del self.by_id[beside.id]
        self.open[key], self.by_id[alarm.id] = alarm, key
        self._of_rule[key.rule][key] = None
        if alarm.card:
            self._alarmed[alarm.rule][self.number[alarm.card]] += 1
        self._mark(key, is_open=True)

    def _close(self, key: AlarmKey) -> None:
        alarm = self.open.pop(key, None)
        if alarm is None:
            return
        del self.by_id[alarm.id], self._of_rule[key.rule][key]
        if key.card:
            self._alarmed[key.rule][self.number[key.card]] -= 1
        self._mark(key, is_open=False)

    def _mark(self, key: AlarmKey, *, is_open: bool) -> None:
        if key.rule in ENTRY_RULES.values() and not key.machine:
            column = self._alarm_column[key.zone]
            self.entry_alarm[self.number[key.card], column] = is_open

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
        silent = int(self.mask("signal_lost").sum())
        if count.silent != silent:
            yield Complaint("silent", "", "", f"{silent} by their alarms", f"{count.silent}")
        yield from self._flow(changes.headcount.flows)
        for name, alarm in changes.alarms.items():
            if (alarm.state in OPEN) != (name in self.by_id):
                expected = "open" if name in self.by_id else "not open"
                yield Complaint("alarms told", alarm.card, name, expected, alarm.state.name)

    def attending(self, changes: Changes) -> Iterator[Complaint]:
        """Who is below by the ways in and out, once it is known who has which card."""
        below = self.since_ns > 0
        told = (changes.headcount.attending, changes.headcount.leaders)
        mine = (int(below.sum()), int((below & self.leader).sum()))
        if told != mine:
            yield Complaint("attending", "", "", f"{mine} (all, leaders)", f"{told}")

    def _flow(self, flows: Mapping[str, Flow]) -> Iterator[Complaint]:
        """What came in has gone out, or is there; each way was told by an event."""
        if flows is self._flows:
            return
        self._flows = flows
        inside = dict(zip(self.zones, self.inside.sum(axis=0).tolist(), strict=True))
        inside[MINE] = int((self.since_ns > 0).sum())
        for zone, count in inside.items():
            flow = flows.get(zone, Flow())
            told, mine = (flow.entered, flow.left), (self._entered[zone], self._left[zone])
            if told != mine or flow.entered - flow.left != count:
                expected = f"{mine} and {count} there"
                yield Complaint("in = out + below", "", zone or "the mine", expected, f"{told}")

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
        attending = int((self.since_ns > 0).sum())
        if again.headcount.attending != attending:
            found = str(again.headcount.attending)
            yield Complaint("kept attendance", "", "", str(attending), found)
        for zone, flow in again.headcount.flows.items():
            if (flow.entered, flow.left) != (self._entered[zone], self._left[zone]):
                ways = f"{self._entered[zone]} in, {self._left[zone]} out"
                yield Complaint("kept flows", "", zone, ways, str(flow))
