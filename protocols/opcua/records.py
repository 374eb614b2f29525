"""Events as the columns of records; what can't be used is refused, with the reason. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import nan
from typing import Any, Final

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from equipment.opcua_event import CARD, TIME, EventField
from protocols.opcua.structures import Layouts, UndecodableError
from protocols.opcua.values import TEXT_LENGTH_MAX, instant_ns

#: Records that one event holds at most.
RECORDS_MOST: Final = 10_000


class UnusableError(Exception):
    """A value can't be used; the text says why."""


@dataclass(slots=True)
class Taken:
    """The records of some events, column by column, and why others are none, with how many."""

    columns: dict[str, list[Any]]
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """How many records there are."""
        return len(self.columns[CARD])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The columns as `RecordBatch` has them."""
        return {
            name: np.array(values, dtype=_DTYPES.get(name, np.float64))
            for name, values in self.columns.items()
        }


_DTYPES: Final[Mapping[str, Any]] = {TIME: np.int64, CARD: object}


class EventDecoder:
    """Makes records of events, by the fields of a profile and the structures of a server."""

    def __init__(self, fields: Sequence[EventField], layouts: Layouts) -> None:
        """`fields` are in the order in which the server is asked for them."""
        self._fields = tuple(fields)
        self._members = tuple(one.members for one in fields)
        self._layouts = layouts
        paths = [one.path for one in fields]
        #: Of each path the first field: an event's field is decoded once.
        self._first = {path: paths.index(path) for path in paths}

    def take(self, events: Sequence[Sequence[ua.Variant]]) -> Taken:
        """The records of events; each is the values of the fields.

        An event whose field is an array has as many records as that has elements.
        """
        taken = Taken({one.name: [] for one in self._fields})
        for event in events:
            try:
                rows = self._rows(event)
            except (UnusableError, UndecodableError) as error:
                taken.refusals[str(error)] += 1
                continue
            for row in rows:
                self._take_row(row, taken)
        return taken

    def _rows(self, event: Sequence[ua.Variant]) -> list[dict[str, Any]]:
        """The values of the event's fields by path, for each of its records."""
        values = {
            path: self._decoded(path, event[position].Value)
            for path, position in self._first.items()
        }
        lengths = {len(value) for value in values.values() if isinstance(value, list)}
        if not lengths:
            return [values]
        if len(lengths) > 1 or not 0 < max(lengths) <= RECORDS_MOST:
            arrays = [path for path, value in values.items() if isinstance(value, list)]
            found = ", ".join(str(length) for length in sorted(lengths))
            msg = f"{', '.join(arrays)}: {found} elements (1 to {RECORDS_MOST:,} make records)"
            raise UnusableError(msg)
        return [
            {path: one[n] if isinstance(one, list) else one for path, one in values.items()}
            for n in range(max(lengths))
        ]

    def _decoded(self, path: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._decoded(path, one) for one in value]
        if not isinstance(value, ua.ExtensionObject):
            return value
        try:
            return self._layouts.decode(value)
        except UndecodableError as error:
            msg = f"{path} {error}"
            raise UndecodableError(msg) from error

    def _take_row(self, row: Mapping[str, Any], taken: Taken) -> None:
        made: dict[str, Any] = {}
        for one, members in zip(self._fields, self._members, strict=True):
            try:
                made[one.name] = column_value(one, _raw_of(one.path, members, row[one.path]))
            except UnusableError as error:
                taken.refusals[f"{one.name}: {error}"] += 1
                if one.name in (TIME, CARD):
                    return
                made[one.name] = nan
        for name, value in made.items():
            taken.columns[name].append(value)


def _raw_of(event_path: str, members: Sequence[tuple[str, ...]], value: Any) -> Any:
    """What is at the paths `members` within an event's value; None where it holds none of them."""
    if not members:
        if isinstance(value, dict):
            msg = f"{event_path} is a structure: name a member of it"
            raise UnusableError(msg)
        return value
    if value is None:
        return None
    if not isinstance(value, dict):
        msg = f"{event_path} is no structure, but {_kind(value)}"
        raise UnusableError(msg)
    found = (_member(value, path) for path in members)
    # A time of 1601 is how servers say that they have none (OPC 10000-6, 5.2.2.5).
    return next((raw for raw in found if not _is_none(raw)), None)


def _member(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, list):
            value = value[-1] if value else None
    return value


def _is_none(raw: Any) -> bool:
    return raw is None or (isinstance(raw, datetime) and instant_ns(raw) is None)


def column_value(one: EventField, raw: Any) -> Any:
    """A raw value as one of its column: microseconds, a card's id, or a number (NaN: none).

    Raises:
        UnusableError: it is none, in words.
    """
    if one.name == TIME:
        return _time_us(raw)
    if one.name == CARD:
        return _card(one, raw)
    if raw is None:
        return nan
    if not isinstance(raw, int | float):
        msg = f"is {_kind(raw)}, no number"
        raise UnusableError(msg)
    if one.values:
        return one.values.get(int(raw), nan) if raw == raw // 1 else nan
    return float(raw) * one.scale + one.offset


def _time_us(raw: Any) -> int:
    if raw is not None and not isinstance(raw, datetime):
        msg = f"is {_kind(raw)}, no time"
        raise UnusableError(msg)
    t_ns = instant_ns(raw)
    if t_ns is None:
        msg = "the event tells no time"
        raise UnusableError(msg)
    return t_ns // 1000


def _card(one: EventField, raw: Any) -> str:
    if raw is None:
        msg = "the event names no card"
        raise UnusableError(msg)
    if isinstance(raw, bytes):
        part = raw[-one.last_bytes :] if one.last_bytes else raw
        text = part.hex().upper() if one.bytes == "hex" else part.decode("ascii", "replace")
    elif isinstance(raw, str) or (isinstance(raw, int) and not isinstance(raw, bool)):
        text = str(raw)
    else:
        msg = f"is {_kind(raw)}, no card id"
        raise UnusableError(msg)
    # Fixed lengths are filled up with these.
    return text.strip(" \0")[:TEXT_LENGTH_MAX]


def _kind(raw: Any) -> str:
    return "a structure" if isinstance(raw, dict) else type(raw).__name__
