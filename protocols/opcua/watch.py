"""One session: what is subscribed, what is still missing, and whether the server is alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from equipment.opcua_event import EventSource
from equipment.opcua_profile import OpcUaPoint
from equipment.report import NoticeKind
from protocols.driver import DeviceError, Sink
from protocols.losses import Loss, Losses
from protocols.opcua import connection
from protocols.opcua.browse import (
    BATCH,
    NotFound,
    Path,
    number_prefixes,
    read_namespaces,
    resolve,
)
from protocols.opcua.events import EventFeed
from protocols.opcua.subscription import GONE, Item, Subscription
from protocols.opcua.values import bad_sample, same, sample_of, status_of, time_value_ns

#: `ServerStatus.CurrentTime` is read at least this often. The answer may take `timeout_s`, as any:
#: a busy server is not a dead one.
PROBE_MAX_S: Final = 2.0

#: How often nodes that were not there are looked for again.
RETRY_S: Final = 3.0

#: All values are read at least this often, to notice a subscription that has died.
REREAD_MAX_S: Final = 10.0

#: What a changed value may take beyond two publish intervals until it is notified.
NOTIFY_SLACK_S: Final = 2.0

#: The longest wait before the state of connection and subscription is looked at.
TICK_S: Final = 1.0

#: Reading may be forbidden where subscribing is allowed: tells nothing of the subscription.
_UNREADABLE: Final = frozenset(
    {
        StatusCodes.BadUserAccessDenied,
        StatusCodes.BadNotReadable,
        StatusCodes.BadTooManyOperations,
    }
)
_CURRENT_TIME: Final = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read of a device: `points` by their paths from Objects, `event` of `root`."""

    device: str
    root: Path
    event: EventSource | None
    points: tuple[tuple[Path, OpcUaPoint], ...]
    #: Namespace URI by prefix.
    prefixes: dict[str, str]
    publish_ms: int
    #: How often the server is to look at a value, by point, where not as often as usual.
    periods_s: dict[str, float]
    #: A sign of life is asked for, and all values are read, this often.
    probe_s: float
    reread_s: float


@dataclass(slots=True)
class _Job:
    run: Callable[[], Awaitable[None]]
    period_s: float
    due_s: float


class Watch:
    """Reads what the plan names over a connected client, until something fails."""

    def __init__(self, client: Client, plan: Plan, sink: Sink) -> None:
        """Does no I/O. The connection stays the caller's to close."""
        self._client = client
        self._plan = plan
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        #: Points that can't be had, and values that the server calls bad, when that begins.
        self._refused = Losses()
        self._subscription = Subscription(client, plan.device, plan.periods_s, sink, self._refused)
        self._missing = {point.name: point for _, point in plan.points}
        self._paths = {point.name: path for path, point in plan.points}
        self._told_missing: set[str] = set()
        self._feed: EventFeed | None = None
        if plan.event is not None:
            self._feed = EventFeed(client, plan.device, plan.root, plan.event, sink)
        self._namespaces: tuple[str, ...] = ()
        self._indices: dict[str, int] = {}
        #: Items whose new value was read, not notified: when that was, when it must have come.
        self._suspects: dict[Item, tuple[float, float]] = {}

    async def run(self) -> None:
        """Never returns.

        Raises:
            DeviceError: the session is of no more use, in words.
            OSError, TimeoutError, UaError: a request failed; `connection.explain` has the words.
        """
        self._namespaces = await read_namespaces(self._client)
        used = {prefix for path in (self._plan.root, *self._paths.values()) for prefix, _ in path}
        used |= self._plan.event.prefixes if self._plan.event else set()
        self._indices = number_prefixes(self._plan.prefixes, used, self._namespaces)
        await self._subscription.create(self._plan.publish_ms)
        await self._subscribe_missing()
        await self._take_events()
        now = self._loop.time()
        renew_s = connection.renew_after_s(self._client)
        jobs = [
            _Job(run, period_s, now + period_s)
            for run, period_s in (
                (self._probe, self._plan.probe_s),
                (self._look_again, RETRY_S),
                (self._reread, self._plan.reread_s),
                (self._confirm_suspects, TICK_S),
                (self._renew, renew_s),
            )
        ]
        async with self._client.uaclient.subscribe_state() as states:
            while True:
                await self._run_due(jobs)
                self._tell()
                if self._client.state is not UaClientState.CONNECTED:
                    msg = "the connection has broken off: check that the server runs, and its log"
                    raise DeviceError(msg)
                if self._subscription.failure is not None:
                    raise DeviceError(self._subscription.failure)
                next_due_s = min(job.due_s for job in jobs) - self._loop.time()
                try:
                    await states.next_change(min(max(next_due_s, 0.0), TICK_S))
                except TimeoutError:
                    continue

    async def _take_events(self) -> None:
        if self._feed is not None:
            await self._probe()  # for the clock by which the events' times are to be judged
            await self._feed.begin(self._subscription, self._indices, self._namespaces)

    async def _run_due(self, jobs: list[_Job]) -> None:
        for job in jobs:
            if job.due_s <= self._loop.time():
                await job.run()
                job.due_s = self._loop.time() + job.period_s

    def _tell(self) -> None:
        for loss in self._refused.due(self._loop.time()):
            self._sink.notice(NoticeKind.DATA_REFUSED, loss.count, loss.reason)

    async def _renew(self) -> None:
        await connection.renew(self._client)

    async def _probe(self) -> None:
        """A sign of life of the server, then of the subscription.

        In this order: what the server had sent before its answer is then taken in, even when this
        process itself was held up.
        """
        sent_s = self._loop.time()
        (data,) = await self._client.uaclient.read_attributes([_CURRENT_TIME], AttributeIds.Value)
        if status_of(data):
            msg = f"the server doesn't tell its time ({data.StatusCode}): it may be stopping"
            raise DeviceError(msg)
        self._sink.heard()
        took_s, device_t_ns = self._loop.time() - sent_s, time_value_ns(data)
        self._sink.answered(took_s, device_t_ns)
        if self._feed is not None:
            self._feed.note_clock(took_s, device_t_ns)
        self._subscription.check()

    async def _look_again(self) -> None:
        gone, self._subscription.gone = self._subscription.gone, []
        if gone:
            await self._subscription.drop(gone)
            for item in gone:
                self._suspects.pop(item, None)
                self._missing[item.point.name] = item.point
        if self._missing:
            await self._check_namespaces()
            await self._subscribe_missing()

    async def _check_namespaces(self) -> None:
        if await read_namespaces(self._client) != self._namespaces:
            msg = "the server's namespaces have changed; the session is made anew"
            raise DeviceError(msg)

    async def _subscribe_missing(self) -> None:
        """Resolves and subscribes what isn't yet; what can't be is BAD, with the reason."""
        paths = {self._paths[name] for name in self._missing}
        found = await resolve(self._client, paths, self._indices, self._namespaces)
        nodes, refused = [], []
        for name, point in self._missing.items():
            node = found[self._paths[name]]
            if isinstance(node, NotFound):
                refused.append((point, node.reason))
            else:
                nodes.append((point, node))
        refused += await self._subscription.add(nodes)
        self._refused.add(
            Loss(1, f"{point.name}: {reason}")
            for point, reason in refused
            if point.name not in self._told_missing
        )
        self._missing = {point.name: point for point, _ in refused}
        self._told_missing = set(self._missing)
        if refused:
            now_ns = time.time_ns()
            device = self._plan.device
            self._sink.samples([bad_sample(device, *point, now_ns) for point in refused])

    async def _reread(self) -> None:
        """Reads all values: those that have not changed are confirmed, the others watched."""
        await self._check_namespaces()
        if self._feed is not None:
            await self._feed.check(self._indices, self._namespaces)
        sent_s = self._loop.time()
        samples = []
        for item, data in await self._read(self._subscription.items):
            if item.notified_s >= sent_s:
                continue
            if same(item.last, data):
                now_ns = time.time_ns()
                samples.append(sample_of(self._plan.device, item.point, data, now_ns))
            elif status_of(data) not in _UNREADABLE:
                due_s = self._loop.time() + 2 * item.interval_s + NOTIFY_SLACK_S
                self._suspects.setdefault(item, (sent_s, due_s))
        if samples:
            self._sink.samples(samples)

    async def _confirm_suspects(self) -> None:
        """A changed value that was not notified in time, and still isn't: it never will be."""
        now_s = self._loop.time()
        due = [item for item, (_, due_s) in self._suspects.items() if due_s <= now_s]
        silent = [item for item in due if item.notified_s < self._suspects[item][0]]
        for item in due:
            del self._suspects[item]
        for item, data in await self._read(silent):
            # Read once more: a value that went there and back between two looks is no fault.
            if status_of(data) in GONE:
                self._subscription.gone.append(item)
            elif status_of(data) not in _UNREADABLE and not same(item.last, data):
                msg = (
                    f"subscription is silent: {item.point.name} has changed, but the server "
                    "doesn't send it; the session is made anew"
                )
                raise DeviceError(msg)

    async def _read(self, items: tuple[Item, ...] | list[Item]) -> list[tuple[Item, ua.DataValue]]:
        read: list[tuple[Item, ua.DataValue]] = []
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            nodes = [item.node for item in batch]
            data = await self._client.uaclient.read_attributes(nodes, AttributeIds.Value)
            read += zip(batch, data, strict=True)
        return read
