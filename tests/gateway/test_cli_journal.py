"""`lamproom journal`: what it says of what is kept, and what it writes to files."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.journal import journal as command
from gateway.journal.journal import Journal
from gateway.journal.sqlite import DATABASE_FILE
from gateway.journal.tracks.places import TRACKS_FOLDER
from gateway.journal.tracks.writer import Writer
from gateway.mine.change import Event, EventKind, Place
from gateway.serve.encode import encode_event
from positioning.observation import IdTable
from tests.gateway.journal_writer import act_of
from tests.gateway.serve_rig import fixes_of

S = 1_000_000_000
#: 06:00 in Beijing.
T0_NS = 1_795_730_400 * S

MINE = '[mine]\ncode = "140100000001"\nname = "示例矿"\n'


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def journal(mine: Path) -> Iterator[Journal]:
    with closing(Journal.open(mine / "journal")) as journal:
        yield journal


def edit(mine: Path, statement: str) -> None:
    with closing(sqlite3.connect(mine / "journal" / DATABASE_FILE)) as connection, connection:
        connection.execute(statement)


def event(number: int) -> tuple[int, int, bytes]:
    """One a minute from `T0_NS` on, of card 001 and 002 in turns."""
    t_ns = T0_NS + (number - 1) * 60 * S
    made = Event(
        sequence=number,
        kind=EventKind.ZONE_ENTERED,
        event_t_ns=t_ns - 1,
        record_t_ns=t_ns,
        card=f"00{2 - number % 2}",
        zone="face",
        text=f"第{number}",
        place=Place(1.0, -2.5, -400.0, t_ns - 2),
    )
    return number, t_ns, encode_event(made, 1)


def store(journal: Journal, count: int) -> None:
    first = journal.last_sequence + 1
    journal.append([event(n) for n in range(first, first + count)], {"a": b"1"}, [act_of(1)])


def test_a_whole_journal_is_intact_whether_a_gateway_runs_or_not(
    mine: Path, journal: Journal
) -> None:
    store(journal, 3)
    told = "intact: events 1 to 3, acts 1, files of positions 0\n"
    assert run("verify", mine) == (0, told, "")
    journal.close()
    assert run("verify", mine) == (0, told, "")


def test_damage_of_every_kind_is_named(mine: Path, journal: Journal) -> None:
    store(journal, 4)
    edit(mine, "UPDATE event SET payload = x'00' WHERE sequence = 2")
    edit(mine, "DELETE FROM event WHERE sequence = 4")
    edit(mine, "UPDATE state SET crc32 = 1")
    edit(mine, "UPDATE audit SET entry = x'00'")
    status, out, _ = run("verify", mine)
    assert status == 1
    *findings, summary = out.splitlines()
    assert findings[:3] == [
        "the state of 'a' is damaged and left out",
        "event 2: damaged on the disk",
        "event 4: missing on the disk",
    ]
    assert summary.startswith(f"not intact, {len(findings)} findings: events 1 to 4")
    assert len(findings) > 3


def test_stats_say_how_much_of_what(mine: Path, journal: Journal) -> None:
    store(journal, 3)
    edit(mine, "DELETE FROM event WHERE sequence = 2")
    status, out, _ = run("stats", mine, "--json")
    assert status == 0
    figures = json.loads(out)
    events = figures["events"]
    assert events.pop("bytes") > 4096
    assert events == {
        "first_sequence": 1,
        "last_sequence": 3,
        "oldest_time": "2026-11-26T22:00:00.000000Z",
        "newest_time": "2026-11-26T22:02:00.000000Z",
        "kinds": {"ZONE_ENTERED": 2},
        "gaps": [{"first_sequence": 2, "last_sequence": 2, "reason": "missing on the disk"}],
    }
    assert figures["acts"] == 1
    assert figures["positions"] == {"oldest_time": None, "newest_time": None, "bytes": 0}
    status, out, _ = run("stats", mine)
    assert status == 0
    assert out.splitlines()[1:] == [
        "          2 ZONE_ENTERED",
        "  gap, 2 to 2: missing on the disk",
        "acts: 1",
        "positions: 0 B",
    ]


def exported(mine: Path, *options: str) -> list[dict[str, str]]:
    file = mine / "out.csv"
    status, _, err = run("export", mine, "events", "--to", file, *options)
    assert (status, err) == (0, "")
    return list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))


def test_events_are_exported_with_their_gaps(mine: Path, journal: Journal) -> None:
    store(journal, 4)
    edit(mine, "DELETE FROM event WHERE sequence BETWEEN 2 AND 3")
    first, gap, last = exported(mine)
    assert {name: cell for name, cell in first.items() if cell} == {
        "sequence": "1",
        "kind": "ZONE_ENTERED",
        "event_time": "2026-11-26T21:59:59.999999Z",
        "record_time": "2026-11-26T22:00:00.000000Z",
        "card": "\t001",
        "zone_id": "face",
        "text": "第1",
        "drill": "0",
        "x_m": "1.0",
        "y_m": "-2.5",
        "z_m": "-400.0",
        "measure_time": "2026-11-26T21:59:59.999999Z",
    }
    assert {name: cell for name, cell in gap.items() if cell} == {
        "sequence": "2",
        "kind": "GAP",
        "count": "2",
        "text": "missing on the disk",
    }
    assert last["sequence"] == "4"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "123456"),
        (["--from", "2026-11-27T06:02"], "3456"),
        (["--from", "2026-11-27T06:02+08:00", "--until", "2026-11-26T22:04:00Z"], "34"),
        (["--card", "002"], "246"),
    ],
)
def test_what_is_asked_for_is_exported(
    options: list[str], expected: str, mine: Path, journal: Journal
) -> None:
    store(journal, 6)
    assert "".join(row["sequence"] for row in exported(mine, *options)) == expected


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--from", "yesterday"], "--from 'yesterday' is no time"),
        (["--from", "2026-11-27", "--until", "2026-11-26"], "is not before"),
    ],
)
def test_times_that_cannot_be_are_refused(
    options: list[str], why: str, mine: Path, journal: Journal
) -> None:
    store(journal, 1)
    status, _, err = run("export", mine, "events", "--to", mine / "out.csv", *options)
    assert status == 1
    assert why in err
    assert not (mine / "out.csv").exists()


def test_a_folder_without_a_journal_is_told(mine: Path) -> None:
    to = str(mine / "out.csv")
    for name, *options in (["verify"], ["stats"], ["export", "events", "--to", to]):
        status, _, err = run(name, mine, *options)
        assert status == 1
        assert "there is no journal" in err


def keep_positions(folder: Path) -> None:
    """A minute of two cards, of which one is silent for its second half."""
    writer = Writer(folder / "journal" / TRACKS_FOLDER)
    cards = IdTable(("001", "002"))
    for second in range(60):
        now_ns = T0_NS + second * S
        fixes = fixes_of([(0, float(second)), (1, 5.0)][: 1 if second >= 30 else 2], now_ns)
        writer.write(writer.rows_of(fixes, cards, ("main",), now_ns), now_ns // 1_000_000)
    writer.end((T0_NS + 60 * S) // 1_000_000)


def test_positions_are_verified_measured_and_exported(mine: Path, journal: Journal) -> None:
    keep_positions(mine)
    store(journal, 1)
    assert run("verify", mine)[1] == "intact: events 1 to 1, acts 1, files of positions 1\n"
    positions = json.loads(run("stats", mine, "--json")[1])["positions"]
    assert positions["oldest_time"] == "2026-11-26T22:00:00.000000Z"
    assert positions["bytes"] > 500
    file = mine / "out.csv"
    words = ("--to", file, "--from", "2026-11-27T06:00:10", "--until", "2026-11-27T06:00:40")
    assert run("export", mine, "positions", *words)[1] == f"{file}: 50 rows\n"
    rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    assert [row["card"] for row in rows].count("\t002") == 20
    assert {row["roadway_id"] for row in rows} == {"main"}
    first = rows[0]
    assert (first["card"], first["time"]) == ("\t001", "2026-11-26T22:00:10.000000Z")
    assert (first["x_m"], first["fix_class"], first["gap"]) == ("10.0", "PRECISE", "")
    points = mine / "out.geojson"
    assert run("export", mine, "positions", "--to", points, "--card", "001")[0] == 0
    features = json.loads(points.read_text("utf-8"))["features"]
    assert [one["geometry"]["coordinates"][0] for one in features if one["geometry"]] == [
        float(second) for second in range(60)
    ]


def test_a_damaged_file_of_positions_is_named_and_is_a_gap(mine: Path, journal: Journal) -> None:
    keep_positions(mine)
    store(journal, 1)
    (file,) = (mine / "journal" / TRACKS_FOLDER).iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    status, out, _ = run("verify", mine)
    assert status == 1
    assert file.name in out
    assert "damaged" in out
