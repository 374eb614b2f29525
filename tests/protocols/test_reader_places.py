"""Places of a positioning engine; what can't be true is refused aloud, and its card was heard."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.report import RecordBatch
from positioning.observation import PLACE, IdTable
from protocols.readers import FAR_MOST_M, Extent, places_of

T_US = 1_700_000_000_123_456
EXTENT = Extent(-100.0, 0.0, 400.0, 50.0)


def batch(
    numbers: dict[str, list[float]], cards: list[str] | None = None, t_us: list[int] | None = None
) -> RecordBatch:
    count = len(numbers["x_m"])
    columns = {
        "t_us": np.array(t_us or [T_US] * count, np.int64),
        "card": np.array(cards or [str(n) for n in range(count)], dtype=object),
    }
    columns |= {name: np.array(values, np.float64) for name, values in numbers.items()}
    return RecordBatch("engine", columns, 0)


def test_places() -> None:
    cards = IdTable(("100",))
    numbers = {"x_m": [10.0, 20.0, 30.0], "y_m": [1.0, 2.0, 3.0], "sigma_m": [0.5, 1.0, 3.0]}
    places, refusals, flags = places_of(batch(numbers, ["200", "100", "200"]), cards, EXTENT)
    assert places.dtype == PLACE
    assert (refusals, flags.tolist()) == ([], [0, 0, 0])
    assert [cards.name(card) for card in places["card"]] == ["200", "100", "200"]
    assert places["t_ns"].tolist() == [T_US * 1000] * 3
    assert places["x_m"].tolist() == [10.0, 20.0, 30.0]
    assert places["y_m"].tolist() == [1.0, 2.0, 3.0]
    assert places["var_x_m2"].tolist() == places["var_y_m2"].tolist() == [0.25, 1.0, 9.0]
    assert places["cov_xy_m2"].tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("told_m", "taken_m"), [(None, 2.0), (0.0, 2.0), (math.nan, 2.0), (0.001, 0.05), (1000.0, 1e3)]
)
def test_what_the_deviation_of_a_place_is_taken_for(told_m: float | None, taken_m: float) -> None:
    numbers = {"x_m": [1.0], "y_m": [1.0]} | ({} if told_m is None else {"sigma_m": [told_m]})
    places, refusals, _ = places_of(batch(numbers), IdTable(), EXTENT)
    assert refusals == []
    assert places["var_x_m2"] == pytest.approx(taken_m**2)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("x_m", math.nan, "x and y are no place: nan m, 2 m"),
        ("y_m", math.inf, "x and y are no place: 1 m, inf m"),
        ("x_m", 1400.1, "no place that can be true (more than 1000 m from all that is on the map)"),
        ("y_m", -1000.1, "more than 1000 m from all that is on the map): 1 m, -1000.1 m"),
        ("z_m", 10_000.1, "no height that can be true (within ±10000 m): 10000.1 m"),
        ("z_m", -math.inf, "no height that can be true"),
        ("sigma_m", -1.0, "no standard deviation that can be true (0 to 1000 m): -1 m"),
        ("sigma_m", 1000.1, "no standard deviation that can be true"),
        ("sigma_m", math.inf, "no standard deviation that can be true"),
    ],
)
def test_a_place_that_can_not_be_true_is_told_and_its_card_was_heard(
    column: str, value: float, told: str
) -> None:
    good = {"x_m": 1.0, "y_m": 2.0, "z_m": -400.0, "sigma_m": 1.0}
    bad = good | {column: value}
    columns = {name: [bad[name], good[name], bad[name]] for name in good}
    columns["flags"] = [1.0, 0.0, 2.0]
    places, ((text, count),), flags = places_of(batch(columns), IdTable(), EXTENT)
    assert told in text
    assert count == 2
    assert np.isnan(places["x_m"]).tolist() == np.isnan(places["y_m"]).tolist()
    assert np.isnan(places["x_m"]).tolist() == [True, False, True]
    assert flags.tolist() == [1, 0, 2]


def test_what_is_just_beside_the_map_is_a_place() -> None:
    numbers = {"x_m": [-1100.0, 400.0], "y_m": [25.0, 1050.0]}
    places, refusals, _ = places_of(batch(numbers), IdTable(), EXTENT)
    assert refusals == []
    assert places["x_m"].tolist() == [-1100.0, 400.0]


def test_cards_and_times_that_can_not_be_are_refused() -> None:
    cards = IdTable()
    numbers = {"x_m": [1.0] * 3, "y_m": [1.0] * 3}
    given_batch = batch(numbers, ["a b", "1", "2"], [T_US, 0, T_US])
    places, refusals, _ = places_of(given_batch, cards, EXTENT)
    assert [cards.name(card) for card in places["card"]] == ["2"]
    assert [count for _, count in refusals] == [1, 1]
    assert "no time that can be true" in refusals[0][0]
    assert "not a card id" in refusals[1][0]


NUMBERS = st.floats() | st.floats(-3000.0, 3000.0)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=20))
def test_each_record_is_a_place_near_the_map_or_told_once(
    rows: list[tuple[float, float, float, float]],
) -> None:
    names = ("x_m", "y_m", "z_m", "sigma_m")
    columns = {name: [row[n] for row in rows] for n, name in enumerate(names)}
    places, refusals, _ = places_of(batch(columns), IdTable(), EXTENT)
    assert len(places) == len(rows)
    is_known = np.isfinite(places["x_m"]) & np.isfinite(places["y_m"])
    assert sum(count for _, count in refusals) == (~is_known).sum()
    known = places[is_known]
    assert (np.abs(known["x_m"] - 150.0) <= 250.0 + FAR_MOST_M).all()
    assert (np.abs(known["y_m"] - 25.0) <= 25.0 + FAR_MOST_M).all()
    assert (places["var_x_m2"] > 0.0).all()
    assert np.isfinite(places["var_x_m2"]).all()
