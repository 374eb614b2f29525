"""What a fix says of its own quality, restored cards, and what ranges say of their anchors."""

import numpy as np
import pytest

from positioning.anchor_health import Verdict, assess
from positioning.observation import FixClass, Records, measurements
from positioning.tracker import Tracker
from tests.positioning.scenes import (
    CARD_Z_M,
    INTO_SIDE,
    SQUARE_M,
    Floats,
    S,
    apart_m,
    distance_m,
    heard_on,
    mine_locator,
    one_range,
    room_tracker,
    same,
    walks,
)


def at_rest(
    place: tuple[float, float],
    anchors: tuple[int, ...] = (0, 1, 2, 3),
    *,
    seconds: float = 5.0,
    too_long_m: dict[int, float] | None = None,
    seed: int = 0,
) -> Records:
    """(n,) MEASUREMENT of ranges, ten a second of each anchor."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(int(seconds * 10)):
        for a in anchors:
            range_m = distance_m(place, SQUARE_M[a]) + rng.normal(0.0, 0.05)
            range_m += (too_long_m or {}).get(a, 0.0)
            rows.append(one_range(0, a, S + k * S // 10 + a * 1_000_000, range_m))
    return measurements(*rows)


def test_the_dilution_of_precision_is_that_of_the_geometry() -> None:
    """In the middle of a square it is 1; with fewer anchors, and far outside, it is more."""
    middle = room_tracker().update(at_rest((15.0, 15.0)))[-1]["hdop"]
    corner = room_tracker().update(at_rest((15.0, 15.0), (0, 1, 2)))[-1]["hdop"]
    outside = room_tracker().update(at_rest((15.0, 90.0)))[-1]["hdop"]
    # Directions at right angles of four anchors: information 2 in either axis; but slant.
    slant = (15.0**2 * 2.0 + 1.5**2) / (15.0**2 * 2.0)
    assert middle == pytest.approx(np.sqrt(slant), rel=0.02)
    assert middle < corner < outside


def test_on_a_roadway_the_dilution_is_that_along() -> None:
    fixes = mine_locator().locate(measurements(heard_on(INTO_SIDE, until_s=50.0)))
    assert fixes["hdop"][-1] == pytest.approx(1.0 / np.sqrt(3.0), rel=0.05)  # three anchors in line


def test_anchors_used_and_rejected_are_counted() -> None:
    fixes = room_tracker().update(at_rest((12.0, 14.0)))
    later = at_rest((12.0, 14.0), too_long_m={2: 12.0}, seconds=10.0)
    tracked = room_tracker()
    tracked.update(at_rest((12.0, 14.0)))
    later["t_ns"] += 5 * S
    after = tracked.update(later)
    assert (fixes["anchors_used"][-1], fixes["anchors_rejected"][-1]) == (4, 0)
    assert (after["anchors_used"][-1], after["anchors_rejected"][-1]) == (3, 1)
    assert tracked.rejections.gated >= 90
    assert apart_m(after[-1:], np.array([12.0, 14.0]))[0] < 0.3


def test_the_age_is_that_of_the_last_range_in_accord() -> None:
    tracked = room_tracker()
    fixes = tracked.update(at_rest((12.0, 14.0)))
    assert fixes["age_s"].max() == 0.0
    wrong = at_rest((12.0, 14.0), (1,), too_long_m={1: 300.0}, seconds=0.9)
    wrong["t_ns"] += 5 * S
    ages_s = tracked.update(wrong)["age_s"]
    last_ns = fixes["t_ns"][-1]
    assert ages_s == pytest.approx((wrong["t_ns"] - last_ns) / S, abs=1e-6)


def major_m(fixes: Records) -> Floats:
    """Standard deviation along the ellipse's long axis."""
    xx, xy, yy = (fixes[name] for name in ("var_x_m2", "cov_xy_m2", "var_y_m2"))
    axis_m: Floats = np.sqrt(0.5 * (xx + yy + np.hypot(xx - yy, 2.0 * xy)))
    return axis_m


def test_the_protection_level_holds_the_ellipse() -> None:
    for fixes in (
        room_tracker().update(walks()),
        mine_locator().locate(measurements(heard_on(INTO_SIDE))),
    ):
        told = fixes[fixes["anchors_used"] > 0]
        assert len(told) > 0.9 * len(fixes)
        assert (told["protection_m"] >= 2.4477 * major_m(told) * (1.0 - 1e-5)).all()


@pytest.mark.parametrize("error_m", [-2.0, -0.6, 0.4, 0.8, 1.5, 3.0, 20.0])
@pytest.mark.parametrize("anchor", [0, 2])
def test_one_faulty_anchor_moves_no_place_beyond_the_protection_level(
    anchor: int, error_m: float
) -> None:
    """Where it is not found out: else the place hardly moves at all."""
    place = (11.0, 17.0)
    tracked = room_tracker()
    tracked.update(at_rest(place))
    faulty = at_rest(place, too_long_m={anchor: error_m}, seconds=20.0, seed=1)
    faulty["t_ns"] += 5 * S
    fixes = tracked.update(faulty)
    assert (apart_m(fixes, np.array(place)) < fixes["protection_m"]).all()


def test_a_restored_card_on_a_roadway_goes_on() -> None:
    measured = measurements(heard_on(INTO_SIDE))
    fixes = mine_locator().locate(measured)
    at = len(fixes) // 3
    restored = mine_locator()
    restored.restore(fixes[at : at + 1])
    again = restored.locate(measured)
    cut_ns = int(fixes["t_ns"][at])
    assert restored.rejections.replayed == int((measured["t_ns"] <= cut_ns).sum())
    assert len(again) == int((measured["t_ns"] > cut_ns).sum())
    assert set(again["roadway"][:3].tolist()) == {int(fixes["roadway"][at])}
    assert apart_m(again, INTO_SIDE.at(again["t_ns"])).max() < 5.0
    assert again["roadway"][-1] == 1
    assert np.median(np.abs(again["chainage_m"] - fixes["chainage_m"][-len(again) :])) < 0.05


def test_a_restored_card_whose_roadway_is_gone_is_put_on_the_nearest() -> None:
    fix = mine_locator().locate(measurements(heard_on(INTO_SIDE, until_s=20.0)))[-1:]
    fix["roadway"], fix["chainage_m"] = 7, 9999.0
    locator = mine_locator()
    locator.restore(fix)
    later = measurements(heard_on(INTO_SIDE, until_s=30.0))
    found = locator.locate(later[later["t_ns"] > fix["t_ns"][0]])
    assert apart_m(found, INTO_SIDE.at(found["t_ns"])).max() < 2.0
    assert set(found["roadway"].tolist()) == {0}


FIVE_M = np.array([*SQUARE_M, [15.0, 32.0, 2.5]])


def round_walk(anchors_m: Floats, seconds: int, seed: int) -> Records:
    """(n,) MEASUREMENT of a card that walks round the room."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(seconds * 5):
        angle = k / 40.0
        place = (15.0 + 9.0 * np.cos(angle), 16.0 + 9.0 * np.sin(0.7 * angle))
        for a in range(5):
            range_m = distance_m(place, anchors_m[a]) + rng.normal(0.0, 0.1)
            rows.append(one_range(0, a, S + k * S // 5 + a * 1_000_000, range_m))
    return measurements(*rows)


@pytest.mark.parametrize("which", [0, 2])
@pytest.mark.parametrize("off_m", [(1.2, -0.9), (2.5, 2.0), (4.0, -3.0)])
def test_a_displaced_anchor_tells_where_it_stands(which: int, off_m: tuple[float, float]) -> None:
    """By its sums, and no other one does: the card's place takes a part of the displacement."""
    true_m = FIVE_M.copy()
    true_m[which, :2] += off_m
    tracked = Tracker(FIVE_M, np.full(5, CARD_Z_M))
    measured = round_walk(true_m, 300, 0)
    tracked.update(measured)
    stats = tracked.anchor_stats()
    health = assess(stats)
    misplaced = health["verdict"] == Verdict.MISPLACED
    assert np.flatnonzero(misplaced).tolist() == [which]
    found_m = np.array([health["dx_m"][which], health["dy_m"][which]])
    share = np.hypot(*found_m) / np.hypot(*off_m)
    assert found_m @ off_m > 0.9 * np.hypot(*found_m) * np.hypot(*off_m)
    assert 0.4 < share < 1.1
    assert stats["heard"].sum() > len(measured) - 10
    assert (stats["used_t_ns"] <= stats["heard_t_ns"]).all()
    assert stats["heard_t_ns"].max() == measured["t_ns"].max()


def test_anchors_in_their_places_tell_of_no_displacement() -> None:
    tracked = Tracker(FIVE_M, np.full(5, CARD_Z_M))
    tracked.update(round_walk(FIVE_M, 200, 1))
    stats = tracked.anchor_stats()
    health = assess(stats)
    assert np.hypot(health["dx_m"], health["dy_m"]).max() < 0.1
    assert set(health["verdict"].tolist()) == {Verdict.GOOD}
    assert stats["rejected"].sum() < 0.02 * stats["heard"].sum()


def test_sums_of_anchors_survive_a_restart() -> None:
    measured = round_walk(FIVE_M, 40, 2)
    first = Tracker(FIVE_M, np.full(5, CARD_Z_M))
    first.update(measured)
    kept = first.anchor_stats()
    second = Tracker(FIVE_M, np.full(5, CARD_Z_M))
    second.restore_anchor_stats(kept)
    assert same(second.anchor_stats(), kept)
    later = measured.copy()
    later["t_ns"] += 100 * S
    second.update(later)
    assert (second.anchor_stats()["heard"] > 1.9 * kept["heard"]).all()
    assert (second.anchor_stats()["weight"] > 1.8 * kept["weight"]).all()


def test_a_dead_anchor_is_heard_no_more() -> None:
    measured = round_walk(FIVE_M, 40, 3)
    dead = measured[(measured["source"] != 4) | (measured["t_ns"] < 11 * S)]
    tracked = Tracker(FIVE_M, np.full(5, CARD_Z_M))
    fixes = tracked.update(dead)
    stats = tracked.anchor_stats()
    assert stats["heard_t_ns"][4] < 11 * S < 40 * S < stats["heard_t_ns"][:4].min()
    assert fixes["fix_class"][-1] == FixClass.PRECISE


def test_anchor_stats_of_a_mine() -> None:
    """Along a roadway; what is across stays unknown."""
    locator = mine_locator()
    locator.locate(measurements(heard_on(INTO_SIDE)))
    stats = locator.anchor_stats()
    assert len(stats) == 10
    heard = stats["heard"] > 0
    assert set(np.flatnonzero(heard).tolist()) == {0, 1, 2, 3, 4, 5, 6}
    mean_m = stats["r"][heard] / stats["weight"][heard]
    assert np.abs(mean_m).max() < 0.3
    other = mine_locator()
    other.restore_anchor_stats(stats)
    assert same(other.anchor_stats(), stats)
