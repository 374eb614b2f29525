"""The connections that read the journal, for as many threads as there are of them."""

from __future__ import annotations

import queue
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.journal.sqlite import JournalError, explain, open_reader

#: As many as there are threads that read for slow clients; each holds a page cache of 2 MB.
READERS: Final = 2
#: Reads are short; one that has to wait this long for another to end means a dead disk.
READER_WAIT_S: Final = 30.0


class Readers:
    """A pool of connections; opened by `open`, once the file is there."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._closed = False

    def open(self) -> None:
        """Opens all of them. Raises JournalError, and none is open then."""
        try:
            while self._idle.qsize() < READERS:
                self._idle.put(open_reader(self._file))
        except JournalError:
            self._close_idle()
            raise

    def open_again(self) -> None:
        """Opens them anew, on what is now under the file's name. Raises JournalError."""
        for _ in range(READERS):
            with suppress(queue.Empty):
                self._idle.get(timeout=READER_WAIT_S).close()
        self.open()

    @contextmanager
    def one(self) -> Iterator[sqlite3.Connection]:
        """A connection for a moment.

        Raises:
            JournalError: the pool is closed, none is given back, or it can't be read.
        """
        if self._closed:
            msg = f"reading {self._file}: the journal is closed"
            raise JournalError(msg)
        try:
            reader = self._idle.get(timeout=READER_WAIT_S)
        except queue.Empty:
            msg = f"reading {self._file}: the disk does not answer; check it and the system log"
            raise JournalError(msg) from None
        try:
            yield reader
        except sqlite3.Error as error:
            raise explain(error, self._file, "reading") from error
        finally:
            self._idle.put(reader)

    def close(self) -> None:
        """Ends all of them, those that are read from once that is done."""
        self._closed = True
        with suppress(queue.Empty):
            for _ in range(READERS):
                self._idle.get(timeout=READER_WAIT_S).close()

    def _close_idle(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
