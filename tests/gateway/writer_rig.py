"""A journal's writer, and what it has told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal
from gateway.journal.records import EventRow
from gateway.journal.retention import Keep
from gateway.journal.waiting import Portion
from gateway.journal.writer import JournalWriter
from tests.gateway.journal_writer import payload_of
from tests.support.waiting import until

FOR_EVER = Keep(36_500)


class Told:
    """What the listener of a writer is told, in order."""

    def __init__(self) -> None:
        self.events: list[int] = []
        self.waiting: list[int] = []
        self.reasons: list[str] = []
        self.healths: list[str] = []

    def stored(self, first_sequence: int, payloads: Sequence[bytes]) -> None:
        self.events += range(first_sequence, first_sequence + len(payloads))

    def unstored(self, events: Sequence[EventRow], reason: str) -> None:
        self.waiting += [event[0] for event in events]
        self.reasons.append(reason)

    def health(self, reason: str) -> None:
        self.healths.append(reason)


class WriterRig:
    """Hands over portions, as the gateway's steps do."""

    def __init__(self, journal: Journal, **more: Any) -> None:
        self.journal = journal
        self.told = Told()
        self.done: list[int] = []
        self.next = journal.last_sequence + 1
        given = {"reserve_bytes": 0, "keep": FOR_EVER, **more}
        self.writer = JournalWriter(journal, self.told, time.time_ns, **given)

    def put(
        self,
        events: int = 1,
        state: Mapping[str, bytes | None] | None = None,
        audit: Sequence[AuditEntry] = (),
        *,
        size: int = 0,
    ) -> None:
        rows = [
            (n, time.time_ns(), payload_of(n) + bytes(size))
            for n in range(self.next, self.next + events)
        ]
        self.next += events
        last = self.next - 1
        self.writer.put(Portion(rows, state or {}, audit, [lambda: self.done.append(last)]))

    async def stored(self, last: int | None = None) -> None:
        """Waits until all is stored up to an event."""
        goal = self.next - 1 if last is None else last
        await until(lambda: self.done and self.done[-1] >= goal, "events are stored")

    async def fails(self) -> None:
        await until(lambda: self.told.healths and self.told.healths[-1], "the journal fails")

    async def works(self) -> None:
        await until(lambda: self.told.healths and not self.told.healths[-1], "the journal works")


@asynccontextmanager
async def writing(folder: Path, **more: Any) -> AsyncIterator[WriterRig]:
    """A writer on the journal in `folder`; closed, and the journal too, at the end."""
    journal = await asyncio.to_thread(Journal.open, folder)
    rig = WriterRig(journal, **more)
    try:
        yield rig
    finally:
        await rig.writer.close()
        journal.close()
    rig.writer.check()


def fill(journal: Journal) -> None:
    """Lets the database grow no more: its next pages are as if the disk were full."""
    (pages,) = journal._writer.execute("PRAGMA page_count").fetchone()
    journal._writer.execute(f"PRAGMA max_page_count = {pages}")


def empty(journal: Journal) -> None:
    """There is room again."""
    journal._writer.execute("PRAGMA max_page_count = 1000000")
