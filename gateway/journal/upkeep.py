"""Looks after the journal's files: whether they are there, room for more, and the log's length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from gateway.journal.disk import MB, free_bytes, held_bytes
from gateway.journal.journal import Journal, JournalError

#: How often; so that deleted files are noticed well within ten seconds.
LOOK_EVERY_S: Final = 5.0

log = structlog.get_logger(__name__)


class Upkeep:
    """All of it in the journal's writing thread."""

    def __init__(self, journal: Journal, reserve_bytes: int, tell: Callable[[str], None]) -> None:
        """`tell` is given what is wrong, empty for nothing."""
        self._journal = journal
        self._tell = tell
        self._told = ""
        self.reserve_bytes = reserve_bytes
        #: Whether something was stored since the last look.
        self.wrote = False
        #: What its files hold, and what is free on their file system, as they were seen last.
        self.bytes = self.free_bytes = 0

    def look(self) -> bool:
        """Looks, and tells what has changed; whether the connection can be believed."""
        journal, sound = self._journal, True
        try:
            trouble = self._put_in_place() or self._room()
            if self.wrote:
                journal.checkpoint()
                self.wrote = False
        except JournalError as error:
            trouble, sound = str(error), error.passing
        except OSError as error:
            trouble = f"looking at {journal.file.parent}: {error.strerror}; check the disk"
        if trouble != self._told:
            self._told = trouble
            self._tell(trouble)
        return sound

    def reopen(self) -> None:
        """Has the journal opened anew. Raises JournalError."""
        if not self._put_in_place():
            self._journal.reopen()

    def _put_in_place(self) -> str:
        """Makes the files anew where they are gone; then what was wrong. Raises JournalError."""
        journal = self._journal
        if journal.is_in_place():
            return ""
        journal.rescue()
        text = (
            f"the files of {journal.file} were deleted or replaced while the gateway ran; they are "
            "made anew from what it still had open: find out who did that"
        )
        log.error("journal made anew", what=text)
        return text

    def _room(self) -> str:
        """What is wrong with the free space. Raises OSError."""
        folder = self._journal.file.parent
        self.bytes, self.free_bytes = held_bytes(folder), free_bytes(folder)
        # Told until there is a tenth more, so that the border is not told again and again.
        needed = self.reserve_bytes + (self.reserve_bytes // 10 if self._told else 0)
        if self.free_bytes >= needed:
            return ""
        return (
            f"only {self.free_bytes // MB} MB are free where {self._journal.file} is, less than "
            f"[journal] reserve_mb ({self.reserve_bytes // MB}): free some space"
        )
