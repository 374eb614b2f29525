"""Commands show times in the mine's zone, whatever that of the computer is."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.cli.live_picture import Seen, picture
from gateway.cli.show import local, zone_of
from gateway.mine.change import ActKind
from lamproom.v1 import event_pb2
from tests.gateway.muster_rig import MUSTER, card, mustered
from tests.gateway.serve_rig import S, served
from tests.gateway.test_services_hazards import hazard, told
from tests.gateway.test_services_lamp_room import EARLY, answered, visit, visits_of

#: 2023-11-14T22:13:20Z, which is the morning of the next day in the mine.
NOON_NS = 1_700_000_000 * S
IN_THE_MINE = "2023-11-15 06:13:20+08:00"


@pytest.fixture(params=["America/New_York", "Asia/Shanghai", "UTC"])
def computer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A computer of another zone than the mine, or of the same."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "250"})
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("computer")
async def test_attendance(tmp_path: Path) -> None:
    file = tmp_path / "attendance.csv"
    async with served(tmp_path) as rig:
        rig.server.publish(visits_of(visit("1001", 480, 500, EARLY)))
        where = f"127.0.0.1:{rig.port}"
        out = await asyncio.to_thread(run, "attendance", where, "--csv", file)
    assert IN_THE_MINE in out
    assert "2023-11-15 06:33:20+08:00" in out
    assert IN_THE_MINE in file.read_text(encoding="utf-8-sig")


@pytest.mark.usefixtures("computer")
async def test_the_muster_on_the_screen_and_in_files(tmp_path: Path) -> None:
    table, page = tmp_path / "muster.csv", tmp_path / "muster.html"
    async with served(tmp_path) as rig:
        muster = replace(MUSTER, open_t_ns=NOON_NS)
        rig.server.publish(mustered(card(1), muster=muster, fresh=True))
        command = ("muster", f"127.0.0.1:{rig.port}", "--csv", table, "--html", page)
        out = await asyncio.to_thread(run, *command)
    assert f"since {IN_THE_MINE}" in out
    shown = local(card(1).since_ns, zone_of("Asia/Shanghai"))
    assert shown in table.read_text(encoding="utf-8-sig")
    assert shown in page.read_text(encoding="utf-8")
    assert IN_THE_MINE in page.read_text(encoding="utf-8")


@pytest.mark.usefixtures("computer")
async def test_hazards_and_by_when_they_are_to_be_mended(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        rig.server.publish(told(replace(hazard(1), due_t_ns=NOON_NS)))
        where = f"127.0.0.1:{rig.port}"
        out = await asyncio.to_thread(run, "hazards", "list", where)
        command = ("hazards", "assign", "hazard-1", where, "--to", "Wang", "--by", "Li")
        due = ("--due", "2023-11-15 06:13:20")
        asked = asyncio.create_task(asyncio.to_thread(run, *command, *due))
        answer = await answered(rig)
        await asked
    assert IN_THE_MINE in out
    assert answer.act.kind is ActKind.HAZARD_ASSIGN
    assert dict(answer.act.detail)["due_t_ns"] == str(NOON_NS)


@pytest.mark.usefixtures("computer")
def test_the_live_picture() -> None:
    seen = Seen("127.0.0.1:50051")
    seen.map.configuration.timezone = "Asia/Shanghai"
    event = event_pb2.Event(sequence=1, kind=event_pb2.EVENT_KIND_ZONE_ENTERED, text="entered")
    event.event_time.FromNanoseconds(NOON_NS)
    seen.take_event(event)
    console = Console(width=120, no_color=True)
    with console.capture() as drawn:
        console.print(picture(seen, 120, 40))
    assert "06:13:20  zone_entered" in drawn.get()


def test_a_zone_that_this_computer_does_not_know_is_taken_as_utc() -> None:
    for name in ("", "Mars/Olympus", "../etc/passwd"):
        assert zone_of(name) is UTC
    assert local(NOON_NS + 5, UTC) == "2023-11-14 22:13:20+00:00"
