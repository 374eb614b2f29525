"""Attendance and exposure, added up from the events alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from gateway.mine.change import Changes, EventKind
from gateway.mine.people.shift_exposure import Share, ShiftExposure
from gateway.mine.zones.visits import Visit
from gateway.soak.holding import Holding
from gateway.soak.ledger import MINE, Complaint, Ledger
from gateway.soak.plan import SHIFT_NAMES, START_NS

_HOUR_NS: Final = 3_600_000_000_000
#: Who came in by a clock that is ahead is counted from then on: until then less than nothing.
LEAST_NS: Final = -30_000_000_000
_MINUTE_NS: Final = 60_000_000_000
_DAY_NS: Final = 24 * _HOUR_NS
_EARLY_NS: Final = _HOUR_NS
_PEOPLE: Final = (Share.BESIDE_ROBOT, Share.ALONE, Share.SILENT)
_ROBOTS: Final = (Share.ROBOT, Share.ROBOT_SILENT)
_OF_MINE: Final = (EventKind.MINE_ENTERED, EventKind.MINE_LEFT)
_STEP: Final = {
    EventKind.ZONE_ENTERED: 1,
    EventKind.MINE_ENTERED: 1,
    EventKind.ZONE_LEFT: -1,
    EventKind.MINE_LEFT: -1,
}


class _Sum:
    """How long those of one kind were in each zone: the sum of their dwell times, exactly."""

    def __init__(self, zones: int) -> None:
        # Python's numbers: they don't overflow.
        self.spent_ns = [0] * zones  # as if all who are there had come at time 0
        self.count = [0] * zones

    def cross(self, zone: int, t_ns: int, step: int) -> None:
        self.spent_ns[zone] -= step * t_ns
        self.count[zone] += step

    def until_ns(self, zone: int, t_ns: int) -> int:
        return self.spent_ns[zone] + self.count[zone] * t_ns


class Books:
    """Compares visits and exposure with the ways in and out."""

    def __init__(self, ledger: Ledger, holding: Holding, starts_min: Sequence[int]) -> None:
        """`starts_min`: at which minutes of the day shifts begin."""
        self._ledger, self._holding = ledger, holding
        self._starts_ns = [minute * _MINUTE_NS for minute in starts_min]
        self._zones = (*ledger.zones, MINE)
        self._index = {zone: index for index, zone in enumerate(self._zones)}
        self._people, self._robots = _Sum(len(self._zones)), _Sum(len(self._zones))
        self._told: dict[int, ShiftExposure] = {}
        self._same: set[int] = set()  # shifts that are over, and were told once more as they were
        self._visits: dict[tuple[int, str], Visit] = {}
        self._open: dict[str, Visit] = {}
        self.reload()

    def reload(self) -> None:
        """It has changed who has which card."""
        self._person = self._holding.person
        self._robot = ~self._person & ~self._holding.mask("is_vehicle")

    def restarted(self) -> None:
        """A core that began has told once more all that it keeps."""
        self._same.clear()

    def check(self, changes: Changes, *, handed: bool) -> Iterator[Complaint]:
        """Takes the events of a step, after the ledger; `handed`: cards have changed hands."""
        number = self._ledger.number
        for event in changes.events:
            step = _STEP.get(event.kind)
            if step:
                card, zone = number[event.card], self._index[event.zone]
                if self._person[card]:
                    self._people.cross(zone, event.event_t_ns, step)
                elif self._robot[card]:
                    self._robots.cross(zone, event.event_t_ns, step)
        if handed:
            self.reload()
            self._count_anew(changes.now_ns)
        if changes.exposure:
            yield from self._exposure(changes.exposure)
        if changes.visits or any(event.kind in _OF_MINE for event in changes.events):
            yield from self._visit(changes)
        shift = self._shift_at(changes.now_ns)
        if changes.headcount.shift != shift:
            yield Complaint("shift", "", "", shift, changes.headcount.shift)

    def _count_anew(self, now_ns: int) -> None:
        inside = np.column_stack([self._ledger.inside, self._ledger.since_ns > 0])
        for sums, mask in ((self._people, self._person), (self._robots, self._robot)):
            for zone, count in enumerate(inside[mask].sum(axis=0).tolist()):
                sums.cross(zone, now_ns, count - sums.count[zone])

    def _exposure(self, told: tuple[ShiftExposure, ...]) -> Iterator[Complaint]:
        for one in told:
            yield from self._is_sound(one, t_ns=max(one.t_ns for one in told))
        self._told |= {one.shift.start_ns: one for one in told}
        t_ns = max(one.t_ns for one in told)
        for kind, shares, sums in (
            ("people", _PEOPLE, self._people),
            ("robots", _ROBOTS, self._robots),
        ):
            found = np.zeros(len(self._zones), np.int64)
            for one in self._told.values():
                spent_ns = one.spent_ns[:, :, list(shares)].sum(axis=(1, 2))
                for zone, spent in zip(one.zones, spent_ns.tolist(), strict=True):
                    found[self._index[zone]] += spent
            for index, spent in enumerate(found.tolist()):
                mine = sums.until_ns(index, t_ns)
                if mine != spent:
                    expected = f"{mine / 1e9:.3f} s of {kind}"
                    where = self._zones[index] or "the mine"
                    yield Complaint("exposure", "", where, expected, f"{spent / 1e9:.3f} s")

    def _is_sound(self, one: ShiftExposure, t_ns: int) -> Iterator[Complaint]:
        """No time is less than none, and a shift that is over is told where something is new."""
        if (one.spent_ns < LEAST_NS).any():
            yield Complaint(
                "spent", "", one.shift.name, "no less than none", str(one.spent_ns.min())
            )
        before, span = self._told.get(one.shift.start_ns), one.shift
        if (
            self._shift_at(span.start_ns) != span.name
            or self._shift_at(span.end_ns - 1) != span.name
        ):
            yield Complaint("shift's span", "", span.name, "that of the plan", str(span))
        over = before is not None and span.end_ns <= min(before.t_ns, t_ns)
        if not (over and before and np.array_equal(before.spent_ns, one.spent_ns)):
            self._same.discard(span.start_ns)
        elif span.start_ns not in self._same:  # what was added may have been taken away again
            self._same.add(span.start_ns)
        else:
            yield Complaint("shift is over", "", span.name, "nothing is told anew", "the same")

    def _visit(self, changes: Changes) -> Iterator[Complaint]:
        for key in changes.visits:
            before = self._visits.pop(key, None)
            if before and self._open.get(before.card) == before:
                del self._open[before.card]
        for key, visit in changes.visits.items():
            if visit is None:
                continue
            self._visits[key] = visit
            if visit.out_ns is None:
                self._open[visit.card] = visit
                yield from self._as_below(visit)
            elif visit.out_ns < visit.in_ns:
                yield Complaint("visit", visit.card, "", "in, then out", str(visit))
            shift = self._shift_at(visit.in_ns + _EARLY_NS)
            if visit.shift.name != shift:
                yield Complaint("visit's shift", visit.card, "", shift, visit.shift.name)
        since_ns, cards = self._ledger.since_ns, self._ledger.cards
        below = {cards[card] for card in np.flatnonzero((since_ns > 0) & self._person).tolist()}
        for card in below ^ self._open.keys():
            expected = "one that goes on" if card in below else "none that goes on"
            yield Complaint("visits", card, "", expected, "otherwise")

    def _as_below(self, visit: Visit) -> Iterator[Complaint]:
        card = self._ledger.number[visit.card]
        since_ns, person = int(self._ledger.since_ns[card]), self._holding.persons.get(visit.card)
        # Who is not on the roster, or was not when they came down, is nobody known.
        is_theirs = not person or visit.person in ("", person)
        if visit.in_ns != since_ns or not is_theirs:
            yield Complaint("visit's", visit.card, "", f"{since_ns}, of {person}", str(visit))

    def _shift_at(self, t_ns: int) -> str:
        """The first shift begins when the soak does."""
        number = bisect_right(self._starts_ns, (t_ns - START_NS) % _DAY_NS) - 1
        return SHIFT_NAMES[number % len(SHIFT_NAMES)]
