"""Where a client of events keeps its place: nowhere, in a store of its own, or at the gateway."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from lamproom import asks
from lamproom.errors import LamproomError, RefusedError, UnavailableError
from lamproom.retry import Backoff

#: The gateway writes each acknowledgement to its disk: at most one a second of each client.
ACKNOWLEDGE_INTERVAL_S: Final = 1.0

log = logging.getLogger("lamproom")


class CursorStore(Protocol):
    """Keeps a cursor over runs of a client: `CursorFile`, or something of the client's own."""

    def load(self) -> bytes:
        """The cursor; empty where none was kept yet."""

    def save(self, cursor: bytes) -> None:
        """Keeps `cursor` instead of the one before."""


class Keeping:
    """Which cursor is to be kept now; the saving itself is done by `client.py` and `aio.py`."""

    def __init__(self, store: CursorStore | None, consumer: str) -> None:
        self.store = store
        self.consumer = consumer
        self._saved = self._acknowledged = b""
        self._next_s = float("-inf")

    def store_for(self, cursor: bytes) -> CursorStore | None:
        """The store, where it has not this cursor; `saved` says when it has."""
        return self.store if cursor and cursor != self._saved else None

    def saved(self, cursor: bytes) -> None:
        """The store has that cursor."""
        self._saved = cursor

    def acknowledgement(
        self, cursor: bytes, now_s: float, *, last: bool, patience_s: float = 0.0
    ) -> asks.Ask[None] | None:
        """What tells the gateway, when it is time; `last`: it is, whenever the one before was.

        It is tried again for `patience_s`, as no other one will follow.
        """
        if not self.consumer or not cursor or cursor == self._acknowledged:
            return None
        if now_s < self._next_s and not last:
            return None
        self._next_s = now_s + ACKNOWLEDGE_INTERVAL_S
        return self._acknowledge(cursor, patience_s)

    def _acknowledge(self, cursor: bytes, patience_s: float) -> asks.Ask[None]:
        backoff, waited_s = Backoff(), 0.0
        while True:
            try:
                yield from asks.acknowledge(self.consumer, cursor)
            except UnavailableError as error:
                wait_s = backoff.wait_s()
                waited_s += wait_s
                if waited_s > patience_s:
                    if patience_s:
                        log.warning("%s; %s gets its last events again", error, self.consumer)
                    return  # or the next one says more
                yield asks.Wait(wait_s)
            except RefusedError as error:
                # Another journal, as the stream is about to tell; or the place was there already.
                if error.code.name != "FAILED_PRECONDITION":
                    raise
                break
            except LamproomError:
                if not waited_s:
                    raise
                return  # the client was closed while this waited
            else:
                break
        self._acknowledged = cursor
