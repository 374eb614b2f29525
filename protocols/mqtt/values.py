"""JSON documents and the values in them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Final

from pydantic_core import from_json

from equipment.json_pointer import split_pointer
from equipment.mqtt_profile import TimeUnit
from equipment.report import Value
from protocols.mqtt.message import PAYLOAD_BYTES_MAX, TEXT_LETTERS_MAX

#: How deep arrays and objects may be nested; the parser has such a limit too, further up.
NESTING_MOST: Final = 64

#: Later times are not held by 64 bits of nanoseconds (the year 2262).
T_NS_MOST: Final = (1 << 63) - 1

#: Nanoseconds of a time's unit.
_UNIT_NS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

#: Indices of arrays; no message holds more elements than nine digits count.
_INDEX: Final = re.compile("0|[1-9][0-9]{0,8}")

#: What a pointer finds where there is nothing: JSON's null is a value.
MISSING: Final = object()


class WrongError(Exception):
    """What came can't be used; the text says what it is instead."""


def parse(payload: bytes) -> Any:
    """The JSON document in `payload`.

    Raises:
        WrongError: it is too long, nested too deep, or no JSON.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        msg = f"longer than {PAYLOAD_BYTES_MAX} bytes"
        raise WrongError(msg)
    if not payload:
        msg = "empty"
        raise WrongError(msg)
    try:
        document = from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        # Without the place: reasons that differ in it would be told each for itself.
        msg = f"no JSON ({str(error).partition(' at line')[0]})"
        raise WrongError(msg) from None
    if _deeper_than(document, NESTING_MOST):
        msg = f"nested deeper than {NESTING_MOST}"
        raise WrongError(msg)
    return document


def _deeper_than(document: Any, most: int) -> bool:
    """Level by level, so that no depth overflows the stack."""
    level = [document]
    for _ in range(most):
        inner: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                inner += [value for value in part.values() if isinstance(value, dict | list)]
            elif isinstance(part, list):
                inner += [value for value in part if isinstance(value, dict | list)]
        if not inner:
            return False
        level = inner
    return True


class Pointer:
    """A JSON Pointer, compiled: what it is as a name and as an index is known once."""

    __slots__ = ("_steps", "text")

    def __init__(self, text: str) -> None:
        """Raises ValueError where `text` is no JSON Pointer."""
        self.text = text
        self._steps = tuple((token, _index(token)) for token in split_pointer(text))

    def find(self, document: Any) -> Any:
        """What it leads to; `MISSING` where that is nothing."""
        found = document
        for token, index in self._steps:
            if isinstance(found, dict):
                found = found.get(token, MISSING)
            elif isinstance(found, list) and index is not None and index < len(found):
                found = found[index]
            else:
                return MISSING
        return found

    def __str__(self) -> str:
        """As it was written."""
        return self.text or '""'


def _index(token: str) -> int | None:
    """An array's index as RFC 6901, clause 4, has it: digits without a leading zero."""
    return int(token) if _INDEX.fullmatch(token) else None


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    kinds = {int: "a number", float: "a number", str: "text", list: "an array", dict: "an object"}
    return kinds.get(type(value), "something else")


def raw_of(value: Any, type_: str) -> Value:
    """A value as the type that the profile names: `number`, `text` or `bool`.

    Raises:
        WrongError: it is of another type, not finite, or too long.
    """
    if type_ == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    if type_ == "bool" and isinstance(value, bool):
        return value
    if type_ == "text" and isinstance(value, str):
        return text(value)
    msg = f"is {kind_of(value)}, the profile says {type_}"
    raise WrongError(msg)


def number(value: float) -> float:
    """A finite float. Raises WrongError for what none can hold, such as 1e999."""
    try:
        found = float(value)
    except OverflowError:
        found = float("inf")
    if not isfinite(found):
        msg = "is no finite number"
        raise WrongError(msg)
    return found


def text(value: str) -> str:
    """A text of bounded length, all of it printable. Raises WrongError for another."""
    if len(value) > TEXT_LETTERS_MAX:
        msg = f"is a text longer than {TEXT_LETTERS_MAX} letters"
        raise WrongError(msg)
    if not value.isprintable():
        msg = "is a text that can't be printed"
        raise WrongError(msg)
    return value


def time_ns(value: Any, unit: TimeUnit | str) -> int:
    """A time as nanoseconds since the Unix epoch; whole numbers are converted exactly.

    Raises:
        WrongError: it is of another type, or no time that can be true.
    """
    if unit == "rfc3339":
        t_ns = _rfc3339_ns(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"is {kind_of(value)}, the profile says a time in {unit}"
        raise WrongError(msg)
    elif isinstance(value, int):
        t_ns = value * _UNIT_NS[unit]
    else:
        # A float of seconds holds microseconds, not nanoseconds: no more is made of it.
        t_ns = round(number(value * (_UNIT_NS[unit] / 1000))) * 1000
    if not 0 < t_ns <= T_NS_MOST:
        msg = "is no time that can be true"
        raise WrongError(msg)
    return t_ns


def _rfc3339_ns(value: Any) -> int:
    wrong = 'is no RFC 3339 time with its offset, as in "2026-03-01T12:00:00.250Z"'
    if not isinstance(value, str) or len(value) > 64:
        raise WrongError(wrong)
    try:
        stamp = datetime.fromisoformat(value)
    except ValueError:
        raise WrongError(wrong) from None
    if stamp.tzinfo is None:
        raise WrongError(wrong)
    return (stamp - _EPOCH) // _MICROSECOND * 1000
