"""Who is in which zone since when: crossings become events, and what is not allowed an alarm."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from shapely import Polygon

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.change import EventKind, Place
from gateway.mine.people.cards import Cards, Entries, place_of
from gateway.mine.people.roster import Roster
from gateway.mine.record import StepRecord
from positioning.mine_map import MineMap, Zone, ZoneKind
from positioning.observation import IdTable, Records
from positioning.zones import ZoneMembership

#: The families about who is in a zone, by its kind.
ENTRY_RULES: Final[Mapping[ZoneKind, str]] = {
    ZoneKind.RESTRICTED: "restricted_entry",
    ZoneKind.CONTROLLED: "unauthorised_entry",
    ZoneKind.DANGER: "danger_proximity",
}


_NEVER_NS: Final = np.iinfo(np.int64).max


class _Seen(NamedTuple):
    """What was seen of a card and a zone: when, in words, where, and which way it went."""

    t_ns: int
    text: str
    place: Place | None
    entered: bool = True


class JudgedZones:
    """The membership of the zones of a map, and of what is around those to keep away from."""

    def __init__(self, mine_map: MineMap) -> None:
        """Raises ValueError for a zone without an extent."""
        around = [_surroundings(zone) for zone in mine_map.zones if zone.near_m]
        self.membership = ZoneMembership((*mine_map.zones, *around), mine_map.roadways)


class Occupancy:
    """The zones of every card."""

    def __init__(
        self, mine_map: MineMap, table: IdTable, roster: Roster, cards: Cards, alarms: AlarmBook
    ) -> None:
        self._table = table
        self._roster = roster
        self._cards = cards
        self._alarms = alarms
        self._entered: dict[int, Entries] = {}
        self._membership = JudgedZones(mine_map).membership
        self._set(mine_map)

    def _set(self, mine_map: MineMap) -> None:
        """Takes over the zones, with nobody in them."""
        self._zones = mine_map.zones
        self._index = {zone.id: index for index, zone in enumerate(self._zones)}
        # Behind the zones of the map, those that people must keep away from, for what is around.
        self._judged = (*self._zones, *(zone for zone in self._zones if zone.near_m))
        self._inside: dict[str, dict[int, int]] = {zone.id: {} for zone in self._zones}
        #: How many people, and how many vehicles, are in each zone of the map, by index.
        self.people = np.zeros(len(self._zones), np.int64)
        self.vehicles = np.zeros(len(self._zones), np.int64)
        #: Since when the longest is in each zone of the map, or before: for who looks at it often.
        self.earliest_ns = np.full(len(self._zones), _NEVER_NS)

    def reload(
        self, mine_map: MineMap, zones: JudgedZones | None, record: StepRecord
    ) -> Collection[int]:
        """Takes over another map and roster. `zones` None: they have the same borders.

        Cards stay where they are, since when they are. Where borders have changed, last places
        are judged by the new ones; but who is silent is not out because a wellhead has grown to
        where they were heard last. Returns the cards of which something is to be kept anew.
        """
        entered, self._entered, inside = self._entered, {}, self._inside
        self._cards.at_wellhead[:] = self._cards.in_licence[:] = 0
        self._set(mine_map)
        # In the order in which they came: it is that of the alarms to come.
        self._inside = {zone: inside.get(zone, {}) for zone in self._index}
        if zones is None:
            self._put_back(entered, record, anew=False)
            return ()
        self._membership = zones.membership
        self._put_back(entered, record, anew=True)
        last = self._cards.last
        self._update(last[last["fix_class"] > 0], record, record.now_ns)
        return entered.keys() | self._entered.keys()

    @property
    def zone_ids(self) -> tuple[str, ...]:
        """Of all zones of the map, by index."""
        return tuple(self._index)

    def zones_of(self, cards: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """The ids of the zones that each card is in."""
        return {card: tuple(self._entered.get(card, ())) for card in cards}

    def entries_of(self, cards: Iterable[int]) -> dict[int, Entries]:
        """The zones that each card is in, by id, and since when."""
        return {card: self._entered.get(card, {}) for card in cards}

    def inside(self, zone: str) -> Mapping[int, int]:
        """The cards in a zone, and since when each is; none in one that is not on the map."""
        return self._inside.get(zone, {})

    def note_earliest(self, index: int) -> None:
        """Finds `earliest_ns` of a zone anew: whoever was in it since then may have left."""
        inside = self._inside[self._zones[index].id]
        self.earliest_ns[index] = min(inside.values(), default=_NEVER_NS)

    def counts(self) -> dict[str, int]:
        """How many cards are in each zone."""
        counts = self._membership.counts().tolist()
        return {zone.id: count for zone, count in zip(self._zones, counts, strict=False)}

    def update(self, fixes: Records, record: StepRecord) -> set[int]:
        """Takes fixes in order; tells each crossing. Returns the cards that crossed."""
        return self._update(fixes, record)

    def _update(self, fixes: Records, record: StepRecord, moved_ns: int | None = None) -> set[int]:
        """Takes fixes; what crosses by them crosses at `moved_ns`, when a border has moved."""
        moved = set()
        for crossing in self._membership.update(fixes):
            fix, zone = fixes[crossing.row], self._judged[crossing.zone]
            card, entered, near = crossing.card, crossing.entered, crossing.zone >= len(self._zones)
            text = f"card {self._table.name(card)} {_words(zone, entered=entered, near=near)}"
            t_ns, place = int(fix["t_ns"]), place_of(fix)
            if moved_ns is not None:
                # Silence is not absence: they may be anywhere since.
                if entered and zone.kind is ZoneKind.WELLHEAD and self._cards.silent[card]:
                    known = set(self._membership.zones_of(card))
                    self._membership.restore(card, sorted(known - {crossing.zone}))
                    continue
                t_ns, text = moved_ns, f"{text}: the map has changed"
            if not near:
                moved.add(card)
                kind = EventKind.ZONE_ENTERED if entered else EventKind.ZONE_LEFT
                name = self._table.name(card)
                record.event(kind, t_ns, card=name, zone=zone.id, place=place, text=text)
                self._follow(crossing.zone, card, t_ns, entered=entered)
            if near == bool(zone.near_m):
                self._judge(zone, card, _Seen(t_ns, text, place, entered), record)
        return moved

    def take_out(self, card: int, record: StepRecord, text: str) -> None:
        """Tells a card out of all its zones: nobody carries it any more."""
        name, place = self._table.name(card), self._cards.last_place(card)
        for zone in list(self._entered.get(card, ())):
            kind = EventKind.ZONE_LEFT
            record.event(kind, record.now_ns, card=name, zone=zone, place=place, text=text)
            self._follow(self._index[zone], card, record.now_ns, entered=False)
        self._membership.restore(card, [])

    def move(self, old: int, new: int) -> None:
        """The zones of `old` become those of `new`, which is in none, since when `old` was there.

        Nobody has crossed a border. `recount` has to follow once the roster has changed.
        """
        entries = dict(self._entered.get(old, {}))
        self._membership.restore(new, self._membership.zones_of(old))
        self._membership.restore(old, [])
        for zone, since_ns in entries.items():
            self._follow(self._index[zone], old, since_ns, entered=False)
            self._follow(self._index[zone], new, since_ns, entered=True)

    def backdate(self, card: int, since: Entries) -> None:
        """A card was in its zones already since then, as another card that its holder had."""
        for zone, since_ns in since.items():
            entries = self._entered.get(card, {})
            if zone in entries:
                entries[zone] = self._inside[zone][card] = min(entries[zone], since_ns)
                self.note_earliest(self._index[zone])

    def recount(self) -> None:
        """Counts people and vehicles anew: it has changed who has which card."""
        for zone, cards in self._inside.items():
            handles, index = list(cards), self._index[zone]
            self.people[index] = self._roster.person[handles].sum()
            self.vehicles[index] = self._roster.vehicle[handles].sum()

    def judge_again(self, card: int, record: StepRecord) -> None:
        """It has changed who has a card: raises and clears what that means for its zones."""
        name = self._table.name(card)
        for zone in [self._zones[self._index[one]] for one in self._entered.get(card, ())]:
            if zone.kind in ENTRY_RULES and not self._judge_again(zone, card, record):
                key = AlarmKey(ENTRY_RULES[zone.kind], card=name, zone=zone.id)
                if not zone.near_m:
                    text = f"zone {zone.id} is open to card {name} now"
                    self._alarms.end(key, record.now_ns, record, text)

    def _judge(self, zone: Zone, card: int, seen: _Seen, record: StepRecord) -> None:
        """Raises or clears the alarm of a card in a zone in which it may not be."""
        rule = ENTRY_RULES.get(zone.kind)
        if rule is None or not self._is_forbidden(zone, card):
            return
        key = AlarmKey(rule, card=self._table.name(card), zone=zone.id)
        if seen.entered:
            self._alarms.begin(key, seen.t_ns, record, seen.text, seen.place)
        else:
            self._alarms.end(key, seen.t_ns, record, seen.text)

    def _is_forbidden(self, zone: Zone, card: int) -> bool:
        if zone.kind is ZoneKind.CONTROLLED:
            return not self._roster.may_enter(card, zone.id)
        # Machines work where it is dangerous: that is what they are for.
        return zone.kind is not ZoneKind.DANGER or bool(self._roster.person[card])

    def _follow(self, index: int, card: int, t_ns: int, *, entered: bool) -> None:
        zone, step = self._zones[index], 1 if entered else -1
        zones = self._entered.setdefault(card, {})
        if entered:
            zones[zone.id] = self._inside[zone.id][card] = t_ns
            self.earliest_ns[index] = min(self.earliest_ns[index], t_ns)
        else:
            zones.pop(zone.id, None)
            self._inside[zone.id].pop(card, None)
        self.people[index] += step * int(self._roster.person[card])
        self.vehicles[index] += step * int(self._roster.vehicle[card])
        if zone.kind is ZoneKind.WELLHEAD:
            self._cards.at_wellhead[card] += step
        if zone.kind is ZoneKind.LICENCE:
            self._cards.in_licence[card] += step

    def restore(self, zones: Mapping[int, Entries], record: StepRecord) -> None:
        """Puts cards back into their zones; a zone that is gone from the map is told as left.

        Alarms follow the map and the roster as they are now: a zone may have become restricted, or
        be so no more.
        """
        self._put_back(zones, record, anew=True)

    def _put_back(self, zones: Mapping[int, Entries], record: StepRecord, *, anew: bool) -> None:
        """The same; not `anew`: the membership still knows who is where."""
        open_, forbidden = set(self._alarms), set[AlarmKey]()
        for card, entries in zones.items():
            known = [self._index[zone] for zone in entries if zone in self._index]
            near = [index for key, index in self._near_keys(card) if key in open_]
            if anew:
                self._membership.restore(card, [*known, *near])
            forbidden.update(key for key, index in self._near_keys(card) if index in near)
            for index in known:
                self._follow(index, card, entries[self._zones[index].id], entered=True)
                forbidden.update(self._judge_again(self._zones[index], card, record))
            for gone in (zone for zone in entries if zone not in self._index):
                name = self._table.name(card)
                text = f"zone {gone} is no longer on the map; card {name} was in it"
                record.event(EventKind.ZONE_LEFT, record.now_ns, card=name, zone=gone, text=text)
        for key in sorted(open_ - forbidden):
            if key.rule in ENTRY_RULES.values() and not key.machine:
                text = f"zone {key.zone} is open to card {key.card} now, or it is not there"
                self._alarms.end(key, record.now_ns, record, text)

    def _near_keys(self, card: int) -> list[tuple[AlarmKey, int]]:
        """The alarms of being near a zone that a card can have, and the surroundings' indices."""
        if not self._roster.person[card]:
            return []
        name, first = self._table.name(card), len(self._zones)
        return [
            (AlarmKey(ENTRY_RULES[zone.kind], card=name, zone=zone.id), index)
            for index, zone in enumerate(self._judged[first:], first)
        ]

    def _judge_again(self, zone: Zone, card: int, record: StepRecord) -> list[AlarmKey]:
        """After a restart: the alarm of a card in a zone where it may not be, if there is one."""
        if zone.near_m or zone.kind not in ENTRY_RULES or not self._is_forbidden(zone, card):
            return []
        name = self._table.name(card)
        text = f"card {name} is in {zone.kind} zone {zone.id} ({zone.name})"
        place = self._cards.last_place(card)
        self._judge(zone, card, _Seen(record.now_ns, text, place), record)
        return [AlarmKey(ENTRY_RULES[zone.kind], card=name, zone=zone.id)]


def _words(zone: Zone, *, entered: bool, near: bool) -> str:
    if near:
        verb = "is nearer than" if entered else "is farther than"
        return f"{verb} {zone.near_m:g} m to {zone.kind} zone {zone.id} ({zone.name})"
    return f"{'entered' if entered else 'left'} {zone.kind} zone {zone.id} ({zone.name})"


def _surroundings(zone: Zone) -> Zone:
    """The zone and all that is nearer to it than its `near_m`."""
    outer, *holes = zone.rings_m
    grown = Polygon(outer, holes).buffer(zone.near_m or 0.0)
    rings = (grown.exterior, *grown.interiors)
    return replace(zone, rings_m=tuple(np.array(ring.coords) for ring in rings))
