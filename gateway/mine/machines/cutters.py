"""Where machines cut, against the borders and heights of the licence."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.machines.plan import Machine
from gateway.mine.machines.poses import Poses
from gateway.mine.record import StepRecord
from gateway.mine.sameness import same
from positioning.mine_map import MineMap, Zone, ZoneKind
from positioning.observation import FixClass, IdTable, new_fixes
from positioning.zones import ZoneMembership

OUT_OF_BOUNDARY: Final = "out_of_boundary"


class Cutters:
    """Looks where each cutter is, as of a card that is carried there.

    While a machine's place is too old to be believed, nothing new is known of its cutter.
    """

    def __init__(
        self, mine_map: MineMap, machines: tuple[Machine, ...], poses: Poses, alarms: AlarmBook
    ) -> None:
        self._numbers = IdTable()  # of machines, for as long as the gateway runs
        self._alarms = alarms
        self._outside: set[AlarmKey] = set()
        self._membership = ZoneMembership(_licences(mine_map))
        self._set(mine_map, machines, poses)

    def _set(self, mine_map: MineMap, machines: tuple[Machine, ...], poses: Poses) -> None:
        self._poses, self._zones = poses, _licences(mine_map)
        cutting = [(i, m, m.cutter_m) for i, m in enumerate(machines) if m.cutter_m]
        self._cutting = cutting if self._zones else []

    def reload(
        self,
        mine_map: MineMap,
        machines: tuple[Machine, ...],
        poses: Poses,
        record: StepRecord,
    ) -> None:
        """Takes over other machines and licences; each cutter that stays is where it was."""
        before = self._zones
        self._set(mine_map, machines, poses)
        if not same(_borders(before), _borders(self._zones)):
            index = {zone.id: number for number, zone in enumerate(self._zones)}
            old, self._membership = self._membership, ZoneMembership(self._zones)
            for card in range(len(self._numbers)):
                ids = [before[zone].id for zone in old.zones_of(card)]
                self._membership.restore(card, [index[one] for one in ids if one in index])
        configured = {_key(machine) for _, machine, _ in self._cutting}
        for key in sorted(self._outside - configured):
            text = f"nothing is known of where machine {key.machine} may cut any more"
            self._alarms.close(key, record.now_ns, record, text)
        self._outside &= configured

    def begin(self) -> None:
        """Takes up the alarms of before a restart."""
        self._outside = {key for key in self._alarms if key.rule == OUT_OF_BOUNDARY and key.machine}

    def look(self, record: StepRecord) -> None:
        """Raises and clears what has to be by now."""
        if not self._cutting and not self._outside:
            return
        poses = self._poses
        known = [
            (self._numbers.handle(machine.id), index, machine, cutter_m)
            for index, machine, cutter_m in self._cutting
            if poses.is_placed(index) and not poses.stale[index]
        ]
        fixes = new_fixes(len(known))
        fixes["fix_class"] = FixClass.PRECISE
        for fix, (number, index, _, cutter_m) in zip(fixes, known, strict=True):
            _place(fix, number, poses.poses[index], cutter_m)
        self._membership.update(fixes)
        configured = {_key(machine) for _, machine, _ in self._cutting}
        outside = self._outside & configured
        for number, _, machine, _ in known:
            inside = bool(self._membership.zones_of(number))
            (outside.discard if inside else outside.add)(_key(machine))
        names = {machine.id: machine.name for _, machine, _ in self._cutting}
        for key in sorted(outside - self._outside):
            text = (
                f"machine {key.machine} ({names[key.machine]}) cuts outside of the licence's "
                "borders or heights"
            )
            self._alarms.begin(key, record.now_ns, record, text)
        for key in sorted(self._outside - outside):
            text = f"machine {key.machine} cuts inside of the licence, or is no longer configured"
            self._alarms.end(key, record.now_ns, record, text)
        self._outside = outside


def _licences(mine_map: MineMap) -> tuple[Zone, ...]:
    return tuple(zone for zone in mine_map.zones if zone.kind is ZoneKind.LICENCE)


def _borders(zones: tuple[Zone, ...]) -> tuple[object, ...]:
    return tuple((zone.id, zone.rings_m, zone.z_band_m) for zone in zones)


def _key(machine: Machine) -> AlarmKey:
    return AlarmKey(OUT_OF_BOUNDARY, machine=machine.id)


def _place(fix: np.void, number: int, pose: np.void, cutter_m: tuple[float, float, float]) -> None:
    """Makes a fix of where a machine cuts."""
    ahead_m, left_m, up_m = cutter_m
    turn = math.radians(pose["heading_deg"])
    c, s = math.cos(turn), math.sin(turn)
    fix["card"], fix["t_ns"] = number, pose["t_ns"]
    fix["x_m"] = pose["x_m"] + c * ahead_m - s * left_m
    fix["y_m"] = pose["y_m"] + s * ahead_m + c * left_m
    fix["z_m"] = pose["z_m"] + up_m
    for name in ("var_x_m2", "cov_xy_m2", "var_y_m2"):
        fix[name] = pose[name]
