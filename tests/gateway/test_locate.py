"""`lamproom locate` as its user meets it: files, figures, and mistakes told without traceback."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import figures
from gateway.cli.locate import CSV_HEADER, locate, write_fixes
from positioning.anchor_stats import ANCHOR_STATS
from positioning.cards import Rejections
from positioning.locate import LocatedRun, locate_recording
from positioning.mine_map import MineMap, Roadway
from positioning.observation import FixClass, new_fixes
from positioning.recording import read_recording
from positioning.settings import TrackerSettings
from tests.gateway.recording_folder import recording

ROOT = Path(__file__).parents[2]

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(locate)


def run_locate(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_json_has_figures_for_each_run_and_all(tmp_path: Path) -> None:
    status, out, err = run_locate(recording(tmp_path), "--json")
    assert (status, err) == (0, "")
    figures = json.loads(out)
    assert [run["run"] for run in figures["runs"]] == ["one", "two"]
    assert figures["runs"][0]["tag"] == "000012345"
    assert figures["all"]["ranges"] == 400
    for row in [*figures["runs"], figures["all"]]:
        assert row["rmse_m"] < 0.05
        assert row["rmse_m"] <= row["max_m"]
        assert row["p50_m"] <= row["p90_m"] <= row["p95_m"] <= row["max_m"]
        assert (row["availability"], row["coverage_95"]) == (1.0, 1.0)


def test_every_fix_is_a_line_of_the_file(tmp_path: Path) -> None:
    folder, out = recording(tmp_path), tmp_path / "fixes.csv"
    status, _, _ = run_locate(folder, "--out", out)
    assert status == 0
    text = out.read_text()
    assert text.startswith("run,tag,t_s,x_m,y_m,var_x_m2,cov_xy_m2,var_y_m2,class,roadway,")
    rows = list(csv.DictReader(text.splitlines()))
    located = locate_recording(folder)
    assert len(rows) == sum(len(part.fixes) for part in located) >= 2 * 195
    assert tuple(rows[0]) == CSV_HEADER
    assert {row["tag"] for row in rows} == {"000012345"}
    assert {row["class"] for row in rows} == {"precise"}
    assert rows[-1]["t_s"] == "1760000009.950000"
    assert float(rows[-1]["x_m"]) == pytest.approx(located[1].fixes["x_m"][-1], rel=1e-8)


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


def made_up(folder: Path, **values: object) -> LocatedRun:
    """The recording's first run with one made-up fix, in both outputs."""
    run = read_recording(recording(folder))[0]
    fixes = new_fixes(1)
    fixes["t_ns"], fixes["fix_class"] = 1_760_000_005 * 10**9, FixClass.ROADWAY
    fixes["var_x_m2"], fixes["var_y_m2"] = 4.0, 1.0
    for name, value in values.items():
        fixes[name] = value
    lagged = fixes.copy()
    lagged["x_m"] = 7.0
    return LocatedRun(
        run, fixes, lagged, Rejections(*[0] * 8), np.zeros(len(run.anchors), ANCHOR_STATS)
    )


def test_a_line_holds_the_fix_s_qualities_and_its_ellipse(tmp_path: Path) -> None:
    known = {"roadway": 1, "chainage_m": 12.25, "hdop": 1.5, "nis": 0.25, "protection_m": 3.0}
    part = made_up(tmp_path, age_s=0.5, anchors_used=3, anchors_rejected=1, **known)
    write_fixes(tmp_path / "fixes.csv", (part,))
    (row,) = rows_of(tmp_path / "fixes.csv")
    named = {name: float(row[name]) for name in known}
    assert named == {name: pytest.approx(value) for name, value in known.items()}
    assert (row["class"], row["anchors_used"], row["anchors_rejected"]) == ("roadway", "3", "1")
    assert (row["age_s"], row["direction_deg"]) == ("0.5", "0")
    assert float(row["semi_major_m"]) == pytest.approx(2 * 2.4477, rel=1e-4)
    assert float(row["semi_minor_m"]) == pytest.approx(2.4477, rel=1e-4)


def test_a_roadway_has_its_name_where_the_recording_has_a_map(tmp_path: Path) -> None:
    line_m = np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    roadways = (Roadway("drift", "", 5.0, line_m), Roadway("crosscut", "", 5.0, line_m))
    part = made_up(tmp_path, roadway=1)
    part = replace(part, run=replace(part.run, map=MineMap(roadways, (), (), ())))
    write_fixes(tmp_path / "fixes.csv", (part,))
    (row,) = rows_of(tmp_path / "fixes.csv")
    assert row["roadway"] == "crosscut"


def test_what_is_not_known_is_empty(tmp_path: Path) -> None:
    write_fixes(tmp_path / "fixes.csv", (made_up(tmp_path),))
    (row,) = rows_of(tmp_path / "fixes.csv")
    unknown = ("roadway", "chainage_m", "hdop", "protection_m", "nis")
    assert {row[name] for name in unknown} == {""}


def test_with_a_lag_the_lagged_fixes_are_written_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = made_up(tmp_path)
    asked = []

    def located(*arguments: object) -> tuple[LocatedRun, ...]:
        asked.append(arguments[2])
        return (part,)

    monkeypatch.setattr(figures, "locate_recording", located)
    out = tmp_path / "fixes.csv"
    status, told, _ = run_locate(tmp_path, "--lag", "0.5", "--out", out, "--json")
    assert status == 0
    assert asked == [TrackerSettings(lag_s=0.5)]
    (row,) = rows_of(out)
    assert row["x_m"] == "7"
    assert json.loads(told)["all"]["max_m"] == pytest.approx(np.hypot(7 - 4, 3))


def test_without_truth_there_are_only_counts(tmp_path: Path) -> None:
    status, out, _ = run_locate(recording(tmp_path, truth=False), "--json")
    assert status == 0
    assert set(json.loads(out)["all"]) == {"fixes", "ranges", "measurements", "rejected"}
    assert run_locate(tmp_path)[0] == 0


def test_the_table_is_readable_and_tells_of_ranges_not_used(tmp_path: Path) -> None:
    folder = recording(tmp_path)
    with (folder / "ranges.csv").open("a") as stream:
        stream.write("two,1760000010,000012345,A0,\n")
    status, out, _ = run_locate(folder)
    assert status == 0
    assert "rmse_m" in out
    assert "100.00%" in out
    assert "1 not_finite" in out


def test_the_height_matters_and_a_recording_in_a_plane_needs_none(tmp_path: Path) -> None:
    folder = recording(tmp_path)
    wrong = json.loads(run_locate(folder, "--height-m", "-3", "--json")[1])
    assert wrong["all"]["rmse_m"] > 0.3
    anchors = folder / "anchors.csv"
    anchors.write_text(anchors.read_text().replace(",2.5\n", ",0\n"))
    ranges = (folder / "ranges.csv").read_text().splitlines()
    places = {"A0": 5.0, "A1": 45**0.5, "A2": 61**0.5, "A3": 41**0.5}
    flat = [line.rsplit(",", 1)[0] + f",{places[line.split(',')[3]]:.4f}" for line in ranges[1:]]
    (folder / "ranges.csv").write_text("\n".join([ranges[0], *flat]) + "\n")
    assert json.loads(run_locate(folder, "--json")[1])["all"]["rmse_m"] < 0.05


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere/anchors.csv: no such file"),
        ([".", "--out", "no/such/folder.csv"], "cannot be written"),
        ([".", "--height-m", "nan"], "--height-m: nan is not a height"),
        ([".", "--lag", "0"], "--lag: 0.0 is not above 0 and at most 5 s"),
        ([".", "--lag", "nan"], "--lag: nan is not above 0"),
        ([".", "--settings", "none.toml"], "none.toml: no such file"),
    ],
)
def test_a_mistake_ends_with_status_1_and_a_plain_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    recording(tmp_path)
    monkeypatch.chdir(tmp_path)
    status, out, err = run_locate(*arguments)
    assert status == 1
    assert told in err
    assert out == ""


def test_a_broken_file_as_a_user_sees_it(tmp_path: Path) -> None:
    folder = recording(tmp_path)
    lines = (folder / "ranges.csv").read_text().splitlines()
    (folder / "ranges.csv").write_text("\n".join([*lines[:6], "one,x,7,A1,3.0"]))
    code = "import typer; from gateway.cli.locate import locate; typer.run(locate)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == f"{folder}/ranges.csv, line 7, column t_s: 'x' is not a number"
    assert done.stdout == ""
