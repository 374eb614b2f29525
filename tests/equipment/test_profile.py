"""What a raw value becomes: scaled, named, or BAD with a reason, never wrong."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from equipment.profile import Point, Scan
from equipment.report import Quality, Value
from equipment.strict import Words

NAME = Words(en="x", zh="甲")


def point(**keys: object) -> Point:
    return Point.model_validate({"name": "a", "meaning": NAME, **keys})


@pytest.mark.parametrize(
    ("keys", "raw", "value"),
    [
        ({}, 7, 7.0),
        ({"scale": 0.1, "offset": -40.0}, 650, 25.0),
        ({"scale": -1.0}, 5, -5.0),
        ({"range": [0, 10]}, 10, 10.0),
        ({"range": [0, 10]}, 0, 0.0),
        ({"states": {"0": "stopped", "2": "fault"}}, 2, "fault"),
        ({"states": {"0": "stopped"}}, 0.0, "stopped"),
        ({}, True, True),
        ({}, "SN-1", "SN-1"),
        ({"range": [0, 1]}, "SN-1", "SN-1"),
    ],
)
def test_good_values(keys: dict[str, object], raw: Value, value: Value) -> None:
    judged, quality, reason = point(**keys).judge(raw)
    assert judged == pytest.approx(value) if isinstance(value, float) else judged == value
    assert (quality, reason) == (Quality.GOOD, "")


@pytest.mark.parametrize(
    ("keys", "raw", "reason"),
    [
        ({"range": [0, 10], "unit": "A"}, 11, "11 A is outside 0 to 10"),
        ({"range": [0, 10]}, -0.5, "-0.5 is outside 0 to 10"),
        ({}, math.nan, "nan is not a number"),
        ({}, math.inf, "inf is not a number"),
        ({"range": [0, 10]}, math.nan, "nan is not a number"),
        ({"scale": 1e300}, 1e300, "inf is outside -inf to inf"),
        ({"states": {"0": "stopped"}}, 3, "3 is none of the states 0 (stopped)"),
        ({"states": {"0": "stopped"}}, 0.5, "0.5 is none of the states 0 (stopped)"),
        ({"states": {"0": "stopped"}}, math.nan, "nan is not a number"),
        ({"states": {"0": "stopped"}}, -math.inf, "-inf is not a number"),
    ],
)
def test_bad_values(keys: dict[str, object], raw: Value, reason: str) -> None:
    assert point(**keys).judge(raw) == (None, Quality.BAD, reason)


@given(
    st.floats() | st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(-1e6, 1e6).filter(bool),
    st.floats(-1e6, 1e6),
)
def test_a_good_number_is_finite_and_in_range(raw: float, scale: float, offset: float) -> None:
    value, quality, reason = point(scale=scale, offset=offset, range=[-5.0, 5.0]).judge(raw)
    if quality is Quality.GOOD:
        assert isinstance(value, float)
        assert -5.0 <= value <= 5.0
    else:
        assert value is None
        assert reason


@pytest.mark.parametrize(
    "keys",
    [
        {"name": "A"},
        {"name": "1a"},
        {"name": "a b"},
        {"scale": 0},
        {"scale": math.nan},
        {"range": [2, 1]},
        {"range": [0, math.inf]},
        {"states": {"x": "a"}},
        {"states": {"1": "not a name"}},
        {"meaning": {"en": "x"}},
        {"meaning": {"en": "x", "zh": ""}},
        {"unknown": 1},
    ],
)
def test_points_that_can_not_be_meant(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        point(**keys)


def test_a_device_must_be_read_more_often_than_it_may_be_silent() -> None:
    assert Scan(period_s=0.1, silence_s=0.2).silence_s == 0.2
    with pytest.raises(ValidationError, match=r"silence_s \(5\) must be longer than period_s"):
        Scan(period_s=5.0)
