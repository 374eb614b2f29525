"""A client in JavaScript, from the .proto files alone."""

from pathlib import Path

import pytest

from tests.gateway.serve_rig import T0_NS, served
from tests.support.json_lines import printing
from tests.support.places import PEERS, missing_node

MISSING = missing_node("@grpc/grpc-js")


@pytest.mark.skipif(MISSING != "", reason=MISSING)
async def test_snapshot_sync_deltas_and_events_arrive(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        rig.move((0, 1.0))
        await rig.happen(2)
        command = ("node", PEERS / "grpc_client.js", f"127.0.0.1:{rig.port}", "60", "1")
        async with printing(*command) as client:
            synced = {(await client.until(kind="sync"))["stream"] for _ in range(2)}
            assert synced == {"positions", "events"}
            snapshot = next(line for line in client.lines if line["kind"] == "position")
            assert (snapshot["card"], snapshot["x_m"], snapshot["snapshot"]) == ("1001", 1.0, True)
            stored = [line["sequence"] for line in client.lines if line["kind"] == "event"]
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
            assert await client.status() == 0
