"""Stores what steps hand over, in a thread of its own, whatever the disk does.

Steps never wait for the disk. The thread takes all that has gathered while it wrote, and stores it
in one transaction (group commit). A disk that fails is tried again and again; what waits for it is
told to clients as unstored, and stored when it works again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from gateway.clock import Clock
from gateway.journal.gaps import UNSTORED
from gateway.journal.journal import Journal, JournalError
from gateway.journal.records import EventRow
from gateway.journal.retention import AGAIN_S, Keep, Needed, Retention
from gateway.journal.status import JournalStatus
from gateway.journal.upkeep import LOOK_EVERY_S, Upkeep
from gateway.journal.waiting import Portion, Waiting

#: How soon a disk that has failed is tried again: at first, and at most, as each pause is doubled.
RETRY_LEAST_S: Final = 0.5
RETRY_MOST_S: Final = 10.0
#: A disk that takes longer for one transaction is told to fail, before it says so itself.
STALL_S: Final = 5.0
#: How long what waits at the end may take.
STOP_MOST_S: Final = 10.0
#: Entries of the audit log that may wait; beyond it operators' acts are refused.
AUDIT_MOST: Final = 10_000

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Who is told, on the event loop."""

    def stored(self, first_sequence: int, payloads: Sequence[bytes]) -> None:
        """These events are on the disk; where the first does not follow, the rest was dropped."""

    def unstored(self, events: Sequence[EventRow], reason: str) -> None:
        """These have happened, and wait for a disk that does not take them."""

    def health(self, reason: str) -> None:
        """Why the journal can't be written, or soon can't; empty: it can."""


class JournalWriter:
    """The one writer of a journal. On the event loop, but for its thread."""

    def __init__(
        self,
        journal: Journal,
        listener: Listener,
        now_ns: Clock,
        *,
        reserve_bytes: int,
        keep: Keep,
        needed: Needed = lambda: None,
    ) -> None:
        """`needed` gives the oldest event that a consumer has yet to take; called in the thread.

        `reserve_bytes`: less free space than this is told before it is used up.
        """
        self._journal = journal
        self._listener = listener
        self._now_ns = now_ns
        self._loop = asyncio.get_running_loop()
        self._wake = threading.Condition()
        self._waiting = Waiting(journal.load_state())
        self._upkeep = Upkeep(journal, reserve_bytes, self._tell_trouble)
        self._retention = Retention(journal, keep, needed)
        self._closing = False
        self._ended = asyncio.Event()
        # Of the thread: when it has to do what, by the monotonic clock.
        self._retry_s = 0.0
        self._retry_at_s = self._look_at_s = 0.0
        self._part_at_s = time.monotonic() + LOOK_EVERY_S
        self._aged_at_s = self._part_at_s
        self._reopens = False
        self._busy_since_s: float | None = None
        # Of the loop: why events can't be stored, and what else is wrong with the disk.
        self._failure = self._trouble = self._told = ""
        self._failure_t_ns: int | None = None
        self._dropped = 0
        self._put_sequence = self._told_sequence = journal.last_sequence
        #: Done with an error where the writer itself has ended.
        self.failed: asyncio.Future[None] = self._loop.create_future()
        # A thread that hangs in a dead disk must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="journal-write", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether so many acts of operators wait that no more are taken."""
        return self._waiting.audit >= AUDIT_MOST

    def use(self, reserve_bytes: int, keep: Keep) -> None:
        """Goes on by another configuration."""
        self._upkeep.reserve_bytes = reserve_bytes
        self._retention.use(keep)

    def put(self, portion: Portion) -> None:
        """Takes what comes after all that was put before; returns at once.

        Its `stored` are called on the event loop, after the listener.

        Raises:
            ValueError: its events do not follow those before.
        """
        for expected, (sequence, _, _) in enumerate(portion.events, self._put_sequence + 1):
            if sequence != expected:
                msg = f"event {sequence} does not follow: {expected} is the next"
                raise ValueError(msg)
        self._put_sequence += len(portion.events)
        with self._wake:
            self._waiting.put(portion)
            self._wake.notify()
        if self._failure and portion.events:
            self._tell_unstored(portion.events)

    def tick(self) -> None:
        """To be called now and then: sees a disk that does not answer."""
        since_s = self._busy_since_s
        if since_s is None or self._failure or time.monotonic() - since_s < STALL_S:
            return
        file = self._journal.file
        text = f"writing to {file}: the disk does not answer; check it and the system log"
        self._fail(f"{text} (for more than {STALL_S:g} s)")

    def check(self) -> None:
        """Raises what the writer has failed with."""
        if self.failed.done():
            self.failed.result()

    def status(self) -> JournalStatus:
        """How it does now."""
        journal = self._journal
        with self._wake:
            waiting = len(self._waiting.events)
        return JournalStatus(
            epoch=journal.epoch,
            first_sequence=journal.first_sequence,
            last_sequence=journal.last_sequence,
            bytes=self._upkeep.bytes,
            free_bytes=self._upkeep.free_bytes,
            waiting_events=waiting,
            failure=self._told,
            failure_t_ns=self._failure_t_ns,
            damage=journal.damage,
        )

    async def close(self) -> None:
        """Stores what waits, if the disk takes it; else says in the log what is not stored."""
        if self._closing:
            return
        with self._wake:
            self._closing = True
            self._wake.notify()
        try:
            async with asyncio.timeout(STOP_MOST_S):
                await self._ended.wait()
        except TimeoutError:
            log.error("the disk does not answer: the journal's writer is left behind")
        with self._wake:
            events, audit = self._waiting.events, self._waiting.audit
        if events or audit:
            log.error(
                "the gateway ends with events that are not stored",
                events=len(events),
                first=events[0][0] if events else None,
                last=events[-1][0] if events else None,
                audit_entries=audit,
                reason=self._failure,
            )

    # On the loop, asked for by the thread.

    def _take_stored(self, portion: Portion) -> None:
        self._failure = ""
        if portion.events:
            self._told_sequence = max(self._told_sequence, portion.events[-1][0])
            payloads = [payload for _, _, payload in portion.events]
            self._listener.stored(portion.events[0][0], payloads)
        for stored in portion.stored:
            stored()
        self._tell_health()

    def _fail(self, reason: str) -> None:
        self._failure = reason
        with self._wake:
            dropped = self._waiting.dropped
            events = [event for event in self._waiting.events if event[0] > self._told_sequence]
        if dropped > self._dropped:
            count, self._dropped = dropped - self._dropped, dropped
            log.error("too many events wait: the oldest are dropped", count=count)
        if events:
            self._tell_unstored(events)
        self._tell_health()

    def _tell_unstored(self, events: Sequence[EventRow]) -> None:
        self._told_sequence = events[-1][0]
        self._listener.unstored(events, self._failure)

    def _take_trouble(self, reason: str) -> None:
        self._trouble = reason
        self._tell_health()

    def _tell_health(self) -> None:
        reason = self._failure or self._trouble
        if bool(reason) != bool(self._told):
            self._failure_t_ns = self._now_ns() if reason else None
            (log.error if reason else log.info)(
                "the journal fails" if reason else "the journal works", reason=reason
            )
        if reason != self._told:
            self._told = reason
            self._listener.health(reason)

    def _break(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    # In the thread.

    def _tell_trouble(self, reason: str) -> None:
        self._on_loop(self._take_trouble, reason)

    def _on_loop(self, call: Callable[..., None], *given: object) -> None:
        self._loop.call_soon_threadsafe(self._guarded, call, *given)

    def _guarded(self, call: Callable[..., None], *given: object) -> None:
        try:
            call(*given)
        except Exception as error:
            self._break(error)
            log.error("the journal's writer has a bug: the gateway ends", exc_info=error)

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except Exception as error:
            self._on_loop(self._break, error)
            log.error("the journal's writer has a bug: the gateway ends", exc_info=error)
        self._on_loop(self._ended.set)

    def _turn(self) -> bool:
        """Waits for something to do, and does it; False: that was the last."""
        with self._wake:
            self._wake.wait_for(self._is_due, self._rests_s())
            closing = self._closing
            portion = self._waiting.take() if self._waiting and self._is_due() else None
        if portion is not None:
            stored = self._store(portion)
            return stored or not closing
        if closing:
            return False
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._reopens |= not self._upkeep.look()
            self._look_at_s = time.monotonic() + LOOK_EVERY_S
        elif now_s >= self._part_at_s:
            self._drop_old(now_s)
        return True

    def _is_due(self) -> bool:
        """Whether what waits is to be stored now, or the end has come."""
        return self._closing or (bool(self._waiting) and time.monotonic() >= self._retry_at_s)

    def _rests_s(self) -> float:
        due_s = min(self._look_at_s, self._part_at_s)
        if self._waiting:
            due_s = min(due_s, self._retry_at_s)
        return max(0.0, due_s - time.monotonic())

    def _store(self, portion: Portion) -> bool:
        journal = self._journal
        self._busy_since_s = time.monotonic()
        try:
            if self._reopens:
                self._upkeep.reopen()
                self._reopens = False
            rest = portion.beyond(journal.last_sequence, journal.last_audit.sequence)
            journal.append(rest.events, rest.state, rest.audit, hole=UNSTORED)
        except JournalError as error:
            self._reopens |= not error.passing
            self._retry_s = min(max(2 * self._retry_s, RETRY_LEAST_S), RETRY_MOST_S)
            self._retry_at_s = time.monotonic() + self._retry_s
            with self._wake:
                self._waiting.put_back(surely=error.passing)
            self._on_loop(self._fail, str(error))
            return False
        finally:
            self._busy_since_s = None
        self._upkeep.wrote = True
        self._retry_s = self._retry_at_s = 0.0
        with self._wake:
            self._waiting.landed()
        self._on_loop(self._take_stored, portion)
        return True

    def _drop_old(self, now_s: float) -> None:
        """A part of what is too old; that the disk fails is told where events wait for it."""
        rest_s = AGAIN_S
        try:
            if not self._reopens:
                if now_s >= self._aged_at_s:
                    self._aged_at_s = now_s + AGAIN_S
                    self._retention.look(self._now_ns())
                rest_s = self._retention.part()
        except JournalError as error:
            self._reopens |= not error.passing
            log.warning("old events can't be dropped now", reason=str(error))
        self._part_at_s = time.monotonic() + rest_s
