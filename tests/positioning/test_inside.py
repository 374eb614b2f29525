"""The probability of being in a polygon against what it is by other means."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.inside import owen_t, probability, side_of, spread
from positioning.polygons import edges_of
from tests.positioning.shapes import star


def below(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def in_rings(rings: list[np.ndarray], mean: tuple[float, float], covariance: np.ndarray) -> float:
    edges_m = edges_of(rings)
    (var_x, var_xy), (_, var_y) = covariance.tolist()
    place = spread(*mean, var_x, var_xy, var_y)
    found = probability(edges_m, 0, len(edges_m), place)
    side = side_of(edges_m, 0, len(edges_m), place)
    assert side == (1 if found > 0.9 else -1 if found < 0.1 else 0)
    return float(found)


@pytest.mark.parametrize(
    ("h", "a", "expected"),
    [  # Patefield & Tandy 2000, table of reference values
        (0.0625, 0.25, 3.8911930234701366e-02),
        (6.5, 0.4375, 2.0005773048508315e-11),
        (7.0, 0.96875, 6.3990627193898685e-13),
        (4.78125, 0.0625, 1.0632974804687463e-07),
        (2.0, 0.5, 8.6250779855215071e-03),
        (1.0, 0.9999975, 6.6741808978228592e-02),
    ],
)
def test_owens_function_has_its_published_values(h: float, a: float, expected: float) -> None:
    assert owen_t(h, a) == pytest.approx(expected, abs=1e-8)


def test_owens_function_beyond_one_agrees_with_its_integral() -> None:
    x = np.linspace(0.0, 1.0, 200_001)
    for h in (0.0, 0.3, 1.0, 2.5):
        for a in (0.5, 1.5, 4.0, 30.0):
            f = np.exp(-0.5 * h * h * (1 + (a * x) ** 2)) / (1 + (a * x) ** 2) * a / (2 * math.pi)
            assert owen_t(h, a) == pytest.approx(np.trapezoid(f, x), abs=1e-8)


sides = st.floats(-8.0, 8.0)
deviations = st.floats(0.06, 12.0)


@settings(max_examples=200, deadline=None)
@given(x=sides, y=sides, sigma_x=deviations, sigma_y=deviations)
def test_a_rectangle_is_a_product(x: float, y: float, sigma_x: float, sigma_y: float) -> None:
    ring = np.array([(-1.0, -2.0), (3.0, -2.0), (3.0, 1.0), (-1.0, 1.0)])
    expected = below((3.0 - x) / sigma_x) - below((-1.0 - x) / sigma_x)
    expected *= below((1.0 - y) / sigma_y) - below((-2.0 - y) / sigma_y)
    found = in_rings([ring], (x, y), np.diag([sigma_x**2, sigma_y**2]))
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("corner", [(-1.0, -2.0), (3.0, -2.0), (3.0, 1.0), (-1.0, 1.0)])
def test_on_a_corner_a_quarter_is_inside_and_on_a_border_a_half(
    corner: tuple[float, float],
) -> None:
    ring = np.array([(-1.0, -2.0), (3.0, -2.0), (3.0, 1.0), (-1.0, 1.0)])
    covariance = np.eye(2) * 0.01
    assert in_rings([ring], corner, covariance) == pytest.approx(0.25, abs=1e-5)
    assert in_rings([ring], (corner[0], 0.0), covariance) == pytest.approx(0.5, abs=1e-5)
    assert in_rings([ring], (0.0, corner[1]), covariance) == pytest.approx(0.5, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), correlation=st.floats(-0.95, 0.95), sigma=st.floats(0.5, 20.0))
def test_stars_with_holes_agree_with_counting(seed: int, correlation: float, sigma: float) -> None:
    """Also where the place is uncertain by more than the size of the polygon."""
    outer, hole = star(seed), star(seed + 1, 6) * 0.2
    oracle = shapely.Polygon(outer, [hole])
    if not oracle.is_valid:
        return
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-15.0, 15.0, 2)
    mixed = correlation * sigma * 2.0
    covariance = np.array([[sigma**2, mixed], [mixed, 4.0]])
    drawn = rng.multivariate_normal(mean, covariance, 40_000)
    share = shapely.contains_xy(oracle, drawn).mean()
    found = in_rings([outer, hole], (mean[0], mean[1]), covariance)
    assert found == pytest.approx(share, abs=5 * 0.5 / math.sqrt(len(drawn)))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shift=st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
    turn=st.floats(-7, 7),
)
def test_probability_knows_no_origin_and_no_direction(
    seed: int, shift: tuple[float, float], turn: float
) -> None:
    rng = np.random.default_rng(seed)
    outer, mean, root = star(seed), rng.uniform(-20.0, 20.0, 2), rng.normal(0.0, 4.0, (2, 2))
    covariance = root @ root.T + 0.1 * np.eye(2)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    here = in_rings([outer], (mean[0], mean[1]), covariance)
    x, y = mean @ matrix + shift
    turned = matrix.T @ covariance @ matrix
    there = in_rings([outer @ matrix + shift], (x, y), turned)
    assert here == pytest.approx(there, abs=1e-4)


def test_a_covariance_that_is_none_is_taken_for_the_floor() -> None:
    ring = np.array([(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)])
    for variances in ([[0.0, 0.0], [0.0, 0.0]], [[-1.0, 0.0], [0.0, -2.0]], [[0.01, 5], [5, 0.01]]):
        found = in_rings([ring], (4.5, 4.5), np.array(variances, np.float64))
        assert 0.9 < found <= 1.0
