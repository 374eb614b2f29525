"""Values of events as columns, one by one and without a server."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from equipment.opcua_event import EventField
from protocols.opcua.records import EventDecoder, Taken, UnusableError, column_value
from protocols.opcua.structures import Layouts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_US = 1_767_225_600_000_000
NOTHING = Layouts({}, {}, {})


def field(name: str, **more: Any) -> EventField:
    return EventField.model_validate({"name": name, "path": name.capitalize()} | more)


def variant(value: Any) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.Null if value is None else ua.VariantType.Variant)


def taken(*events: tuple[Any, ...], fields: tuple[EventField, ...] | None = None) -> Taken:
    """The records of events without structures: time, card, and a number."""
    fields = fields or (field("t_us"), field("card"), field("rssi_dbm"))
    values = [[variant(one) for one in event] for event in events]
    return EventDecoder(fields, NOTHING).take(values)


@pytest.mark.parametrize(
    ("column", "raw", "value"),
    [
        (field("t_us"), NOW, NOW_US),
        (field("card"), "100 \0\0", "100"),
        (field("card"), 12345, "12345"),
        (field("card"), b"\x0a\xbc\xde", "0ABCDE"),
        (field("card", last_bytes=2), b"\x0a\xbc\xde", "BCDE"),
        (field("card", bytes="text"), b"A12\0\0", "A12"),
        (field("x_m", scale=0.001, offset=100.0), 2500, 102.5),
        (field("flags"), True, 1.0),
        (field("side", values={1: 2.0}), 1, 2.0),
    ],
)
def test_what_a_column_makes_of_a_value(column: EventField, raw: Any, value: Any) -> None:
    assert column_value(column, raw) == value


@pytest.mark.parametrize(
    ("column", "raw", "told"),
    [
        (field("t_us"), 5, "is int, no time"),
        (field("t_us"), None, "tells no time"),
        (field("t_us"), datetime(1601, 1, 1, tzinfo=UTC), "tells no time"),
        (field("card"), None, "names no card"),
        (field("card"), 1.5, "is float, no card id"),
        (field("card"), True, "is bool, no card id"),
        (field("card"), {"a": 1}, "is a structure, no card id"),
        (field("x_m"), "5", "is str, no number"),
        (field("x_m"), [1.0], "is list, no number"),
    ],
)
def test_what_no_column_can_make_of_a_value(column: EventField, raw: Any, told: str) -> None:
    with pytest.raises(UnusableError, match=told):
        column_value(column, raw)


@pytest.mark.parametrize("raw", [None, math.nan, math.inf, 7, 1.5])
def test_a_number_that_stands_for_nothing_is_none(raw: float | None) -> None:
    assert math.isnan(column_value(field("side", values={1: 1.0}), raw))


def test_arrays_of_an_event_are_as_many_records() -> None:
    found = taken((NOW, ["1", "2"], [-60.0, -70.0]), (NOW, "3", None))
    assert found.columns["card"] == ["1", "2", "3"]
    assert found.columns["t_us"] == [NOW_US] * 3
    assert found.columns["rssi_dbm"][:2] == [-60.0, -70.0]
    arrays = found.arrays()
    assert [arrays[name].dtype for name in ("t_us", "card", "rssi_dbm")] == [
        np.int64,
        object,
        np.float64,
    ]


def test_arrays_that_do_not_go_together_are_refused() -> None:
    found = taken((NOW, ["1", "2"], [-60.0]), (NOW, [], None), (NOW, "3", -60.0))
    assert found.columns["card"] == ["3"]
    assert found.refusals == {
        "Card, Rssi_dbm: 1, 2 elements (1 to 10,000 make records)": 1,
        "Card: 0 elements (1 to 10,000 make records)": 1,
    }


def test_a_record_without_card_or_time_is_refused_and_one_without_the_rest_is_taken() -> None:
    found = taken((None, "1", -60.0), (NOW, None, -60.0), (NOW, "3", "strong"), (NOW, "4", -60.0))
    assert found.columns["card"] == ["3", "4"]
    assert math.isnan(found.columns["rssi_dbm"][0])
    assert found.refusals == {
        "t_us: the event tells no time": 1,
        "card: the event names no card": 1,
        "rssi_dbm: is str, no number": 1,
    }


def test_members_need_a_structure_and_a_structure_members() -> None:
    fields = (field("t_us"), field("card", member="ScanData/String"))
    found = taken((NOW, "1"), (NOW, None), fields=fields)
    assert found.refusals == {
        "card: Card is no structure, but str": 1,
        "card: the event names no card": 1,
    }


VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.datetimes(timezones=st.just(UTC)),
)


@given(st.lists(st.tuples(*[VALUES | st.lists(VALUES, max_size=3)] * 3), max_size=5))
def test_whatever_comes_columns_are_of_one_length(events: list[tuple[Any, ...]]) -> None:
    wrapped = [[variant(one) for one in event] for event in events]
    fields = (field("t_us"), field("card"), field("rssi_dbm"))
    found = EventDecoder(fields, NOTHING).take(wrapped)
    assert {len(values) for values in found.arrays().values()} == {found.count}
    assert all(found.refusals)
