"""What a muster says of itself: that it is told, is the one that was asked for, and adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.mine.change import Act, ActKind, Changes, Event, EventKind
from gateway.mine.muster.card import Muster, MusterCard, MusterChange, MusterState
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.walkers import Flags

_DRILL: Final = "drill"
_TOLD: Final = (EventKind.MUSTER_OPENED, EventKind.MUSTER_CLOSED)


class MusterLaws:
    """The muster as it was told last, with all whom it concerns."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._muster: Muster | None = None
        self._cards: dict[str, MusterCard] = {}
        self._ids: set[str] = set()
        #: By the roster as it is now.
        self.person: Flags = np.zeros(len(ledger.cards), np.bool_)

    def check(self, changes: Changes) -> Iterator[Complaint]:
        """Compares after a step, or a start."""
        before, change = self._muster, changes.muster
        for event in changes.events:
            if event.kind in _TOLD:
                yield from self._is_told(event, change)
        if change:
            yield from self._take(change, changes)
        muster = self._muster
        for event in changes.events:
            drills = {one.drill for one in (before, muster) if one}
            if event.kind is EventKind.MUSTER_SAFE and event.drill not in drills:
                yield Complaint("drill", event.card, event.zone, str(drills), str(event.drill))
        for answer in changes.answers:
            if answer.act.kind is ActKind.MUSTER_OPEN and not (answer.refusal or answer.again):
                yield from self._as_asked(answer.act, changes.now_ns)

    def _is_told(self, event: Event, change: MusterChange | None) -> Iterator[Complaint]:
        if change is None:
            yield Complaint("muster told", "", event.kind.name, "the muster as it is now", "none")
        elif event.kind is EventKind.MUSTER_OPENED and change.fresh and change.muster.is_open:
            said, muster = (event.count, event.drill), change.muster
            if said != (len(change.cards), muster.drill):
                found = f"{len(change.cards)} cards, drill: {muster.drill}"
                yield Complaint("muster opened", "", muster.id, str(said), found)

    def _take(self, change: MusterChange, changes: Changes) -> Iterator[Complaint]:
        before, muster = self._muster, change.muster
        if before is None or before.id != muster.id:
            if muster.id in self._ids:
                yield Complaint("muster's id", "", muster.id, "a new one", "one of before")
            closed = any(event.kind is EventKind.MUSTER_CLOSED for event in changes.events)
            if before and before.is_open and not (before.drill or closed):
                yield Complaint("one muster", "", muster.id, "none: another is open", "it")
            self._ids.add(muster.id)
            self._cards = {}
            if not change.fresh:
                yield Complaint("muster fresh", "", muster.id, "all its cards", "some")
        elif not before.is_open and muster.is_open:
            yield Complaint("muster over", "", muster.id, "it is closed", "it is open")
        is_after = (muster.close_t_ns or 0) >= muster.open_t_ns
        if not muster.is_open and not (muster.closed_by and is_after):
            yield Complaint("muster closed", "", muster.id, "by someone, later", str(muster))
        known = {} if change.fresh else dict(self._cards)
        for card in change.cards:
            yield from self._card(card, changes.now_ns, muster)
            known[card.card] = card
        if change.fresh and not self._cards.keys() <= known.keys():
            lost = str(sorted(self._cards.keys() - known.keys()))
            yield Complaint("muster goes on", "", muster.id, "all its cards", f"without {lost}")
        self._muster, self._cards = muster, known
        numbers = sorted(card.number for card in known.values())
        if numbers != list(range(1, len(numbers) + 1)):
            yield Complaint("muster's numbers", "", muster.id, "1, 2, 3 ...", str(numbers))
        people = Counter(card.state for card in known.values() if card.is_person)
        told = {state: count for state, count in muster.people.items() if count}
        if told != dict(people):
            yield Complaint("muster's people", "", muster.id, str(dict(people)), str(told))

    def _card(self, card: MusterCard, now_ns: int, muster: Muster) -> Iterator[Complaint]:
        before, ledger = self._cards.get(card.card), self._ledger
        number = ledger.number[card.card]
        if before and before.number != card.number:
            expected, found = str(before.number), str(card.number)
            yield Complaint("muster's number", card.card, muster.id, expected, found)
        was = before.changes if before else ()
        times = [t_ns for _, t_ns in card.changes]
        begins = times[0] >= muster.open_t_ns or len(times) > len(was)
        twice = any(a[0] is b[0] for a, b in zip(card.changes, card.changes[1:], strict=False))
        if times != sorted(times) or times[-1] > now_ns or twice or not begins:
            yield Complaint("muster's times", card.card, muster.id, "one after another", str(times))
        if before and before.changes[-1] not in card.changes:
            found = str(card.changes)
            yield Complaint("muster's times", card.card, muster.id, f"{was[-1]}, and more", found)
        if card.is_person is not bool(self.person[number]):
            found = str(card.is_person)
            yield Complaint("muster's people", card.card, muster.id, "as on the roster", found)
        inside = ledger.inside[number]
        mine = {zone for zone, is_in in zip(ledger.zones, inside, strict=True) if is_in}
        if muster.is_open and set(card.zones) != mine:
            expected, found = str(sorted(mine)), str(sorted(card.zones))
            yield Complaint("muster's zones", card.card, muster.id, expected, found)
        is_safe = card.state is MusterState.SAFE
        if muster.is_open and is_safe == bool(card.way or card.cut_off):
            expected = "a way out, or why not, of who is not safe"
            yield Complaint("muster's way", card.card, muster.id, expected, str(card))

    def _as_asked(self, act: Act, now_ns: int) -> Iterator[Complaint]:
        muster = self._muster
        mode, *zones = act.subject.split("/")
        asked = (act.operator, act.note, tuple(zones), mode == _DRILL, now_ns)
        told = muster and (
            muster.opened_by,
            muster.reason,
            muster.zones,
            muster.drill,
            muster.open_t_ns,
        )
        if told != asked:
            yield Complaint("muster as asked", "", act.subject, str(asked), str(told))
