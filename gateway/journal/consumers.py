"""Places of consumers in the journal's database: up to where each has dealt with the events.

A damaged place is forgotten and told: its consumer gets events again, never too few.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS consumer (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL,"
    " acknowledge_t_ns INTEGER NOT NULL, crc32 INTEGER NOT NULL)"
)

_BODY: Final = struct.Struct(">QQq")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a consumer is: the newest event that it has dealt with, and when it said so."""

    sequence: int
    acknowledge_t_ns: int


class ConsumerStore:
    """The places that are on disk. Written by the journal alone, read from any thread."""

    def __init__(self, epoch: int, writer: sqlite3.Connection, damage: list[str]) -> None:
        """Reads the places in; adds to `damage` which are lost, a sentence each.

        Raises:
            sqlite3.Error: they can't be read.
        """
        self._epoch = epoch
        # Replaced as a whole at each change, so that who reads it sees one state of it.
        self._places: Mapping[str, Place] = self._read(writer, damage)

    @property
    def places(self) -> Mapping[str, Place]:
        """All places, by the consumers' names; never changed once it is given out."""
        return self._places

    def oldest_needed(self) -> int | None:
        """The oldest event that a consumer has not dealt with; None where there is no consumer."""
        places = self._places
        return min((place.sequence for place in places.values()), default=-1) + 1 or None

    def store(self, write: sqlite3.Connection, changes: Mapping[str, Place | None]) -> None:
        """Writes places, and forgets those of None, within the transaction of `write`."""
        write.executemany(
            "INSERT OR REPLACE INTO consumer VALUES (?, ?, ?, ?)",
            [
                (name, place.sequence, place.acknowledge_t_ns, self._crc(name, place))
                for name, place in changes.items()
                if place
            ],
        )
        gone = [(name,) for name, place in changes.items() if place is None]
        write.executemany("DELETE FROM consumer WHERE name = ?", gone)

    def committed(self, changes: Mapping[str, Place | None]) -> None:
        """Goes on with `changes`, whose transaction has ended."""
        merged = {**self._places, **changes}
        self._places = {name: place for name, place in merged.items() if place}

    def _read(self, writer: sqlite3.Connection, damage: list[str]) -> dict[str, Place]:
        places = {}
        select = "SELECT name, sequence, acknowledge_t_ns, crc32 FROM consumer"
        for name, sequence, t_ns, crc in writer.execute(select).fetchall():
            place = Place(sequence, t_ns)
            numbers = isinstance(sequence, int) and isinstance(t_ns, int) and sequence >= 0
            if isinstance(name, str) and numbers and crc == self._crc(name, place):
                places[name] = place
            else:
                damage.append(f"the place of consumer {name!r} is damaged and forgotten")
        return places

    def _crc(self, name: str, place: Place) -> int:
        body = _BODY.pack(self._epoch, place.sequence, place.acknowledge_t_ns)
        return zlib.crc32(body, zlib.crc32(name.encode(errors="surrogatepass")))
