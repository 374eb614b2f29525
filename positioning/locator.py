"""From ranges and sightings to fixes: the tracker, readers' presence, and heights of the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.anchor_stats import ANCHOR_STATS
from positioning.cards import Rejections
from positioning.mine_map import Anchor, MineMap, Reader
from positioning.observation import (
    CONFLICT,
    FIX,
    RANGE,
    SIGHTING,
    FixClass,
    Kind,
    Records,
    new_fixes,
)
from positioning.roadway import Roadways
from positioning.tracker import Tracker, TrackerSettings

#: A sighting places a card only when ranges have not done so for this long: a reader's
#: neighbourhood says far less than a range.
PRESENCE_AFTER_NS: Final = 5_000_000_000

_NEVER_NS: Final = np.iinfo(np.int64).min

#: A card somewhere in a reader's disc of radius r, evenly: variance r²/4 in each direction.
DISC_VARIANCE: Final = 0.25


_DEFAULTS: Final = TrackerSettings()


class Locator:
    """Places cards on a map."""

    def __init__(
        self, mine_map: MineMap, card_height_m: float, settings: TrackerSettings = _DEFAULTS
    ) -> None:
        """`card_height_m` is how high a card is carried above the floor."""
        self._card_height_m = card_height_m
        self._roadways = Roadways(mine_map.roadways)
        anchors_m = _points(mine_map.anchors)
        self._tracker = Tracker(anchors_m, self._card_z_m(anchors_m[:, :2]), settings)
        self._stats = np.zeros(len(anchors_m), ANCHOR_STATS)
        self._readers_m = _points(mine_map.readers)
        self._radius_m = np.array([reader.radius_m for reader in mine_map.readers])
        # By card: the time of its last fix from ranges, and from a sighting.
        self._ranged_ns = np.zeros(0, np.int64)
        self._seen_ns = np.zeros(0, np.int64)

    @property
    def rejections(self) -> Rejections:
        """The measurements not used so far."""
        return self._tracker.rejections

    def restore(self, fixes: Records) -> None:
        """Goes on from the last fix of each card before a restart, (n,) FIX."""
        if len(fixes) == 0:
            return
        self._reserve(int(fixes["card"].max()) + 1)
        seen = fixes["fix_class"] == FixClass.ZONE
        self._tracker.restore(fixes[~seen])
        self._ranged_ns[fixes["card"][~seen]] = fixes["t_ns"][~seen]
        self._seen_ns[fixes["card"][seen]] = fixes["t_ns"][seen]

    def locate(self, measured: Records) -> Records:
        """The fixes of (n,) MEASUREMENT, in their order.

        A range gives no fix of a time before its card was last seen, and a sighting none that is
        not newer than all before it: late measurements take no card back.
        """
        ends = np.flatnonzero(np.diff(measured["kind"])) + 1
        parts = [self._located(part) for part in np.split(measured, ends)]
        return np.concatenate(parts)

    def _located(self, measured: Records) -> Records:
        """The fixes of measurements of one kind."""
        ranges, sightings = _as(RANGE, Kind.RANGE, measured), _as(SIGHTING, Kind.SIGHTING, measured)
        fixes = self._tracker.update(ranges)
        unknown = new_fixes(1)[0]
        for name in ("roadway", "chainage_m", "nis", "hdop", "protection_m"):
            fixes[name] = unknown[name]
        if len(fixes):
            self._reserve(int(fixes["card"].max()) + 1)
            fixes = fixes[fixes["t_ns"] >= self._seen_ns[fixes["card"]]]
            np.maximum.at(self._ranged_ns, fixes["card"], fixes["t_ns"])
        fixes = np.concatenate([fixes, self._presences(sightings)])
        if len(fixes):
            fixes["z_m"] = self._card_z_m(np.column_stack([fixes["x_m"], fixes["y_m"]]))
        return fixes

    def take_lagged(self) -> Records:
        """The smoothed fixes since this was asked last, (n,) FIX."""
        return np.empty(0, FIX)

    def take_conflicts(self) -> Records:
        """Where readers have seen cards that ranges place elsewhere, (n,) CONFLICT."""
        return np.empty(0, CONFLICT)

    def anchor_stats(self) -> Records:
        """What each anchor's ranges say of it, (anchors,) ANCHOR_STATS."""
        return self._stats.copy()

    def restore_anchor_stats(self, stats: Records) -> None:
        """Goes on from sums that were kept, (anchors,) ANCHOR_STATS."""
        self._stats[:] = stats

    def set_speed_max(self, card: int, speed_m_s: float) -> None:
        """Sets a card's own speed limit, m/s."""

    def _card_z_m(self, places_m: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._roadways.floor_z_m(places_m) + self._card_height_m

    def _reserve(self, cards: int) -> None:
        size = len(self._ranged_ns)
        if cards > size:
            more = np.full(max(cards, 2 * size) - size, _NEVER_NS)
            self._ranged_ns = np.concatenate([self._ranged_ns, more])
            self._seen_ns = np.concatenate([self._seen_ns, more])

    def _presences(self, sightings: Records) -> Records:
        if len(sightings) == 0:
            return np.empty(0, FIX)
        self._reserve(int(sightings["card"].max()) + 1)
        seen = sightings[sightings["t_ns"] - PRESENCE_AFTER_NS > self._ranged_ns[sightings["card"]]]
        newer = np.zeros(len(seen), np.bool_)
        for row, (card, t_ns) in enumerate(zip(seen["card"], seen["t_ns"], strict=True)):
            newer[row] = t_ns > self._seen_ns[card]
            self._seen_ns[card] = max(self._seen_ns[card], t_ns)
        seen = seen[newer]
        fixes = new_fixes(len(seen))
        reader = seen["reader"]
        fixes["card"], fixes["t_ns"] = seen["card"], seen["t_ns"]
        fixes["x_m"], fixes["y_m"] = self._readers_m[reader, 0], self._readers_m[reader, 1]
        fixes["var_x_m2"] = fixes["var_y_m2"] = DISC_VARIANCE * self._radius_m[reader] ** 2
        fixes["fix_class"] = FixClass.ZONE
        return fixes


def _as(kind: np.dtype[np.void], number: Kind, measured: Records) -> Records:
    """Those of (n,) MEASUREMENT that are of one kind, as its own type."""
    found = measured[measured["kind"] == number]
    rows = np.empty(len(found), kind)
    renamed = {"anchor": "source", "reader": "source", "range_m": "value_m"}
    for name in kind.names or ():
        rows[name] = found[renamed.get(name, name)]
    return rows


def _points(things: Sequence[Anchor | Reader]) -> NDArray[np.float64]:
    """Where the things are: (n, 3) float64, metres."""
    rows = [(thing.x_m, thing.y_m, thing.z_m) for thing in things]
    return np.array(rows, np.float64).reshape(-1, 3)
