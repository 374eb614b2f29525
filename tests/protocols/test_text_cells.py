"""Texts of fields become values: together as one by one, and never a wrong one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.text_line import FieldType, TimeUnit
from protocols.text.cells import (
    NO_NUMBER,
    NO_TEXT,
    NO_TIME,
    NOT_FINITE,
    NOT_WHOLE,
    Cells,
    WrongError,
)

FORMS: dict[str, Cells] = {
    "number": Cells("x", FieldType.NUMBER),
    "scaled": Cells("x", FieldType.NUMBER, none="-", scale=0.5, offset=1.0),
    "huge": Cells("x", FieldType.NUMBER, scale=1e300),
    "integer": Cells("x", FieldType.INTEGER),
    "mm": Cells("x", FieldType.INTEGER, none="", scale=0.001),
    "text": Cells("x", FieldType.TEXT),
    **{unit.value: Cells("x", FieldType.TIME, unit=unit) for unit in TimeUnit},
}

CELLS = st.one_of(
    st.sampled_from(
        ["", "-", "1", " 2.5 ", "1e400", "nan", "inf", "-inf", "1_0", "0x1", "٣", "9" * 25, "\t1",
         "-0", "+1", "1e5", "1764500000.25", "1764500000123456", "1764500000123456789", "a\x00b"]
    ),
    st.text(max_size=8),
    st.floats().map(repr),
    st.integers().map(str),
)  # fmt: skip


@given(st.sampled_from(sorted(FORMS)), st.lists(CELLS, max_size=6))
def test_a_column_is_what_each_of_its_texts_is(name: str, texts: list[str]) -> None:
    form = FORMS[name]
    column, wrong = form.read(texts)
    assert len(column) == len(texts)
    reasons: dict[int, str] = {}
    for position, text in enumerate(texts):
        try:
            value = form.value(text)
        except WrongError as error:
            reasons[position] = str(error)
            continue
        found = column[position]
        both_none = isinstance(value, float) and math.isnan(value) and np.isnan(found)
        assert both_none or found == value
        if isinstance(value, float) and not math.isnan(value):
            assert math.isfinite(value)
    assert wrong == reasons


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("number", " -78.4 ", -78.4),
        ("number", "1e3", 1000.0),
        ("scaled", "4", 3.0),
        ("integer", "+12", 12),
        ("mm", "8734", 8.734),
        ("text", " A12 ", "A12"),
        ("s", "1764500000.25", 1_764_500_000_250_000),
        ("s", "1764500000.123456", 1_764_500_000_123_456),
        ("ms", "1764500000123", 1_764_500_000_123_000),
        ("us", "1764500000123456", 1_764_500_000_123_456),
        ("ns", "1764500000123456789", 1_764_500_000_123_456),
    ],
)
def test_a_value_is_read(name: str, text: str, value: float | str) -> None:
    assert FORMS[name].value(text) == value
    assert FORMS[name].read([text])[0].tolist() == [value]


@pytest.mark.parametrize(("name", "text"), [("scaled", "-"), ("scaled", " - "), ("mm", "")])
def test_no_value_is_nan(name: str, text: str) -> None:
    column, wrong = FORMS[name].read([text, "2"])
    assert np.isnan(column[0])
    assert not np.isnan(column[1])
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("number", "", NO_NUMBER),
        ("number", "ERR", NO_NUMBER),
        ("number", "1_000", NO_NUMBER),
        ("number", "١", NO_NUMBER),
        ("number", "nan", NOT_FINITE),
        ("number", "-inf", NOT_FINITE),
        ("number", "1e400", NOT_FINITE),
        ("huge", "1e300", NOT_FINITE),
        ("integer", "1.0", NOT_WHOLE),
        ("integer", "0x1F", NOT_WHOLE),
        ("integer", str(1 << 63), NOT_WHOLE),
        ("mm", "--", NOT_WHOLE),
        ("text", "a\x07", NO_TEXT),
        ("us", "0", NO_TIME),
        ("us", "-5", NO_TIME),
        ("s", "1e30", NO_TIME),
        ("ns", "1.5", NOT_WHOLE),
    ],
)
def test_what_is_none_is_refused(name: str, text: str, reason: str) -> None:
    _, wrong = FORMS[name].read(["7", text])
    assert wrong[1] == reason
