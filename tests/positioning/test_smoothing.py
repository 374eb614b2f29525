"""The output with a fixed lag: how many, how late, and better than what was known at the time."""

import numpy as np
import pytest

from positioning.observation import Records, measurements
from tests.positioning.scenes import (
    INTO_SIDE,
    SMOOTHED,
    SQUARE_M,
    S,
    Walk,
    apart_m,
    distance_m,
    heard_on,
    mine_locator,
    one_range,
    room_tracker,
    same,
    walk_through,
    walks,
)

LAG_NS = S
#: A zigzag through the room, so that turns come as a surprise.
ZIGZAG = walk_through(
    np.array(
        [[5.0, 5.0, 0.0], [25.0, 8.0, 0.0], [22.0, 25.0, 0.0], [6.0, 20.0, 0.0], [8.0, 6.0, 0]]
    )
)


def in_room(walk: Walk, seed: int, sigma_m: float = 0.3) -> Records:
    """(n,) MEASUREMENT of noisy ranges, ten a second of each anchor."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(int(walk.t_s[-1] * 10)):
        t_ns = S + k * S // 10
        ((x, y),) = walk.at(np.array([t_ns]))
        for a in range(4):
            range_m = distance_m((float(x), float(y)), SQUARE_M[a]) + rng.normal(0.0, sigma_m)
            rows.append(one_range(0, a, t_ns, max(range_m, 0.0)))
    return measurements(*rows)


def rmse_m(fixes: Records, walk: Walk) -> float:
    late = fixes[fixes["t_ns"] > 4 * S]
    return float(np.sqrt((apart_m(late, walk.at(late["t_ns"])) ** 2).mean()))


def within_ellipse(fixes: Records, walk: Walk) -> float:
    """The share of fixes whose 95 % ellipse holds the truth."""
    ex, ey = (np.column_stack([fixes["x_m"], fixes["y_m"]]) - walk.at(fixes["t_ns"])).T
    xx, xy, yy = fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"]
    nees = (yy * ex**2 - 2.0 * xy * ex * ey + xx * ey**2) / (xx * yy - xy**2)
    return float((nees < 5.991).mean())


def check_times(lagged: Records, measured: Records) -> None:
    """Ten in a lag, in order, none twice, and up to a lag before the last measurement."""
    assert (np.diff(lagged["t_ns"]) > 0).all()
    last_ns, first_ns = measured["t_ns"][-1], lagged["t_ns"][0]
    assert len(lagged) == pytest.approx((last_ns - LAG_NS - first_ns) / LAG_NS * 10, rel=0.15)
    assert LAG_NS <= last_ns - lagged["t_ns"][-1] < 1.2 * LAG_NS


def test_in_a_room_the_past_is_known_better() -> None:
    real, smooth, covered = [], [], []
    for seed in range(4):
        measured = in_room(ZIGZAG, seed)
        tracked = room_tracker(SMOOTHED)
        fixes = tracked.update(measured)
        lagged = tracked.take_lagged()
        check_times(lagged, measured)
        assert (lagged["var_x_m2"] * lagged["var_y_m2"] > lagged["cov_xy_m2"] ** 2).all()
        real.append(rmse_m(fixes, ZIGZAG))
        smooth.append(rmse_m(lagged, ZIGZAG))
        covered.append(within_ellipse(lagged, ZIGZAG))
        assert np.mean(lagged["var_x_m2"]) < np.mean(fixes["var_x_m2"])
    assert np.mean(smooth) < 0.8 * np.mean(real)
    assert 0.85 <= np.mean(covered) <= 1.0


def test_on_roadways_the_past_is_known_better() -> None:
    real, smooth = [], []
    for seed in range(4):
        measured = measurements(heard_on(INTO_SIDE, seed=seed, sigma_m=0.3, hz=10.0))
        locator = mine_locator(SMOOTHED)
        fixes = locator.locate(measured)
        lagged = locator.take_lagged()
        check_times(lagged, measured)
        assert (lagged["roadway"] >= 0).all()
        assert np.isfinite(lagged["chainage_m"]).all()
        assert (lagged["var_x_m2"] * lagged["var_y_m2"] > lagged["cov_xy_m2"] ** 2).all()
        real.append(rmse_m(fixes, INTO_SIDE))
        smooth.append(rmse_m(lagged, INTO_SIDE))
    assert np.mean(smooth) < 0.9 * np.mean(real)


def test_just_after_a_junction_the_past_is_on_the_right_roadway() -> None:
    """A second later it is known more often which way was taken."""
    wrong = []
    for seed in range(4):
        measured = measurements(heard_on(INTO_SIDE, seed=seed, hz=4.0))
        locator = mine_locator(SMOOTHED)
        fixes, lagged = locator.locate(measured), locator.take_lagged()
        after_ns = S + INTO_SIDE.t_s[2] * S + S // 2
        wrong.append([(f["roadway"][f["t_ns"] > after_ns] != 1).mean() for f in (fixes, lagged)])
    real, smooth = np.mean(wrong, axis=0)
    assert smooth < real


def test_the_lag_changes_nothing_of_the_real_time_output() -> None:
    measured = walks(cards=2)
    plain, smoothed = room_tracker().update(measured), room_tracker(SMOOTHED).update(measured)
    assert len(plain) == len(smoothed)
    assert smoothed["x_m"] == pytest.approx(plain["x_m"], abs=1e-9)
    assert smoothed["var_x_m2"] == pytest.approx(plain["var_x_m2"], abs=1e-9)


def test_how_the_input_is_cut_does_not_matter_and_cards_go_alone() -> None:
    measured = walks(cards=3)
    whole = room_tracker(SMOOTHED)
    whole.update(measured)
    expected = whole.take_lagged()
    parts, tracked = [], room_tracker(SMOOTHED)
    for part in np.array_split(measured, 37):
        tracked.update(part)
        parts.append(tracked.take_lagged())
    assert same(np.concatenate(parts), expected)
    alone = room_tracker(SMOOTHED)
    alone.update(measured[measured["card"] == 1])
    assert same(alone.take_lagged(), expected[expected["card"] == 1])
    assert len(alone.take_lagged()) == 0


def test_one_call_may_give_more_than_there_is_room_for_at_once() -> None:
    measured = measurements(
        *(one_range(0, a, S, distance_m((9.0, 9.0), SQUARE_M[a])) for a in range(4))
    )
    rounds = np.tile(measured, 5000)
    rounds["t_ns"] += np.repeat(np.arange(5000) * (S // 10), 4) + np.tile(np.arange(4) * 1000, 5000)
    tracked = room_tracker(SMOOTHED)
    assert len(tracked.update(rounds)) >= len(rounds) - 3
    lagged = tracked.take_lagged()
    assert len(lagged) > 4096
    check_times(lagged, rounds)


def test_without_a_lag_nothing_is_smoothed() -> None:
    tracked = room_tracker()
    tracked.update(walks(cards=1))
    assert len(tracked.take_lagged()) == 0
