"""What a reader's records hold, whatever the protocol: the columns that the gateway takes.

`protocols/readers.py` says what becomes of them. Each protocol says which of its types can be what.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from equipment.profile import Kind


class Means(StrEnum):
    """What a column is."""

    TIME = "time"
    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole number"


#: The fields that a reader's records must have.
READER_FIELDS: Final[Mapping[Kind, Mapping[str, Means]]] = {
    Kind.RFID_READER: {"t_us": Means.TIME, "card": Means.TEXT},
    Kind.UWB_READER: {
        "t_us": Means.TIME,
        "card": Means.TEXT,
        "anchor": Means.TEXT,
        "range_m": Means.NUMBER,
    },
    Kind.POSITIONING_ENGINE: {
        "t_us": Means.TIME,
        "card": Means.TEXT,
        "x_m": Means.NUMBER,
        "y_m": Means.NUMBER,
    },
}

#: The fields that a reader's records may have besides.
READER_FIELDS_OPTIONAL: Final[Mapping[Kind, Mapping[str, Means]]] = {
    Kind.RFID_READER: {"rssi_dbm": Means.NUMBER, "side": Means.WHOLE, "flags": Means.WHOLE},
    Kind.UWB_READER: {
        "rssi_dbm": Means.NUMBER,
        "first_path_dbm": Means.NUMBER,
        "flags": Means.WHOLE,
    },
    Kind.POSITIONING_ENGINE: {
        "z_m": Means.NUMBER,
        "sigma_m": Means.NUMBER,
        "flags": Means.WHOLE,
    },
}


def check_reader_fields(
    kind: Kind,
    given: Mapping[str, str],
    types: Mapping[Means, Collection[str]],
    *,
    known_otherwise: Collection[str] = (),
) -> None:
    """Whether records have what a device of this kind gives; a machine has none.

    Args:
        kind: what the device is.
        given: the records' fields, each with its type.
        types: the protocol's types that can be each of what a column means.
        known_otherwise: fields that the records need not have.

    Raises:
        ValueError: a field is missing, or has a type that it can't have.
    """
    needed = READER_FIELDS.get(kind, {})
    for name in needed:
        if name not in given and name not in known_otherwise:
            msg = f"records of a {kind.value} need a field {name!r}"
            raise ValueError(msg)
    for name, means in {**needed, **READER_FIELDS_OPTIONAL.get(kind, {})}.items():
        if name in given and given[name] not in types[means]:
            known = ", ".join(sorted(types[means]))
            msg = f"field {name!r} of a {kind.value} must be one of: {known}"
            raise ValueError(msg)
