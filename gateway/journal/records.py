"""The journal's rows of events, state and gaps: how they are stored, and how damage is seen.

Each row carries its own CRC-32, which takes in the journal's number and the row's key, because
SQLite does not notice a flipped bit.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.journal.gaps import NOT_KEPT, Gap

SELECT_EVENTS: Final = "SELECT sequence, record_t_ns, crc32, payload FROM event"

_HEADER: Final = struct.Struct(">QQq")
_STRETCH: Final = struct.Struct(">QQQ")

#: An event as it is handed over: its sequence, its record time (ns) and its payload.
EventRow = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class Record:
    """One stored event; `payload` is the bytes that were given to `append`."""

    sequence: int
    payload: bytes


class Rows:
    """Writes and checks the rows of the journal `epoch`."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def store_events(self, write: sqlite3.Connection, events: Iterable[EventRow]) -> None:
        """Writes events within the transaction of `write`."""
        # "OR REPLACE": what lies beyond the last event can only be a damaged record.
        write.executemany(
            "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?)",
            [(n, t_ns, self._event_crc(n, t_ns, payload), payload) for n, t_ns, payload in events],
        )

    def store_state(self, write: sqlite3.Connection, state: Mapping[str, bytes | None]) -> None:
        """Writes state within the transaction of `write`; None forgets a key."""
        write.executemany(
            "INSERT OR REPLACE INTO state VALUES (?, ?, ?)",
            [(k, self._state_crc(k, v), v) for k, v in state.items() if v is not None],
        )
        write.executemany(
            "DELETE FROM state WHERE key = ?", [(k,) for k, v in state.items() if v is None]
        )

    def store_gap(self, write: sqlite3.Connection, gap: Gap) -> None:
        """Writes down, within the transaction of `write`, why events are not there."""
        crc = self._gap_crc(gap.first_sequence, gap.last_sequence, gap.reason)
        write.execute(
            "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?)",
            (gap.first_sequence, gap.last_sequence, crc, gap.reason),
        )

    def first(self, read: sqlite3.Connection, damage: list[str]) -> tuple[list[Gap], int]:
        """The gaps that are written down, in order, and the oldest event that was not dropped."""
        gaps, damaged = self._gaps(read)
        if gaps and gaps[0].first_sequence == 1 and gaps[0].reason == NOT_KEPT:
            return gaps, gaps[0].last_sequence + 1
        if not damaged:
            return gaps, 1
        damage.append("what says which events are no longer kept is damaged")
        row = read.execute(f"{SELECT_EVENTS} ORDER BY sequence LIMIT 1").fetchone()
        return gaps, row[0] if row and self.intact(row) else 1

    def _gaps(self, read: sqlite3.Connection) -> tuple[list[Gap], int]:
        """Those that are whole, and how many are not."""
        rows = read.execute("SELECT first, last, crc32, reason FROM gap ORDER BY first").fetchall()
        found = []
        for first, last, crc, reason in rows:
            whole = isinstance(first, int) and isinstance(last, int) and isinstance(reason, str)
            if whole and 0 < first <= last and crc == self._gap_crc(first, last, reason):
                found.append(Gap(first, last, reason))
        return found, len(rows) - len(found)

    def state(self, read: sqlite3.Connection, damage: list[str]) -> dict[str, bytes]:
        """All state; damaged keys are left out and named in `damage`."""
        state = {}
        for key, crc, value in read.execute("SELECT key, crc32, value FROM state").fetchall():
            whole = isinstance(value, bytes) and isinstance(key, str)
            if whole and crc == self._state_crc(key, value):
                state[key] = value
            else:
                damage.append(f"the state of {key!r} is damaged and left out")
        return state

    def record(self, row: Sequence[Any]) -> Record | None:
        """The event of a row of `SELECT_EVENTS`; None where it is damaged."""
        return Record(row[0], row[3]) if self.intact(row) else None

    def intact(self, row: Sequence[Any]) -> bool:
        """Whether a row of `SELECT_EVENTS` is as it was written."""
        sequence, record_t_ns, crc, payload = row
        if not isinstance(record_t_ns, int) or not isinstance(payload, bytes):
            return False
        return bool(crc == self._event_crc(sequence, record_t_ns, payload))

    def _event_crc(self, sequence: int, record_t_ns: int, payload: bytes) -> int:
        return zlib.crc32(payload, zlib.crc32(_HEADER.pack(self._epoch, sequence, record_t_ns)))

    def _state_crc(self, key: str, value: bytes) -> int:
        head = key.encode() + b"\0" + self._epoch.to_bytes(8, "big")
        return zlib.crc32(value, zlib.crc32(head))

    def _gap_crc(self, first: int, last: int, reason: str) -> int:
        return zlib.crc32(reason.encode(), zlib.crc32(_STRETCH.pack(self._epoch, first, last)))
