"""`lamproom anchors`: the table, the sentences and the JSON, of a gateway and of a recording."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.anchors import anchors
from positioning import locate
from positioning.anchor_health import assess
from positioning.anchor_stats import ANCHOR_STATS
from positioning.observation import Records
from tests.gateway.serve_rig import T0_NS, changes, served
from tests.support.ports import free_port


def run(*arguments: str | Path) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(anchors)
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def displaced(count: int) -> Records:
    """What 1,000 ranges in all directions say of anchors that stand 4 m too far west."""
    stats = np.zeros(count, ANCHOR_STATS)
    stats["heard"], stats["rejected"], stats["heard_t_ns"] = 1000, 50, T0_NS
    stats["weight"], stats["xx"], stats["yy"] = 1000.0, 500.0, 500.0
    stats["rr"], stats["rx"], stats["reach_m"] = 8010.0, -2000.0, 60.0
    return stats


async def test_a_gateways_anchors_are_a_table_with_advice(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        address = f"127.0.0.1:{rig.port}"
        status, out, err = await asyncio.to_thread(run, address)
        assert (status, out) == (1, "")
        assert err.startswith(f"{address}: the gateway has only just started")
        rig.server.publish(changes(anchors=assess(displaced(1))))
        status, out, _ = await asyncio.to_thread(run, address)
        assert status == 0
        header, row, advice = out.splitlines()
        assert header.split()[:4] == ["anchor", "verdict", "heard", "rejected"]
        assert row.split()[:8] == [
            "A1",
            "misplaced",
            "1000",
            "5.0%",
            "0.00",
            "2.83",
            "4.00",
            "0.00",
        ]
        assert advice.startswith("A1 seems to stand 4.0 m east of where the map says")
        status, out, _ = await asyncio.to_thread(run, address, "--json")
        (anchor,) = json.loads(out)["anchors"]
        assert (anchor["anchor"], anchor["verdict"], anchor["heard"]) == ("A1", "misplaced", 1000)
        assert anchor["dx_m"] == pytest.approx(4.0, abs=0.01)


async def test_all_pages_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.serve.paging.PAGE_SIZE_MAX", 3)
    async with served(tmp_path) as rig:
        one = rig.server.services.anchors._anchors[0]
        rig.server.services.anchors._anchors = (one,) * 10
        rig.server.publish(changes(anchors=assess(displaced(10))))
        _, out, _ = await asyncio.to_thread(run, f"127.0.0.1:{rig.port}", "--json")
        assert len(json.loads(out)["anchors"]) == 10


def test_a_gateway_that_is_not_there_is_told() -> None:
    address = f"127.0.0.1:{free_port()}"
    status, out, err = run(address)
    assert (status, out) == (1, "")
    assert err.startswith(f"{address}: ")
    assert len(err.splitlines()) == 1


def test_the_anchors_of_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "anchors.csv").write_text("run,anchor,x_m,y_m,z_m\na,A,0,0,2\na,B,20,0,2\n")
    (tmp_path / "ranges.csv").write_text("run,t_s,tag,anchor,range_m\na,0.1,T,A,5\na,0.2,T,B,6\n")
    status, out, _ = run("--recording", tmp_path, "--json")
    assert status == 0
    found = json.loads(out)["anchors"]
    assert [(one["run"], one["anchor"]) for one in found] == [("a", "A"), ("a", "B")]
    assert {one["verdict"] for one in found} <= {"never_heard", "too_few"}
    located = locate.locate_recording(tmp_path)
    for part in located:
        part.anchor_stats[:] = displaced(2)
    monkeypatch.setattr(locate, "locate_recording", lambda _: located)
    status, out, _ = run("--recording", tmp_path)
    assert status == 0
    assert "a: A seems to stand 4.0 m east of where the map says" in out
    assert out.splitlines()[0].split()[:3] == ["run", "anchor", "verdict"]
