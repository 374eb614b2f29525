"""Handles of roadways that stay the same while the map changes.

Clients are told a roadway's name once, and frames that were made before a change are still sent
after it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gateway.mine.change import Changes
from positioning.mine_map import MineMap
from positioning.observation import IdTable, Records


class StableRoadways:
    """A handle for every roadway that was on the map since the gateway's start."""

    def __init__(self, mine_map: MineMap) -> None:
        #: The names by handle: those of the first map in its order, then what came later.
        self.table = IdTable()
        self.use(mine_map)

    def use(self, mine_map: MineMap) -> None:
        """Takes over a map: from now on fixes have its indices."""
        handles = [self.table.handle(roadway.id) for roadway in mine_map.roadways]
        self._is_same = handles == list(range(len(handles)))
        # Behind them, for an index of -1: in no roadway.
        self._handles = np.array([*handles, -1], np.int32)

    def named(self, changes: Changes) -> Changes:
        """The changes with fixes that name their roadway by handle."""
        if self._is_same:
            return changes
        return replace(
            changes, fixes=self._named(changes.fixes), lagged=self._named(changes.lagged)
        )

    def _named(self, fixes: Records) -> Records:
        fixes = fixes.copy()
        fixes["roadway"] = self._handles[fixes["roadway"]]
        return fixes
