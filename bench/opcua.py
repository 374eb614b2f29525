"""The OPC UA driver beside asyncua's own subscription: changes by processor time, in one run.

    ./run bench opcua [TURNS]

The server is node-opcua in a process of its own: 500 variables, each of which changes every 50 ms.
The rivals are asyncua's `Subscription` with its iterator, and with a handler; both only count. Ours
is a session of the driver: a `Sample` of each change with quality, reason and times, the points
judged, and all that keeps an eye on the server beside it. All ask for the same: messages every
100 ms, values looked at every 50 ms, queues of 10. They take turns; what counts is changes by
processor time of this process, once each variable has come. The last line is a JSON object:
`vs_bare` is the median of the turns' ratios to the iterator, `vs_handler` to the handler;
`changes_per_cpu_s`, `bare_changes_per_cpu_s` and `handler_changes_per_cpu_s` are medians.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.node import Node
from asyncua.common.subscription import DataChangeEvent, DataChangeNotif

from bench.sink import Counting
from equipment.catalogue import parse_profile
from protocols.opcua.driver import OpcUaDriver
from protocols.opcua.options import OpcUaOptions
from protocols.opcua.subscription import NOTIFICATIONS_MAX, QUEUE_SIZE
from tests.support.places import PEERS, missing_node
from tests.support.processes import running

SITE: Final = "urn:lamproom:test:changes"
GROUPS: Final = 5
VARIABLES_A_GROUP: Final = 100
EVERY_MS: Final = 50
PUBLISH_MS: Final = 100
TURNS: Final = 7
TURN_S: Final = 2.0
#: Changes that the iterator may hold: so many that none is lost.
ITERATOR_HOLDS: Final = 100_000

PROFILE: Final = f"""
id = "plant"
title = {{ en = "Plant", zh = "设备" }}
kind = "machine"
protocol = "opcua"
scan = {{ period_s = {PUBLISH_MS / 1000} }}
namespaces = {{ site = "{SITE}" }}
"""
POINT: Final = """
[[point]]
name = "g{group}_{{n}}"
meaning = {{ en = "value {{n}}", zh = "值{{n}}" }}
path = "site:G{group}/site:V{{n}}"
repeat = {{ count = {count} }}
"""


class Handler:
    """The rival's handler: only counts."""

    def __init__(self) -> None:
        self.values = 0

    def datachange_notification(self, _node: Node, _value: Any, _data: DataChangeNotif) -> None:
        """Called by the library."""
        self.values += 1


async def changes_per_cpu_s(values: Callable[[], int]) -> float:
    """Changes by processor time, of a turn that begins when there are as many as variables."""
    begun_s = time.monotonic()
    while values() < 2 * GROUPS * VARIABLES_A_GROUP:
        await asyncio.sleep(0.01)
        if time.monotonic() - begun_s > 60.0:
            msg = f"only {values()} changes have come"
            raise TimeoutError(msg)
    before, cpu_s = values(), time.process_time()
    await asyncio.sleep(TURN_S)
    return (values() - before) / (time.process_time() - cpu_s)


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Counting]:
    """A session of the driver; gives its sink."""
    points = (POINT.format(group=g, count=VARIABLES_A_GROUP) for g in range(1, GROUPS + 1))
    profile = parse_profile(PROFILE + "".join(points), "plant.toml")
    options = OpcUaOptions(url=url, root="site:Plant", timeout_s=20.0)
    sink = Counting()
    task = asyncio.create_task(OpcUaDriver("plant", profile, options).session(sink))
    try:
        yield sink
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def subscription(url: str, handler: Handler | None) -> AsyncIterator[Callable[[], int]]:
    """Asyncua's own, with a handler or its iterator; gives how many changes have come."""
    async with Client(url, timeout=20.0) as client:
        index = await client.get_namespace_index(SITE)
        nodes = [
            client.get_node(f"ns={index};s=G{group}V{n}")
            for group in range(1, GROUPS + 1)
            for n in range(1, VARIABLES_A_GROUP + 1)
        ]
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=PUBLISH_MS,
            RequestedLifetimeCount=600,
            RequestedMaxKeepAliveCount=20,
            MaxNotificationsPerPublish=NOTIFICATIONS_MAX,
            PublishingEnabled=True,
        )
        found = await client.create_subscription(parameters, handler, queue_maxsize=ITERATOR_HOLDS)
        counted = handler or Handler()

        async def count() -> None:
            async for event in found:
                counted.values += isinstance(event, DataChangeEvent)

        counting = None if handler else asyncio.create_task(count())
        await found.subscribe_data_change(
            nodes, queuesize=QUEUE_SIZE, sampling_interval=ua.Double(PUBLISH_MS / 2)
        )
        yield lambda: counted.values
        await found.delete()
        if counting:
            await counting


async def measure(url: str, turns: int) -> dict[str, float]:
    """All figures."""
    ours, iterated, handled = [], [], []
    for _ in range(turns):
        async with subscription(url, None) as values:
            iterated.append(await changes_per_cpu_s(values))
        async with session(url) as sink:
            ours.append(await changes_per_cpu_s(sink.count))
        async with subscription(url, Handler()) as values:
            handled.append(await changes_per_cpu_s(values))
    return {
        "vs_bare": median(a / b for a, b in zip(ours, iterated, strict=True)),
        "vs_handler": median(a / b for a, b in zip(ours, handled, strict=True)),
        "changes_per_cpu_s": median(ours),
        "bare_changes_per_cpu_s": median(iterated),
        "handler_changes_per_cpu_s": median(handled),
    }


def main(turns: int) -> None:
    """Measures and prints."""
    if why := missing_node("node-opcua"):
        raise SystemExit(why)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = (f"pki={folder / 'pki'}", f"groups={GROUPS}", f"every_ms={EVERY_MS}")
        command = ["node", "opcua_changes.js", *words]
        with running(command, folder, "server", cwd=PEERS) as server:
            url = f"opc.tcp://127.0.0.1:{server.word_after('READY')}"
            result = asyncio.run(measure(url, turns))
    for key, figure in result.items():
        print(f"{key:26} {figure:10,.2f}")
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else TURNS)
