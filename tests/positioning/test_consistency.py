"""How many samples a series is worth, and where the mean of NEES should be."""

import math

import numpy as np
import pytest

from positioning.consistency import independent_count, mean_nees_interval


def test_independent_values_count_one_each() -> None:
    values = np.random.default_rng(2).normal(size=5000)
    assert independent_count(values) == pytest.approx(5000, rel=0.2)


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.97])
def test_values_that_last_count_by_their_correlation(kept: float) -> None:
    """A first-order autoregression: n·(1 - kept)/(1 + kept)."""
    rng, n = np.random.default_rng(3), 40_000
    values = np.zeros(n)
    for k in range(1, n):
        values[k] = kept * values[k - 1] + rng.normal()
    assert independent_count(values) == pytest.approx(n * (1 - kept) / (1 + kept), rel=0.35)


def test_few_equal_and_infinite_values() -> None:
    assert independent_count(np.empty(0)) == 0.0
    assert independent_count(np.array([2.0])) == 1.0
    assert independent_count(np.full(100, 0.3)) == 1.0
    assert independent_count(np.array([np.inf, 1.0, np.nan])) == 1.0
    assert 1.0 <= independent_count(np.array([1.0, 2.0])) <= 2.0


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [
        # Tables of chi square: 10, 20 and 100 degrees of freedom, 2.5 % and 97.5 %.
        (5, 3.2470 / 5, 20.4832 / 5),
        (10, 9.5908 / 10, 34.1696 / 10),
        (50, 74.2219 / 50, 129.5612 / 50),
    ],
)
def test_the_interval_is_that_of_the_tables(count: int, low: float, high: float) -> None:
    assert mean_nees_interval(count) == pytest.approx((low, high), rel=0.01)


def test_the_interval_without_and_with_hardly_a_sample() -> None:
    assert all(math.isnan(bound) for bound in mean_nees_interval(0.0))
    low, high = mean_nees_interval(0.2)
    assert 0.0 <= low < 2.0 < high
