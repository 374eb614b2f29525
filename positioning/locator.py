"""From measurements to fixes on a mine's map: the tracker, with the map's roadways and heights."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.cards import Rejections
from positioning.graph import build_graph
from positioning.mine_map import MineMap
from positioning.observation import Records
from positioning.roadway import Roadways
from positioning.settings import TrackerSettings
from positioning.tracker import Tracker

_DEFAULTS: Final = TrackerSettings()


class Locator:
    """Places cards on a map."""

    def __init__(
        self, mine_map: MineMap, card_height_m: float, settings: TrackerSettings = _DEFAULTS
    ) -> None:
        """`card_height_m` is how high a card is carried above the floor."""
        self._card_height_m = card_height_m
        self._roadways = Roadways(mine_map.roadways)
        anchors_m = np.array([(a.x_m, a.y_m, a.z_m) for a in mine_map.anchors]).reshape(-1, 3)
        readers_m = np.array([(r.x_m, r.y_m) for r in mine_map.readers]).reshape(-1, 2)
        graph = build_graph(mine_map.roadways, card_height_m)
        self._tracker = Tracker(
            anchors_m,
            self._card_z_m(anchors_m[:, :2]),
            settings,
            readers=mine_map.readers,
            reader_card_z_m=self._card_z_m(readers_m),
            graph=graph,
            areas=mine_map.areas,
        )

    @property
    def rejections(self) -> Rejections:
        """The measurements not used so far."""
        return self._tracker.rejections

    def restore(self, fixes: Records) -> None:
        """Goes on from the last fix of each card before a restart, (n,) FIX."""
        self._tracker.restore(fixes)

    def locate(self, measured: Records) -> Records:
        """The fixes of (n,) MEASUREMENT, in their order.

        `source` is the index in the map's anchors, of a sighting that in its readers. A sighting
        gives a fix only where no range has placed its card for some seconds, and no late one takes
        a card back to where it was before.
        """
        return self._on_floor(self._tracker.update(measured))

    def take_lagged(self) -> Records:
        """The smoothed fixes since this was asked last, (n,) FIX; none unless `lag_s` is set."""
        return self._on_floor(self._tracker.take_lagged())

    def take_conflicts(self) -> Records:
        """Where readers have seen cards that ranges place elsewhere, (n,) CONFLICT, since then."""
        return self._tracker.take_conflicts()

    def anchor_stats(self) -> Records:
        """What each anchor's ranges say of it, (anchors,) ANCHOR_STATS."""
        return self._tracker.anchor_stats()

    def restore_anchor_stats(self, stats: Records) -> None:
        """Goes on from sums that were kept, (anchors,) ANCHOR_STATS."""
        self._tracker.restore_anchor_stats(stats)

    def set_speed_max(self, card: int, speed_m_s: float) -> None:
        """Sets a card's own speed limit, m/s; 0 for the usual one."""
        self._tracker.set_speed_max(card, speed_m_s)

    def _on_floor(self, fixes: Records) -> Records:
        """Fixes of open areas at the height of the floor there."""
        free = np.flatnonzero(fixes["roadway"] < 0)
        if len(free):
            places_m = np.column_stack([fixes["x_m"][free], fixes["y_m"][free]])
            fixes["z_m"][free] = self._card_z_m(places_m)
        return fixes

    def _card_z_m(self, places_m: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._roadways.floor_z_m(places_m) + self._card_height_m
