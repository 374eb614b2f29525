"""The muster: who must leave, who is on the way, who is safe, and of whom nothing is heard.

At most one is open. Nobody is taken to be safe who was not located in a refuge or at a wellhead,
and who falls silent in a refuge is unaccounted for like anyone else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from gateway.mine.change import Act, EventKind
from gateway.mine.muster.card import (
    CARD_PREFIX,
    CHANGES_MOST,
    MUSTER_KEY,
    Muster,
    MusterCall,
    MusterCard,
    MusterChange,
    MusterState,
    call_of,
    keep_card,
    keep_muster,
    recall_card,
    recall_muster,
)
from gateway.mine.muster.roll import Roll
from gateway.mine.muster.ways import MusterWays
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from gateway.mine.zones.occupancy import Occupancy

_S_NS: Final = 1_000_000_000


class MusterBook:
    """The muster that is open, or the last one, with all whom it concerns, by handle."""

    def __init__(
        self,
        plan: MinePlan,
        cards: Cards,
        roster: Roster,
        occupancy: Occupancy,
        state: Mapping[str, bytes],
    ) -> None:
        """Takes up the muster of before a restart; it goes on with `begin`."""
        self._cards = cards
        self._roster = roster
        self._occupancy = occupancy
        self._zones = {zone.id: zone for zone in plan.map.zones}
        self._roadways = [roadway.id for roadway in plan.map.roadways]
        self._ways = MusterWays(plan.map, plan.card_height_m)
        self._muster: Muster | None = None
        self._entries: dict[int, MusterCard] = {}
        self._roll = Roll()
        self._safe: frozenset[str] = frozenset()
        self._danger: frozenset[str] = frozenset()
        #: Those who are heard again and not yet located.
        self._unsure: set[int] = set()
        self._second = -1
        self._changed: set[int] = set()
        self._is_fresh = False
        self._is_told = True
        if MUSTER_KEY in state:
            self._muster = recall_muster(state[MUSTER_KEY])
        kept = [recall_card(v) for k, v in state.items() if k.startswith(CARD_PREFIX)]
        for card in sorted(kept, key=lambda card: card.number):
            self._put(roster.handle(card.card), card)
        #: The last number given out. Some may be missing: what was kept of them was damaged.
        self._last_number = max((card.number for card in kept), default=0)

    def _put(self, card: int, entry: MusterCard) -> None:
        self._entries[card] = entry
        self._roll.put(card, entry)

    @property
    def muster(self) -> Muster | None:
        """The one that is open, or the last one."""
        return self._muster

    def is_missing(self, card: int) -> bool:
        """Whether a muster that is open concerns a card, and it is not safe."""
        entry = self._entries.get(card)
        is_open = self._muster is not None and self._muster.is_open
        return is_open and entry is not None and entry.state is not MusterState.SAFE

    def concerns(self, card: int) -> bool:
        """Whether a muster that is open concerns a card, safe or not."""
        return self._muster is not None and self._muster.is_open and card in self._entries

    def begin(self, record: StepRecord) -> None:
        """Goes on after a restart, with the map as it is now."""
        if self._muster is None:
            return
        self._is_fresh, self._is_told = True, False
        if not self._muster.is_open:
            return
        self._look_around(self._muster)
        now_ns = record.now_ns
        for card, entry in self._entries.items():  # the clock may have been set back
            times = ((state, min(t_ns, now_ns)) for state, t_ns in entry.changes)
            self._put(card, replace(entry, changes=tuple(times)))
        self._follow([*self._entries, *self._concerned(self._muster)], record)
        self._tell(self._entries)

    def reload(self, plan: MinePlan, ways: MusterWays | None, record: StepRecord) -> None:
        """Takes over another map, after the zones; `ways` None: it is the same map."""
        self._zones = {zone.id: zone for zone in plan.map.zones}
        self._roadways = [roadway.id for roadway in plan.map.roadways]
        for card, entry in self._entries.items():
            is_person = bool(self._roster.person[card])
            if entry.is_person is not is_person:
                now = replace(entry, is_person=is_person)
                self._put(card, now)
                self._changed.add(card)
                record.state[CARD_PREFIX + now.card] = keep_card(now)
        if ways is None:
            return
        self._ways = ways
        self.begin(record)

    def do_open(self, act: Act, record: StepRecord) -> str:
        """Opens a muster for an operator. Returns why not, or nothing."""
        call = call_of(act.subject)
        if call is None:
            return f"{act.subject!r} says not who is to be mustered"
        return self.open(call, act.operator, act.note, record)

    def do_close(self, act: Act, record: StepRecord) -> str:
        """Closes a muster for an operator. Returns why not, or nothing."""
        return self.close(act.subject, act.operator, act.note, record)

    def open(self, call: MusterCall, by: str, reason: str, record: StepRecord) -> str:
        """Opens a muster. Returns why not, or nothing.

        A drill that is open makes way for what is in earnest.
        """
        unknown = [zone for zone in call.zones if zone not in self._zones]
        if unknown:
            return f"there is no zone {unknown[0]!r} on the map"
        if not reason.strip():
            return "say in the note why people are mustered"
        before = self._muster
        if before and before.is_open:
            if call.drill or not before.drill:
                kind = "drill" if before.drill else "muster"
                return f"{kind} {before.id} of {before.opened_by} is open: close it first"
            self._end(before, by, "it is in earnest now", record)
        for entry in self._entries.values():
            record.state[CARD_PREFIX + entry.card] = None
        self._entries.clear()
        self._roll.clear()
        self._last_number = 0
        self._changed.clear()
        self._unsure.clear()
        muster = Muster(
            id=f"muster-{record.next_sequence}",
            reason=reason,
            opened_by=by,
            open_t_ns=record.now_ns,
            zones=call.zones,
            drill=call.drill,
        )
        self._muster = muster
        record.state[MUSTER_KEY] = keep_muster(muster)
        self._is_fresh, self._is_told = True, False
        self._look_around(muster)
        self._follow(self._concerned(muster), record)
        self._tell(self._entries)
        self._say(EventKind.MUSTER_OPENED, self._opened(muster), record, len(self._entries))
        return ""

    def demand(self, zones: tuple[str, ...], by: str, reason: str, record: StepRecord) -> None:
        """Opens a muster for these zones, or has the one that is open in earnest take them in."""
        muster = self._muster
        if muster is None or not muster.is_open or muster.drill:
            self.open(MusterCall(zones), by, reason, record)
            return
        more = tuple(zone for zone in zones if zone not in muster.zones)
        if not muster.zones or not more:
            return  # it is about these already
        self._muster = muster = replace(
            muster, zones=(*muster.zones, *more), reason=f"{muster.reason}; {reason}"
        )
        record.state[MUSTER_KEY] = keep_muster(muster)
        self._is_fresh, self._is_told = True, False
        self._look_around(muster)
        self._follow([*self._entries, *self._concerned(muster)], record)
        self._tell(self._entries)
        self._say(EventKind.MUSTER_OPENED, self._opened(muster), record, len(self._entries))

    def close(self, muster_id: str, by: str, note: str, record: StepRecord) -> str:
        """Closes the muster that is open. Returns why not, or nothing."""
        muster = self._muster
        if muster is None or not muster.is_open:
            return "no muster is open"
        if muster.id != muster_id:
            return f"muster {muster_id} is not open; {muster.id} is"
        self._end(muster, by, note, record)
        return ""

    def look(self, changed: Collection[int], record: StepRecord) -> None:
        """Follows those whose zones or silence have `changed`, and whoever has moved on."""
        if self._muster is None or not self._muster.is_open:
            return
        suspects = sorted({*changed, *self._unsure})
        self._follow([card for card in suspects if self._is_concerned(card)], record)
        moved: list[int] = []
        second = record.now_ns // _S_NS
        if second != self._second:
            self._second, moved = second, self._roll.moved(self._cards.last)
        crossed = (card for card in sorted(changed) if card in self._entries)
        self._tell(dict.fromkeys([*crossed, *sorted(self._changed), *moved]))

    def take(self) -> MusterChange | None:
        """What has changed since this was asked last."""
        if self._muster is None or (self._is_told and not self._changed):
            return None
        counts, people = self._roll.counted()
        self._muster = replace(self._muster, counts=counts, people=people)
        told = self._entries if self._is_fresh else sorted(self._changed)
        cards = tuple(self._entries[card] for card in told)
        change = MusterChange(self._muster, cards, self._is_fresh)
        self._changed.clear()
        self._is_fresh, self._is_told = False, True
        return change

    def _look_around(self, muster: Muster) -> None:
        self._danger = frozenset(muster.zones)
        self._safe = frozenset(zone.id for zone in self._ways.safe_zones(self._danger))
        self._ways.begin(self._danger)

    def _concerned(self, muster: Muster) -> list[int]:
        """Those whom a muster concerns that begins now: people first."""
        if muster.zones:
            within = {card for zone in muster.zones for card in self._occupancy.inside(zone)}
        else:
            below = (self._cards.heard_ns > 0) & (self._cards.at_wellhead == 0)
            within = set(np.flatnonzero(below).tolist())
        return sorted(within, key=lambda card: (not self._roster.person[card], card))

    def _is_concerned(self, card: int) -> bool:
        """Whether a card is, or comes to be, one of them."""
        if card in self._entries:
            return True
        if self._danger:
            return not self._danger.isdisjoint(self._zones_of(card))
        return bool(self._cards.below_ns[card])

    def _zones_of(self, card: int) -> tuple[str, ...]:
        return self._occupancy.zones_of([card])[card]

    def _follow(self, cards: Collection[int], record: StepRecord) -> None:
        """Takes over how it stands with these cards; the new ones come in."""
        zones = self._occupancy.zones_of(cards)
        for card in cards:
            entry = self._entries.get(card)
            state = self._state_of(card, entry, zones[card])
            self._unsure.discard(card)
            if state is MusterState.UNACCOUNTED and not self._cards.silent[card]:
                self._unsure.add(card)
            if entry is None:
                name, is_person = self._roster.name(card), bool(self._roster.person[card])
                first = ((state, record.now_ns),)
                self._last_number += 1
                entry = MusterCard(name, self._last_number, is_person, first)
            elif entry.state is not state:
                changes = (*entry.changes, (state, record.now_ns))
                entry = replace(entry, changes=changes[-CHANGES_MOST:])
                if state is MusterState.SAFE:
                    self._say_safe(card, record)
            else:
                continue
            self._put(card, entry)
            self._changed.add(card)
            record.state[CARD_PREFIX + entry.card] = keep_card(entry)

    def _state_of(self, card: int, entry: MusterCard | None, zones: tuple[str, ...]) -> MusterState:
        cards = self._cards
        if cards.silent[card] or not cards.heard_ns[card]:
            # Who came out may have handed it in.
            is_safe = entry is not None and entry.state is MusterState.SAFE
            handed_in = is_safe and cards.gone_ns[card] > 0 and not cards.heard_ns[card]
            return MusterState.SAFE if handed_in else MusterState.UNACCOUNTED
        if entry and entry.state is MusterState.UNACCOUNTED:
            # Heard again is not yet located: its last place is one of before the silence.
            fix = cards.last[card]
            if not fix["fix_class"] or fix["t_ns"] <= entry.since_ns:
                return MusterState.UNACCOUNTED
        if not self._safe.isdisjoint(zones):
            return MusterState.SAFE
        if not self._danger or not self._danger.isdisjoint(zones):
            return MusterState.MUST_LEAVE
        return MusterState.ON_THE_WAY

    def _tell(self, cards: Iterable[int]) -> None:
        """Puts down where these cards are and which way leads out."""
        handles = list(cards)
        entries = [self._entries[card] for card in handles]
        fixes = self._cards.last[handles]
        zones = self._occupancy.zones_of(handles)
        inside = [not self._danger.isdisjoint(zones[card]) for card in handles]
        ways = self._ways.find(fixes, np.array(inside, np.bool_))
        for card, entry, fix, (way, why_not) in zip(handles, entries, fixes, ways, strict=True):
            is_safe = entry.state is MusterState.SAFE
            roadway, chainage_m = int(fix["roadway"]), float(fix["chainage_m"])
            told = replace(
                entry,
                heard_ns=int(self._cards.heard_ns[card]),
                place=self._cards.last_place(card),
                roadway=self._roadways[roadway] if roadway >= 0 else "",
                chainage_m=chainage_m if np.isfinite(chainage_m) else None,
                zones=zones[card],
                way=None if is_safe else way,
                cut_off="" if is_safe else why_not,
            )
            self._put(card, told)
            self._changed.add(card)

    def _end(self, muster: Muster, by: str, note: str, record: StepRecord) -> None:
        self._follow(sorted(self._entries), record)
        self._tell(self._entries)
        ended = replace(muster, close_t_ns=record.now_ns, closed_by=by, close_note=note)
        self._muster = ended
        record.state[MUSTER_KEY] = keep_muster(ended)
        for entry in self._entries.values():
            record.state[CARD_PREFIX + entry.card] = keep_card(entry, whole=True)
        self._is_told = False
        self._ways.end()
        counts, _ = self._roll.counted()
        missing = counts.total() - counts[MusterState.SAFE]
        said = f" by {by}: {note}" if note else f" by {by}"
        text = f"muster {muster.id} was closed{said}; {counts[MusterState.SAFE]} safe, "
        text += f"{counts[MusterState.UNACCOUNTED]} unaccounted for, {missing} not safe in all"
        self._say(EventKind.MUSTER_CLOSED, text, record, missing)

    def _opened(self, muster: Muster) -> str:
        people = sum(entry.is_person for entry in self._entries.values())
        where = f"zones {', '.join(muster.zones)}" if muster.zones else "the whole mine"
        machines = len(self._entries) - people
        return (
            f"muster {muster.id} was opened by {muster.opened_by} for {where}: {muster.reason}; "
            f"people concerned: {people}, machines: {machines}"
        )

    def _say(self, kind: EventKind, text: str, record: StepRecord, count: int) -> None:
        muster = self._muster
        drill = muster is not None and muster.drill
        zone = muster.zones[0] if muster and len(muster.zones) == 1 else ""
        record.event(
            kind,
            record.now_ns,
            zone=zone,
            text=_drilled(text, drill=drill),
            count=count,
            drill=drill,
        )

    def _say_safe(self, card: int, record: StepRecord) -> None:
        drill = self._muster is not None and self._muster.drill
        zone = self._zones[next(one for one in self._zones_of(card) if one in self._safe)]
        name, place = self._roster.name(card), self._cards.last_place(card)
        text = f"card {name} is safe in {zone.kind} zone {zone.id} ({zone.name})"
        record.event(
            EventKind.MUSTER_SAFE,
            place.t_ns if place else record.now_ns,
            card=name,
            zone=zone.id,
            place=place,
            text=_drilled(text, drill=drill),
            drill=drill,
        )


def _drilled(text: str, *, drill: bool) -> str:
    return f"DRILL: {text}" if drill else text
