"""Tables as files: what is written is what was given, in every format."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gateway.cli.export.formats import table_in
from gateway.cli.export.table import Batch, Column, ExportError, Kind
from tests.support.places import ENVIRONMENT, ROOT

COLUMNS = (
    Column("card", Kind.TEXT),
    Column("time", Kind.TIME),
    Column("count", Kind.WHOLE),
    Column("x_m", Kind.NUMBER),
    Column("y_m", Kind.NUMBER),
    Column("z_m", Kind.NUMBER),
    Column("drill", Kind.FLAG),
)
T_NS = 1_790_000_000_123_456_789
FIRST: Batch = {
    "card": ["0017", '张三, "三"\n=1+1'],
    "time": [T_NS, None],
    "count": [2**62, None],
    "x_m": [1.25, None],
    "y_m": [-0.1, None],
    "z_m": [-600.0, None],
    "drill": [True, None],
}
SECOND: Batch = {name: cells[:1] for name, cells in FIRST.items()}


def written(file: Path) -> Path:
    with table_in(file, COLUMNS) as table:
        table.write(FIRST)
        table.write(SECOND)
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    return file


def test_csv_is_for_spreadsheets(tmp_path: Path) -> None:
    raw = written(tmp_path / "out.csv").read_bytes()
    assert raw.startswith("\N{BOM}".encode())
    rows = list(csv.reader(raw.decode("utf-8-sig").splitlines()))
    assert rows[0] == [column.name for column in COLUMNS]
    place = ["1.25", "-0.1", "-600.0"]
    assert rows[1] == ["\t0017", "2026-09-21T14:13:20.123456Z", str(2**62), *place, "1"]
    # One line, and no formula: the line break is shown as what it is.
    assert rows[2] == ['张三, "三"\\n=1+1', "", "", "", "", "", ""]
    assert rows[3] == rows[1]


@pytest.mark.parametrize("cell", ["=1+1", "+49", "-1", "@a", "0017", "123456789012"])
def test_what_a_spreadsheet_would_change_is_text(cell: str, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    with table_in(file, COLUMNS[:1]) as table:
        table.write({"card": [cell]})
    assert file.read_text("utf-8-sig").splitlines()[1] == f"\t{cell}"


def test_parquet_keeps_every_bit(tmp_path: Path) -> None:
    table = pq.read_table(written(tmp_path / "out.parquet"))
    assert table.column_names == [column.name for column in COLUMNS]
    expected = {name: [*FIRST[name], *SECOND[name]] for name in FIRST}
    times = table.column("time").cast("int64").to_pylist()
    assert times == expected.pop("time")
    assert {name: table.column(name).to_pylist() for name in expected} == expected
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"


def test_geojson_has_a_point_where_there_is_a_place(tmp_path: Path) -> None:
    features = json.loads(written(tmp_path / "out.geojson").read_text("utf-8"))["features"]
    assert features[0] == {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [1.25, -0.1, -600.0]},
        "properties": {
            "card": "0017",
            "time": "2026-09-21T14:13:20.123456Z",
            "count": 2**62,
            "drill": True,
        },
    }
    assert features[1]["geometry"] is None
    assert features[1]["properties"] == {"card": FIRST["card"][1]}
    assert features[2] == features[0]


def test_an_empty_table_is_a_whole_file(tmp_path: Path) -> None:
    for ending in ("csv", "parquet", "geojson"):
        with table_in(tmp_path / f"out.{ending}", COLUMNS):
            pass
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0
    assert json.loads((tmp_path / "out.geojson").read_text())["features"] == []


def test_a_file_that_could_not_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("old")
    with pytest.raises(KeyError), table_in(file, COLUMNS) as table:
        table.write({"card": ["a row without its other cells"]})
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("out.xlsx", "its ending says the format: .csv, .parquet, .geojson"),
        ("no/out.csv", "No such"),
    ],
)
def test_a_file_that_cannot_be_is_refused(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=why), table_in(tmp_path / name, COLUMNS):
        pytest.fail("it was opened")


def test_parquet_without_its_extra_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from gateway.cli.export.formats import table_in\n"
        f"with table_in(Path({str(tmp_path / 'out.parquet')!r}), ()): pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "pip install 'lamproom[parquet]'" in done.stderr
    assert not list(tmp_path.iterdir())
