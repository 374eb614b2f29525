"""`lamproom values`: the table, the JSON and the changes of a gateway's machines."""

import asyncio
import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from gateway.cli.values import values
from tests.gateway.serve_rig import T0_NS, Rig, sample, served
from tests.support.processes import Process, lamproom
from tests.support.waiting import until


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(values)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def tell(rig: Rig) -> str:
    """Has the machines show something; returns the gateway's address."""
    broken = sample("speed", None, "shearer-2")._replace(reason="sensor broken")
    rig.tell(sample("speed", 4.5), sample("state", "[b]idle"), sample("running", value=True))
    rig.tell(broken._replace(source_t_ns=T0_NS - 1_000_000))
    return f"127.0.0.1:{rig.port}"


async def test_values_are_a_table(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        status, out, _ = await asyncio.to_thread(run, tell(rig))
    assert status == 0
    header, *rows = (line.split() for line in out.splitlines())
    assert header == ["device", "point", "value", "unit", "quality", "read", "why"]
    when = ["2027-01-15", "16:00:00+08:00"]
    assert rows == [
        ["shearer-1", "speed", "4.5", "m/min", "good", *when, "-"],
        ["shearer-1", "state", "[b]idle", "-", "good", *when, "-"],
        ["shearer-1", "running", "yes", "-", "good", *when, "-"],
        ["shearer-2", "speed", "-", "m/min", "bad", *when, "sensor", "broken"],
    ]


async def test_values_of_one_device_are_json_lines(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        address = tell(rig)
        status, out, _ = await asyncio.to_thread(run, address, "--device", "shearer-2", "--json")
        refused = await asyncio.to_thread(run, address, "--device", "shearer-9")
    assert status == 0
    assert json.loads(out) == {
        "device": "shearer-2",
        "point": "speed",
        "value": None,
        "unit": "m/min",
        "quality": "bad",
        "reason": "sensor broken",
        "source_time": "2027-01-15T07:59:59.999000Z",
        "receive_time": "2027-01-15T08:00:00.000000Z",
    }
    assert refused == (
        1,
        "",
        f"{address}: there is no device 'shearer-9' (known: shearer-1, shearer-2)\n",
    )


async def test_changes_are_followed_until_a_signal(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        command = lamproom("values", tell(rig), "--follow")
        follower = Process(command, tmp_path, "values")
        try:
            await until(lambda: "shearer-2" in follower.out)
            rig.tell(sample("speed", 5.25))
            await until(lambda: "5.25" in follower.out)
            assert await asyncio.to_thread(follower.stop) == 0
        finally:
            follower.end()
        assert follower.out.splitlines()[-2:] == [
            "2027-01-15T08:00:00.000000Z shearer-2 speed - m/min (bad: sensor broken)",
            "2027-01-15T08:00:00.000000Z shearer-1 speed 5.25 m/min",
        ]
