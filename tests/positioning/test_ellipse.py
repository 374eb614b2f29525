"""The ellipse of a fix against its definition: eigenvectors, and the share of draws it holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from positioning.ellipse import ellipses, squared_distance, squared_radius
from positioning.observation import Records, new_fixes


def fixes_of(*covariances: tuple[float, float, float]) -> Records:
    fixes = new_fixes(len(covariances))
    fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"] = np.array(covariances).T
    return fixes


def test_the_axes_of_known_covariances() -> None:
    found = ellipses(fixes_of((4.0, 0.0, 1.0), (1.0, 0.0, 4.0), (2.5, 1.5, 2.5), (2.5, -1.5, 2.5)))
    radius = squared_radius(0.95) ** 0.5
    assert radius == pytest.approx(2.4477, abs=1e-4)
    assert found.semi_major_m == pytest.approx([2.0 * radius] * 4)
    assert found.semi_minor_m == pytest.approx([radius] * 4)
    assert found.direction_deg == pytest.approx([0.0, 90.0, 45.0, -45.0])


@given(
    st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.floats(-80.0, 80.0), st.floats(0.05, 0.99)
)
def test_the_ends_of_both_axes_are_equally_far(
    long_m: float, short_m: float, turned_deg: float, probability: float
) -> None:
    turn = np.radians(turned_deg)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    cov = turned @ np.diag([long_m**2, short_m**2]) @ turned.T
    fix = fixes_of((cov[0, 0], cov[0, 1], cov[1, 1]))
    found = ellipses(fix, probability)
    for length_m, extra_deg in ((found.semi_major_m, 0.0), (found.semi_minor_m, 90.0)):
        angle = np.radians(found.direction_deg + extra_deg)
        apart = squared_distance(fix, length_m * np.cos(angle), length_m * np.sin(angle))
        assert apart == pytest.approx([squared_radius(probability)], rel=1e-5)
    assert found.semi_major_m >= found.semi_minor_m


def test_it_holds_as_many_draws_as_it_says() -> None:
    rng = np.random.default_rng(1)
    draws = rng.multivariate_normal([0.0, 0.0], [[3.0, 1.2], [1.2, 0.9]], 20_000)
    apart = squared_distance(fixes_of(*[(3.0, 1.2, 0.9)] * 20_000), draws[:, 0], draws[:, 1])
    assert np.mean(apart <= squared_radius(0.95)) == pytest.approx(0.95, abs=0.006)
    assert np.mean(apart) == pytest.approx(2.0, abs=0.05)


def test_no_covariance_is_no_certainty() -> None:
    flat = fixes_of((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (-1.0, 0.0, -1.0), (np.nan, 0.0, 1.0))
    far = squared_distance(flat, np.ones(4), np.zeros(4))
    assert far.tolist() == [np.inf] * 4
    assert ellipses(flat[1:2]).semi_minor_m.tolist() == [0.0]
    assert np.isnan(ellipses(flat[3:]).semi_major_m).all()
