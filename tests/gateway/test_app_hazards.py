"""Hazards in a running gateway by the command line: stored, audited, scored, over a restart."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.hazards import hazards
from gateway.config.risks import RiskPoint
from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal
from lamproom.v1 import event_pb2, risk_pb2, risk_pb2_grpc
from protocols.driver import Sink
from tests.gateway import app_rig
from tests.gateway.app_rig import Running, bundle_in, running, stored
from tests.gateway.stream_client import StreamClient
from tests.support.ports import free_port

POINT = RiskPoint(id="roof", name="Roof", level=1, owner="Zhao", zone="Z3")


@pytest.fixture(autouse=True)
def _with_a_risk_point(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bundle_in
    monkeypatch.setattr(
        app_rig, "bundle_in", lambda folder: replace(whole(folder), risk_points=(POINT,))
    )


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(hazards, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


async def command(run_: Running, *arguments: str) -> tuple[int, str, str]:
    """Runs a command that names the gateway after its first two words."""
    address = f"127.0.0.1:{await run_.ready}"
    name, subject, *options = arguments
    return await asyncio.to_thread(run, name, subject, address, *options)


async def test_a_hazard_from_its_report_over_a_restart_to_its_end(
    tmp_path: Path, scripts: dict[str, Callable[[Sink], Any]]
) -> None:
    async with running(tmp_path) as gateway:
        channel = await gateway.channel()
        watch = StreamClient(
            risk_pb2_grpc.RiskServiceStub(channel).WatchRisks(risk_pb2.WatchRisksRequest())
        )
        await watch.until("sync")
        report = ("report", "loose [roof]", "--by", "Wang", "--risk-point", "roof")
        once = (*report, "--request-id", "report-1")
        status, name, _ = await command(gateway, *once)
        assert (status, await command(gateway, *once)) == (0, (0, name, ""))
        name = name.strip()
        (risk,) = (await watch.until("risks")).risks.risks
        assert (risk.zone_id, risk.points, risk.hazards, risk.grade) == ("Z3", 20, 40, 2)
        assert await command(gateway, "assign", name, "--to", "Li", "--by", "Zhao") == (
            0, "done\n", "",
        )  # fmt: skip
        assert (await command(gateway, "supervise", name, "--supervisor", "Sun", "--by", "Zhao"))[
            0
        ] == 0
        assert (await command(gateway, "clear", name, "--by", "Zhao"))[0] == 1
        await channel.close()
        await gateway.end()
    async with running(tmp_path) as gateway:
        address = f"127.0.0.1:{await gateway.ready}"
        status, out, _ = await asyncio.to_thread(run, "list", address, "--zone", "Z3")
        assert status == 0
        line = next(one for one in out.splitlines() if name in one)
        assert line.split()[:3] == [name, "1", "assigned"]
        assert "roof Z3" in line
        assert line.endswith("loose [roof]")
        assert out.splitlines()[-1] == "1 hazards, 0 of them overdue"
        assert (await command(gateway, "mend", name, "--by", "Li"))[0] == 0
        assert (await command(gateway, "check", name, "--rejected", "--by", "Wang")) == (
            1, "", f"{address}: act.note, which says why it is sent back, is missing\n",
        )  # fmt: skip
        assert (await command(gateway, "check", name, "--passed", "--by", "Wang"))[0] == 0
        status, _, err = await command(gateway, "clear", name, "--by", "Wang")
        assert (status, "Sun alone, as supervisor, clears it" in err) == (1, True)
        clear = ("clear", name, "--by", "Sun", "--as-supervisor", "--request-id", "clear-it")
        assert (await command(gateway, *clear))[1] == "done\n"
        assert (await command(gateway, *clear))[1] == "it had been done before\n"
        _, out, _ = await asyncio.to_thread(run, "list", address)
        assert name not in out
        _, out, _ = await asyncio.to_thread(run, "list", address, "--all")
        assert name in out
        await gateway.end()
    told = [one.kind for one in stored(tmp_path) if one.hazard_id == name]
    assert told == [
        event_pb2.EVENT_KIND_HAZARD_FOUND,
        *[event_pb2.EVENT_KIND_HAZARD_CHANGED] * 4,
        event_pb2.EVENT_KIND_HAZARD_CLEARED,
    ]
    with closing(Journal.open(tmp_path / "journal")) as journal:
        entries = [one for one in journal.read_audit(1, 99) if isinstance(one, AuditEntry)]
    assert [(one.act, one.outcome == "done") for one in entries] == [
        ("hazard.report", True), ("hazard.assign", True), ("hazard.supervise", True),
        ("hazard.clear", False), ("hazard.mend", True), ("hazard.check", True),
        ("hazard.clear", False), ("hazard.clear", True),
    ]  # fmt: skip
    assert entries[0].detail == {"risk_point": "roof", "title": "loose [roof]"}
    assert entries[-1].detail == {"as_supervisor": "yes"}


def test_a_gateway_that_is_not_there_is_told() -> None:
    address = f"127.0.0.1:{free_port()}"
    status, out, err = run("list", address)
    assert (status, out) == (1, "")
    assert err.startswith(f"{address}: ")


@pytest.mark.parametrize("arguments", [("mend", "hazard-1"), ("assign", "hazard-1", "--by", "Li")])
def test_what_is_missing_is_told(arguments: tuple[str, ...]) -> None:
    status, _, err = run(*arguments)
    assert status == 2
    assert "Missing option" in err
