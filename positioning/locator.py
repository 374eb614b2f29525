"""From ranges and sightings to fixes: the tracker, readers' presence, and heights of the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.mine_map import Anchor, MineMap, Reader
from positioning.observation import FIX, FixClass, Records
from positioning.roadway import Roadways
from positioning.tracker import Tracker

#: A sighting places a card only when ranges have not done so for this long: a reader's
#: neighbourhood says far less than a range.
PRESENCE_AFTER_NS: Final = 5_000_000_000

#: A card somewhere in a reader's disc of radius r, evenly: variance r²/4 in each direction.
DISC_VARIANCE: Final = 0.25


class Locator:
    """Places cards on a map."""

    def __init__(self, mine_map: MineMap, card_height_m: float) -> None:
        """`card_height_m` is how high a card is carried above the floor."""
        self._card_height_m = card_height_m
        self._roadways = Roadways(mine_map.roadways)
        anchors_m = _points(mine_map.anchors)
        self._tracker = Tracker(anchors_m, self._card_z_m(anchors_m[:, :2]))
        self._readers_m = _points(mine_map.readers)
        self._radius_m = np.array([reader.radius_m for reader in mine_map.readers])
        self._ranged_ns = np.zeros(0, np.int64)  # last fix from ranges, by card

    def restore(self, fixes: Records) -> None:
        """Goes on from fixes made from ranges before a restart."""
        self._tracker.restore(fixes)
        self._note_ranged(fixes)

    def locate(self, ranges: Records, sightings: Records) -> Records:
        """The fixes of these measurements: of ranges in their order, then of sightings in theirs.

        Args:
            ranges: (n,) RANGE; `anchor` is the index in the map's anchors.
            sightings: (m,) SIGHTING; `reader` is the index in the map's readers.
        """
        fixes = self._tracker.update(ranges)
        self._note_ranged(fixes)
        fixes = np.concatenate([fixes, self._presences(sightings)])
        if len(fixes):
            fixes["z_m"] = self._card_z_m(np.column_stack([fixes["x_m"], fixes["y_m"]]))
        return fixes

    def _card_z_m(self, places_m: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._roadways.floor_z_m(places_m) + self._card_height_m

    def _note_ranged(self, fixes: Records) -> None:
        if len(fixes):
            self._reserve(int(fixes["card"].max()) + 1)
            np.maximum.at(self._ranged_ns, fixes["card"], fixes["t_ns"])

    def _reserve(self, cards: int) -> None:
        if cards > len(self._ranged_ns):
            grown = np.full(max(cards, 2 * len(self._ranged_ns)), np.iinfo(np.int64).min // 2)
            grown[: len(self._ranged_ns)] = self._ranged_ns
            self._ranged_ns = grown

    def _presences(self, sightings: Records) -> Records:
        if len(sightings) == 0:
            return np.empty(0, FIX)
        self._reserve(int(sightings["card"].max()) + 1)
        ranged_ns = self._ranged_ns[sightings["card"]]
        seen = sightings[sightings["t_ns"] - ranged_ns > PRESENCE_AFTER_NS]
        fixes = np.zeros(len(seen), FIX)
        reader = seen["reader"]
        fixes["card"], fixes["t_ns"] = seen["card"], seen["t_ns"]
        fixes["x_m"], fixes["y_m"] = self._readers_m[reader, 0], self._readers_m[reader, 1]
        fixes["var_x_m2"] = fixes["var_y_m2"] = DISC_VARIANCE * self._radius_m[reader] ** 2
        fixes["fix_class"] = FixClass.ZONE
        return fixes


def _points(things: Sequence[Anchor | Reader]) -> NDArray[np.float64]:
    """Where the things are: (n, 3) float64, metres."""
    rows = [(thing.x_m, thing.y_m, thing.z_m) for thing in things]
    return np.array(rows, np.float64).reshape(-1, 3)
