"""Hands what steps have changed to the journal, and tells clients and operators what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.clock import Clock
from gateway.config.schema import JournalSettings
from gateway.desk import Desk, audit_of
from gateway.inbox import Inbox
from gateway.journal.disk import GB, MB
from gateway.journal.journal import Journal
from gateway.journal.records import EventRow
from gateway.journal.retention import Keep, Needed
from gateway.journal.waiting import Portion
from gateway.journal.writer import JournalWriter
from gateway.mine.change import Answer, Changes, Event
from gateway.serve.encode import encode_event
from gateway.serve.server import Server

#: An operator waits no longer for the disk: what was done is answered as not yet stored.
ANSWER_MOST_S: Final = 1.0


@dataclass(slots=True, eq=False)
class _Ticket:
    """Those who wait for one step's changes to be stored: once, or not for long."""

    desk: Desk
    answers: Sequence[Answer]
    then: Callable[[], None] | None
    open: set[_Ticket]
    timer: asyncio.TimerHandle | None = None

    def stored(self) -> None:
        """Tells them that it is stored."""
        self._end(self.answers)

    def give_up(self) -> None:
        """Tells them that it is done and waits for the disk."""
        self._end([replace(answer, unstored=True) for answer in self.answers])

    def _end(self, answers: Sequence[Answer]) -> None:
        if self not in self.open:
            return
        self.open.discard(self)
        if self.timer:
            self.timer.cancel()
        self.desk.tell(answers)
        if self.then:
            self.then()


class Storing:
    """The journal's listener, and the way to it. On the event loop."""

    def __init__(
        self,
        journal: Journal,
        server: Server,
        desk: Desk,
        inbox: Inbox,
        *,
        settings: JournalSettings,
        now_ns: Clock,
        needed: Needed = lambda: None,
    ) -> None:
        """`needed` gives the oldest event that a consumer has yet to take, from any thread."""
        self._epoch = journal.epoch
        self._audit = journal.last_audit.sequence
        self._server = server
        self._desk = desk
        self._inbox = inbox
        self._open: set[_Ticket] = set()
        self._loop = asyncio.get_running_loop()
        # An alarm of an earlier run may be open.
        inbox.put_journal("events", "")
        self.writer = JournalWriter(
            journal,
            self,
            now_ns,
            reserve_bytes=settings.reserve_mb * MB,
            keep=_keep(settings),
            needed=needed,
        )
        desk.is_full = lambda: self.writer.is_full

    def use(self, settings: JournalSettings) -> None:
        """Goes on by another configuration."""
        self.writer.use(settings.reserve_mb * MB, _keep(settings))

    def put(self, changes: Changes, then: Callable[[], None] | None = None) -> None:
        """Stores what is to be kept of a step; answers and `then` follow when it is, or soon."""
        if not (changes.events or changes.state or changes.answers or then):
            return
        audit = audit_of(changes.answers, self._audit)
        self._audit += len(audit)
        ticket = _Ticket(self._desk, changes.answers, then, self._open)
        if changes.answers or then:
            self._open.add(ticket)
            ticket.timer = self._loop.call_later(ANSWER_MOST_S, ticket.give_up)
        rows = rows_of(changes.events, self._epoch)
        self.writer.put(Portion(rows, changes.state, audit, [ticket.stored]))

    async def close(self) -> None:
        """Stores what waits, if the disk takes it; whoever waits for the rest is told."""
        await self.writer.close()
        for ticket in list(self._open):
            ticket.give_up()

    def stored(self, first_sequence: int, payloads: Sequence[bytes]) -> None:
        """Sends events that are on the disk."""
        self._server.publish_events(first_sequence, payloads)

    def unstored(self, events: Sequence[EventRow], reason: str) -> None:
        """Sends events that wait for the disk, as such."""
        payloads = [payload for _, _, payload in events]
        self._server.publish_unstored(events[0][0], payloads, reason)

    def health(self, reason: str) -> None:
        """Has the core raise its alarm, or end it."""
        self._inbox.put_journal("events", reason)


def rows_of(events: Sequence[Event], epoch: int) -> list[EventRow]:
    """Events as the journal `epoch` stores them."""
    return [(one.sequence, one.record_t_ns, encode_event(one, epoch)) for one in events]


def _keep(settings: JournalSettings) -> Keep:
    most_gb = settings.events_gb
    return Keep(settings.events_days, None if most_gb is None else round(most_gb * GB))
