"""A client in JavaScript, from the .proto files alone."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.serve_rig import T0_NS, WAIT_S, served

PEERS = Path(__file__).parents[1] / "peers"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (PEERS / "node_modules/@grpc/grpc-js").exists(),
        reason="@grpc/grpc-js is not installed: npm ci in tests/peers",
    ),
]


class Client:
    """The running client, its lines as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        self._lines = process.stdout
        self.read: list[dict[str, Any]] = []

    async def until(self, **expected: Any) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            while line := await self._lines.readline():
                found: dict[str, Any] = json.loads(line)
                self.read.append(found)
                if expected.items() <= found.items():
                    return found
        pytest.fail(f"the client has ended: {self.read}")


async def test_snapshot_sync_deltas_and_events_arrive(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        rig.move((0, 1.0))
        await rig.happen(2)
        process = await asyncio.create_subprocess_exec(
            *("node", PEERS / "grpc_client.js", f"127.0.0.1:{rig.port}", "60", "1"),
            stdout=asyncio.subprocess.PIPE,
        )
        client = Client(process)
        try:
            synced = {(await client.until(kind="sync"))["stream"] for _ in range(2)}
            assert synced == {"positions", "events"}
            snapshot = next(line for line in client.read if line["kind"] == "position")
            assert (snapshot["card"], snapshot["x_m"], snapshot["snapshot"]) == ("1001", 1.0, True)
            stored = [line["sequence"] for line in client.read if line["kind"] == "event"]
            assert stored == [1, 2]

            rig.move((1, 2.125), t_ns=T0_NS + 7)
            delta = await client.until(kind="position", card="1002")
            assert (delta["x_m"], delta["y_m"], delta["z_m"]) == (2.125, -2.125, 1.5)
            assert (delta["t_ns"], delta["class"]) == (str(T0_NS + 7), "FIX_CLASS_PRECISE")
            assert delta["var_x_m2"] == pytest.approx(0.04)
            assert not delta["snapshot"]

            await rig.happen(1, text="有人进入禁区")
            event = await client.until(kind="event", sequence=3)
            assert (event["event"], event["text"]) == ("EVENT_KIND_ALARM_RAISED", "有人进入禁区")
            expected = {"id": "a-3", "rule": "restricted_entry", "level": "ALARM_LEVEL_RED"}
            assert event["alarm"] == expected
            await client.until(kind="heartbeat", stream="events")

            await rig.server.stop(0.5)
            ends = [await client.until(kind="end") for _ in range(2)]
            assert {end["code"] for end in ends} == {"UNAVAILABLE"}
            async with asyncio.timeout(WAIT_S):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
