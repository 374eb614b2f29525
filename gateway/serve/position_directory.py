"""What cards and roadways are called, in messages that clients of positions share."""

from __future__ import annotations

from typing import Final

from gateway.serve.position_view import Reader
from lamproom.v1 import position_pb2
from positioning.observation import IdTable

#: Entries of one directory message: some 100 kB.
DIRECTORY_ENTRIES_MAX: Final = 4096

#: Messages that are held, the oldest going first: all of 100,000 cards, and what has come since.
#: To make those of 20,000 takes 10 ms, for each of a hundred clients that come back at once.
HELD_MAX: Final = 32


class Directory:
    """The names behind the handles of cards and the numbers of roadways, both of which may grow."""

    def __init__(self, cards: IdTable, roadways: IdTable) -> None:
        self._cards = cards
        self._roadways = roadways
        #: By the first card, the one after the last, and how many roadways.
        self._held: dict[tuple[int, int, int], bytes] = {}

    def news(self, reader: Reader) -> list[bytes]:
        """What `reader` has not been told of, which it then has; the first time all roadways."""
        first, count = reader.named or 0, len(self._cards)
        roads = len(self._roadways) if len(self._roadways) > reader.roads else 0
        if first == count and not roads:
            return []
        reader.named, reader.roads = count, len(self._roadways)
        messages = []
        # Roadways alone are a message without cards.
        for start in range(first, count, DIRECTORY_ENTRIES_MAX) or (first,):
            end = min(start + DIRECTORY_ENTRIES_MAX, count)
            messages.append(self._message(start, end, roads))
            roads = 0
        return messages

    def _message(self, start: int, end: int, roads: int) -> bytes:
        key = start, end, roads
        message = self._held.get(key)
        if message is None:
            told = position_pb2.PositionDirectory(roadway_ids=self._roadways.names()[:roads])
            for handle in range(start, end):
                told.entries.add(tag_handle=handle, card=self._cards.name(handle))
            message = position_pb2.WatchPositionsResponse(directory=told).SerializeToString()
            while len(self._held) >= HELD_MAX:
                del self._held[next(iter(self._held))]
            self._held[key] = message
        return message
