"""Vehicles: how fast they are, and who is alone in a section of a haulage roadway."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.people.cards import place_of
from gateway.mine.people.roster import Roster
from gateway.mine.record import StepRecord
from gateway.mine.zones.occupancy import Occupancy
from positioning.mine_map import MineMap, ZoneKind
from positioning.observation import FixClass, Records, rows_of

OVERSPEED: Final = "overspeed"
SECTION_OCCUPIED: Final = "section_occupied"

#: A vehicle is slow enough again below this share of the limit: speeds are estimates.
_SLOW_AGAIN: Final = 0.9
#: Fixes that tell a speed: others are places, or extrapolated from older ones.
_KNOWN: Final = np.isin(np.arange(256), (FixClass.PRECISE, FixClass.ROADWAY))


class Vehicles:
    """Looks at what is on the roster as a vehicle."""

    def __init__(
        self, mine_map: MineMap, roster: Roster, occupancy: Occupancy, alarms: AlarmBook
    ) -> None:
        self._roster = roster
        self._occupancy = occupancy
        self._alarms = alarms
        self.recall()
        self._set(mine_map)

    def recall(self) -> None:
        """Takes up the alarms that there are: after a restart, and when a card's have moved."""
        #: Those that have been too fast and not yet slow enough again.
        self._fast = {key for key in self._alarms if key.rule == OVERSPEED}

    def _set(self, mine_map: MineMap) -> None:
        limits = [roadway.speed_max_m_s or np.inf for roadway in mine_map.roadways]
        # Behind the roadways, for a fix of index -1: open areas have no limit.
        self._limit_m_s = np.array([*limits, np.inf])
        self._limited = bool(np.isfinite(self._limit_m_s).any())
        self._ids = [roadway.id for roadway in mine_map.roadways]
        zones = mine_map.zones
        rows = [index for index, zone in enumerate(zones) if zone.kind is ZoneKind.SECTION]
        self._sections = [zones[index] for index in rows]
        self._section_rows = np.array(rows, np.intp)
        #: Which sections had more than one vehicle at the last look; -1: it is not known.
        self._occupied = np.full(len(rows), -1, np.int8)

    def reload(self, mine_map: MineMap, record: StepRecord) -> None:
        """Takes over another map, after the roster."""
        self._set(mine_map)
        self.drop_unknown(record)

    def drop_unknown(self, record: StepRecord) -> None:
        """Ends the alarms of what is a section, or a vehicle, no more: nobody else would."""
        sections = {zone.id for zone in self._sections}
        for key in self._alarms:
            text = ""
            if key.rule == SECTION_OCCUPIED and key.zone not in sections:
                text = f"zone {key.zone} is no longer a section"
            elif key.rule == OVERSPEED and not self._limited:
                text = "no roadway has a speed limit any more"
            elif key.rule == OVERSPEED and not self._is_vehicle(key.card):
                text = f"card {key.card} is no longer a vehicle's"
            if text:
                self._alarms.close(key, record.now_ns, record, text)
                self._fast.discard(key)

    def _is_vehicle(self, card: str) -> bool:
        return bool(self._roster.vehicle[self._roster.handle(card)])

    def look(self, fixes: Records, record: StepRecord) -> None:
        """Takes new fixes, in order, after the zones have taken them."""
        if self._limited:
            self._judge_speeds(fixes, record)
        counts = self._occupancy.vehicles[self._section_rows]
        changed = np.flatnonzero((counts > 1) != self._occupied)
        for n in changed.tolist():
            zone, count = self._sections[n], int(counts[n])
            key = AlarmKey(SECTION_OCCUPIED, zone=zone.id)
            if count > 1:
                text = f"{count} vehicles are in section {zone.id} ({zone.name})"
                self._alarms.begin(key, record.now_ns, record, text)
            else:
                text = f"section {zone.id} has no more than one vehicle"
                self._alarms.end(key, record.now_ns, record, text)
        self._occupied = (counts > 1).astype(np.int8)

    def _judge_speeds(self, fixes: Records, record: StepRecord) -> None:
        vehicles = self._roster.vehicle[fixes["card"]]
        if not vehicles.any():
            return
        fixes = rows_of(fixes, vehicles)
        speeds_m_s = np.hypot(fixes["vx_m_s"], fixes["vy_m_s"])
        limits_m_s = self._limit_m_s[fixes["roadway"]]
        known = _KNOWN[fixes["fix_class"]]
        fast = known & (speeds_m_s > limits_m_s)
        slow = known & (speeds_m_s < _SLOW_AGAIN * limits_m_s)
        if not (self._fast or fast.any()):
            return
        were_fast = [self._roster.handle(key.card) for key in self._fast]
        slow &= np.isin(fixes["card"], [*were_fast, *fixes["card"][fast].tolist()])
        for row in np.flatnonzero(fast | slow).tolist():
            fix = fixes[row]
            name, t_ns = self._roster.name(int(fix["card"])), int(fix["t_ns"])
            key = AlarmKey(OVERSPEED, card=name)
            if slow[row]:
                if key in self._fast:
                    self._fast.remove(key)
                    self._alarms.end(key, t_ns, record, f"vehicle {name} is slow enough again")
                continue
            self._fast.add(key)
            text = (
                f"vehicle {name} drives {speeds_m_s[row]:.1f} m/s in roadway "
                f"{self._ids[fix['roadway']]}; {limits_m_s[row]:g} m/s are allowed"
            )
            self._alarms.begin(key, t_ns, record, text, place_of(fix))
