"""Two outputs, fix by fix."""

import numpy as np
import pytest

from positioning.accuracy import SCORED, Errors
from positioning.comparison import comparison, pairs_of_run


def errors_of(*rows: tuple[int, int, float]) -> Errors:
    """Of (card, t_ns, error_m)."""
    fixes = np.zeros(len(rows), SCORED)
    for name, column in zip(("card", "t_ns", "error_m"), zip(*rows, strict=True), strict=True):
        fixes[name] = column
    return Errors(fixes, float(len(rows)), len(rows), len(rows))


def test_only_the_same_times_of_the_same_cards_are_compared() -> None:
    new = errors_of((0, 1, 0.5), (0, 2, 1.0), (1, 1, 4.0), (2, 9, 1.0))
    old = errors_of((0, 2, 1.5), (1, 1, 3.0), (0, 1, 0.5), (1, 2, 9.0), (3, 9, 1.0))
    pairs = pairs_of_run(new, old)
    assert sorted(pairs.difference_m.tolist()) == [-0.5, 0.0, 1.0]
    figures = comparison([pairs])
    assert figures.pairs == 3
    assert figures.better == figures.worse == pytest.approx(1 / 3)
    assert figures.difference_m == pytest.approx(0.5 / 3)


def test_of_several_fixes_at_one_time_the_last_one_counts() -> None:
    pairs = pairs_of_run(errors_of((0, 1, 9.0), (0, 1, 1.0)), errors_of((0, 1, 2.0), (0, 1, 3.0)))
    assert pairs.difference_m.tolist() == [-2.0]


def test_the_margin_holds_the_true_change_and_shrinks_with_runs() -> None:
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(100):
        noise = rng.normal(size=(2, 400))
        old = errors_of(*[(0, k, 3.0 + noise[0, k]) for k in range(400)])
        new = errors_of(*[(0, k, 2.9 + noise[1, k]) for k in range(400)])
        pairs = pairs_of_run(new, old)
        one, four = comparison([pairs]), comparison([pairs] * 4)
        held += abs(one.difference_m + 0.1) <= one.margin_m
        assert four.margin_m == pytest.approx(one.margin_m / 2)
    assert held >= 88


def test_nothing_in_common_gives_no_figures() -> None:
    figures = comparison([pairs_of_run(errors_of((0, 1, 1.0)), errors_of((0, 2, 1.0)))])
    assert figures.pairs == 0
    assert np.isnan(figures.difference_m)
