"""Whether all of the state is there: a row that damage has hidden has no checksum to be wrong.

A sum over the checksums of all keys, and how many changes of it there were, are kept beside the
state. The number of changes is also written down outside the database (see `guard`).
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from gateway.journal.records import Rows

_SUM: Final = struct.Struct(">QQI")


@dataclass(frozen=True, slots=True)
class StateSum:
    """`changes`: transactions that changed the state; `keys`: how many; `crc32`: all of them."""

    changes: int = 0
    keys: int = 0
    crc32: int = 0

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> Self | None:
        """The one that is stored; None where none is, as in older journals, or it is damaged."""
        row = connection.execute("SELECT value FROM meta WHERE key = 'state'").fetchone()
        if row is None or not isinstance(row[0], bytes) or len(row[0]) != _SUM.size:
            return None
        return cls(*_SUM.unpack(row[0]))

    @classmethod
    def of(cls, crcs: Mapping[str, int], changes: int) -> Self:
        """That of all keys, by their checksums."""
        total = 0
        for crc in crcs.values():
            total ^= crc
        return cls(changes, len(crcs), total)

    def after(self, before: Mapping[str, int], now: Mapping[str, int | None]) -> StateSum:
        """After one more change: keys' checksums `before`, and `now` where they change."""
        keys, total = self.keys, self.crc32
        for key, crc in now.items():
            old = before.get(key)
            keys += (crc is not None) - (old is not None)
            total ^= (old or 0) ^ (crc or 0)
        return StateSum(self.changes + 1, keys, total)

    def write(self, connection: sqlite3.Connection) -> None:
        """Stores it within the transaction of `connection`."""
        value = _SUM.pack(self.changes, self.keys, self.crc32)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('state', ?)", (value,))


class KeptState:
    """The state of one journal: what is stored of it, by the checksums of its keys."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._crcs: dict[str, int] = {}
        self._sum = StateSum()
        self._storing: tuple[dict[str, int | None], StateSum] = ({}, self._sum)

    @property
    def changes(self) -> int:
        """How many transactions have changed it."""
        return self._sum.changes

    def read(
        self, connection: sqlite3.Connection, marked: int, damage: list[str]
    ) -> dict[str, bytes]:
        """All that is stored; adds to `damage` what of it, or of `marked` changes, is lost.

        Raises sqlite3.Error.
        """
        found: list[str] = []
        state, self._crcs = self._rows.state(connection, found)
        stored = StateSum.read(connection)
        changes = stored.changes if stored else 0
        self._sum = StateSum.of(self._crcs, max(changes, marked))
        if stored and not found and stored != StateSum.of(self._crcs, changes):
            found.append("some of the state is lost: the disk hides rows of it")
        if changes < marked:
            found.append(f"the newest {marked - changes} changes of the state are lost")
        damage += found
        return state

    def store(self, write: sqlite3.Connection, state: Mapping[str, bytes | None]) -> None:
        """Writes changes within the transaction of `write`; `committed` is to follow."""
        self._storing = ({}, self._sum)
        if state:
            crcs = self._rows.store_state(write, state)
            self._storing = (crcs, self._sum.after(self._crcs, crcs))
            self._storing[1].write(write)

    def committed(self) -> None:
        """Goes on after that transaction."""
        crcs, self._sum = self._storing
        for key, crc in crcs.items():
            if crc is None:
                self._crcs.pop(key, None)
            else:
                self._crcs[key] = crc
