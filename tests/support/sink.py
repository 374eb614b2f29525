"""A sink that keeps what a driver gives, and a driver's session that is always ended."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from equipment.report import LinkState, NoticeKind, Quality, RecordBatch, Sample
from protocols.driver import DeviceError, Driver
from tests.support.waiting import LONG_S


@dataclass
class Told:
    """Keeps everything that it is told."""

    got: list[Sample] = field(default_factory=list)
    batches: list[RecordBatch] = field(default_factory=list)
    notices: list[tuple[NoticeKind, int, str]] = field(default_factory=list)
    links: list[tuple[LinkState, str]] = field(default_factory=list)
    answers: list[tuple[float, int | None]] = field(default_factory=list)
    heard_count: int = 0
    #: Why it is not heard though the session goes on; and of what it was said to have died.
    waits: list[str] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    #: For each sample of `got`, whether it was given as a sign of life.
    lively: list[bool] = field(default_factory=list)
    clocks: list[int] = field(default_factory=list)

    def heard(self) -> None:
        self.heard_count += 1

    def alive(self, reason: str) -> None:
        self.waits.append(reason)

    def gone(self, reason: str) -> None:
        self.deaths.append(reason)

    def samples(self, samples: Sequence[Sample], *, live: bool = True) -> None:
        self.got.extend(samples)
        self.lively.extend([live] * len(samples))

    def records(self, batch: RecordBatch) -> None:
        self.batches.append(batch)

    def answered(self, took_s: float, device_t_ns: int | None = None) -> None:
        self.answers.append((took_s, device_t_ns))

    def clock(self, device_t_ns: int) -> None:
        self.clocks.append(device_t_ns)

    def notice(self, kind: NoticeKind, count: int, text: str) -> None:
        self.notices.append((kind, count, text))

    def link(self, state: LinkState, reason: str) -> None:
        self.links.append((state, reason))

    def of(self, point: str) -> list[Sample]:
        return [sample for sample in self.got if sample.point == point]

    def last(self, point: str) -> Sample | None:
        return next((sample for sample in reversed(self.got) if sample.point == point), None)

    def latest(self) -> dict[str, Sample]:
        """Each point's last sample."""
        return {sample.point: sample for sample in self.got}

    def good(self, point: str, after: int = 0) -> bool:
        """Whether `point` had a good value beyond the first `after` samples."""
        new = self.got[after:]
        return any(s.point == point and s.quality is Quality.GOOD for s in new)

    def numbers(self) -> list[int]:
        """The records' sequence numbers, as they came."""
        return [int(n) for batch in self.batches for n in batch.columns["sequence"].tolist()]

    def lost(self) -> int:
        """How many records were said to be lost."""
        return sum(count for kind, count, _ in self.notices if kind is NoticeKind.DATA_LOST)

    def count(self, state: LinkState) -> int:
        return sum(1 for found, _ in self.links if found is state)


@asynccontextmanager
async def running(driver: Driver) -> AsyncIterator[tuple[Told, "asyncio.Task[None]"]]:
    """One session of `driver`; afterwards it has ended and left no task behind."""
    before = asyncio.all_tasks()
    told = Told()
    task = asyncio.create_task(driver.session(told))
    try:
        yield told, task
    finally:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=LONG_S)
        assert done, "the session doesn't end"
        assert task.cancelled() or task.exception() is not None, "a session ends by an error"
    await asyncio.sleep(0)
    assert not {one for one in asyncio.all_tasks() - before if not _of_a_server(one)}


def _of_a_server(task: "asyncio.Task[Any]") -> bool:
    """Whether a task belongs to a server that a test runs in this process."""
    code = getattr(task.get_coro(), "cr_code", None)
    if code is None:
        return False
    return "server" in str(code.co_filename) or "server" in str(code.co_qualname)


async def failure_of(driver: Driver) -> tuple[str, Told]:
    """The text of the DeviceError that must end a session of `driver`, and what came before."""
    async with running(driver) as (told, task):
        with pytest.raises(DeviceError) as failed:
            await asyncio.wait_for(asyncio.shield(task), 2 * LONG_S)
    return str(failed.value), told
