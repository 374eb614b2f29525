"""Who is in which zone: crossings become events, and entering a restricted zone an alarm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.mine.alarm_kept import AlarmKey
from gateway.mine.alarms import AlarmBook
from gateway.mine.cards import Cards, place_of
from gateway.mine.change import EventKind
from gateway.mine.record import StepRecord
from positioning.mine_map import MineMap, Zone, ZoneKind
from positioning.observation import IdTable, Records
from positioning.zones import ZoneMembership

RULE = "restricted_entry"


class Occupancy:
    """The zones of every card."""

    def __init__(self, mine_map: MineMap, table: IdTable) -> None:
        self._zones = mine_map.zones
        self._index = {zone.id: index for index, zone in enumerate(self._zones)}
        self._table = table
        self._membership = ZoneMembership(self._zones, mine_map.roadways)

    def zones_of(self, cards: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """The ids of the zones that each card is in."""
        return {
            card: tuple(self._zones[zone].id for zone in self._membership.zones_of(card))
            for card in cards
        }

    def counts(self) -> dict[str, int]:
        """How many cards are in each zone."""
        counts = self._membership.counts().tolist()
        return {zone.id: count for zone, count in zip(self._zones, counts, strict=True)}

    def update(
        self, fixes: Records, cards: Cards, alarms: AlarmBook, record: StepRecord
    ) -> set[int]:
        """Takes fixes in order; tells each crossing. Returns the cards that crossed."""
        moved = set()
        for crossing in self._membership.update(fixes):
            fix, zone = fixes[crossing.row], self._zones[crossing.zone]
            card = int(fix["card"])
            moved.add(card)
            name, t_ns = self._table.name(card), int(fix["t_ns"])
            kind = EventKind.ZONE_ENTERED if crossing.entered else EventKind.ZONE_LEFT
            verb = "entered" if crossing.entered else "left"
            text = f"card {name} {verb} {zone.kind} zone {zone.id} ({zone.name})"
            place = place_of(fix)
            record.event(kind, t_ns, card=name, zone=zone.id, place=place, text=text)
            self._follow(zone, card, cards, entered=crossing.entered)
            if zone.kind is ZoneKind.RESTRICTED:
                key = AlarmKey(RULE, card=name, zone=zone.id)
                if crossing.entered:
                    alarms.begin(key, t_ns, record, text, place)
                else:
                    alarms.end(key, t_ns, record, text)
        return moved

    def _follow(self, zone: Zone, card: int, cards: Cards, *, entered: bool) -> None:
        if zone.kind is ZoneKind.WELLHEAD:
            cards.at_wellhead[card] += 1 if entered else -1

    def restore(
        self,
        zones: Mapping[int, Sequence[str]],
        cards: Cards,
        alarms: AlarmBook,
        record: StepRecord,
    ) -> None:
        """Puts cards back into their zones; a zone that is gone from the map is told as left.

        Alarms follow the map as it is now: a zone may have become restricted, or be so no more.
        """
        for card, ids in zones.items():
            known = [self._index[zone] for zone in ids if zone in self._index]
            self._membership.restore(card, known)
            name = self._table.name(card)
            for zone in (self._zones[index] for index in known):
                self._follow(zone, card, cards, entered=True)
                if zone.kind is ZoneKind.RESTRICTED:
                    key = AlarmKey(RULE, card=name, zone=zone.id)
                    text = f"card {name} is in restricted zone {zone.id} ({zone.name})"
                    alarms.begin(key, record.now_ns, record, text, cards.last_place(card))
            for gone in (zone for zone in ids if zone not in self._index):
                text = f"zone {gone} is no longer on the map; card {name} was in it"
                record.event(EventKind.ZONE_LEFT, record.now_ns, card=name, zone=gone, text=text)
        restricted = {zone.id for zone in self._zones if zone.kind is ZoneKind.RESTRICTED}
        for key in alarms:
            if key.rule == RULE and key.zone not in restricted:
                text = f"zone {key.zone} is no longer restricted; card {key.card} was in it"
                alarms.close(key, record.now_ns, record, text)
