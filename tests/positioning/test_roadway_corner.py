"""A right-angled corner of two roadways, where what is round it is near in the straight line.

Ranges of the anchors about the corner fit a place on either side of it: a place that has once been
taken for the right one calls those that deny it blocked.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pytest

from positioning.locator import Locator
from positioning.mine_map import Anchor, MineMap, Roadway
from positioning.observation import RANGE, FixClass, Records, measurements, rows_of
from tests.positioning.scenes import CARD_Z_M, READERS, S

GATE = Roadway("gate", "gate", 4.5, np.array([[0.0, -200.0, 0.0], [0.0, 0.0, 0.0]]))
FACE = Roadway("face", "face", 6.0, np.array([[-150.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
ANCHORS = (
    Anchor("at_corner", -2.0, -4.0, 2.2),
    Anchor("gate_1", 2.0, -42.4, 2.2),
    Anchor("gate_2", -2.0, -80.8, 2.2),
    Anchor("face_0", -4.0, -2.8, 2.2),
    Anchor("face_1", -39.5, 2.8, 2.2),
)
CORNER = MineMap((GATE, FACE), ANCHORS, READERS, ())
#: From here on the corner is in sight, and the anchors of the face are heard.
SIGHT_M = 4.0
#: Slower than once a second, by as much as clocks of cards are off.
PERIOD_S = 1.02
#: The card stands in the gate, goes to the corner, and stands there: its y, by rounds.
STANDS, GOES = 10, 1.9
PLACES_M = np.minimum(-8.12 + GOES * np.arange(1 - STANDS, 20).clip(0), 0.0)
#: Rounds in which ranges are too long, metres, for want of a line of sight.
BLOCKED = {(9, 0): 0.55, (10, 0): 0.98, (11, 0): 0.77, (12, 0): 0.43, (10, 2): 1.91, (11, 2): 2.43}


#: Someone else, who keeps to the far side of the gate, as the simulator measured it: the ranges of
#: `ANCHORS` in each round, metres. The anchor at the corner is blocked as they set out, so that
#: those behind them seem to be; they stop 1.1 m before the corner.
NO: Final = math.nan
WALK = np.array(
    [
        *[(7.8, 31.2, 69.55, NO, NO)] * 7,
        (8.44, 31.16, 69.64, NO, NO),
        (8.08, 32.16, 70.63, NO, NO),
        (7.23, 33.07, 71.58, NO, NO),
        (7.21, 34.10, 72.53, NO, NO),
        (4.92, 35.14, 73.52, NO, NO),
        (4.53, 36.12, 74.48, NO, NO),
        (4.30, 36.99, 75.47, 6.66, NO),
        (4.04, 38.04, 76.47, 6.04, NO),
        (3.68, 39.02, NO, 5.66, 41.45),
        (3.62, 40.02, NO, 5.17, 40.77),
        (3.79, 40.89, NO, 4.87, 40.23),
        *[(3.91, 41.4, NO, 4.82, 39.95)] * 9,
    ]
)
STOPS_Y_M: Final = -1.1


def ranges(seed: int) -> Records:
    """(n,) RANGE of the walk, a round for each place: the four nearest anchors."""
    rng = np.random.default_rng(seed)
    rows = []
    for k, y in enumerate(PLACES_M.tolist()):
        x = 0.5 if y < -2.0 else 0.0
        seen = ANCHORS if y > -SIGHT_M else ANCHORS[:3]
        away_m = [math.hypot(x - a.x_m, y - a.y_m, CARD_Z_M - a.z_m) for a in seen]
        for slot, i in enumerate(np.argsort(away_m)[:4].tolist()):
            t_ns = S + round(k * PERIOD_S * S) + slot * 2_000_000
            range_m = away_m[i] + 0.06 + rng.normal(0.0, 0.08) + BLOCKED.get((k, i), 0.0)
            rows.append((0, i, t_ns, range_m, np.nan, np.nan))
    return np.array(rows, RANGE)


def by_round(fixes: Records) -> Records:
    """The last fix of each round."""
    round_ = np.round((fixes["t_ns"] - S) / (PERIOD_S * S))
    return rows_of(fixes, np.append(np.flatnonzero(np.diff(round_)), len(fixes) - 1))


@pytest.mark.parametrize("seed", range(100, 104))
def test_who_walks_to_a_corner_does_not_stay_before_it(seed: int) -> None:
    fixes = by_round(Locator(CORNER, CARD_Z_M).locate(measurements(ranges(seed))))
    away_m = np.hypot(fixes["x_m"], fixes["y_m"] - PLACES_M)
    assert (away_m[:STANDS] < 0.5).all()
    arrived = STANDS + math.ceil(8.12 / GOES)
    assert (away_m[arrived + 1 :] < 0.5).all()
    assert (fixes["fix_class"][arrived + 2 :] == FixClass.ROADWAY).all()


def test_who_stops_just_before_a_corner_is_there_some_rounds_later() -> None:
    """By the last seconds alone, either side of the near anchors is about as likely."""
    rows = [
        (0, anchor, (k + 1) * S + 2_000_000 * slot, round_[anchor], np.nan, np.nan)
        for k, round_ in enumerate(WALK)
        for slot, anchor in enumerate(np.argsort(round_)[: np.isfinite(round_).sum()].tolist())
    ]
    fixes = Locator(CORNER, CARD_Z_M).locate(measurements(np.array(rows, RANGE)))
    assert abs(fixes["y_m"][-1] - STOPS_Y_M) < 0.5
    assert fixes["fix_class"][-1] == FixClass.ROADWAY
