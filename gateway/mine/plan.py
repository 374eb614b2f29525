"""What the mine core must know before the first step: the map, the devices and the rules."""

from __future__ import annotations

from dataclasses import dataclass

from positioning.mine_map import MineMap


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """How an alarm family is raised: its level (1 to 4) and after how long."""

    level: int
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class MinePlan:
    """The mine as the core sees it.

    `card_height_m` is how high a card is carried above the floor; `devices` are their ids. The
    clocks that the measurements' times come from may be off by `clock_tolerance_s`.
    """

    map: MineMap
    devices: tuple[str, ...]
    card_height_m: float
    clock_tolerance_s: float
    restricted_entry: AlarmRule
    signal_lost: AlarmRule
    device_down: AlarmRule
