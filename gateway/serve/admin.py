"""How the gateway does: its journal, its disk, its process, and who is connected.

On the event loop; the disk is looked at in a thread, for it may not answer.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

from gateway.clock import Clock
from gateway.config.bundle import Bundle
from gateway.journal.disk import DiskUse, disk_use
from gateway.journal.journal import Journal
from gateway.serve.cursor import Kind, seal_page
from gateway.serve.paging import page_size, page_start
from lamproom.v1 import admin_pb2, configuration_pb2

#: A sound disk answers within milliseconds; one that does not is told as such.
DISK_ANSWERS_S: Final = 2.0

_MEMORY: Final = Path("/proc/self/statm")


class _Trouble(Protocol):
    """What keeps events from the disk: how many wait, why and since when."""

    @property
    def waiting_events(self) -> int: ...
    @property
    def failure(self) -> str: ...
    @property
    def failure_t_ns(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class NoTrouble:
    """Events go to the disk at once, or the gateway ends."""

    waiting_events: int = 0
    failure: str = ""
    failure_t_ns: int | None = None


@dataclass(frozen=True, slots=True)
class TracksState:
    """The kept positions: from when to when, how large, and what keeps them from the disk."""

    oldest_t_ns: int | None = None
    newest_t_ns: int | None = None
    used_bytes: int = 0
    failure: str = ""
    failure_t_ns: int | None = None
    dropped: int = 0


class _SubscriberRow(Protocol):
    """A stream that is open, as `Subscriber` of the contract; `message_t_ns` 0: none yet."""

    @property
    def subscriber_id(self) -> int: ...
    @property
    def peer(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def begin_t_ns(self) -> int: ...
    @property
    def messages(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def message_t_ns(self) -> int: ...
    @property
    def blocked_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class AdminSources:
    """Where the figures come from that the gateway's other parts know; asked at each request.

    `subscribers` are in the order of their ids. `tracks` is None where no positions are kept.
    """

    subscribers: Callable[[], Sequence[_SubscriberRow]] = tuple
    trouble: Callable[[], _Trouble] = NoTrouble
    tracks: Callable[[], TracksState | None] = lambda: None


#: Of a gateway that keeps no positions and does not tell who is connected.
NO_SOURCES: Final = AdminSources()


class AdminAnswers:
    """Answers with figures of now."""

    def __init__(
        self,
        bundle: Bundle,
        journal: Journal,
        sources: AdminSources,
        configuration: Callable[[], configuration_pb2.Configuration],
        fixes_refused: Callable[[], int],
        *,
        epoch: int,
        now_ns: Clock,
    ) -> None:
        self._mine = bundle.settings.mine
        self._journal = journal
        self._sources = sources
        self._configuration = configuration
        self._fixes_refused = fixes_refused
        self._epoch = epoch
        self._now_ns = now_ns
        self._begin_ns = now_ns()
        # Of its own: on a disk that does not answer, no other work waits behind this.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="disk-use")
        self._looking: asyncio.Future[DiskUse | None] | None = None

    def reload(self, bundle: Bundle) -> None:
        """Takes over another configuration."""
        self._mine = bundle.settings.mine

    def close(self) -> None:
        """Lets the thread end when it has nothing to do."""
        self._thread.shutdown(wait=False)

    async def get_status(self, _request: admin_pb2.GetStatusRequest) -> admin_pb2.GetStatusResponse:
        """How it does, within `DISK_ANSWERS_S` whatever the disk does."""
        status = admin_pb2.GetStatusResponse(
            version=version("lamproom"),
            mine_code=self._mine.code,
            mine_name=self._mine.name,
            configuration=self._configuration(),
            journal=await self._journal_status(),
            resident_bytes=_resident_bytes(),
            processor_s=time.process_time(),
            subscribers=len(self._sources.subscribers()),
            fixes_refused=self._fixes_refused(),
        )
        status.begin_time.FromNanoseconds(self._begin_ns)
        status.time.FromNanoseconds(self._now_ns())
        if tracks := self._sources.tracks():
            status.tracks.CopyFrom(_tracks_message(tracks))
        return status

    def list_subscribers(
        self, request: admin_pb2.ListSubscribersRequest
    ) -> admin_pb2.ListSubscribersResponse:
        """One page, by their ids, so that none that stays is left out or told twice.

        Raises:
            RequestError: a wrong page.
        """
        size = page_size(request.page_size)
        after = page_start(Kind.SUBSCRIBER_PAGE, request.page_token, self._epoch)
        rows = [row for row in self._sources.subscribers() if row.subscriber_id > after]
        page, token = rows[:size], ""
        if len(rows) > size:
            token = seal_page(Kind.SUBSCRIBER_PAGE, self._epoch, page[-1].subscriber_id)
        return admin_pb2.ListSubscribersResponse(
            subscribers=map(_subscriber_message, page), next_page_token=token
        )

    async def _journal_status(self) -> admin_pb2.JournalStatus:
        use = await self._disk_use()
        journal, trouble = self._journal, self._sources.trouble()
        silent = "" if use else "its file system does not answer: check the disk"
        last = journal.last_sequence
        status = admin_pb2.JournalStatus(
            epoch=journal.epoch,
            first_sequence=journal.first_sequence if last else 0,
            last_sequence=last,
            bytes=use.used_bytes if use else 0,
            free_bytes=use.free_bytes if use else 0,
            waiting_events=trouble.waiting_events,
            failure=trouble.failure or silent,
            damage=journal.damage,
        )
        if trouble.failure_t_ns is not None:
            status.failure_time.FromNanoseconds(trouble.failure_t_ns)
        return status

    async def _disk_use(self) -> DiskUse | None:
        """None where the disk does not answer; then all who ask wait for the same look at it."""
        if self._looking is None or self._looking.done():
            loop = asyncio.get_running_loop()
            self._looking = loop.run_in_executor(self._thread, _use_of, self._journal.folder)
        try:
            async with asyncio.timeout(DISK_ANSWERS_S):
                return await asyncio.shield(self._looking)
        except TimeoutError:
            return None


def _use_of(folder: Path) -> DiskUse | None:
    try:
        return disk_use(folder)
    except OSError:
        return None


def _tracks_message(tracks: TracksState) -> admin_pb2.TracksStatus:
    message = admin_pb2.TracksStatus(
        bytes=tracks.used_bytes, failure=tracks.failure, dropped=tracks.dropped
    )
    if tracks.oldest_t_ns is not None:
        message.oldest_time.FromNanoseconds(tracks.oldest_t_ns)
    if tracks.newest_t_ns is not None:
        message.newest_time.FromNanoseconds(tracks.newest_t_ns)
    if tracks.failure_t_ns is not None:
        message.failure_time.FromNanoseconds(tracks.failure_t_ns)
    return message


def _subscriber_message(row: _SubscriberRow) -> admin_pb2.Subscriber:
    message = admin_pb2.Subscriber(
        subscriber_id=row.subscriber_id,
        peer=row.peer,
        identity=row.identity,
        role=row.role,
        method=row.method,
        messages=row.messages,
        bytes=row.bytes,
        blocked_s=row.blocked_s,
    )
    message.begin_time.FromNanoseconds(row.begin_t_ns)
    if row.message_t_ns:
        message.message_time.FromNanoseconds(row.message_t_ns)
    return message


def _resident_bytes() -> int:
    """Memory of this process; 0 on a system that does not tell it so."""
    try:
        pages = int(_MEMORY.read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
