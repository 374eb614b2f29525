"""The mine core: one deterministic step from what was observed to what has changed.

`Mine.step` does no I/O and has no clock: the same batches at the same times give the same
changes, bit for bit. Order within a step: devices, fixes, calls for help, conflicts of readers
with fixes, values, zones with their alarms, vehicles and machines, cards that have fallen silent or
are heard again, who has come and gone, the muster, limits, routes, what cards and clocks are up to,
what is to be kept, anchors, what operators do, what is counted over shifts, hazards, what comes of
time alone, and risk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.mine.acts import ActBook, Doer
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.families import DEVICE_DOWN, SIGNAL_LOST
from gateway.mine.alarms.floods import FloodBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.change import ActKind, Batch, Changes, EventKind, Headcount
from gateway.mine.core_words import grown, late_notices, started_text
from gateway.mine.devices.anchors import JUDGE_EVERY_S, AnchorBook
from gateway.mine.devices.anchors import SAVE_PARTS as ANCHOR_SAVE_PARTS
from gateway.mine.devices.journal_watch import note_journal
from gateway.mine.devices.limits import Limits
from gateway.mine.devices.links import Links
from gateway.mine.devices.notices import NoticeBook
from gateway.mine.devices.readings import Readings
from gateway.mine.machines.vehicles import Vehicles
from gateway.mine.machines.watch import MachineWatch
from gateway.mine.muster.book import MusterBook
from gateway.mine.people.card_flags import CardFlags
from gateway.mine.people.card_kept import PARTS as PLACE_PARTS
from gateway.mine.people.card_kept import CardKeeper
from gateway.mine.people.cards import Cards, Entries
from gateway.mine.people.conflicts import ConflictBook
from gateway.mine.people.issue import Parts
from gateway.mine.people.lamp_room import LampRoom
from gateway.mine.people.roster import UNKNOWN_CARD, Roster
from gateway.mine.people.route_watch import RouteWatch
from gateway.mine.plan import MinePlan
from gateway.mine.prevention.book import Prevention
from gateway.mine.record import StepRecord
from gateway.mine.reloading import Reloading, hearing, readers_of, roadways_of
from gateway.mine.zones.occupancy import ENTRY_RULES, Occupancy
from positioning.anchor_health import faded
from positioning.locator import Locator
from positioning.observation import FIX, IdTable, Records, rows_of
from positioning.rounds import ends_of_rounds

SECOND_NS: Final = 1_000_000_000


#: Steps come every 0.2 s. Where two are further apart than this, the gateway itself stood still, or
#: the clock has leapt: no more than this counts as silence of a card or a device.
STEP_MOST_NS: Final = 2 * SECOND_NS


class Mine(Reloading):
    """Where everyone is, what is wrong, and what of it has changed."""

    def __init__(
        self, plan: MinePlan, table: IdTable, first_sequence: int, state: Mapping[str, bytes]
    ) -> None:
        """The mine as it was when `state` was kept (empty: a new one).

        `table` gives out the handles of cards in the batches; `first_sequence` is that of the
        next event.
        """
        self._plan = plan
        self._table = table
        self._next_sequence = first_sequence
        self._cards = Cards(
            table,
            silent_after_ns=round(plan.rules[SIGNAL_LOST].after_s * SECOND_NS),
            clock_tolerance_ns=round(plan.clock_tolerance_s * SECOND_NS),
        )
        self._keeper = CardKeeper(self._cards, table, roadways_of(plan))
        silent_after_s = plan.rules[SIGNAL_LOST].after_s
        self._floods = FloodBook(plan.flood, state, hearing(plan), silent_after_s)
        self._alarms = AlarmBook(plan.rules, state, self._floods)
        self._notices = NoticeBook()
        self._flags = CardFlags(self._cards, self._alarms, table)
        self._links = Links(plan.devices, plan.rules[DEVICE_DOWN], self._alarms)
        self._roster = Roster(plan.holders, table, self._cards)
        self._occupancy = Occupancy(plan.map, table, self._roster, self._cards, self._alarms)
        self._limits = Limits(plan, self._cards, self._roster, self._occupancy, self._alarms)
        self._readings = Readings(plan.limits, self._alarms)
        self._vehicles = Vehicles(plan.map, self._roster, self._occupancy, self._alarms)
        self._machines = MachineWatch(plan, self._roster, self._cards, self._alarms)
        self._routes = RouteWatch(
            plan,
            roster=self._roster,
            cards=self._cards,
            occupancy=self._occupancy,
            alarms=self._alarms,
            state=state,
        )
        self._muster = MusterBook(plan, self._cards, self._roster, self._occupancy, state)
        self._prevention = Prevention(plan, table, self._occupancy, self._alarms, state)
        parts = Parts(
            self._cards,
            self._roster,
            self._occupancy,
            self._alarms,
            self._muster,
            self._routes,
            self._machines,
            self._limits,
            self._vehicles,
        )
        self._room = LampRoom(plan, parts, state)
        self._acts = ActBook(self._alarms, state, self._doers())
        self._conflicts = ConflictBook(readers_of(plan), table)
        self._anchors = AnchorBook(plan.map)
        self._locator = Locator(plan.map, plan.card_height_m, plan.tracker)
        self._limited = (0, 0)  # up to which handle cards have their limit, by which roster
        self._speeds_m_s: dict[int, float] = {}  # those that are not the usual one
        self._told_ns = np.zeros(0, np.int64)  # by card, the time of a last place shown again
        self._now_ns, self._refusal = 0, ""
        self._kept = state

    def _doers(self) -> dict[ActKind, Doer]:
        """How operators' acts are done, but for those on alarms."""
        return {
            ActKind.MUSTER_OPEN: self._muster.do_open,
            ActKind.MUSTER_CLOSE: self._muster.do_close,
            ActKind.CONFIGURATION_RELOAD: lambda _act, _record: self._refusal,
            **self._prevention.doers,
            **self._room.issue.doers(),
        }

    def begin(self, now_ns: int, damage: Sequence[str] = ()) -> Changes:
        """The first changes, before any step: what is known from before, and the start itself.

        `damage` says, a sentence each, what of the time before could not be read; it is told.
        """
        record = StepRecord(self._next_sequence, now_ns)
        self._now_ns = now_ns
        kept, self._kept = self._kept, {}
        last_ns, zones = self._keeper.restore(kept, now_ns)
        self._recall(zones)
        self._machines.mount()
        self._cards.reserve()
        self._roster.reserve(self._alarms, record)
        self._limit_speeds()
        known = int((self._cards.heard_ns > 0).sum())
        text = started_text(known, last_ns, now_ns)
        record.event(EventKind.GATEWAY_STARTED, now_ns, text=text, count=known)
        for sentence in damage:
            record.event(EventKind.DATA_LOST, now_ns, text=sentence)
        self._note_configuration(kept, record)
        self._alarms.unlatch(record)
        self._links.drop_unknown(record)
        self._readings.drop_unknown(record)
        self._vehicles.drop_unknown(record)
        self._occupancy.restore(zones, record)
        self._machines.begin(kept, record)
        self._alarms.resume(now_ns)
        self._locator.restore(self._cards.last[self._cards.last["fix_class"] > 0])
        self._tell_lost(np.flatnonzero(self._cards.silent), record)
        self._limits.look(record)
        self._muster.begin(record)
        self._prevention.begin(record)
        self._keep(zones, record)
        self._keep_places(range(PLACE_PARTS), record)
        stats = self._anchors.restore(kept, record)
        self._locator.restore_anchor_stats(stats)
        anchors = self._anchors.judge(stats, record)
        shown = self._cards.shown()
        smoothed = shown if self._plan.lag_s else np.empty(0, FIX)
        record.alarms |= self._alarms.all()
        self._room.begin(kept, last_ns, record)
        return self._changes(record, Batch(), (shown, smoothed), zones, anchors)

    def step(self, batch: Batch, now_ns: int) -> Changes:
        """Takes all of `batch` at the time `now_ns`; a batch may be empty: time goes on."""
        record = StepRecord(self._next_sequence, now_ns)
        before_ns, self._now_ns = self._now_ns, now_ns
        self._pass_over(now_ns - before_ns)
        self._cards.reserve()
        self._roster.reserve(self._alarms, record)
        self._limit_speeds()
        self._links.note(batch.links, record)
        batch = replace(batch, measurements=self._cards.still_carried(batch.measurements))
        changed = set(self._note_heard(batch, now_ns))
        self._roster.note_heard(self._alarms, record)
        too_old = self._locator.rejections.too_old
        fixes = self._locator.locate(batch.measurements)
        late = late_notices(self._locator.rejections.too_old - too_old, now_ns)
        self._notices.note((*batch.notices, *late), record)
        rounds = ends_of_rounds(fixes)
        self._cards.place(rounds)
        changed.update(self._flags.note(batch.measurements, record))
        self._conflicts.note(self._locator.take_conflicts(), self._cards, record)
        self._readings.note(batch.samples, record)
        moved = self._occupancy.update(rounds, record)
        self._vehicles.look(rounds, record)
        self._machines.look(batch.samples, rounds, record)
        lost, back = self._note_silence(record)
        gone = self._room.attendance.look(record)
        changed.update(moved, lost, back, gone)
        self._muster.look(changed, record)
        self._limits.look(record)
        self._routes.look(record)
        self._room.watch(batch, self._anchors.misplaced, record)
        note_journal(batch.journal, self._alarms, record)
        seconds = range(before_ns // SECOND_NS, now_ns // SECOND_NS)
        self._keep(changed, record)
        self._keep_places((second % PLACE_PARTS for second in seconds[-PLACE_PARTS:]), record)
        self._anchors.note(batch.measurements, rounds)
        anchors = self._look_at_anchors(seconds, record)
        self._acts.take(batch.acts, record)
        issued = self._room.count(record)
        self._keep(issued, record)
        moved |= issued
        self._prevention.follow(record)
        self._alarms.tick(record)
        self._call_musters(record)
        self._prevention.weigh(record)
        again = self._shown_again(fixes, [*lost, *back, *issued])
        shown = np.concatenate([fixes, again]) if len(again) else fixes
        told = (shown, self._smoothed(again))
        return self._changes(record, batch, told, moved, anchors)

    def has_answered(self, request_id: str) -> bool:
        """Whether an act was asked for and answered before."""
        return self._acts.has_answered(request_id)

    def end(self, now_ns: int) -> Changes:
        """The last changes, after all steps: what was not yet told or kept."""
        record = StepRecord(self._next_sequence, now_ns)
        self._notices.tell_all(record)
        self._keep_places(range(PLACE_PARTS), record)
        self._anchors.save(self._locator.anchor_stats(), record)
        self._room.end(record)
        return self._changes(record, Batch(), (np.empty(0, FIX), np.empty(0, FIX)), ())

    def _call_musters(self, record: StepRecord) -> None:
        """Opens the musters that limits ask for."""
        for zones, by, reason in self._readings.musters(record):
            self._muster.demand(zones, by, reason, record)

    def _limit_speeds(self) -> None:
        """Gives cards their holders' speed limits: those that are new, and who has another card."""
        known, version = len(self._table), self._roster.version
        first = self._limited[0] if version == self._limited[1] else 0
        for card in range(first, known):
            listed = self._roster.listed(self._table.name(card))
            speed_m_s = self._plan.speeds_max_m_s.get(listed, 0.0)
            if speed_m_s != self._speeds_m_s.get(card, 0.0):
                self._locator.set_speed_max(card, speed_m_s)
                self._speeds_m_s[card] = speed_m_s
        self._limited = (known, version)

    def _look_at_anchors(self, seconds: range, record: StepRecord) -> Records | None:
        """Counts and keeps once a second, and judges now and then; then the health of all."""
        if not seconds:
            return None
        stats = self._locator.anchor_stats()
        listening = self._links.down.isdisjoint(self._plan.uwb_readers)
        self._anchors.note_second(stats, listening=listening)
        judged = None
        if seconds.start // JUDGE_EVERY_S != seconds.stop // JUDGE_EVERY_S:
            stats = faded(stats)
            self._locator.restore_anchor_stats(stats)
            judged = self._anchors.judge(stats, record)
        for second in seconds[-ANCHOR_SAVE_PARTS:]:
            self._anchors.save(stats, record, second % ANCHOR_SAVE_PARTS, ANCHOR_SAVE_PARTS)
        return judged

    def _smoothed(self, again: Records) -> Records:
        """The smoothed fixes, then the last places that are shown `again`.

        A card that is back after a silence may have one from before it: that is told no more.
        """
        if not self._plan.lag_s:
            return np.empty(0, FIX)
        lagged = self._locator.take_lagged()
        self._told_ns = grown(self._told_ns, len(self._cards.last))
        lagged = rows_of(lagged, lagged["t_ns"] > self._told_ns[lagged["card"]])
        self._told_ns[again["card"]] = again["t_ns"]
        return np.concatenate([lagged, again])

    def _recall(self, zones: dict[int, Entries]) -> None:
        """Takes up the cards of which only an open alarm is known: their own state was damaged.

        That a card is strange does not say that it is below.
        """
        damaged: set[int] = set()
        for key in self._alarms:
            if not key.card or key.rule == UNKNOWN_CARD:
                continue
            card = self._table.handle(key.card)
            self._cards.reserve()
            if card not in zones and not self._cards.gone_ns[card]:
                self._cards.recall(card, self._now_ns, silent=key.rule == SIGNAL_LOST)
                zones[card] = {}
                damaged.add(card)
            if card in damaged and key.rule in ENTRY_RULES.values() and key.zone:
                zones[card].setdefault(key.zone, self._now_ns)

    def _pass_over(self, passed_ns: int) -> None:
        """Leaves out a time in which the gateway did not listen."""
        away_ns = passed_ns - min(max(passed_ns, 0), STEP_MOST_NS)
        if away_ns:
            book = (self._notices, self._conflicts, self._alarms, self._machines, self._room)
            for timed in (self._cards, self._links, *book):
                timed.shift(away_ns)

    def _note_heard(self, batch: Batch, now_ns: int) -> list[int]:
        """Notes who was heard; returns those of whom nothing was known before."""
        measured = batch.measurements
        new: list[int] = self._cards.heard(measured["card"], measured["t_ns"], now_ns).tolist()
        return new

    def _note_silence(self, record: StepRecord) -> tuple[list[int], list[int]]:
        """Tells who has fallen silent and who is heard again; returns both."""
        lost, back = self._cards.note_silence(record.now_ns)
        for card in back.tolist():
            name = self._table.name(card)
            where = "at the wellhead" if self._cards.at_wellhead[card] else "heard again"
            key = AlarmKey(SIGNAL_LOST, card=name)
            self._alarms.close(key, record.now_ns, record, f"card {name} is {where}")
        self._tell_lost(lost, record)
        return lost.tolist(), back.tolist()

    def _shown_again(self, fixes: Records, changed: Sequence[int]) -> Records:
        """Last places of who is or was LOST: those whose silence has `changed`, and the late."""
        cards = fixes["card"]
        asked = {*changed, *cards[self._cards.silent[cards]].tolist()}
        if not asked:
            return np.empty(0, FIX)
        fresh = set(cards[~self._cards.silent[cards]].tolist())
        places = self._cards.shown()
        return rows_of(places, np.isin(places["card"], list(asked - fresh)))

    def _tell_lost(self, cards: NDArray[np.intp], record: StepRecord) -> None:
        """Raises `signal_lost` for these cards, where it is not open."""
        rule = self._plan.rules[SIGNAL_LOST]
        for card in cards.tolist():
            name = self._table.name(card)
            text = f"card {name} has not been heard for {rule.after_s:g} s; its last place stands"
            key = AlarmKey(SIGNAL_LOST, card=name)
            place = self._cards.last_place(card)
            self._alarms.open(key, record.now_ns, record, text, place)

    def _keep(self, cards: Collection[int], record: StepRecord) -> None:
        """Adds to the state what must outlive a restart of these cards."""
        ordered = sorted(cards)
        record.state |= self._keeper.entries(ordered, self._occupancy.entries_of(ordered))

    def _keep_places(self, parts: Iterable[int], record: StepRecord) -> None:
        """Adds to the state where the cards of these parts are."""
        for part in parts:
            record.state |= self._keeper.places(part)

    def _changes(
        self,
        record: StepRecord,
        batch: Batch,
        told: tuple[Records, Records],
        moved: Collection[int],
        anchors: Records | None = None,
    ) -> Changes:
        """What goes out; `told` are the fixes and the smoothed ones."""
        self._next_sequence = record.next_sequence
        underground, silent = self._cards.underground()
        leader = self._roster.leader
        leaders = int((leader & (self._cards.below_ns[: len(leader)] > 0)).sum())
        return Changes(
            now_ns=record.now_ns,
            headcount=Headcount(
                underground,
                silent,
                self._occupancy.counts(),
                leaders,
                shift=self._room.ledger.shifts.at(record.now_ns).name,
                attending=int(np.count_nonzero(self._cards.below_ns)),
                flows=self._room.ledger.flows.all(),
            ),
            fixes=told[0],
            lagged=told[1],
            anchors=anchors,
            events=tuple(record.events),
            zones=self._occupancy.zones_of(sorted(moved)),
            alarms=record.alarms,
            answers=tuple(record.answers),
            muster=self._muster.take(),
            visits=self._room.ledger.visits.take(),
            exposure=self._room.ledger.exposure.take(),
            issued=self._room.issue.take(),
            prevention=self._prevention.take(),
            state=record.state,
        )
