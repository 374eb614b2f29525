"""Zones across roadways: only the uncertainty along the roadway counts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.mine_map import Roadway
from positioning.observation import FixClass, Records
from positioning.zones import ZoneMembership
from tests.positioning.walks import S, fixes_at, square, told, zone

BENT = Roadway("r", "r", 5.0, np.array([(0.0, 0, 0), (100.0, 0, 0), (100.0, 80.0, 0)]))


def in_roadway(*chainages_m: float, sigma_m: float = 0.1) -> Records:
    """Fixes on `BENT` that know nothing across: evenly between the walls."""
    fixes = fixes_at(*((0, 0.0, 0.0) for _ in chainages_m))
    s_m = np.array(chainages_m)
    fixes["roadway"], fixes["chainage_m"] = 0, s_m
    fixes["x_m"], fixes["y_m"] = np.minimum(s_m, 100.0), np.maximum(s_m - 100.0, 0.0)
    fixes["fix_class"] = FixClass.ROADWAY
    across = BENT.width_m**2 / 12.0
    is_first = s_m < 100.0
    fixes["var_x_m2"] = np.where(is_first, sigma_m**2, across)
    fixes["var_y_m2"] = np.where(is_first, across, sigma_m**2)
    return fixes


@pytest.mark.parametrize("half_m", [1.0, 2.5, 4.0])
def test_a_zone_across_a_roadway_is_entered_however_narrow_it_is_drawn(half_m: float) -> None:
    """Taken as normal in the plane, a place across of σ = width / √12 would never be inside."""
    part = zone("z", [(40, -half_m), (60, -half_m), (60, half_m), (40, half_m)])
    fixes = in_roadway(39.0, 41.0, 50.0, 59.0, 61.0)
    known = ZoneMembership((part,), (BENT,), dwell_s=0.0)
    assert told(known.update(fixes)) == [(1, 0, True), (4, 0, False)]
    in_plane = fixes.copy()
    in_plane["roadway"] = -1
    in_plane["var_y_m2"] = (BENT.width_m / math.sqrt(12.0)) ** 2
    if half_m < 2.5 * 0.9:
        assert ZoneMembership((part,), (BENT,), dwell_s=0.0).update(in_plane) == []


def test_in_a_roadway_only_the_uncertainty_along_it_counts() -> None:
    """In at 1.2816 σ along, as at a straight border, and round a bend."""
    corner = zone("z", [(90, -3), (103, -3), (103, 12), (90, 12)])
    for sigma_m in (0.5, 2.0):
        edge = 1.2816 * sigma_m
        steps = [90 + 0.99 * edge, 90 + 1.01 * edge, 101.0, 112 + 0.99 * edge, 112 + 1.01 * edge]
        membership = ZoneMembership((corner,), (BENT,), dwell_s=0.0)
        found = membership.update(in_roadway(*steps, sigma_m=sigma_m))
        assert told(found) == [(1, 0, True), (4, 0, False)]


def test_a_zone_at_the_end_of_a_roadway_goes_on_beyond_it() -> None:
    end = zone("z", [(-1, -3), (10, -3), (10, 3), (-1, 3)])
    membership = ZoneMembership((end,), (BENT,))
    assert membership.update(in_roadway(0.0, sigma_m=3.0))


def test_a_fix_that_knows_its_place_across_or_contradicts_its_chainage_is_taken_in_the_plane() -> (
    None
):
    strip = zone("strip", [(0, 1.2), (100, 1.2), (100, 2.5), (0, 2.5)])
    fixes = in_roadway(50.0)
    fixes["y_m"] = 1.85
    assert ZoneMembership((strip,), (BENT,)).update(fixes) == []
    fixes["var_y_m2"] = 0.1**2
    assert ZoneMembership((strip,), (BENT,)).update(fixes)
    far = in_roadway(50.0)
    far["y_m"], far["var_y_m2"] = 40.0, 0.5**2
    assert ZoneMembership((square("off", 40, 30, 20),), (BENT,)).update(far)


def test_in_the_roadway_of_the_level_below_the_band_counts_too() -> None:
    part = zone("z", [(40, -9), (60, -9), (60, 9), (40, 9)], band_m=(20.0, 30.0))
    assert ZoneMembership((part,), (BENT,)).update(in_roadway(50.0)) == []


#: Zones across the first hundred metres of `BENT`, from and to, and their height bands: one within
#: another, beside one another, with a gap, and on beyond the roadway's end.
ALONG = (
    (-5.0, 12.0, None),
    (8.0, 60.0, None),
    (20.0, 30.0, (-1.0, 1.0)),
    (30.0, 41.0, None),
    (41.0, 44.0, None),
    (46.0, 90.0, (2.0, 9.0)),
)


def sides(chainage_m: float, sigma_m: float, z_m: float) -> list[int]:
    """How a place lies to the zones `ALONG`, by its normal distribution: 1 in, -1 out, else 0."""
    found = []
    scale = 1.0 / (sigma_m * math.sqrt(2.0))
    for low_m, high_m, band_m in ALONG:
        below = 2.0 if low_m <= 0.0 else math.erfc((low_m - chainage_m) * scale)
        share = 0.5 * (below - math.erfc((high_m - chainage_m) * scale))
        side = 1 if share > 0.9 else -1 if share < 0.1 else 0
        for margin_m, most in ((0.0, 0), (1.0, -1)):
            # A height that is not known is in every band.
            if band_m and (z_m < band_m[0] - margin_m or z_m > band_m[1] + margin_m):
                side = min(side, most)
        found.append(side)
    return found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_who_walks_along_a_roadway_is_where_the_probability_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps_m = rng.normal(0.0, rng.choice([0.3, 3.0]), 300)
    chainages_m = np.clip(rng.uniform(0.0, 95.0) + np.cumsum(steps_m), 0.0, 95.0)
    sigmas_m = rng.uniform(0.1, 2.5, 300)
    heights_m = rng.choice([0.0, 1.5, 2.5, 12.0, np.nan], 300, p=[0.8, 0.05, 0.05, 0.05, 0.05])
    fixes = in_roadway(*chainages_m)
    fixes["var_x_m2"], fixes["z_m"] = sigmas_m**2, heights_m
    fixes["t_ns"] = np.arange(300) * (S // 5)
    expected, inside = set(), [False] * len(ALONG)
    for row in range(300):
        for k, side in enumerate(sides(chainages_m[row], sigmas_m[row], heights_m[row])):
            if side == (-1 if inside[k] else 1):
                inside[k] = not inside[k]
                expected.add((row, k, inside[k]))
    zones = [
        zone(f"z{k}", [(low, -3), (high, -3), (high, 3), (low, 3)], band_m=band_m)
        for k, (low, high, band_m) in enumerate(ALONG)
    ]
    membership = ZoneMembership(tuple(zones), (BENT,), dwell_s=0.0)
    assert set(told(membership.update(fixes))) == expected
