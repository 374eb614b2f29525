"""One fix for each round of a card's measurements: the last of those that the filter gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.observation import Records, measurements, rows_of
from positioning.settings import TrackerSettings
from positioning.tracker import Tracker
from tests.positioning.scenes import (
    DEFAULTS,
    INTO_SIDE,
    SMOOTHED,
    ends_of_rounds,
    heard_on,
    in_order,
    mine_locator,
    mixed,
    room_tracker,
    same,
)


def trackers(kind: str, lag: TrackerSettings) -> tuple[Tracker, Tracker, Records]:
    """Two alike, and what they hear."""
    if kind == "room":
        return room_tracker(lag), room_tracker(lag), mixed(rounds=30)
    measured = measurements(heard_on(INTO_SIDE, hz=4.0))
    return mine_locator(lag)._tracker, mine_locator(lag)._tracker, measured


@pytest.mark.parametrize("lag", [DEFAULTS, SMOOTHED], ids=["plain", "smoothed"])
@pytest.mark.parametrize("kind", ["room", "roadways"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 16), late=st.sampled_from([0.0, 0.2]))
def test_the_last_fix_of_each_round_is_given_to_the_last_bit(
    kind: str, lag: TrackerSettings, seed: int, late: float
) -> None:
    each, rounds, measured = trackers(kind, lag)
    rng = np.random.default_rng(seed)
    begin = int(rng.integers(0, len(measured) // 2))
    measured = measured[begin : begin + 400]
    places = np.arange(len(measured)) + np.where(rng.random(len(measured)) < late, 40, 0)
    measured = rows_of(measured, np.argsort(places, kind="stable"))
    expected = each.update(measured)
    found = rounds.rounds(measured)
    assert 0 < len(found) < len(expected)
    assert same(in_order(found), in_order(ends_of_rounds(expected)))
    assert each.rejections == rounds.rejections
    assert same(each.take_lagged(), rounds.take_lagged())
