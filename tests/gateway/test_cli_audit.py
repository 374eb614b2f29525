"""`lamproom audit`: what it says of a whole log, of a damaged one, and while a gateway runs."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.audit import audit
from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal
from gateway.journal.sqlite import DATABASE_FILE
from tests.gateway.journal_writer import act_of

MINE = '[mine]\ncode = "140100000001"\nname = "示例矿"\n'


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(audit, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit)
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


def store(journal: Journal, count: int) -> None:
    journal.append([], {}, [act_of(n) for n in range(1, count + 1)])


def test_an_empty_log_is_intact(mine: Path, journal: Journal) -> None:
    head = journal.last_audit.digest.hex()
    assert run("verify", mine) == (0, f"intact: 0 entries, head 0 {head}\n", "")
    assert run("show", mine) == (0, "", "")


def test_a_whole_log_is_intact_whether_a_gateway_runs_or_not(mine: Path, journal: Journal) -> None:
    store(journal, 3)
    told = (
        "intact: 3 entries, 1970-01-01T00:00:01.000000Z to 1970-01-01T00:00:03.000000Z,"
        f" head 3 {journal.last_audit.digest.hex()}\n"
    )
    assert run("verify", mine) == (0, told, "")
    journal.close()
    assert run("verify", mine) == (0, told, "")


def test_each_finding_is_a_line_and_the_status_is_1(mine: Path, journal: Journal) -> None:
    store(journal, 8)
    edit(mine, "UPDATE audit SET entry = replace(entry, 'wang', 'li') WHERE sequence = 2")
    edit(mine, "DELETE FROM audit WHERE sequence IN (4, 7, 8)")
    status, out, err = run("verify", mine)
    assert (status, err) == (1, "")
    *lines, summary = out.splitlines()
    assert lines == [
        "audit entry 2 was changed: it does not fit its digest",
        "audit entry 4 was stored and is lost",
        "audit entries 7 to 8 were stored and are lost",
    ]
    assert summary.startswith("not intact, 3 findings: 4 entries, 1970-01-01T00:00:01.000000Z to")
    assert " head 6 " in summary


def test_other_files_of_the_mine_may_have_mistakes(mine: Path, journal: Journal) -> None:
    store(journal, 1)
    (mine / "people.csv").write_text("nonsense")
    status, out, _ = run("verify", mine)
    assert (status, out.partition(",")[0]) == (0, "intact: 1 entry")


def test_the_journal_is_where_mine_toml_says(mine: Path) -> None:
    (mine / "mine.toml").write_text(f'{MINE}[journal]\nfolder = "kept/here"\n', encoding="utf-8")
    with closing(Journal.open(mine / "kept/here")) as journal:
        store(journal, 2)
        assert run("verify", mine)[1].startswith("intact: 2 entries")


@pytest.mark.parametrize("command", ["verify", "show"])
def test_what_cant_be_read_is_told_in_a_line(command: str, mine: Path, tmp_path: Path) -> None:
    status, out, err = run(command, mine)
    assert (status, out) == (1, "")
    file = mine / "journal" / DATABASE_FILE
    assert err == f"{file}: there is no journal; the gateway makes it when it first starts\n"
    status, out, err = run(command, tmp_path / "nowhere")
    assert (status, out) == (1, "")
    assert "there is no such folder" in err
    Journal.open(mine / "journal").close()
    edit(mine, "DROP TABLE audit")
    status, out, err = run(command, mine)
    assert (status, out) == (1, "")
    assert err.startswith(f"reading {file}: ")
    assert len(err.splitlines()) == 1


def test_entries_are_shown_a_line_each(mine: Path, journal: Journal) -> None:
    store(journal, 4)
    edit(mine, "DELETE FROM audit WHERE sequence IN (2, 3)")
    status, out, err = run("show", mine)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "1  1970-01-01T00:00:01.000000Z  wang  alarm.acknowledge  alarm-1  done"
        '  event="0"  note="看过 1"',
        "-- 2 to 3: missing on the disk",
        "4  1970-01-01T00:00:04.000000Z  wang  alarm.acknowledge  alarm-4  done"
        '  event="0"  note="看过 4"',
    ]


def test_only_the_newest_may_be_shown(mine: Path, journal: Journal) -> None:
    store(journal, 9)
    for last, numbers in ((1, [9]), (3, [7, 8, 9]), (20, [*range(1, 10)])):
        _, out, _ = run("show", mine, "--last", str(last))
        assert [int(line.split()[0]) for line in out.splitlines()] == numbers
    assert run("show", mine, "--last", "0")[0] == 2


def test_json_has_every_field_and_every_gap(mine: Path, journal: Journal) -> None:
    store(journal, 3)
    edit(mine, "UPDATE audit SET digest = x'00' WHERE sequence = 2")
    status, out, _ = run("show", mine, "--json")
    assert status == 0
    first, gap, last = map(json.loads, out.splitlines())
    assert first == {
        "kind": "entry",
        "sequence": 1,
        "time": "1970-01-01T00:00:01.000000Z",
        "t_ns": 1_000_000_000,
        "operator": "wang",
        "act": "alarm.acknowledge",
        "request_id": "r1",
        "subject": "alarm-1",
        "detail": {"event": "0", "note": "看过 1"},
        "outcome": "done",
    }
    assert gap == {
        "kind": "gap",
        "first_sequence": 2,
        "last_sequence": 2,
        "reason": "damaged on the disk",
    }
    assert last["sequence"] == 3


def test_nothing_that_an_operator_wrote_can_look_like_another_line(
    mine: Path, journal: Journal
) -> None:
    evil = "a\n2  1970\x1b[2J\u202e"
    entry = AuditEntry(1, 0, evil, "alarm.shelve", evil, "", {evil: evil}, evil)
    journal.append([], {}, [entry])
    _, out, _ = run("show", mine)
    (line,) = out.splitlines()
    assert line.isprintable()
    assert line.split("  ")[2:4] == ["a\\n2", "1970\\x1b[2J\\u202e"]
    _, out, _ = run("show", mine, "--json")
    (line,) = out.splitlines()
    assert json.loads(line)["operator"] == evil
    assert "\x1b" not in line
