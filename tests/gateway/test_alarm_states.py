"""The table of an alarm's life: what every walk through it keeps to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mine.alarms.states import OPEN, WAITING, AlarmInput, AlarmState, following

WALKS = st.lists(st.sampled_from(AlarmInput), max_size=30)


@given(WALKS, st.booleans())
def test_any_walk_keeps_to_what_the_words_mean(walk: list[AlarmInput], latch: object) -> None:
    state = AlarmState.NORMAL
    for happened in walk:
        before, state = state, following(state, happened, latch=bool(latch))
        if happened is AlarmInput.ALARM:
            assert state in OPEN
        if happened is AlarmInput.ACKNOWLEDGE:
            assert state not in WAITING
            assert (state in OPEN) == (before in OPEN)
        if happened is AlarmInput.RETURN and not latch:
            assert state not in OPEN
        if happened is AlarmInput.RETURN:
            assert (state in WAITING) == (before in WAITING)
        if before in OPEN and state not in OPEN:
            assert happened is (AlarmInput.RESET if latch else AlarmInput.RETURN)
        if before in WAITING and state not in WAITING:
            assert happened is AlarmInput.ACKNOWLEDGE


@pytest.mark.parametrize(
    ("walk", "ends"),
    [
        ("", AlarmState.NORMAL),
        ("A", AlarmState.UNACKNOWLEDGED),
        ("Aa", AlarmState.ACKNOWLEDGED),
        ("AR", AlarmState.RETURNED_UNACKNOWLEDGED),
        ("ARa", AlarmState.NORMAL),
        ("AaR", AlarmState.NORMAL),
        ("ARA", AlarmState.UNACKNOWLEDGED),
        ("AX", AlarmState.UNACKNOWLEDGED),
        ("R", AlarmState.NORMAL),
        ("a", AlarmState.NORMAL),
    ],
)
def test_the_ordinary_life(walk: str, ends: AlarmState) -> None:
    assert walked(walk, latch=False) is ends


@pytest.mark.parametrize(
    ("walk", "ends"),
    [
        ("AR", AlarmState.LATCHED_UNACKNOWLEDGED),
        ("AaR", AlarmState.LATCHED_ACKNOWLEDGED),
        ("ARa", AlarmState.LATCHED_ACKNOWLEDGED),
        ("ARaX", AlarmState.NORMAL),
        ("ARX", AlarmState.RETURNED_UNACKNOWLEDGED),
        ("AX", AlarmState.UNACKNOWLEDGED),
        ("AaX", AlarmState.ACKNOWLEDGED),
        ("ARA", AlarmState.UNACKNOWLEDGED),
        ("AaRA", AlarmState.UNACKNOWLEDGED),
    ],
)
def test_the_latched_life(walk: str, ends: AlarmState) -> None:
    assert walked(walk, latch=True) is ends


def walked(walk: str, *, latch: bool) -> AlarmState:
    letters = {
        "A": AlarmInput.ALARM,
        "R": AlarmInput.RETURN,
        "a": AlarmInput.ACKNOWLEDGE,
        "X": AlarmInput.RESET,
    }
    state = AlarmState.NORMAL
    for letter in walk:
        state = following(state, letters[letter], latch=latch)
    return state
