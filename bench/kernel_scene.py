"""What the kernels are measured on: cards that walk, and four ranges for each fix.

In the open four anchors stand around them; in the roadways each card hears the four nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.mine_map import Anchor, MineMap, Roadway
from positioning.observation import RANGE, Records

Floats = NDArray[np.float64]

#: The filter that all do: 4 states (x, y, vx, vy), white-noise acceleration, independent ranges.
RANGE_SIGMA_M: Final = 0.3
ACCELERATION_Q: Final = 1.0
START_SIGMA_M: Final = 5.0
START_SPEED_M_S: Final = 1.5
ROUND_S: Final = 0.2
#: A card ranges with one anchor after the other: two-way ranging takes some milliseconds each.
RANGE_EVERY_S: Final = 0.003
#: The time from the range before to each of a round's four.
STEPS_S: Final = (ROUND_S - 3 * RANGE_EVERY_S, RANGE_EVERY_S, RANGE_EVERY_S, RANGE_EVERY_S)
_ANCHORS_M: Final = ((0.0, 0.0, 3.0), (60.0, 0.0, 3.5), (60.0, 40.0, 3.0), (0.0, 40.0, 3.5))
CARD_Z_M: Final = 1.0
_WALK_M_S: Final = 1.2


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """`anchors_m` (4, 3); of n cards in m rounds, `ranges_m` (m, n, 4), `truth_m` (m, n, 2).

    `anchor` (m, n, 4) says of which anchor a range is. `start_m` (n, 2) is a rough first place.
    """

    anchors_m: Floats
    anchor: NDArray[np.int64]
    ranges_m: Floats
    truth_m: Floats
    start_m: Floats

    @property
    def fixes(self) -> int:
        """One for each card and round."""
        return self.anchor[:, :, 0].size

    def part(self, cards: int, rounds: int) -> Scene:
        """The same with fewer cards and rounds, for who is slower."""
        return Scene(
            self.anchors_m,
            self.anchor[:rounds, :cards],
            self.ranges_m[:rounds, :cards],
            self.truth_m[:rounds, :cards],
            self.start_m[:cards],
        )

    def round(self, k: int) -> Records:
        """The ranges of round `k`, card by card, as the tracker takes them: (4·n,) RANGE."""
        cards = len(self.start_m)
        ranges = np.zeros(4 * cards, RANGE)
        ranges["card"] = np.repeat(np.arange(cards), 4)
        ranges["anchor"], ranges["range_m"] = self.anchor[k].ravel(), self.ranges_m[k].ravel()
        t_s = k * ROUND_S + np.arange(4) * RANGE_EVERY_S
        ranges["t_ns"] = np.tile(np.round(t_s * 1e9).astype(np.int64), cards)
        ranges["rssi_dbm"] = ranges["first_path_dbm"] = np.nan
        return ranges

    def rounds(self) -> list[Records]:
        """All rounds, one after the other."""
        return [self.round(k) for k in range(len(self.ranges_m))]


def _scene(anchors_m: Floats, truth_m: Floats, rng: np.random.Generator) -> Scene:
    """Each card at (m, n, 2) ranges to the four anchors (k, 3) that are nearest."""
    apart_m = np.linalg.norm(truth_m[:, :, None, :] - anchors_m[:, :2], axis=3)
    anchor = np.sort(np.argsort(apart_m, axis=2)[:, :, :4], axis=2)
    level_m = np.take_along_axis(apart_m, anchor, axis=2)
    ranges_m = np.hypot(level_m, anchors_m[anchor, 2] - CARD_Z_M)
    ranges_m += rng.normal(0.0, RANGE_SIGMA_M, ranges_m.shape)
    start_m = truth_m[0] + rng.normal(0.0, 1.0, truth_m[0].shape)
    return Scene(anchors_m, anchor, np.abs(ranges_m), truth_m, start_m)


def open_scene(cards: int, rounds: int, seed: int = 1) -> Scene:
    """Cards that walk at about 1.2 m/s, each on an ellipse of its own, among four anchors."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(rounds)[:, None] * ROUND_S
    middle_m = np.stack([rng.uniform(20, 40, cards), rng.uniform(15, 25, cards)], axis=1)
    radius_m = rng.uniform(5.0, 12.0, (2, cards))
    angle = rng.uniform(0, 2 * np.pi, cards) + _WALK_M_S / radius_m.mean(axis=0) * t_s
    around_m = np.stack([radius_m[0] * np.cos(angle), radius_m[1] * np.sin(angle)], axis=2)
    return _scene(np.array(_ANCHORS_M), middle_m + around_m, rng)


#: Two drifts 300 m apart and three ways between them: ends and bends of each roadway, metres.
_ROADWAYS_M: Final = (
    ((0, 0), (700, 0), (1200, 100)),
    ((0, 300), (1200, 300)),
    ((0, 0), (0, 300)),
    ((700, 0), (700, 300)),
    ((1200, 100), (1200, 300)),
)
_ANCHOR_EVERY_M: Final = 100.0
_HALF_WIDTH_M: Final = 2.5


def _along(line_m: Floats, s_m: Floats) -> tuple[Floats, Floats]:
    """Points at `s_m` along a line (k, 2), and the unit vectors to the left there."""
    step_m = np.diff(line_m, axis=0)
    length_m = np.hypot(*step_m.T)
    chainage_m = np.concatenate([[0.0], np.cumsum(length_m)])
    piece = np.clip(np.searchsorted(chainage_m, s_m, "right") - 1, 0, len(length_m) - 1)
    unit = step_m[piece] / length_m[piece][..., None]
    place_m = line_m[piece] + (s_m - chainage_m[piece])[..., None] * unit
    return place_m, np.stack([-unit[..., 1], unit[..., 0]], axis=-1)


def roadway_scene(cards: int, rounds: int, seed: int = 2) -> tuple[MineMap, Scene]:
    """Cards that walk to and fro in roadways with an anchor on the wall every 100 m."""
    rng = np.random.default_rng(seed)
    lines = [np.array(points, np.float64) for points in _ROADWAYS_M]
    places_m, truth_m = [], np.empty((rounds, cards, 2))
    for r, line_m in enumerate(lines):
        length_m = float(np.hypot(*np.diff(line_m, axis=0).T).sum())
        place_m, left = _along(line_m, np.arange(_ANCHOR_EVERY_M / 2, length_m, _ANCHOR_EVERY_M))
        places_m.append(place_m + _HALF_WIDTH_M * left)
        mine = np.arange(r, cards, len(lines))
        start_m, sign = rng.uniform(0, 2 * length_m, len(mine)), rng.choice([-1, 1], len(mine))
        gone_m = start_m + sign * _WALK_M_S * np.arange(rounds)[:, None] * ROUND_S
        s_m = np.abs((gone_m % (2 * length_m)) - length_m)
        place_m, left = _along(line_m, s_m)
        truth_m[:, mine] = place_m + rng.normal(0, 0.6, len(mine))[:, None] * left
    anchors_m = np.column_stack([np.vstack(places_m), np.full(sum(map(len, places_m)), 2.0)])
    mine_map = MineMap(
        roadways=tuple(
            Roadway(
                f"r{i}", f"r{i}", 2 * _HALF_WIDTH_M, np.column_stack([line_m, 0 * line_m[:, 0]])
            )
            for i, line_m in enumerate(lines)
        ),
        anchors=tuple(Anchor(f"A{i}", *map(float, place_m)) for i, place_m in enumerate(anchors_m)),
        readers=(),
        zones=(),
    )
    return mine_map, _scene(anchors_m, truth_m, rng)


def rmse_m(places_m: Floats, truth_m: Floats) -> float:
    """Root mean square of the horizontal error of places (n, 2)."""
    return float(np.sqrt(np.mean(((places_m - truth_m) ** 2).sum(axis=1))))


def process_noise(dt_s: float) -> Floats:
    """(4, 4): white-noise acceleration over dt (Bar-Shalom, Li & Kirubarajan 2001, 6.2.2)."""
    corner = np.array([[dt_s**3 / 3, dt_s**2 / 2], [dt_s**2 / 2, dt_s]])
    return ACCELERATION_Q * np.kron(corner, np.eye(2))


def first_covariance() -> Floats:
    """(4, 4): where a card may be at first, and how fast."""
    return np.diag([START_SIGMA_M**2] * 2 + [START_SPEED_M_S**2] * 2)
