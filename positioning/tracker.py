"""Where each card is, from all that is measured: the shell of the filter, which owns its state."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning import kernel
from positioning.anchor_stats import ANCHOR_STATS, SUMS
from positioning.cards import (
    NOT_FINITE,
    OUT_OF_SCALE,
    SLOTS,
    UNKNOWN_CARD,
    Layout,
    Rejections,
    new_cards,
)
from positioning.graph import Graph, build_graph
from positioning.intake import T_LIMIT_NS
from positioning.mine_map import Area, Reader
from positioning.observation import CONFLICT, FIX, MEASUREMENT, Records
from positioning.settings import TrackerSettings
from positioning.site import new_site

#: What of a fix the filter goes on from.
_RESTORED: Final = ("x_m", "y_m", "z_m", "vx_m_s", "vy_m_s", "var_x_m2", "cov_xy_m2", "var_y_m2")
#: Fields of ANCHOR_STATS that are not sums.
_COUNTED: Final = ("heard", "rejected", "heard_t_ns", "used_t_ns", "reach_m")
#: Room for smoothed fixes and for conflicts of one call; more are taken in several.
_LAGGED_AT_ONCE: Final = 4096
_CONFLICTS_MOST: Final = 1024

_DEFAULTS: Final = TrackerSettings()


class Tracker:
    """Positions of all cards from their measurements.

    The same measurements in the same order give the same fixes, bit for bit, however they are cut
    into batches and whatever other cards do. Adding a constant to all times changes nothing but
    times.
    """

    def __init__(
        self,
        anchors_m: NDArray[np.float64],
        card_z_m: NDArray[np.float64],
        settings: TrackerSettings = _DEFAULTS,
        *,
        readers: tuple[Reader, ...] = (),
        reader_card_z_m: NDArray[np.float64] | None = None,
        graph: Graph | None = None,
        areas: tuple[Area, ...] = (),
    ) -> None:
        """Takes the anchors by handle, and how high a card stands that is near each of them.

        `anchors_m`: (n, 3) float64, metres. `card_z_m`: (n,) float64, metres, in the same frame.
        `reader_card_z_m`: the same of readers, (readers,); None where cards are as high as they.
        `graph`: the roadways, at the height of the cards; without any, all is one open area.

        Raises:
            ValueError: the shapes do not fit, or a coordinate is not finite.
        """
        anchors = np.array(anchors_m, np.float64, order="C", ndmin=2)
        heights = np.array(card_z_m, np.float64, order="C", ndmin=1)
        if anchors.shape != (len(heights), 3):
            shapes = f"{anchors.shape} and {heights.shape}"
            msg = f"anchors_m and card_z_m must be (n, 3) and (n,), not {shapes}"
            raise ValueError(msg)
        if not (np.isfinite(anchors).all() and np.isfinite(heights).all()):
            msg = "anchors_m and card_z_m must be finite"
            raise ValueError(msg)
        roadways = build_graph(()) if graph is None else graph
        self._sites = new_site(
            anchors, heights, readers, reader_card_z_m, roadways, areas, settings
        )
        self._anchors = len(anchors)
        self._cards_max = settings.cards_max
        biases = SLOTS if settings.bias_sigma_m > 0.0 else 0
        smoothed = settings.lag_s > 0.0
        on_roadways = len(roadways.length_m) > 0
        layout = Layout(
            area=bool(areas) or not on_roadways,
            roadways=on_roadways,
            biases=biases,
            smoothed=smoothed,
            readers=bool(readers),
        )
        self._cards = new_cards(settings.cards_max, layout)
        self._lagged = np.zeros(_LAGGED_AT_ONCE if smoothed else 0, FIX)
        self._conflicts = np.zeros(_CONFLICTS_MOST, CONFLICT)
        self._lagged_parts: list[Records] = []
        self._conflict_parts: list[Records] = []
        self._rejected = np.zeros(len(fields(Rejections)), np.int64)
        self._batch = 0

    @property
    def rejections(self) -> Rejections:
        """The measurements not used so far."""
        return Rejections(*(int(count) for count in self._rejected))

    def update(self, measured: Records) -> Records:
        """The fixes that come of `measured` (n,) MEASUREMENT: at most one for each, in their order.

        A card whose filter has started gets one for each range, difference or place that is sound
        in form, also where it was gated away; a sighting gives one where it places the card. What
        is up to 0.25 s older than the card's newest enters at its own time and its fix is at the
        newest. Refused measurements are counted and give no fix.
        """
        return self._run(measured, latest=False)

    def latest(self, measured: Records) -> Records:
        """As `update`, but only the last fix of each card, in the order of their first ones."""
        return self._run(measured, latest=True)

    def take_lagged(self) -> Records:
        """The smoothed fixes since this was asked last, (n,) FIX: `lag_s` behind, ten in a lag."""
        parts, self._lagged_parts = self._lagged_parts, []
        return np.concatenate([np.empty(0, FIX), *parts])

    def take_conflicts(self) -> Records:
        """Where readers have seen cards that ranges place elsewhere, since this was asked last."""
        parts, self._conflict_parts = self._conflict_parts, []
        return np.concatenate([np.empty(0, CONFLICT), *parts])

    def anchor_stats(self) -> Records:
        """What each anchor's ranges say of it, (anchors,) ANCHOR_STATS."""
        stats = np.zeros(self._anchors, ANCHOR_STATS)
        for name in _COUNTED:
            stats[name] = self._sites[f"stat_{name}"][0, : self._anchors]
        for i, name in enumerate(SUMS):
            stats[name] = self._sites["stat_sums"][0, : self._anchors, i]
        return stats

    def restore_anchor_stats(self, stats: Records) -> None:
        """Goes on from sums that were kept, (anchors,) ANCHOR_STATS."""
        for name in _COUNTED:
            self._sites[f"stat_{name}"][0, : self._anchors] = stats[name]
        for i, name in enumerate(SUMS):
            self._sites["stat_sums"][0, : self._anchors, i] = stats[name]

    def set_speed_max(self, card: int, speed_m_s: float) -> None:
        """Sets a card's own speed limit, m/s; 0 for the usual one."""
        if card < self._cards_max:
            self._cards["speed_max_m_s"][card] = speed_m_s

    def restore(self, fixes: Records) -> None:
        """Puts the cards where they were known last: (n,) FIX, at most one a card.

        Velocity and covariance go on from the fix, and a range not newer than it is refused as too
        old. A row that is not finite, or has no positive variance, is counted and left out.
        """
        if len(fixes) == 0:
            return
        owned = np.array(fixes, FIX)
        known = owned["card"] < self._cards_max
        finite = np.all([np.isfinite(owned[name]) for name in _RESTORED], axis=0)
        scaled = np.abs(owned["t_ns"]) <= T_LIMIT_NS
        scaled &= (owned["var_x_m2"] > 0.0) & (owned["var_y_m2"] > 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled &= owned["cov_xy_m2"] ** 2 < owned["var_x_m2"] * owned["var_y_m2"]
        rejected = self._rejected
        rejected[UNKNOWN_CARD] += (~known).sum()
        rejected[NOT_FINITE] += (known & ~finite).sum()
        rejected[OUT_OF_SCALE] += (known & finite & ~scaled).sum()
        kernel.restore(self._cards, self._sites, owned[known & finite & scaled])

    def _run(self, measured: Records, *, latest: bool) -> Records:
        if len(measured) == 0:
            return np.empty(0, FIX)
        owned = np.require(measured, MEASUREMENT, ["C", "A", "W"])  # one type: one compilation
        parts: list[Records] = []
        done = 0
        while done < len(owned):
            fixes = np.empty(len(owned) - done, FIX)
            before = done
            done, filled, smoothed, told = kernel.run(
                self._cards,
                self._sites,
                self._rejected,
                owned,
                (fixes, self._lagged, self._conflicts),
                latest,
                (before, self._batch),
            )
            self._batch += len(fixes) + 1
            parts.append(fixes[:filled])
            if smoothed:
                self._lagged_parts.append(self._lagged[:smoothed].copy())
            if told:
                self._conflict_parts.append(self._conflicts[:told].copy())
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
