"""Those who follow and feed a gateway that is killed again and again, for `bench/kill.py`.

Each client keeps what it was given, event by event; `verdict` compares that with the journal.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import grpc

import lamproom
from lamproom.v1 import event_pb2, event_pb2_grpc, hazard_pb2, hazard_pb2_grpc
from lamproom.v1.alarm_pb2 import ActHeader

#: How long the naive client waits before it connects anew: as long as the first wait of the others.
NAIVE_WAIT_S: Final = 0.1

#: How long an operator waits before an act is sent again: all together leave the gateway a
#: processor to start on.
ACT_WAIT_S: Final = 0.5

#: Events after which the client of a file is ended and begun anew.
RUN_EVENTS: Final = 200


@dataclass(slots=True)
class Got:
    """What one client was given: sequences in their order, and a checksum of each event."""

    sequences: list[int] = field(default_factory=list)
    checksums: list[int] = field(default_factory=list)
    others: int = 0
    heard_s: float = 0.0

    def take(self, item: Any) -> None:
        """Keeps what was given."""
        self.heard_s = time.monotonic()
        if isinstance(item, lamproom.Event):
            self.checksums.append(checksum(item))
            self.sequences.append(item.sequence)
        elif not isinstance(item, lamproom.Synced):
            self.others += 1  # gaps, resets: there must be none

    @property
    def last(self) -> int:
        """The newest event's sequence."""
        return self.sequences[-1] if self.sequences else 0


def checksum(event: lamproom.Event) -> int:
    """Of all that an event says."""
    return zlib.crc32(event.SerializeToString(deterministic=True))


def verdict(got: Got, stored: Sequence[lamproom.Event]) -> dict[str, int]:
    """What a client got beside what the journal holds."""
    known = {event.sequence: checksum(event) for event in stored}
    return {
        "events": len(got.sequences),
        "lost": len(known.keys() - set(got.sequences)),
        "doubled": len(got.sequences) - len(set(got.sequences)),
        "out_of_order": sum(later < sooner for sooner, later in pairwise(got.sequences)),
        "different": sum(
            known.get(sequence) != said
            for sequence, said in zip(got.sequences, got.checksums, strict=True)
        ),
        "gaps_and_resets": got.others,
    }


class Following:
    """Clients in threads of their own, until `end`."""

    def __init__(self, address: str, folder: Path) -> None:
        self.got = {name: Got() for name in ("plain", "async", "file", "consumer")}
        self.naive = Got()
        self.positions = 0
        self._address = address
        self._folder = folder
        self._plain = lamproom.Client(address)
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failed: list[BaseException] = []

    def begin(self) -> None:
        """Starts all of them."""
        for follow in (
            self._follow_plain, self._follow_async, self._follow_file, self._follow_consumer,
            self._follow_positions, self._follow_naively,
        ):  # fmt: skip
            self._start(follow)

    def caught_up(self, sequence: int) -> bool:
        """Whether all but the naive one have come to that event.

        Raises:
            BaseException: what one of them has failed with.
        """
        for failure in self._failed:
            raise failure
        return all(got.last >= sequence for got in self.got.values())

    def end(self) -> None:
        """Ends all of them."""
        self._over.set()
        self._plain.close()
        for thread in self._threads:
            thread.join()

    def _start(self, follow: Callable[[], None]) -> None:
        def run() -> None:
            try:
                follow()
            except BaseException as error:  # noqa: BLE001  told by `caught_up`
                self._failed.append(error)

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def _follow_plain(self) -> None:
        for item in self._plain.events(sequence=1):
            self.got["plain"].take(item)

    def _follow_positions(self) -> None:
        for item in self._plain.positions():
            self.positions += len(item) if isinstance(item, lamproom.Positions) else 0

    def _follow_async(self) -> None:
        async def follow() -> None:
            async with lamproom.AsyncClient(self._address) as client:
                stream = client.events(sequence=1)
                while not self._over.is_set():
                    # Cancelled again and again while it waits, which must cost nothing.
                    try:
                        self.got["async"].take(await asyncio.wait_for(anext(stream), 0.3))
                    except TimeoutError:
                        continue

        asyncio.run(follow())

    def _follow_file(self) -> None:
        self._follow_in_runs("file", cursor=lamproom.CursorFile(self._folder / "cursor"))

    def _follow_consumer(self) -> None:
        self._follow_in_runs("consumer", consumer="bench-kill")

    def _follow_in_runs(self, name: str, **place: Any) -> None:
        """As programs do that are stopped and started: another client each time."""
        got = self.got[name]
        while not self._over.is_set():
            with lamproom.Client(self._address) as client:
                looker = threading.Thread(target=self._close_when_over, args=(client,), daemon=True)
                looker.start()
                with client.events(sequence=1, **place) as events:
                    for n, item in enumerate(events, 1):
                        got.take(item)
                        if n >= RUN_EVENTS:
                            break

    def _close_when_over(self, client: lamproom.Client) -> None:
        self._over.wait()
        client.close()

    def _follow_naively(self) -> None:
        """As one would without a cursor: connects, and prints what comes from then on."""
        request = event_pb2.WatchEventsRequest(sequence=1)
        while not self._over.is_set():
            with grpc.insecure_channel(self._address) as channel:
                stub = event_pb2_grpc.EventServiceStub(channel)
                call = stub.WatchEvents(request)
                try:
                    for answer in call:
                        if answer.HasField("event"):
                            self.naive.take(answer.event)
                        if self._over.is_set():
                            break
                except grpc.RpcError:
                    self._over.wait(NAIVE_WAIT_S)
            request = event_pb2.WatchEventsRequest()


class Operators:
    """Take hazards from found to cleared, each act an event; every act is sent until answered."""

    def __init__(self, address: str, count: int) -> None:
        self.done: set[str] = set()
        self._address = address
        self._count = count
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)

    def begin(self) -> None:
        """Starts them."""
        self._thread.start()

    def end(self) -> None:
        """Waits until no act is left in doubt."""
        self._over.set()
        self._thread.join()

    async def _work(self) -> None:
        async with lamproom.AsyncClient(self._address) as client:
            await asyncio.gather(*(self._life(client) for _ in range(self._count)))

    async def _life(self, client: lamproom.AsyncClient) -> None:
        stub = hazard_pb2_grpc.HazardServiceStub(client.channel)
        while not self._over.is_set():
            found = hazard_pb2.ReportHazardRequest(title="a loose bolt", zone_id="substation")
            found.level = event_pb2.ALARM_LEVEL_YELLOW
            answer = await self._act(stub.ReportHazard, found, "Li")
            one = answer.hazard_id
            for method, request, operator in (
                (stub.AssignHazard, hazard_pb2.AssignHazardRequest(assignee="Wang"), "Li"),
                (stub.MendHazard, hazard_pb2.MendHazardRequest(), "Wang"),
                (stub.CheckHazard, hazard_pb2.CheckHazardRequest(passed=True), "Zhao"),
                (stub.ClearHazard, hazard_pb2.ClearHazardRequest(), "Li"),
            ):
                request.hazard_id = one
                await self._act(method, request, operator)

    async def _act(self, method: Any, request: Any, operator: str) -> Any:
        """The answer, however often the act must be sent for it."""
        act = ActHeader(request_id=str(uuid.uuid4()), operator=operator)
        request.act.CopyFrom(act)
        while True:
            try:
                answer = await method(request, timeout=30)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                    raise
                await asyncio.sleep(ACT_WAIT_S)
            else:
                self.done.add(act.request_id)
                return answer
