"""Which cards leap between two places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.leaps import HEARD, note_leaps
from positioning.observation import MEASUREMENT, Kind

S = 1_000_000_000
T0 = 1_800_000_000 * S
#: Every 500 m: nobody who goes 2 m/s gets from one to the next in a minute.
ANCHORS = np.array([(500.0 * n, 0.0, 0.0, 0.0) for n in range(20)])
READERS = np.array([(0.0, 0.0, 0.0, 5.0), (9_000.0, 0.0, 0.0, 5.0)])


def leaps(sources: list[int], *, kind: Kind = Kind.RANGE, range_m: float = 3.0) -> int:
    """How often a card has leapt that these sources hear, one a second."""
    heard = np.zeros(1, HEARD)
    for n, source in enumerate(sources):
        told = np.zeros(1, MEASUREMENT)
        told["kind"], told["source"], told["value_m"] = int(kind), source, range_m
        told["t_ns"] = T0 + n * S
        moment = (T0 + n * S, 60 * S)
        note_leaps(told, (ANCHORS, READERS), heard, np.full(1, 2.0), 5.0, moment)
    return int(heard["leaps"][0])


def test_a_card_in_two_places_leaps_again_and_again() -> None:
    assert leaps([0, 9] * 5) == 9
    assert leaps([0, 1] * 5, kind=Kind.SIGHTING) == 9


@settings(deadline=None)  # the first call compiles
@given(st.permutations(range(1, 20)))
def test_wrong_ranges_leap_to_another_place_each_time(wrong: list[int]) -> None:
    sources = [source for one in wrong for source in (0, one)]
    assert leaps(sources) <= 2


@pytest.mark.parametrize("range_m", [np.nan, np.inf, -3.0, 1e7])
def test_what_is_no_range_is_no_place(range_m: float) -> None:
    assert leaps([0, 9] * 5, range_m=range_m) == 0


def test_who_may_be_between_two_anchors_has_not_leapt() -> None:
    assert leaps([0, 1] * 5, range_m=250.0) == 0


def test_what_is_of_no_source_of_the_map_says_nothing() -> None:
    assert leaps([0, 20] * 5) == 0
    assert leaps([0, 2] * 5, kind=Kind.SIGHTING) == 0
