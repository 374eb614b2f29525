"""`lamproom cards`, `attendance` and `exposure`: tables, spreadsheets, and acts with answers."""

import asyncio
import csv
import io
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.config.bundle import Person
from gateway.mine.people.shift_exposure import Share
from tests.gateway.serve_rig import bundle_of, changes, served
from tests.gateway.test_services_lamp_room import EARLY, LATE, answered, exposed, visit, visits_of
from tests.support.ports import free_port

LONG = "15062200000100007"
PEOPLE = (Person(LONG, "=1+1", "fitter", "[red]"), Person("1003", "李强", "", "B"))


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def table(file: Path) -> list[list[str]]:
    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


async def test_who_has_which_card(tmp_path: Path) -> None:
    file = tmp_path / "cards.csv"
    async with served(tmp_path, bundle_of(people=PEOPLE), cards=0) as rig:
        rig.server.publish(replace(changes(), issued={"7001": "1003"}))
        where = f"127.0.0.1:{rig.port}"
        status, out, _ = await asyncio.to_thread(run, "cards", "list", where, "--csv", file)
    assert status == 0
    assert "[red]" in out
    header, *rows = table(file)
    assert header[0] == "姓名 name"
    assert rows == [
        ["\t=1+1", "", f"\t{LONG}", "[red]", "fitter"],
        ["李强", "7001", "1003", "B", ""],
    ]


async def test_an_act_is_done_and_its_request_told(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        where = f"127.0.0.1:{rig.port}"
        for arguments, subject, said in (
            (("issue", "7001", "1001"), "7001/1001", "card 7001 is issued to 1001\n"),
            (("return", "1001"), "1001", "card 1001 is returned\n"),
            (("replace", "1001", "7001"), "1001/7001", "card 1001 is replaced by 7001\n"),
        ):
            command = ("cards", *arguments, "--operator", "Zhao", "--at", where)
            asked = asyncio.create_task(asyncio.to_thread(run, *command))
            answer = await answered(rig)
            status, out, err = await asked
            assert (answer.act.subject, answer.act.operator) == (subject, "Zhao")
            assert (status, out) == (0, said)
            assert err == f"request {answer.act.request_id}\n"


async def test_an_act_that_is_refused_says_why(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        where = f"127.0.0.1:{rig.port}"
        command = ("cards", "return", "1001", "--operator", "Zhao", "--at", where)
        asked = asyncio.create_task(
            asyncio.to_thread(run, *command, "--request-id", "request-again")
        )
        await answered(rig, "card 1001 is heard below")
        assert await asked == (1, "", f"{where}: card 1001 is heard below\n")


async def test_attendance_as_a_table_and_a_spreadsheet(tmp_path: Path) -> None:
    file = tmp_path / "attendance.csv"
    async with served(tmp_path) as rig:
        rig.server.publish(
            visits_of(
                visit(LONG, -20, 480, EARLY),
                visit("1002", 10.5, None, EARLY, "B"),
                visit("1003", 0, 100, LATE, "B"),
            )
        )
        where = f"127.0.0.1:{rig.port}"
        command = ("attendance", where, "--shift", "早班", "--csv", file)
        status, out, _ = await asyncio.to_thread(run, *command)
    assert status == 0
    assert len(out.splitlines()) >= 3
    header, *rows = table(file)
    assert header[:4] == ["日期 day", "班次 shift", "姓名 name", "卡号 card"]
    assert [row[3] for row in rows] == [f"\t{LONG}", "1002"]
    assert rows[0][8] == "500.0"
    assert (rows[1][7], rows[1][9]) == ("below", "late 迟到, overstaying 超班未升井")


async def test_exposure_as_a_table_and_a_spreadsheet(tmp_path: Path) -> None:
    file = tmp_path / "exposure.csv"
    minutes = {
        (0, 0, Share.BESIDE_ROBOT): 30.0,
        (0, 0, Share.ALONE): 12.0,
        (0, 0, Share.SILENT): 3.0,
        (2, 1, Share.ROBOT): 60.0,
    }
    async with served(tmp_path) as rig:
        rig.server.publish(replace(changes(), exposure=(exposed(EARLY, minutes),)))
        where = f"127.0.0.1:{rig.port}"
        status, out, _ = await asyncio.to_thread(run, "exposure", where, "--csv", file)
    assert status == 0
    assert "(mine)" in out
    header, *rows = table(file)
    assert header[4:6] == ["人分钟 person min", "有机器人 with robot"]
    assert rows == [
        ["2023-11-15", "早班", "Z1", "A", "45.0", "30.0", "12.0", "3.0", "0.0"],
        ["2023-11-15", "早班", "(mine)", "B", "0.0", "0.0", "0.0", "0.0", "60.0"],
    ]


def test_a_gateway_that_is_not_there_is_told() -> None:
    where = f"127.0.0.1:{free_port()}"
    for command in (("cards", "list"), ("attendance",), ("exposure",)):
        status, out, err = run(*command, where)
        assert (status, out) == (1, "")
        assert err.startswith(f"{where}: ")
