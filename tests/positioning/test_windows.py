"""The part of a run between two places."""

import numpy as np

from positioning.recording import Truth
from positioning.windows import Box, window_between

#: There and back along x, a point a nanosecond; another card stands still.
X_M = [0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 0.0]
TRUTH = Truth(
    card=np.array([0] * 7 + [1] * 2),
    t_ns=np.array([0, 1, 2, 3, 4, 5, 6, 0, 6]),
    place_m=np.array([[x, 5.0, 0.0] for x in [*X_M, 9.0, 9.0]]),
)
TIMES = np.arange(7)


def test_from_the_first_place_here_to_the_last_one_there() -> None:
    window = window_between(TRUTH, 0, Box(x_min=2.0), Box(x_min=1.0, x_max=2.0))
    assert window is not None
    assert TIMES[window(TIMES)].tolist() == [2, 3, 4, 5]


def test_without_borders_it_is_all_of_the_truth() -> None:
    window = window_between(TRUTH, 1, Box(), Box())
    assert window is not None
    assert window(np.array([-1, 0, 6, 7])).tolist() == [False, True, True, False]


def test_places_that_were_never_reached_or_in_another_order_are_no_window() -> None:
    assert window_between(TRUTH, 0, Box(x_min=4.0), Box()) is None
    assert window_between(TRUTH, 0, Box(), Box(y_max=4.9)) is None
    assert window_between(TRUTH, 0, Box(x_min=3.0), Box(x_min=1.5, x_max=1.9)) is None
    never_after = Truth(TRUTH.card[:4], TRUTH.t_ns[:4], TRUTH.place_m[:4])
    assert window_between(never_after, 0, Box(x_min=3.0), Box(x_max=1.0)) is None
    assert window_between(TRUTH, 2, Box(), Box()) is None
