"""`lamproom muster`: the table, the spreadsheet, the page, and what names can do to them."""

import asyncio
import csv
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.muster import muster
from gateway.cli.show import local, zone_of
from gateway.config.bundle import Person, grpc_address_of
from gateway.config.people import CardKind
from gateway.mine.muster.card import MusterState
from tests.gateway.muster_rig import MUSTER, card, mustered
from tests.gateway.serve_rig import T0_NS, Rig, S, bundle_of, served
from tests.support.ports import free_port

WICKED = "<script>alert('x')</script>&\"[red]"
MINE = zone_of("Asia/Shanghai")
LONG = "15062200000100007"
PEOPLE = (
    Person(LONG, WICKED, "=1+1", "A"),
    Person("1002", "Anna", "driver", "B"),
    Person("1003", "monorail", "", "B", CardKind.VEHICLE),
    Person("1004", "王伟", "fitter", "A"),
)


def run(*arguments: str | Path) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(muster)
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def happen(rig: Rig, *, drill: bool = False) -> None:
    cards = (
        card(1, card=LONG, way=None, cut_off="every way leads through <fire>"),
        card(2, MusterState.SAFE),
        card(3, MusterState.UNACCOUNTED),
        card(4, MusterState.UNACCOUNTED, zones=("Z3", "Z1")),
        card(5, MusterState.ON_THE_WAY, place=None, roadway="", chainage_m=None),
    )
    closed = replace(
        MUSTER, reason=WICKED, drill=drill, close_t_ns=T0_NS + S, closed_by="Li", close_note="<b>"
    )
    rig.server.publish(mustered(*cards, muster=closed, fresh=True))


class Page(HTMLParser):
    """The tags of a page, and the text of its cells, row by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.inside = False
        self.text = ""
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("td", "th")
        if self.inside:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.inside:
            self.rows[-1][-1] += data


async def test_the_table_has_who_is_missing_first(tmp_path: Path) -> None:
    async with served(tmp_path, bundle_of(people=PEOPLE), cards=0) as rig:
        address = f"127.0.0.1:{rig.port}"
        assert await asyncio.to_thread(run, address) == (
            1,
            "",
            f"{address}: no muster has been opened yet; open one with OpenMuster, or come back when"
            " there is one\n",
        )
        happen(rig)
        status, out, _ = await asyncio.to_thread(run, address)
        assert status == 0
        first, header, *rows = out.splitlines()
        assert first.startswith(
            f"muster-7; closed {local(T0_NS + S, MINE)}; since {local(T0_NS, MINE)} by Zhao"
        )
        assert "unaccounted for 2 people, 0 machines" in first
        assert header.split()[:4] == ["state", "name", "card", "team"]
        states = [row.split("  ")[0] for row in rows if row.split("  ")[0]]
        assert states == [
            "unaccounted for",  # a person
            "must leave",
            "on the way",
            "unaccounted for",  # a machine
            "safe",
        ]
        assert "[red]" in out


async def test_the_spreadsheet(tmp_path: Path) -> None:
    file = tmp_path / "muster.csv"
    async with served(tmp_path, bundle_of(people=PEOPLE), cards=0) as rig:
        happen(rig, drill=True)
        status, _, _ = await asyncio.to_thread(run, f"127.0.0.1:{rig.port}", "--csv", file)
    assert status == 0
    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
    assert header[:5] == ["序号 no.", "状态 state", "起始时间 since", "姓名 name", "卡号 card"]
    assert [row[0] for row in rows] == ["4", "1", "5", "3", "2"]
    assert all(len(row) == len(header) for row in rows)
    first, cut_off, unplaced, *_ = rows
    assert first[1] == "失联 unaccounted for"
    assert first[3] == "王伟"
    assert first[7:10] == ["main 1 m (1, 2, -8)", "Z3, Z1", local(T0_NS - 2 * S, MINE)]
    assert first[11] == "42 m to Z4 via main"
    assert cut_off[3] == WICKED
    # Seventeen digits would be rounded, and a job would be calculated.
    assert (cut_off[4], cut_off[6]) == (f"\t{LONG}", "\t=1+1")
    assert cut_off[11] == "CUT OFF 无路可撤: every way leads through <fire>"
    assert unplaced[7:11] == ["", "Z3", "", ""]
    assert {row[12] for row in rows} == {"DRILL 演练 muster-7"}


async def test_the_page_is_whole_in_itself_and_shows_names_as_text(tmp_path: Path) -> None:
    file = tmp_path / "muster.html"
    async with served(tmp_path, bundle_of(people=PEOPLE), cards=0) as rig:
        happen(rig, drill=True)
        status, _, _ = await asyncio.to_thread(run, f"127.0.0.1:{rig.port}", "--html", file)
    assert status == 0
    text = file.read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags == {
        *("html", "head", "meta", "title", "style", "body", "p", "h1", "h2"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert page.attributes == {"lang", "charset", "class"}
    assert "://" not in text
    assert "@page { size: A4 landscape" in text
    assert "演练 DRILL" in page.text
    assert f"原因 reason: {WICKED}" in page.text
    heads = [row for row in page.rows if row[0] == "序号 no."]
    assert len(heads) == 2
    rows = [row for row in page.rows if row[0] != "序号 no."]
    assert [row[0] for row in rows] == ["4", "1", "5", "3", "2"]
    assert [row[1].split()[0] for row in rows] == ["失联", "须撤离", "撤离中", "失联", "已安全"]
    assert (rows[1][3], rows[1][4]) == (WICKED, LONG)
    assert page.text.index("未安全（4） Not safe (4)") < page.text.index("已安全（1） Safe (1)")


async def test_a_page_with_nobody_on_it(tmp_path: Path) -> None:
    file = tmp_path / "muster.html"
    async with served(tmp_path, bundle_of(people=PEOPLE), cards=0) as rig:
        rig.server.publish(mustered(fresh=True, muster=replace(MUSTER, zones=())))
        status, out, _ = await asyncio.to_thread(run, f"127.0.0.1:{rig.port}", "--html", file)
    assert status == 0
    assert "; open; " in out
    page = Page(file.read_text(encoding="utf-8"))
    assert "全矿 whole mine" in page.text
    assert page.rows == []
    assert "DRILL" not in page.text


async def test_all_pages_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.serve.muster.PAGE_CARDS_MOST", 2)
    file = tmp_path / "muster.csv"
    async with served(tmp_path) as rig:
        rig.server.publish(mustered(*(card(n) for n in range(1, 8)), fresh=True))
        await asyncio.to_thread(run, f"127.0.0.1:{rig.port}", "--csv", file)
    assert len(file.read_text().splitlines()) == 8


def mine_in(folder: Path, address: str, port: int) -> Path:
    text = (
        '[mine]\ncode = "620000000001"\nname = "m"\n[grpc]\nplaintext = true\n'
        f'address = "{address}"\nport = {port}\n'
    )
    (folder / "mine.toml").write_text(text)
    return folder


async def test_a_mines_folder_says_where_its_gateway_is(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        happen(rig)
        status, out, _ = await asyncio.to_thread(run, mine_in(tmp_path, "0.0.0.0", rig.port))
    assert (status, out.startswith("muster-7")) == (0, True)


@pytest.mark.parametrize(
    ("address", "reached"),
    [("10.1.0.5", "10.1.0.5:50051"), ("::", "[::1]:50051"), ("0.0.0.0", "127.0.0.1:50051")],
)
def test_how_a_gateway_is_reached(tmp_path: Path, address: str, reached: str) -> None:
    assert grpc_address_of(mine_in(tmp_path, address, 50051)) == reached


def test_what_can_not_be_done_is_told(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    for where, said in (
        (address, f"{address}: "),
        ("nowhere", "'nowhere' is neither an address nor a mine's folder"),
        (str(tmp_path), "mine.toml: the file is missing"),
    ):
        status, out, err = run(where)
        assert (status, out) == (1, "")
        assert err.startswith(said)


async def test_a_file_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "no" / "muster.csv"
    async with served(tmp_path) as rig:
        happen(rig)
        status, _, err = await asyncio.to_thread(run, f"127.0.0.1:{rig.port}", "--csv", file)
    assert (status, err) == (1, f"{file}: it can't be written: No such file or directory\n")
