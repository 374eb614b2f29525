"""A card that goes from a roadway into an open area and back."""

import numpy as np
import pytest

from positioning.observation import FixClass, Records, measurements, new_fixes
from tests.positioning.scenes import (
    CARD_Z_M,
    MINE_WITH_CHAMBER,
    S,
    Walk,
    apart_m,
    fix_at,
    heard_on,
    mine_locator,
    one_place,
    walk_through,
)

#: Down the main roadway, round the chamber, and out again.
VISIT = walk_through(
    np.array(
        [
            [100.0, 50.0, -2.7692308],
            [100.0, 130.0, -4.0],
            [112.0, 150.0, -4.0],
            [90.0, 152.0, -4.0],
            [92.0, 135.0, -4.0],
            [100.0, 126.0, -3.9384615],
            [100.0, 60.0, -2.9230769],
        ]
    )
)


def located(ranges: Records) -> Records:
    return mine_locator(mine_map=MINE_WITH_CHAMBER).locate(measurements(ranges))


@pytest.mark.parametrize("seed", range(3))
def test_a_card_walks_into_a_chamber_and_back(seed: int) -> None:
    fixes = located(heard_on(VISIT, hz=4.0, seed=seed))
    true_m = VISIT.at(fixes["t_ns"])
    error_m = apart_m(fixes, true_m)
    assert error_m.max() < 3.0
    assert np.percentile(error_m, 95) < 0.8
    well_inside = (true_m[:, 1] > 123.0) & (fixes["t_ns"] > 3 * S)
    outside = true_m[:, 1] < 117.0
    assert set(fixes["fix_class"][well_inside].tolist()) == {FixClass.PRECISE}
    assert set(fixes["roadway"][well_inside].tolist()) == {-1}
    assert np.isnan(fixes["chainage_m"][well_inside]).all()
    assert (fixes["roadway"][outside] == 0).all()
    classes = fixes["fix_class"][outside & (fixes["t_ns"] > 3 * S)]
    assert (classes == FixClass.ROADWAY).mean() > 0.9
    assert FixClass.PRECISE not in set(classes.tolist())
    assert fixes["z_m"] == pytest.approx(
        np.interp(np.minimum(fixes["y_m"], 130.0), [0.0, 130.0], [-2.0, -4.0]) + CARD_Z_M, abs=0.1
    )


def standing(x_m: float, y_m: float, z_m: float = -4.0) -> Walk:
    return Walk(np.array([0.0, 10.0]), np.array([[x_m, y_m, z_m]] * 2))


@pytest.mark.parametrize("place", [(95.0, 145.0), (84.0, 125.0), (110.0, 150.0), (100.0, 155.0)])
def test_a_card_starts_in_the_chamber(place: tuple[float, float]) -> None:
    """Two anchors would do for a place on the roadway, which a third one then denies."""
    fixes = located(heard_on(standing(*place)))
    assert fixes["t_ns"][0] <= 2 * S
    assert set(fixes["fix_class"].tolist()) == {FixClass.PRECISE}
    assert apart_m(fixes, np.array(place)).max() < 0.8


@pytest.mark.parametrize("place", [(60.0, 0.0, -1.2), (100.0, 80.0, -3.0), (100.0, 112.0, -3.7)])
def test_a_card_starts_on_the_roadway(place: tuple[float, float, float]) -> None:
    fixes = located(heard_on(standing(*place)))
    assert fixes["t_ns"][0] <= 3 * S
    assert (fixes["fix_class"][-1], fixes["roadway"][-1]) == (FixClass.ROADWAY, 0)
    assert apart_m(fixes[-1:], np.array(place[:2]))[0] < 0.5


def test_a_card_that_is_not_on_the_roadway_at_all_is_found_in_the_chamber() -> None:
    """It was restored on the roadway, and is heard in the chamber."""
    locator = mine_locator(mine_map=MINE_WITH_CHAMBER)
    locator.restore(fix_at(100.0, 60.0, S - 1, 0.1))
    place = (110.0, 150.0)
    ranges = heard_on(standing(*place))
    fixes = locator.locate(measurements(ranges))
    late = fixes[fixes["t_ns"] > 5 * S]
    assert set(late["fix_class"].tolist()) == {FixClass.PRECISE}
    assert apart_m(late, np.array(place)).max() < 0.8


@pytest.mark.parametrize(
    ("place", "fix_class", "roadway"),
    [((95.0, 140.0), FixClass.PRECISE, -1), ((40.0, 1.5), FixClass.ROADWAY, 0)],
)
def test_a_place_starts_a_card_where_it_is(
    place: tuple[float, float], fix_class: FixClass, roadway: int
) -> None:
    locator = mine_locator(mine_map=MINE_WITH_CHAMBER)
    (fix,) = locator.locate(measurements(one_place(0, S, place, 1.0)))
    assert (fix["fix_class"], fix["roadway"]) == (fix_class, roadway)
    assert apart_m(np.array([fix]), np.array(place))[0] < 2.0


@pytest.mark.parametrize(
    ("x_m", "y_m", "roadway", "chainage_m"), [(95.0, 140.0, -1, np.nan), (40.0, 0.0, 0, 40.008)]
)
def test_a_card_is_restored_where_it_was(
    x_m: float, y_m: float, roadway: int, chainage_m: float
) -> None:
    fix = new_fixes(1)
    fix["t_ns"], fix["x_m"], fix["y_m"], fix["roadway"] = S, x_m, y_m, roadway
    fix["chainage_m"], fix["fix_class"] = chainage_m, FixClass.PRECISE
    fix["var_x_m2"] = fix["var_y_m2"] = 0.1
    locator = mine_locator(mine_map=MINE_WITH_CHAMBER)
    locator.restore(fix)
    ranges = heard_on(standing(x_m, y_m, -4.0 if roadway < 0 else -0.8), until_s=1.0)
    ranges["t_ns"] += S
    found = locator.locate(measurements(ranges))
    assert len(found) == len(ranges)
    assert set(found["roadway"].tolist()) == {roadway}
    assert apart_m(found, np.array([x_m, y_m])).max() < 1.0
