"""Each numbered line once, and every one that is missing told."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.losses import Loss
from protocols.text.sequence import ANEW, LATE_S, MISSING, NEAR, Sequence


def accepted(sequence: Sequence, numbers: list[int], now_s: float = 0.0) -> list[int]:
    new = sequence.accept(np.array(numbers, np.int64), now_s)
    return [number for number, is_new in zip(numbers, new.tolist(), strict=True) if is_new]


def test_numbers_that_go_on_are_taken() -> None:
    sequence = Sequence()
    assert accepted(sequence, [7, 8, 9]) == [7, 8, 9]
    assert accepted(sequence, [10]) == [10]
    assert sequence.losses(100.0) == []


def test_what_is_missing_for_long_is_lost_once() -> None:
    sequence = Sequence()
    accepted(sequence, [1, 2, 5], now_s=10.0)
    assert sequence.losses(10.0 + LATE_S / 2) == []
    assert accepted(sequence, [3], now_s=10.5) == [3]
    assert sequence.losses(10.0 + LATE_S) == [Loss(1, MISSING)]
    assert accepted(sequence, [4, 6], now_s=12.0) == [6]
    assert sequence.losses(100.0) == []


def test_a_number_that_came_is_not_taken_again() -> None:
    sequence = Sequence()
    assert accepted(sequence, [1, 1, 2, 3, 2, 1, 4]) == [1, 2, 3, 4]
    assert accepted(sequence, [900, 900, 901]) == [900, 901]
    assert sequence.losses(0.0) == [Loss(895, MISSING)]


def test_what_was_overtaken_is_not_taken_where_only_the_newest_counts() -> None:
    sequence = Sequence(256, newest_only=True)
    assert accepted(sequence, [254, 255, 2, 0, 3, 1], now_s=10.0) == [254, 255, 2, 3]
    assert sequence.losses(100.0) == [], "it came, if too late"


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 2**32), st.sampled_from([None, 256, 2**32]))
def test_lines_that_overtake_and_come_twice_are_each_taken_once(
    seed: int, first: int, modulo: int | None
) -> None:
    rng = random.Random(seed)
    numbers = [first + step for step in range(200)]
    sent = [number if modulo is None else number % modulo for number in numbers]
    came = sorted(range(200), key=lambda at: at + rng.uniform(0, NEAR / 4))
    came = [at for at in came if at in (0, came[0], 199) or rng.random() > 0.1]
    came = sorted([*came, *rng.choices(came, k=20)], key=came.index)
    sequence = Sequence(modulo)
    taken = accepted(sequence, [sent[at] for at in came])
    late = {sent[at] for at in came if at < came[0]}
    assert len(taken) == len(set(taken))
    assert set(taken) >= {sent[at] for at in came} - late
    lost = sum(loss.count for loss in sequence.losses(100.0))
    assert lost == 200 - came[0] - len({at for at in came if at >= came[0]})


@pytest.mark.parametrize("ahead", [NEAR + 2, 5000])
def test_a_large_gap_is_counted_when_the_next_goes_on(ahead: int) -> None:
    sequence = Sequence()
    accepted(sequence, [1, 2])
    assert accepted(sequence, [2 + ahead, 3 + ahead]) == [2 + ahead, 3 + ahead]
    assert sequence.losses(0.0) == [Loss(ahead - 1, MISSING)]


def test_one_wrong_number_costs_nothing() -> None:
    sequence = Sequence()
    accepted(sequence, [1, 2])
    assert accepted(sequence, [700_000, 3, 4]) == [700_000, 3, 4]
    assert sequence.losses(100.0) == []


def test_a_restart_is_told() -> None:
    sequence = Sequence()
    accepted(sequence, list(range(1000, 1100)))
    assert accepted(sequence, [0, 1, 2]) == [0, 1, 2]
    assert sequence.losses(0.0) == [Loss(0, ANEW)]
    assert sequence.losses(0.0) == []


def test_numbers_begin_with_0_again() -> None:
    sequence = Sequence(256)
    assert accepted(sequence, [254, 255, 0, 1]) == [254, 255, 0, 1]
    assert accepted(sequence, [258, 4]) == [258, 4]
    assert sequence.losses(100.0) == [Loss(1, MISSING)]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20), st.sampled_from([None, 16]))
def test_any_numbers_are_taken_in(numbers: list[int], modulo: int | None) -> None:
    sequence = Sequence(modulo)
    assert len(sequence.accept(np.array(numbers, np.int64), 0.0)) == len(numbers)
    assert all(loss.count >= 0 for loss in sequence.losses(0.0))
