"""Person-minutes and robot-minutes by zone, shift and team: what 机械化换人 is measured by.

The time of each card in each zone is counted from the very moments of `ZONE_ENTERED` and
`ZONE_LEFT`, in whole nanoseconds, so that what all cards have spent in a zone is the sum of their
dwell times: exactly, also over a restart. The mine itself is a zone too, with the empty id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from gateway.mine.change import Event, EventKind
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.people.shift_exposure import (
    PEOPLE,
    SHARES,
    STATE_PREFIX,
    Share,
    ShiftExposure,
    add_share,
    recalled,
    state_key,
)
from gateway.mine.people.shifts import Shifts, ShiftSpan
from gateway.mine.record import StepRecord
from gateway.mine.zones.flows import MINE
from gateway.mine.zones.occupancy import Occupancy
from positioning.observation import IdTable

#: Zones without a crossing are kept within this time, some each second.
SAVE_PARTS: Final = 10

_S_NS: Final = 1_000_000_000
_INTO: Final = (EventKind.ZONE_ENTERED, EventKind.MINE_ENTERED)
_OUT: Final = (EventKind.ZONE_LEFT, EventKind.MINE_LEFT)


class ExposureBook:
    """Adds up who is where. Arrays over zones and teams; no object for each card."""

    def __init__(
        self,
        shifts: Shifts,
        most: int,
        *,
        roster: Roster,
        cards: Cards,
        occupancy: Occupancy,
        state: Mapping[str, bytes],
    ) -> None:
        """Takes up what was kept before a restart. The last `most` shifts are kept."""
        self._shifts = shifts
        self._most = most
        self._roster = roster
        self._cards = cards
        self._occupancy = occupancy
        self._zones = IdTable((*occupancy.zone_ids, MINE))
        self._teams = IdTable()
        self._spent: dict[ShiftSpan, NDArray[np.int64]] = {}
        kept = [recalled(v) for k, v in state.items() if k.startswith(STATE_PREFIX)]
        self._recall(kept)
        count = len(self._zones)
        self._until_ns = np.zeros(count, np.int64)  #: By zone: up to when all is counted.
        for one in kept:
            zone = self._zones.handle(one["zone"])
            self._until_ns[zone] = max(self._until_ns[zone], one["t_ns"])
        self._inside = np.zeros((64, count), np.bool_)  # by card and zone
        self._team = np.zeros(64, np.intp)
        self._known = 0  # cards up to this handle have their team
        self._quiet = np.zeros(64, np.bool_)  # who was counted as silent
        self._count = np.zeros((count, self._width, SHARES), np.int64)
        self._second = -1
        self._late: set[ShiftSpan] = set()  # what has come was of these, which are over
        #: Shifts that are over and not yet kept to their ends, and in which second that was seen:
        #: it may be long after, where the gateway stood still.
        self._over: dict[ShiftSpan, int] = {}
        self._told: set[ShiftSpan] = set(self._spent)
        #: By shift and zone: the teams of the entry that was kept last, and its first line.
        self._heads: dict[tuple[ShiftSpan, str], tuple[tuple[int, ...], bytes]] = {}

    @property
    def _width(self) -> int:
        """How many teams there is room for: a power of two, so that arrays grow rarely."""
        return max(8, 1 << (len(self._teams) - 1).bit_length())

    def begin(self, record: StepRecord) -> None:
        """Goes on after a restart. Nobody was heard meanwhile: who was there counts as silent."""
        self._reserve()
        handles = range(self._known)
        for card, entries in self._occupancy.entries_of(handles).items():
            for name in entries:
                self._inside[card, self._zones.handle(name)] = True
        mine = self._zones.handle(MINE)
        self._inside[: self._known, mine] = self._cards.below_ns[: self._known] > 0
        self._recount()
        until = self._until_ns.tolist()
        for zone, until_ns in enumerate(until):
            if not until_ns:
                continue  # nothing was kept of it: it begins now
            count = self._count[zone]
            for span, spent_ns in self._shifts.between(until_ns, record.now_ns):
                spent = self._of(span)[zone]
                spent[:, Share.SILENT] += count[:, PEOPLE].sum(axis=1) * spent_ns
                robots = count[:, (Share.ROBOT, Share.ROBOT_SILENT)].sum(axis=1)
                spent[:, Share.ROBOT_SILENT] += robots * spent_ns
        self._until_ns[:] = np.maximum(self._until_ns, record.now_ns)
        self._of(self._shifts.at(record.now_ns))
        self._second = record.now_ns // _S_NS
        self._trim(record)
        self._told |= set(self._spent)
        spans = sorted(self._spent, key=_start)
        since_ns = min([one for one in until if one], default=record.now_ns)
        changed = [span for span in spans if span.end_ns > since_ns]
        self._save(range(len(self._zones)), changed, record)

    def note(self, events: Sequence[Event], record: StepRecord) -> None:
        """Takes what was told since this was called last, and the time."""
        now_ns = record.now_ns
        crossings = [event for event in events if event.kind in (*_INTO, *_OUT)]
        second = now_ns // _S_NS
        if not crossings and second == self._second:
            return
        self._reserve()
        self._add_up(now_ns)
        touched = set()
        for event in crossings:
            zone = self._zones.find(event.zone)
            if zone is not None and zone < len(self._inside[0]):
                touched.add(zone)
                card = self._roster.handle(event.card)
                self._cross(card, zone, event.event_t_ns, enters=event.kind in _INTO)
        if second != self._second:
            seconds = range(self._second, second)[-SAVE_PARTS:]
            self._second = second
            self._note_silence()
            due = {one % SAVE_PARTS for one in seconds}
            touched |= {zone for zone in range(len(self._zones)) if zone % SAVE_PARTS in due}
            self._told.add(self._shifts.at(now_ns))
            self._trim(record)
        self._save(touched, self._unsaved(now_ns), record)
        self._late = set()
        # All zones were kept since: of what is over nothing more is to come but what comes late.
        self._over = {span: seen for span, seen in self._over.items() if second - seen < SAVE_PARTS}

    def save_all(self, record: StepRecord) -> None:
        """Keeps all zones: the gateway stops."""
        self._add_up(record.now_ns)
        self._save(range(len(self._zones)), self._unsaved(record.now_ns), record)

    def move(self, old: int, new: int) -> None:
        """A person's time goes on with another card: nobody has crossed anything."""
        self._reserve()
        self._inside[new] |= self._inside[old]
        self._inside[old] = False
        self._recount()

    def use(self, most: int, record: StepRecord) -> None:
        """Takes over the zones of another map and other shifts: what is counted stays counted.

        To be called when the shifts have been taken over, before crossings of the new zones come.
        """
        self._most, now_ns = most, record.now_ns
        span = self._shifts.at(now_ns)
        if span not in self._spent:  # those of until now are kept once more
            self._save(range(len(self._until_ns)), sorted(self._spent, key=_start)[-2:], record)
        size = len(self._until_ns)
        for zone in self._occupancy.zone_ids:
            self._zones.handle(zone)
        more = len(self._zones) - size
        if more:
            self._until_ns = np.pad(self._until_ns, (0, more), constant_values=now_ns)
            self._inside = np.pad(self._inside, ((0, 0), (0, more)))
            self._count = np.pad(self._count, ((0, more), (0, 0), (0, 0)))
            for span, spent in self._spent.items():
                self._spent[span] = np.pad(spent, ((0, more), (0, 0), (0, 0)))
        for before in [one for one in self._spent if one.start_ns == span.start_ns]:
            # It has another end or name now: what is kept by its start goes on with it.
            self._spent[span] = self._spent.pop(before)
        self._of(span)
        self._told.add(span)

    def reload(self, now_ns: int) -> None:
        """After a change of who has which card: what was until now is counted as it was."""
        self._reserve()
        self._add_up(now_ns)
        self._known = 0
        self._reserve()
        self._recount()

    def take(self) -> tuple[ShiftExposure, ...]:
        """The shifts that have changed since this was asked last, up to now."""
        if not self._told:
            return ()
        zones, teams = tuple(self._zones.names()), tuple(self._teams.names())
        told = sorted((one for one in self._told if one in self._spent), key=_start)
        self._told = set()
        t_ns = int(self._until_ns.max(initial=0))
        return tuple(
            ShiftExposure(span, zones, teams, self._of(span)[:, : len(teams)].copy(), t_ns)
            for span in told
        )

    def _recall(self, kept: list[dict[str, Any]]) -> None:
        for one in kept:
            self._zones.handle(one["zone"])
            for team in one["teams"]:
                self._teams.handle(team)
        for one in kept:
            spent = self._of(ShiftSpan(**one["shift"]))
            teams = [self._teams.handle(team) for team in one["teams"]]
            spent[self._zones.handle(one["zone"]), teams] = one["spent_ns"]

    def _of(self, span: ShiftSpan) -> NDArray[np.int64]:
        """(zones, teams, shares) of a shift, a new one where it has just begun."""
        spent = self._spent.get(span)
        if spent is None or spent.shape[1] != self._width:
            grown = np.zeros((len(self._zones), self._width, SHARES), np.int64)
            if spent is not None:
                grown[:, : spent.shape[1]] = spent
            self._spent[span] = spent = grown
        return spent

    def _unsaved(self, now_ns: int) -> list[ShiftSpan]:
        """The shifts of which not all is kept: that of now, and those that were over just now."""
        now = self._shifts.at(now_ns)
        self._of(now)
        before = (self._over.keys() | self._late) & self._spent.keys()
        return sorted({*before, now}, key=_start)

    def _reserve(self) -> None:
        """Makes room for all cards, and notes the teams of those that are new."""
        size, known = len(self._inside), len(self._roster.person)
        if size < known:
            more = max(known, 2 * size) - size
            self._inside = np.pad(self._inside, ((0, more), (0, 0)))
            self._team, self._quiet = np.pad(self._team, (0, more)), np.pad(self._quiet, (0, more))
        for card in range(self._known, known):
            holder = self._roster.holder(card)
            self._team[card] = self._teams.handle(holder.team if holder else "")
        self._known = known
        missing = self._width - self._count.shape[1]
        if missing:
            self._count = np.pad(self._count, ((0, 0), (0, missing), (0, 0)))

    def _add_up(self, now_ns: int) -> None:
        """Adds the time up to now, as it was counted last."""
        until_ns = int(self._until_ns.max())  # there is the mine itself, at least
        for span, spent_ns in self._shifts.between(until_ns, now_ns):
            spent = self._of(span)
            spent += self._shared() * spent_ns
            self._told.add(span)
            if span.end_ns <= now_ns:
                self._over[span] = now_ns // _S_NS
        self._until_ns[:] = max(now_ns, until_ns)

    def _shared(self) -> NDArray[np.int64]:
        """The counts, with people beside robots where there is one."""
        shared = self._count.copy()
        robots = self._count[:, :, Share.ROBOT].any(axis=1)
        shared[robots, :, Share.BESIDE_ROBOT] = shared[robots, :, Share.ALONE]
        shared[robots, :, Share.ALONE] = 0
        return shared

    def _recount(self) -> None:
        """Counts anew who is where and heard, or silent."""
        known, width = self._known, self._width
        self._quiet[:known] = self._cards.silent[:known]
        cards, zones = np.nonzero(self._inside[:known])
        shares = self._shares(cards)
        counted = shares >= 0
        where = (zones * width + self._team[cards]) * SHARES + shares
        cells = len(self._inside[0]) * width * SHARES
        count = np.bincount(where[counted], minlength=cells)
        self._count = count.reshape(len(self._inside[0]), width, SHARES)

    def _note_silence(self) -> None:
        """Counts who has fallen silent, or is heard again, as that: the others stay as they are."""
        silent = self._cards.silent[: self._known]
        changed = np.flatnonzero(self._quiet[: self._known] != silent)
        if not len(changed):
            return
        rows, zones = np.nonzero(self._inside[changed])
        cards = changed[rows]
        for step in (-1, 1):
            shares = self._shares(cards)
            counted = shares >= 0
            where = zones[counted], self._team[cards[counted]], shares[counted]
            np.add.at(self._count, where, step)
            self._quiet[changed] = silent[changed]

    def _shares(self, cards: NDArray[np.intp]) -> NDArray[np.intp]:
        """What each card's time is counted as, -1 for nothing: vehicles are neither."""
        quiet, person = self._quiet[cards], self._roster.person[cards]
        robot = ~person & ~self._roster.vehicle[cards]
        of_people = np.where(quiet, Share.SILENT, Share.ALONE)
        of_robots = np.where(quiet, Share.ROBOT_SILENT, Share.ROBOT)
        return np.where(person, of_people, np.where(robot, of_robots, -1)).astype(np.intp)

    def _cross(self, card: int, zone: int, t_ns: int, *, enters: bool) -> None:
        """A card came in, or went out, at `t_ns`, which is told only now."""
        until_ns = int(self._until_ns[zone])
        if self._inside[card, zone] == enters:
            return
        self._inside[card, zone] = enters
        if self._roster.vehicle[card]:
            return
        quiet, team = bool(self._quiet[card]), int(self._team[card])
        if self._roster.person[card]:
            share = Share.SILENT if quiet else Share.ALONE
        else:
            share = Share.ROBOT_SILENT if quiet else Share.ROBOT
        step = 1 if enters else -1
        self._count[zone, team, share] += step
        first_ns, last_ns = sorted((t_ns, until_ns))
        sign = step if t_ns <= until_ns else -step
        if share == Share.ALONE and self._count[zone, :, Share.ROBOT].any():
            share = Share.BESIDE_ROBOT
        for span, spent_ns in self._shifts.between(first_ns, last_ns):
            add_share(self._of(span)[zone, team], share, sign * spent_ns)
            if span.end_ns <= until_ns:
                self._late.add(span)
            self._told.add(span)

    def _trim(self, record: StepRecord) -> None:
        now = self._shifts.at(record.now_ns)
        for span in sorted(self._spent, key=_start)[: -self._most]:
            if span == now:  # other shifts were taken over: it began before those that are kept
                continue
            del self._spent[span]
            for zone in tuple(self._zones.names()):
                self._heads.pop((span, zone), None)
                record.state[state_key(span, zone)] = None

    def _save(self, zones: Iterable[int], spans: Sequence[ShiftSpan], record: StepRecord) -> None:
        """Keeps these zones in these shifts."""
        indices = sorted(zones)
        until_ns = self._until_ns.astype("<i8")
        for span in spans:
            spent = self._spent[span][indices].astype("<i8")
            used = (spent > 0).sum(axis=2) > 0
            for row, zone in enumerate(indices):
                teams = np.flatnonzero(used[row])
                if not len(teams) and span != spans[-1]:
                    continue
                name = self._zones.name(zone)
                head = self._head(span, name, tuple(teams.tolist()))
                packed = until_ns[zone].tobytes() + spent[row, teams].tobytes()
                record.state[state_key(span, name)] = head + packed

    def _head(self, span: ShiftSpan, zone: str, teams: tuple[int, ...]) -> bytes:
        """What an entry is about; most are written again and again with other times only."""
        before = self._heads.get((span, zone))
        if before and before[0] == teams:
            return before[1]
        names = self._teams.names()
        kept = {"zone": zone, "shift": asdict(span), "teams": [names[team] for team in teams]}
        head = to_json(kept) + b"\n"
        self._heads[span, zone] = teams, head
        return head


def _start(span: ShiftSpan) -> int:
    return span.start_ns
