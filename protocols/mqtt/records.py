"""A reader's records out of JSON messages: columns, and each record once. Pure."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from equipment.mqtt_profile import JsonField, Records
from protocols.losses import Loss
from protocols.mqtt.message import Columns
from protocols.mqtt.values import MISSING, Pointer, WrongError, kind_of, number, raw_of, time_ns

#: Records of one message; what a reader gives at once is some hundreds.
RECORDS_MOST: Final = 10_000

#: Messages whose like is known again: what a broker or a device sends twice comes soon after.
REMEMBERED_MOST: Final = 4096

#: Fields without which a record is none. Others may be missing or null: the reader has none.
_NEEDED: Final = frozenset({"t_us", "card", "anchor"})

#: What 64 bits hold.
_WHOLE_MOST: Final = (1 << 63) - 1


class RecordReader:
    """Reads the records of messages as the profile lays them out."""

    def __init__(self, records: Records) -> None:
        self._array = Pointer(records.pointer)
        self._fields = [(field, Pointer(field.pointer)) for field in records.field]

    def read(self, document: Any) -> tuple[Columns | None, list[Loss]]:
        """The columns of a document's good records (None if there are none), and what was wrong."""
        found = self._array.find(document)
        records = [found] if isinstance(found, dict) else found
        if not isinstance(records, list):
            what = "nothing" if found is MISSING else kind_of(found)
            return None, [Loss(1, f"{self._array} is {what}, not an array of records")]
        refused: Counter[str] = Counter()
        if len(records) > RECORDS_MOST:
            reason = f"records beyond the first {RECORDS_MOST} of a message"
            refused[reason] = len(records) - RECORDS_MOST
        rows = []
        for record in records[:RECORDS_MOST]:
            try:
                rows.append([_cell(field, pointer.find(record)) for field, pointer in self._fields])
            except WrongError as error:
                refused[str(error)] += 1
        losses = [Loss(count, reason) for reason, count in refused.items()]
        if not rows:
            return None, losses
        cells = zip(*rows, strict=True)
        fields = [field for field, _ in self._fields]
        columns = {f.name: _column(f, list(c)) for f, c in zip(fields, cells, strict=True)}
        return columns, losses


def _cell(field: JsonField, value: Any) -> Any:
    """One value of a record; None where the reader gives none.

    Raises:
        WrongError: it is needed and missing, or wrong.
    """
    if value is None or value is MISSING:
        if field.name in _NEEDED or field.type == "time":
            msg = f"records without {field.name} (at {field.pointer!r})"
            raise WrongError(msg)
        return None
    try:
        if field.type == "time":
            return time_ns(value, field.unit) // 1000
        if field.type == "text":
            return raw_of(value, "text")
        if field.type == "number":
            return number(float(raw_of(value, "number")) * field.scale + field.offset)
        return _whole(value)
    except WrongError as error:
        msg = f"records whose {field.name} {error}"
        raise WrongError(msg) from None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _WHOLE_MOST:
        msg = "is no whole number"
        raise WrongError(msg)
    return value


def _column(field: JsonField, cells: list[Any]) -> NDArray[np.generic]:
    if field.type == "text":
        return np.array(["" if cell is None else cell for cell in cells], dtype=object)
    if field.type in ("time", "whole") and None not in cells:
        return np.array(cells, np.int64)
    return np.array([np.nan if cell is None else cell for cell in cells], np.float64)


class Repeats:
    """Knows messages that were taken before.

    With QoS 1 the broker sends again what it does not know to be taken, and so does a device to
    the broker, which then comes as a new message: only the content tells. Records carry their
    times, so that no two messages are alike by chance.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, None] = {}

    def known(self, topic: str, payload: bytes) -> bool:
        """Whether this was taken before; from now on it was."""
        digest = blake2b(payload, digest_size=16, key=topic.encode()[:64]).digest()
        if digest in self._seen:
            return True
        self._seen[digest] = None
        if len(self._seen) > REMEMBERED_MOST:
            del self._seen[next(iter(self._seen))]
        return False
