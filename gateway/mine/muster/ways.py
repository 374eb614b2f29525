"""The ways out of a muster, and why there is none."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.escape import Escape, Way, WayMap
from positioning.mine_map import MineMap, Zone, ZoneKind
from positioning.observation import Records

#: The kinds of zones in which people are safe.
SAFE_KINDS: Final = (ZoneKind.REFUGE, ZoneKind.WELLHEAD)

#: A way and nothing, or nothing and why not.
WayOrNot = tuple[Way | None, str]


class MusterWays:
    """Finds ways for the zones that are dangerous now."""

    def __init__(self, mine_map: MineMap, card_height_m: float) -> None:
        """Takes the time that compiling takes: it must not be missing later."""
        self._map = mine_map
        self._ways = WayMap(mine_map, card_height_m)
        self._danger: tuple[Zone, ...] = ()
        self._safe: tuple[Zone, ...] = ()
        self._escape: Escape | None = None
        self._without: Escape | None = None

    def safe_zones(self, dangerous: Collection[str]) -> tuple[Zone, ...]:
        """Where people are safe while these zones are dangerous."""
        zones = self._map.zones
        return tuple(z for z in zones if z.kind in SAFE_KINDS and z.id not in dangerous)

    def begin(self, dangerous: Collection[str]) -> None:
        """From now on these zones are dangerous."""
        self._danger = tuple(zone for zone in self._map.zones if zone.id in dangerous)
        self._safe = self.safe_zones(dangerous)
        self._escape = self._ways.escape(self._danger, self._safe)
        self._without = None

    def end(self) -> None:
        """Forgets what is of no more use."""
        self._escape = self._without = None

    def find(self, fixes: Records, inside: NDArray[np.bool_]) -> list[WayOrNot]:
        """The way from each of (n,) FIX, or why there is none.

        `inside`, (n,): who is in a dangerous zone.
        """
        if self._escape is None:
            return [(None, "")] * len(fixes)
        placed = fixes["fix_class"] > 0
        found: list[Way | None] = [None] * len(fixes)
        rows = np.flatnonzero(placed)
        for row, way in zip(rows, self._escape.ways(fixes[rows], inside[rows]), strict=True):
            found[row] = way
        return [
            (way, "" if way else self._why_not(fixes[row : row + 1], known=bool(placed[row])))
            for row, way in enumerate(found)
        ]

    def _why_not(self, fix: Records, *, known: bool) -> str:
        if not known:
            return "it was heard, but its place is not known"
        if not self._safe:
            return "the map has no refuge and no wellhead that is not dangerous itself"
        if self._danger:
            self._without = self._without or self._ways.escape((), self._safe)
            (way,) = self._without.ways(fix, np.zeros(1, np.bool_))
            if way:
                names = ", ".join(zone.id for zone in self._danger)
                return f"every way from there leads through what is dangerous: {names}"
        return "the map shows no way from there to a refuge or a wellhead"
