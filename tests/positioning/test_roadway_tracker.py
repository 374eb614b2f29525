"""A card on the roadways: followed round bends and over junctions, honest about what is unknown."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.locator import Locator
from positioning.mine_map import Anchor, MineMap, Reader, Roadway
from positioning.observation import DIFFERENCE, PLACE, FixClass, Records, measurements
from tests.positioning.scenes import (
    ALONG_MAIN,
    ANCHORS,
    CARD_Z_M,
    INTO_SIDE,
    MAIN,
    MINE,
    SIDE,
    WIDTH_M,
    Floats,
    S,
    Walk,
    apart_m,
    heard_on,
    mine_locator,
    one_place,
    same,
    walk_through,
)

#: Where a card may be aside: evenly between the walls, 0.4 m from either.
ASIDE_SIGMA_M = (WIDTH_M - 0.8) / math.sqrt(12.0)


def located(ranges: Records, locator: Locator | None = None) -> Records:
    return (locator or mine_locator()).locate(measurements(ranges))


def errors_m(fixes: Records, walk: Walk) -> Floats:
    return apart_m(fixes, walk.at(fixes["t_ns"]))


def standing(x_m: float, y_m: float, z_m: float, seconds: float = 10.0) -> Walk:
    place_m = np.array([[x_m, y_m, z_m]] * 2)
    return Walk(np.array([0.0, seconds]), place_m)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("walk", "ends_in"), [(ALONG_MAIN, 0), (INTO_SIDE, 1)])
def test_a_card_is_followed_round_a_bend_and_over_a_junction(
    walk: Walk, ends_in: int, seed: int
) -> None:
    fixes = located(heard_on(walk, seed=seed))
    assert fixes["t_ns"][0] <= 2 * S
    off_m = errors_m(fixes, walk)
    assert np.percentile(off_m, 95) < 0.5
    assert off_m.max() < 5.0  # just behind the junction, where either way fits
    assert (fixes["roadway"][-1], fixes["fix_class"][-1]) == (ends_in, FixClass.ROADWAY)
    assert (fixes["fix_class"] == FixClass.ROADWAY).mean() > 0.8
    speed_m_s = np.hypot(fixes["vx_m_s"], fixes["vy_m_s"])
    assert np.median(speed_m_s) == pytest.approx(1.2, abs=0.2)


def test_a_place_is_on_the_centreline_with_roadway_chainage_and_height() -> None:
    fixes = located(heard_on(INTO_SIDE))
    for roadway, line in enumerate((MAIN.centreline_m, SIDE.centreline_m)):
        of_it = fixes[fixes["roadway"] == roadway]
        at_m = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1)))
        assert len(of_it)
        for i, name in enumerate(("x_m", "y_m", "z_m")):
            height_m = CARD_Z_M if name == "z_m" else 0.0
            expected = np.interp(of_it["chainage_m"], at_m, line[:, i]) + height_m
            assert of_it[name] == pytest.approx(expected, abs=1e-5)


def test_what_is_unknown_aside_is_said() -> None:
    """A card a metre off the centreline: the ellipse is narrow along, as wide as the way across."""
    off_m = 1.0
    walk = walk_through(np.array([[10.0, off_m, -0.2], [90.0, off_m, -1.8]]))
    fixes = located(heard_on(walk))[30:]
    assert np.sqrt(fixes["var_y_m2"]) == pytest.approx(ASIDE_SIGMA_M, rel=0.05)
    assert np.sqrt(fixes["var_x_m2"]).max() < 0.5
    inside = (fixes["y_m"] - off_m) ** 2 / fixes["var_y_m2"]
    along_m = fixes["x_m"] - walk.at(fixes["t_ns"])[:, 0]
    assert (inside + along_m**2 / fixes["var_x_m2"] < 5.991).mean() > 0.9


def test_the_ellipse_covers_the_truth() -> None:
    covered = []
    for seed in range(3):
        for walk in (ALONG_MAIN, INTO_SIDE):
            fixes = located(heard_on(walk, seed=seed))
            ex, ey = (np.array([fixes["x_m"], fixes["y_m"]]).T - walk.at(fixes["t_ns"])).T
            xx, xy, yy = fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"]
            nees = (yy * ex**2 - 2.0 * xy * ex * ey + xx * ey**2) / (xx * yy - xy**2)
            covered.append(nees < 5.991)
    assert np.concatenate(covered).mean() >= 0.9


def test_one_anchor_alone_leaves_the_mirror_alive() -> None:
    walk = standing(20.0, 0.0, -0.4)
    fixes = located(heard_on(walk, anchors=(1,)))
    assert len(fixes)
    assert set(fixes["fix_class"].tolist()) == {FixClass.AMBIGUOUS}
    mirrors_m = np.array([[20.0, 0.0], [80.0, 0.0]])
    nearest_m = np.minimum(*(apart_m(fixes, place_m) for place_m in mirrors_m))
    assert nearest_m.max() < 1.0
    spread_m = np.sqrt(fixes["var_x_m2"])
    assert (3.0 * spread_m > 60.0).all()  # the ellipse reaches the other one


def test_a_second_anchor_ends_the_ambiguity() -> None:
    walk = standing(20.0, 0.0, -0.4)
    locator = mine_locator()
    located(heard_on(walk, anchors=(1,)), locator)
    later = heard_on(walk, anchors=(0, 1))
    later["t_ns"] += 11 * S
    fixes = located(later, locator)
    assert fixes["fix_class"][-1] == FixClass.ROADWAY
    assert apart_m(fixes[-1:], np.array([20.0, 0.0]))[0] < 0.5


def test_an_anchor_without_line_of_sight_carries_nobody_away() -> None:
    walk = ALONG_MAIN
    ranges = heard_on(walk)
    t_s = (ranges["t_ns"] - S) / S
    rng = np.random.default_rng(4)
    blocked = (ranges["anchor"] == 1) & (t_s > 25.0) & (t_s < 45.0)
    ranges["range_m"][blocked] += rng.exponential(6.0) + rng.exponential(1.0, blocked.sum())
    blocked = (ranges["anchor"] == 3) & (t_s > 110.0) & (t_s < 130.0)
    ranges["range_m"][blocked] += rng.exponential(6.0, blocked.sum())
    fixes = located(ranges)
    assert errors_m(fixes, walk).max() < 3.0
    assert np.percentile(errors_m(fixes, walk), 95) < 1.0


@pytest.mark.parametrize("silence_s", [5, 20, 120])
def test_a_silent_card_keeps_its_place_with_growing_uncertainty(silence_s: int) -> None:
    """What comes after it tells nothing: a place known to some kilometres, twice."""
    locator = mine_locator()
    walk = standing(60.0, 0.0, -1.2)
    before = located(heard_on(walk), locator)[-1]
    t_ns = int(before["t_ns"]) + silence_s * S
    vague = [one_place(0, t_ns + k, (60.0, 0.0), 3000.0) for k in (0, 1_000_000)]
    fix = located(np.concatenate(vague), locator)[-1]
    assert fix["fix_class"] == (FixClass.LOST if silence_s > 10 else FixClass.EXTRAPOLATED)
    assert fix["age_s"] == pytest.approx(silence_s, abs=0.01)
    assert abs(fix["chainage_m"] - before["chainage_m"]) < 2.0
    grown_m = math.sqrt(fix["var_x_m2"])
    assert 1.2 * math.sqrt(silence_s) < grown_m < 1.5 * silence_s + 1.0
    assert fix["var_y_m2"] == pytest.approx(before["var_y_m2"], rel=0.05)


def test_after_a_silence_a_card_is_found_where_it_is_now() -> None:
    locator = mine_locator()
    located(heard_on(standing(60.0, 0.0, -1.2)), locator)
    walk = standing(100.0, 80.0, -3.0)
    back = heard_on(walk)
    back["t_ns"] += 300 * S
    fixes = located(back, locator)
    found = fixes[fixes["fix_class"] == FixClass.ROADWAY]
    assert found["t_ns"][0] < back["t_ns"][0] + 4 * S
    assert apart_m(found[-1:], np.array([100.0, 80.0]))[0] < 0.5


def test_differences_alone_locate_a_card_on_a_roadway() -> None:
    rng = np.random.default_rng(3)
    place_m = np.array([30.0, 0.0, -0.6 + CARD_Z_M])
    at_m = np.array([(a.x_m, a.y_m, a.z_m) for a in ANCHORS])
    away_m = np.linalg.norm(at_m - place_m, axis=1)
    rows = [
        (0, one, two, S + k * S // 4, away_m[one] - away_m[two] + rng.normal(0.0, 0.15))
        for k in range(60)
        for one, two in ((0, 1), (1, 2))
    ]
    fixes = located(np.array(rows, DIFFERENCE))
    assert fixes["fix_class"][-1] == FixClass.ROADWAY
    assert apart_m(fixes[-20:], place_m[:2]).max() < 1.0


def test_places_follow_the_roadway_and_one_far_off_is_gated() -> None:
    rng = np.random.default_rng(5)
    t_ns = S + np.arange(0, 120 * S, S // 2)
    true_m = INTO_SIDE.at(t_ns) + rng.normal(0.0, 0.5, (len(t_ns), 2))
    rows = [
        (0, int(t), float(x), float(y), 0.25, 0.0, 0.25)
        for t, (x, y) in zip(t_ns, true_m, strict=True)
    ]
    rows.insert(100, (0, int(t_ns[100]) - 1000, 190.0, 40.0, 0.25, 0.0, 0.25))
    locator = mine_locator()
    fixes = located(np.array(rows, PLACE), locator)
    assert errors_m(fixes, INTO_SIDE).max() < 5.0
    assert np.percentile(errors_m(fixes, INTO_SIDE), 95) < 1.5
    assert locator.rejections.gated >= 1
    assert fixes["fix_class"][-1] == FixClass.ROADWAY


def moved_mine(angle: float, way_m: Floats) -> tuple[MineMap, Floats]:
    """The small mine turned and moved in plan, and the matrix of the turn."""
    c, s = math.cos(angle), math.sin(angle)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    def place(x_m: float, y_m: float, z_m: float) -> tuple[float, float, float]:
        x, y, z = turn @ [x_m, y_m, z_m] + way_m
        return float(x), float(y), float(z)

    roadways = [
        Roadway(r.id, r.name, r.width_m, r.centreline_m @ turn.T + way_m) for r in MINE.roadways
    ]
    anchors = [Anchor(a.id, *place(a.x_m, a.y_m, a.z_m)) for a in MINE.anchors]
    readers = [Reader(r.id, *place(r.x_m, r.y_m, r.z_m), r.radius_m) for r in MINE.readers]
    return MineMap(tuple(roadways), tuple(anchors), tuple(readers), ()), turn


@settings(max_examples=15, deadline=None)
@given(
    angle=st.floats(-math.pi, math.pi),
    way_m=st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(-500.0, 500.0)),
)
def test_moving_and_turning_the_mine_moves_and_turns_the_fixes(
    angle: float, way_m: tuple[float, float, float]
) -> None:
    ranges = heard_on(INTO_SIDE, hz=1.0)
    mine, turn = moved_mine(angle, np.array(way_m))
    plain, other = located(ranges), located(ranges, mine_locator(mine_map=mine))
    assert len(plain) == len(other)
    assert np.array_equal(plain["roadway"], other["roadway"])
    assert np.array_equal(plain["fix_class"], other["fix_class"])
    assert other["chainage_m"] == pytest.approx(plain["chainage_m"], abs=1e-4)
    places_m = np.column_stack([plain[name] for name in ("x_m", "y_m", "z_m")])
    moved_m = np.column_stack([other[name] for name in ("x_m", "y_m", "z_m")])
    assert moved_m == pytest.approx(places_m @ turn.T + way_m, abs=1e-4)
    for one, two in zip(plain, other, strict=True):
        cov = [[one["var_x_m2"], one["cov_xy_m2"]], [one["cov_xy_m2"], one["var_y_m2"]]]
        expected = turn[:2, :2] @ cov @ turn[:2, :2].T
        found = [[two["var_x_m2"], two["cov_xy_m2"]], [two["cov_xy_m2"], two["var_y_m2"]]]
        assert np.array(found) == pytest.approx(expected, abs=1e-3, rel=1e-3)


def stream(seed: int, cards: int = 3) -> Records:
    """Ranges of cards on three walks, and sightings anywhere, in order of time."""
    rng = np.random.default_rng(seed)
    walks = (ALONG_MAIN, INTO_SIDE, standing(60.0, 0.0, -1.2, 100.0))
    parts = [heard_on(walks[i], card=i, hz=1.0, seed=seed + i) for i in range(cards)]
    for part in parts:
        part["range_m"] += np.where(rng.random(len(part)) < 0.1, rng.exponential(20.0), 0.0)
    measured = measurements(*parts)
    measured = measured[np.argsort(measured["t_ns"], kind="stable")]
    seen = rng.random(len(measured)) < 0.03
    measured["kind"][seen], measured["source"][seen] = 2, rng.integers(0, 4, seen.sum())
    measured["side"][seen] = rng.integers(-1, 2, seen.sum())
    return measured


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 5),
    cuts=st.lists(st.integers(0, 900), max_size=10),
    shift_ns=st.integers(-(10**18), 10**18),
    order=st.permutations(range(3)),
)
def test_batches_times_and_company_change_no_bit(
    seed: int, cuts: list[int], shift_ns: int, order: list[int]
) -> None:
    measured = stream(seed)
    plain = mine_locator()
    expected = plain.locate(measured)
    other = measured.copy()
    other["t_ns"] += shift_ns
    other["card"] = np.array(order)[measured["card"]]
    locator = mine_locator()
    pieces = [locator.locate(part) for part in np.split(other, sorted(cuts))]
    found = np.concatenate(pieces)
    found["t_ns"] -= shift_ns
    assert np.array_equal(found["card"], np.array(order)[expected["card"]])
    found["card"] = expected["card"]
    assert same(expected, found)
    assert plain.rejections == locator.rejections
    alone = mine_locator().locate(measured[measured["card"] == 1])
    assert same(alone, expected[expected["card"] == 1])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), wild=st.floats(0.0, 1.0))
def test_covariances_along_stay_symmetric_and_positive_for_ever(seed: int, wild: float) -> None:
    rng = np.random.default_rng(seed)
    measured = stream(seed % 7)[:400]
    odd = rng.random(len(measured)) < wild
    measured["value_m"][odd] = rng.uniform(0.0, 300.0, odd.sum())
    measured["source"][odd] = rng.integers(0, 10, odd.sum())
    measured["t_ns"][odd] += rng.integers(-S, S, odd.sum())
    locator = mine_locator()
    for part in np.split(measured, 8):
        fixes = locator.locate(part)
        for card in locator._tracker._cards[:3]:
            h = card["hypotheses"][: card["places"]]
            assert np.isfinite(h).all()
            assert (h[:, 2] > 0.0).all()
            assert (h[:, 4] > 0.0).all()
            assert (h[:, 2] * h[:, 4] > h[:, 3] ** 2).all()
        assert (fixes["var_x_m2"] > 0.0).all()
        assert (fixes["var_x_m2"] * fixes["var_y_m2"] > fixes["cov_xy_m2"] ** 2).all()


@settings(max_examples=10, deadline=None)
@given(begin=st.integers(0, 600), count=st.integers(1, 30))
def test_what_comes_twice_changes_nothing(begin: int, count: int) -> None:
    measured = stream(2)
    end = min(begin + count, len(measured))
    once, twice = mine_locator(), mine_locator()
    parts = [twice.locate(measured[:end]), twice.locate(measured[begin:end])]
    parts.append(twice.locate(measured[end:]))
    assert same(once.locate(measured), np.concatenate(parts))
    assert twice.rejections.repeated == once.rejections.repeated + end - begin
