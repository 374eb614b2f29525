"""The mine core: one deterministic step from what was observed to what has changed.

`Mine.step` does no I/O and has no clock: the same batches at the same times give the same
changes, bit for bit. Order within a step: devices, cards that were heard, fixes, zones with their
alarms, cards that have fallen silent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np

from gateway.mine.alarms import AlarmBook, AlarmKey
from gateway.mine.cards import Cards
from gateway.mine.change import Batch, Changes, EventKind, Headcount
from gateway.mine.links import Links
from gateway.mine.notices import NoticeBook
from gateway.mine.occupancy import Occupancy
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from positioning.locator import Locator
from positioning.observation import FIX, FixClass, IdTable, Records

SECOND_NS: Final = 1_000_000_000

#: All cards are kept within this many seconds, one part of them each second, so that no single
#: step pays for all.
SAVE_PARTS: Final = 5


class Mine:
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
        self._cards = Cards(table)
        self._alarms = AlarmBook(state)
        self._notices = NoticeBook()
        self._links = Links(plan.devices, plan.device_down, self._alarms)
        self._occupancy = Occupancy(plan.map.zones, plan.restricted_entry, table)
        self._locator = Locator(plan.map, plan.card_height_m)
        self._kept_second = 0
        self._kept = state

    def begin(self, now_ns: int, damage: Sequence[str] = ()) -> Changes:
        """The first changes, before any step: what is known from before, and the start itself.

        `damage` says, a sentence each, what of the time before could not be read; it is told.
        """
        record = StepRecord(self._next_sequence, now_ns)
        last_ns, zones = self._cards.restore(self._kept, now_ns)
        self._kept = {}
        text = "the gateway has started with an empty mine"
        if zones:
            away_s = (now_ns - last_ns) / SECOND_NS
            text = f"the gateway goes on with {len(zones)} cards, last heard {away_s:.1f} s ago"
        record.event(EventKind.GATEWAY_STARTED, now_ns, text=text, count=len(zones))
        for sentence in damage:
            record.event(EventKind.DATA_LOST, now_ns, text=sentence)
        self._links.drop_unknown(record)
        self._occupancy.restore(zones, self._cards, self._alarms, record)
        known = self._cards.last[self._cards.last["fix_class"] > 0]
        self._locator.restore(known[known["fix_class"] != FixClass.ZONE])
        self._keep(zones, record)
        return self._changes(record, Batch(), known, zones)

    def step(self, batch: Batch, now_ns: int) -> Changes:
        """Takes all of `batch` at the time `now_ns`; a batch may be empty: time goes on."""
        record = StepRecord(self._next_sequence, now_ns)
        self._cards.reserve()
        self._links.note(batch.links, record)
        self._notices.note(batch.notices, record)
        told = set(self._note_heard(batch, record))
        fixes = self._locator.locate(batch.ranges, batch.sightings)
        self._cards.place(fixes)
        moved = self._occupancy.update(fixes, self._cards, self._alarms, record)
        lost = self._note_silence(record)
        self._keep(told | moved | set(lost["card"].tolist()), record)
        fixes = np.concatenate([fixes, lost]) if len(lost) else fixes
        return self._changes(record, batch, fixes, moved)

    def _note_heard(self, batch: Batch, record: StepRecord) -> list[int]:
        """Notes who was heard; returns those who had been silent, whose alarm ends."""
        heard = np.concatenate([batch.ranges["card"], batch.sightings["card"]])
        back: list[int] = self._cards.heard(heard, record.now_ns).tolist()
        for card in back:
            name = self._table.name(card)
            text = f"card {name} is heard again"
            self._alarms.close(AlarmKey("signal_lost", card=name), record.now_ns, record, text)
        return back

    def _note_silence(self, record: StepRecord) -> Records:
        """Raises `signal_lost` for who has fallen silent; returns their last places as LOST."""
        rule = self._plan.signal_lost
        silent = self._cards.newly_silent(record.now_ns, round(rule.after_s * SECOND_NS))
        for card in silent.tolist():
            name = self._table.name(card)
            text = f"card {name} has not been heard for {rule.after_s:g} s; its last place stands"
            key = AlarmKey("signal_lost", card=name)
            self._alarms.open(key, rule.level, record.now_ns, record, text)
        lost = self._cards.last[silent]
        lost = lost[lost["fix_class"] > 0]
        lost["fix_class"] = FixClass.LOST
        self._cards.place(lost)
        return lost

    def _keep(self, changed: Collection[int], record: StepRecord) -> None:
        """Adds to the state what must outlive a restart: who has changed, and a part of all."""
        second = record.now_ns // SECOND_NS
        keep = set(changed)
        if second != self._kept_second:
            self._kept_second = second
            keep.update(self._cards.unsaved(second % SAVE_PARTS, SAVE_PARTS).tolist())
        ordered = sorted(keep)
        record.state |= self._cards.state_of(ordered, self._occupancy.zones_of(ordered))

    def _changes(
        self, record: StepRecord, batch: Batch, fixes: Records, moved: Collection[int]
    ) -> Changes:
        self._next_sequence = record.next_sequence
        underground, silent = self._cards.underground()
        return Changes(
            now_ns=record.now_ns,
            headcount=Headcount(underground, silent, self._occupancy.counts()),
            fixes=fixes if len(fixes) else np.empty(0, FIX),
            events=tuple(record.events),
            zones=self._occupancy.zones_of(sorted(moved)),
            samples=batch.samples,
            links=batch.links,
            state=record.state,
        )
