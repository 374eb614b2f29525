"""Second cores beside the running one, which get the same and must tell the same.

One is built of the kept state, as after a restart; another is a copy whose configuration is read
again and has not changed. Each goes along for a while: so what was kept wrongly, or taken over
wrongly, is seen also where it shows late, as in delays, shelving, escalation and stays.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.mine.change import Batch, Changes
from gateway.mine.core import Mine
from gateway.mine.muster.card import Muster, MusterChange
from gateway.mine.people.shift_exposure import Share, ShiftExposure
from gateway.mine.plan import MinePlan
from gateway.mine.prepared import Reload, prepare
from gateway.soak.echo import echo, overheard
from gateway.soak.forgotten import give, place_alarms
from gateway.soak.ledger import Complaint
from positioning.observation import IdTable, Records

#: A second core goes along for so many steps.
LAST_STEPS: Final = 60
#: The shares of people's time, and of robots': which of them it is a restart may take for silence.
_KINDS: Final = (
    [Share.BESIDE_ROBOT, Share.ALONE, Share.SILENT],
    [Share.ROBOT, Share.ROBOT_SILENT],
)


class Restarted:
    """A core of the state that is kept by now.

    What a restart may forget it is given by the running one.
    """

    law = "as after a restart"

    def __init__(
        self, mine: Mine, plan: MinePlan, table: IdTable, state: Mapping[str, bytes]
    ) -> None:
        next_, now_ns, begins = mine._next_sequence, mine._now_ns, 1
        while True:  # its events go on with the same numbers
            self.table = IdTable(tuple(table.names()))
            self.mine = Mine(plan, self.table, next_ - begins, dict(state))
            place_alarms(self.mine, mine)
            began = self.mine.begin(now_ns)
            if len(began.events) == begins:
                break
            begins = len(began.events)
        # A muster takes in at once whom it finds below after a restart, else once that is sure.
        is_sure = began.headcount.attending == began.headcount.underground
        self.is_like = is_sure or not (began.muster and began.muster.muster.is_open)
        self._musters = _MusterView(began.muster), _MusterView(began.muster)
        give(self.mine, mine)

    def compare(self, told: Changes, found: Changes) -> Iterator[tuple[str, Any, Any]]:
        """What of a step is not the same."""
        yield from _differences(told, found)
        mine, own = self._musters
        yield "muster", mine.take(told.muster), own.take(found.muster)
        for one, other in zip(told.exposure, found.exposure, strict=True):
            yield "exposure", _summed(one), _summed(other)
        yield "risk", _risks(told), _risks(found)


class Reread:
    """A copy of the running core that is given the same configuration once more."""

    law = "as if nothing was read"

    def __init__(self, mine: Mine, plan: MinePlan, table: IdTable) -> None:
        self.table = IdTable(tuple(table.names()))
        memo: dict[int, Any] = {id(one): one for one in (plan, mine._locator)}
        memo[id(table)] = self.table
        self.mine = copy.deepcopy(mine, memo)
        echo(self.mine, mine)
        self.mine._next_sequence -= 1  # the only event of the reload has this number
        self.mine.reload(Reload("", prepare(plan, copy.deepcopy(plan))), mine._now_ns)
        echo(self.mine, mine)

    @staticmethod
    def compare(told: Changes, found: Changes) -> Iterator[tuple[str, Any, Any]]:
        """What of a step, and of what is kept of it, is not the same."""
        yield from _differences(told, found)
        yield "muster", told.muster, found.muster
        for one, other in zip(told.exposure, found.exposure, strict=True):
            yield "exposure", _summed(one), _summed(other)
            yield "shares", one.spent_ns.tobytes(), other.spent_ns.tobytes()
        yield "risk", _risks(told), _risks(found)
        yield "anchors", _bits(told.anchors), _bits(found.anchors)
        yield "state", told.state, found.state


class Shadows:
    """The second cores that go along at the time."""

    def __init__(self, every: int) -> None:
        """New ones are made every so many steps; 0: never."""
        self._every, self._steps = every, 0
        self._going: list[tuple[Restarted | Reread, int]] = []

    def begin(self, mine: Mine) -> None:
        """The running core is another one, or has another configuration."""
        self._going.clear()
        if self._every:
            overheard(mine)

    def ready(self, table: IdTable) -> None:
        """Takes the handles of the running core, before a step."""
        self._going = [one for one in self._going if _follows(one[0].table, table)]

    def follow(self, batch: Batch, changes: Changes) -> Iterator[Complaint]:
        """Takes a step of the running core."""
        for shadow, until in list(self._going):
            found = shadow.mine.step(batch, changes.now_ns)
            is_lost = _are_in_another_order(changes, found)
            complaint = None if is_lost else _complaint(shadow, changes, found)
            if complaint:
                yield complaint
            if complaint or is_lost or until <= self._steps:
                self._going.remove((shadow, until))
        self._steps += 1

    def make(self, mine: Mine, plan: MinePlan, table: IdTable, state: Mapping[str, bytes]) -> None:
        """Makes new ones, where it is time."""
        if self._every and self._steps % self._every == 0:
            self.restart(mine, plan, table, state)
            self._going.append((Reread(mine, plan, table), self._steps + LAST_STEPS))

    def restart(
        self, mine: Mine, plan: MinePlan, table: IdTable, state: Mapping[str, bytes]
    ) -> None:
        """Makes one of the kept state; with a new plan it goes on as what has taken that over."""
        if self._every:
            restarted = Restarted(mine, plan, table, state)
            if restarted.is_like:
                self._going.append((restarted, self._steps + LAST_STEPS))

    def end(self, changes: Changes) -> Iterator[Complaint]:
        """Takes the end of the running core."""
        for shadow, _ in self._going:
            complaint = _complaint(shadow, changes, shadow.mine.end(changes.now_ns))
            if complaint:
                yield complaint


class _MusterView:
    """The last muster as it was told: how each stands, without where they are."""

    def __init__(self, first: MusterChange | None) -> None:
        self._muster: Muster | None = None
        self._cards: dict[str, Any] = {}
        self.take(first)

    def take(self, change: MusterChange | None) -> tuple[Any, ...]:
        """Takes what was told; all that is known by now."""
        if change:
            self._muster = change.muster
            if change.fresh:
                self._cards = {}
            for card in change.cards:
                self._cards[card.card] = (card.number, card.is_person, card.changes)
        return self._muster, dict(self._cards)


def _follows(own: IdTable, table: IdTable) -> bool:
    """Gives out the same handles, if that is possible."""
    names = table.names()
    for name in names[len(own) :]:
        own.handle(name)
    return own.names() == names


def _are_in_another_order(told: Changes, found: Changes) -> bool:
    """Whether the same events have other numbers: what falls due in one step has no order."""
    words = [
        sorted(re.sub(r"-\d+'|sequence=\d+", "", repr(event)) for event in one.events)
        for one in (told, found)
    ]
    return told.events != found.events and words[0] == words[1]


def _complaint(shadow: Restarted | Reread, told: Changes, found: Changes) -> Complaint | None:
    for what, expected, other in shadow.compare(told, found):
        if expected != other and repr(expected) != repr(other):  # NaN is the same as NaN
            return Complaint(shadow.law, "", what, *_only(expected, other))
    return None


def _only(one: Any, other: Any) -> tuple[str, str]:
    """In words, what is only in one of them."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
        return str({key: one.get(key) for key in keys}), str({key: other.get(key) for key in keys})
    if isinstance(one, tuple) and isinstance(other, tuple):
        return str([x for x in one if x not in other]), str([x for x in other if x not in one])
    return str(one), str(other)


def _differences(told: Changes, found: Changes) -> Iterator[tuple[str, Any, Any]]:
    """What must be the same in any case."""
    for name in ("events", "alarms", "answers", "headcount", "zones", "visits", "issued"):
        yield name, getattr(told, name), getattr(found, name)
    yield "hazards", _hazards(told), _hazards(found)
    for name in ("fixes", "lagged"):
        yield name, _bits(getattr(told, name)), _bits(getattr(found, name))
    yield "shifts", len(told.exposure), len(found.exposure)


def _hazards(changes: Changes) -> dict[str, Any]:
    return dict(changes.prevention.hazards) if changes.prevention else {}


def _risks(changes: Changes) -> tuple[Any, ...]:
    risk = changes.prevention.risk if changes.prevention else None
    return () if risk is None else tuple(enumerate(risk.tolist()))


def _bits(rows: Records | None) -> list[bytes]:
    """Each column to the last bit; what lies between columns is not set."""
    return [] if rows is None else [rows[name].tobytes() for name in rows.dtype.names or ()]


def _summed(one: ShiftExposure) -> tuple[Any, ...]:
    """The time in each zone, of people and of robots; (zones,) each."""
    spent = [one.spent_ns[:, :, shares].sum(axis=(1, 2)).tolist() for shares in _KINDS]
    return one.shift, one.zones, one.t_ns, spent
