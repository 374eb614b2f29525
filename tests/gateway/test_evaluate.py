"""`lamproom evaluate` as its user meets it: figures, comparisons, pictures and mistakes."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from equipment.toml_source import ConfigurationError
from gateway.cli import figures
from gateway.cli.evaluate import evaluate
from gateway.cli.tuning import read_settings, read_windows
from positioning.accuracy import Accuracy, RoadwayFigures
from positioning.anchor_stats import ANCHOR_STATS
from positioning.cards import Rejections
from positioning.comparison import Comparison
from positioning.locate import LocatedRun
from positioning.observation import FixClass, new_fixes
from positioning.recording import read_recording
from positioning.settings import TrackerSettings
from tests.gateway.recording_folder import recording
from tests.support.places import ROOT, SHARED

HANYANG = SHARED / "data/hanyang_outdoor"
HANYANG_WINDOWS = ROOT / "tests/cases/windows/hanyang.toml"
START_NS = 1_760_000_000 * 10**9

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(evaluate)


def run_evaluate(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def figures_told(*arguments: object) -> dict[str, Any]:
    status, out, err = run_evaluate(*arguments, "--json")
    assert (status, err) == (0, "")
    told: dict[str, Any] = json.loads(out)
    return told


def made_up(monkeypatch: pytest.MonkeyPatch, *, unsure: FixClass = FixClass.PRECISE) -> None:
    """Fixes that miss by `range_sigma_m` in x, half as much in the lagged output, ten a run.

    The last one of each run is of the class `unsure` and misses by 60 m.
    """

    def located(
        folder: Path, _height_m: float | None, settings: TrackerSettings
    ) -> tuple[LocatedRun, ...]:
        parts = []
        for run in read_recording(folder):
            fixes = new_fixes(10)
            fixes["t_ns"] = START_NS + np.arange(10) * 500_000_000 + 4 * 10**9
            fixes["x_m"], fixes["y_m"] = 4.0 + settings.range_sigma_m, 3.0
            fixes["x_m"][-1] = 64.0
            fixes["var_x_m2"] = fixes["var_y_m2"] = 1.0
            fixes["fix_class"] = FixClass.PRECISE
            fixes["fix_class"][-1] = unsure
            lagged = fixes.copy()
            lagged["x_m"] = 4.0 + settings.range_sigma_m / 2
            parts.append(
                LocatedRun(
                    run,
                    fixes,
                    lagged,
                    Rejections(*[0] * 8),
                    np.zeros(len(run.anchors), ANCHOR_STATS),
                )
            )
        return tuple(parts)

    monkeypatch.setattr(figures, "locate_recording", located)


def test_json_has_each_run_and_all_for_the_shipped_settings(tmp_path: Path) -> None:
    told = figures_told(recording(tmp_path / "room"))
    (one,) = told["sets"]
    assert one["name"] == "defaults"
    assert one["settings"]["range_sigma_m"] == TrackerSettings().range_sigma_m
    assert list(one["outputs"]) == ["real_time"]
    output = one["outputs"]["real_time"]
    assert [row["run"] for row in output["runs"]] == ["one", "two"]
    for row in [*output["runs"], output["all"]]:
        assert row["rmse_m"] < 0.05
        assert (row["availability"], row["coverage_95"], row["far"]) == (1.0, 1.0, 0)
        assert row["classes"] == {
            "precise": {"fixes": row["scored"], "share": 1.0, "p95_m": row["p95_m"]}
        }
    curve = output["error_percentiles_m"]
    assert len(curve) == 101
    assert curve == sorted(curve)
    assert curve[-1] == output["all"]["max_m"]
    assert told["comparison"] == {}


def test_a_lag_adds_the_lagged_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch)
    (one,) = figures_told(recording(tmp_path / "room"), "--lag", 1)["sets"]
    assert one["settings"]["lag_s"] == 1.0
    assert one["outputs"]["real_time"]["all"]["p50_m"] == pytest.approx(0.3)
    assert one["outputs"]["lagged"]["all"]["max_m"] == pytest.approx(0.15)


def test_two_sets_of_settings_are_compared_fix_by_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(monkeypatch)
    old = tmp_path / "old.toml"
    old.write_text("range_sigma_m = 0.5\n")
    told = figures_told(recording(tmp_path / "room"), "--against", old, "--lag", 0.5)
    assert [one["name"] for one in told["sets"]] == ["defaults", str(old)]
    for output, change_m in (("real_time", -0.18), ("lagged", -0.1)):
        compared = told["comparison"][output]
        assert [row["run"] for row in compared["runs"]] == ["one", "two"]
        assert compared["all"]["pairs"] == 20
        assert compared["all"]["difference_m"] == pytest.approx(change_m)
        assert compared["all"]["worse"] == 0.0
    assert told["comparison"]["real_time"]["all"]["better"] == pytest.approx(0.9)


def test_the_tables_say_it_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch)
    new = tmp_path / "new.toml"
    new.write_text("range_sigma_m = 0.5\nlag_s = 0.5\n")
    status, out, err = run_evaluate(
        recording(tmp_path / "room"), "--settings", new, "--against", "defaults"
    )
    assert (status, err) == (0, "")
    assert f"{new}, real time" in out
    assert f"{new}, 0.5 s lag" in out
    assert f"{new} against defaults, real time" in out
    assert "defaults, 0.5 s lag" not in out
    last = out[out.index("against") :].splitlines()
    assert last[1].split()[:5] == ["run", "rmse_m", "was", "rmse_m", "p95_m"]
    assert last[-2].split()[0] == "all"
    assert last[-2].split()[-6:-3] == ["0.0%", "90.0%", "+0.180"]


@pytest.mark.parametrize(("unsure", "far"), [(FixClass.PRECISE, 2), (FixClass.AMBIGUOUS, 0)])
def test_far_errors_count_unless_they_are_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsure: FixClass, far: int
) -> None:
    made_up(monkeypatch, unsure=unsure)
    folder = recording(tmp_path / "room")
    (one,) = figures_told(folder)["sets"]
    assert one["outputs"]["real_time"]["all"]["far"] == far
    out = run_evaluate(folder)[1]
    assert f"{unsure.name.lower()} " in out[out.index("classes:") :]


def test_several_recordings_are_told_apart_and_added_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(monkeypatch)
    folders = [recording(tmp_path / name, runs=("r",)) for name in ("first", "second")]
    (one,) = figures_told(*folders)["sets"]
    output = one["outputs"]["real_time"]
    assert [row["run"] for row in output["runs"]] == ["first/r", "second/r"]
    assert output["all"]["scored"] == 20


def test_windows_choose_what_is_scored(tmp_path: Path) -> None:
    folder = recording(tmp_path / "room")
    truth = (folder / "truth.csv").read_text().splitlines()
    # One second of each run is elsewhere in y: from there on it is scored.
    moved = [
        line[: -len("4,3,1")] + "4,3.5,1" if ":" not in line else line for line in truth[100:120]
    ]
    (folder / "truth.csv").write_text("\n".join([*truth[:100], *moved, *truth[120:]]) + "\n")
    windows = tmp_path / "windows.toml"
    windows.write_text(
        '[[window]]\nruns = "o*"\nfrom_first = { y_min = 3.4 }\nto_last = { y_min = 3.4 }\n'
    )
    (one,) = figures_told(folder, "--windows", windows)["sets"]
    first, second = one["outputs"]["real_time"]["runs"]
    assert first["scored"] == 20
    assert first["rmse_m"] == pytest.approx(0.5, abs=0.1)
    assert second["scored"] == 140


@pytest.mark.skipif(not HANYANG.is_dir(), reason=f"{HANYANG.name} is not beside the checkout")
def test_the_published_windows_of_the_hanyang_runs() -> None:
    """Each walk begins and ends where the authors say, and is most of its run."""
    windows = read_windows(HANYANG_WINDOWS)
    shares = {}
    for run in read_recording(HANYANG):
        found = windows.of_run(run)
        assert run.truth is not None
        assert found is not None
        inside = run.truth.place_m[found[0](run.truth.t_ns)]
        assert len(found) == 1
        if "_A" in run.name:
            assert inside[0, 0] > 49.3
            assert inside[-1, 0] <= 12.0
        else:
            assert inside[0, 0] < 8.6 < inside[-1, 0]
            assert max(inside[0, 1], inside[-1, 1]) < -7.0
        shares[run.name] = len(inside) / len(run.truth.t_ns)
    assert len(shares) == 8
    assert all(0.3 < share < 1.0 for share in shares.values())


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_picture_holds_a_curve_for_each_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    made_up(monkeypatch)
    file = tmp_path / f"errors.{ending}"
    folder = recording(tmp_path / "房间")  # a name that the usual family has no characters for
    status, _, err = run_evaluate(folder, "--lag", 1, "--against", "defaults", "--plot", file)
    assert (status, err) == (0, "")
    if ending == "png":
        assert file.read_bytes().startswith(b"\x89PNG\r\n")
        return
    root = ET.parse(file).getroot()
    assert root.tag.endswith("}svg")
    text = file.read_text(encoding="utf-8")
    comments = re.findall("<!-- (.*?) -->", text)
    assert "Horizontal error, metres" in comments
    assert "Horizontal error of 20 fixes: 房间" in comments
    assert [line for line in comments if "real time" in line or "lag" in line] == [
        "defaults, real time",
        "defaults, 1 s lag",
        "defaults, real time",
        "defaults, 1 s lag",
    ]


def test_without_matplotlib_the_picture_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    folder = recording(tmp_path / "room")
    status, out, err = run_evaluate(folder, "--plot", tmp_path / "x.png")
    assert (status, out) == (1, "")
    assert "pip install 'lamproom[plot]'" in err
    assert run_evaluate(folder)[0] == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "range_sgima_m = 1.0",
            "s.toml:1: range_sgima_m: unknown key (did you mean 'range_sigma_m'?)",
        ),
        ("# a\nlag_s = -0.5", "s.toml:2: lag_s: must be at least 0, not -0.5"),
        ("rejects_max = 1.5", "s.toml:1: rejects_max: must be a whole number, not 1.5"),
        ("bias_tau_s = inf", "s.toml:1: bias_tau_s: must be a finite number, not inf"),
        ('gate_long = "x"', "s.toml:1: gate_long: must be a number, not 'x'"),
        ("gate_long", "s.toml:1: not valid TOML"),
    ],
)
def test_a_mistake_in_settings_is_told_with_line_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_settings(Path("s.toml"))
    assert str(caught.value).startswith(told)
    status, out, err = run_evaluate(recording(tmp_path / "room"), "--settings", "s.toml")
    assert (status, out) == (1, "")
    assert err.strip() == str(caught.value)


def test_settings_that_are_not_in_the_file_have_their_defaults(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("gate_long = 2\n")
    assert read_settings(tmp_path / "s.toml") == TrackerSettings(gate_long=2.0)


def test_what_the_documentation_shows_can_be_read(tmp_path: Path) -> None:
    page = (ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"```toml (\S+)\n(.*?)```", page, re.DOTALL))
    for name, text in shown.items():
        (tmp_path / name).write_text(text)
    defaults, settings = TrackerSettings(), read_settings(tmp_path / "settings.toml")
    assert settings == replace(defaults, range_sigma_m=0.2, acceleration_q_m2_s3=2.0)
    (window,) = read_windows(tmp_path / "windows.toml").keys
    assert window == read_windows(HANYANG_WINDOWS).keys[0]


def test_every_figure_is_documented() -> None:
    page = (ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
    named = {
        field.name for kind in (Accuracy, RoadwayFigures, Comparison) for field in fields(kind)
    }
    unsaid = {"scored", "pairs", "roadway"}  # counts, and where the figures along roadways are
    assert {name for name in named - unsaid if f"`{name}`" not in page} == set()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "w.toml:1: window: is missing"),
        ('[[window]]\nruns = "o*"\nform_first = {}', "w.toml:3: window[1].form_first: unknown key"),
        ("[[window]]\nto_last = { x_max = 1 }", "w.toml:1: window[1].runs: is missing"),
        ('[[window]]\nruns = "o*"\nto_last = { x = 1 }', "w.toml:3: window[1].to_last.x: unknown"),
        (
            '[[window]]\nruns = "two"\nto_last = { x_min = 5 }',
            "w.toml:1: window[1]: tag 000012345 of run 'two' was never truly there",
        ),
    ],
)
def test_a_mistake_in_windows_is_told_with_line_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    made_up(monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("w.toml").write_text(text)
    status, out, err = run_evaluate(recording(tmp_path / "room"), "--windows", "w.toml")
    assert (status, out) == (1, "")
    assert err.startswith(told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere/anchors.csv: no such file"),
        (["blind"], "blind: has no truth.csv with places of its tags"),
        (["room", "deep/room"], "two of the recordings have the same name"),
        (["room", "--plot", "x.pdf"], "--plot: x.pdf must end in .png or .svg"),
        (["room", "--plot", "none/x.png"], "none/x.png: cannot be written: No such file"),
        (["room", "--lag", "9"], "--lag: 9.0 is not above 0 and at most 5 s"),
        (["room", "--against", "none.toml"], "none.toml: no such file"),
        (["room", "--height-m", "inf"], "--height-m: inf is not a height"),
    ],
)
def test_a_mistake_ends_with_status_1_and_a_plain_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    recording(Path("room"))
    recording(Path("blind"), truth=False)
    status, _, err = run_evaluate(*arguments)
    assert status == 1
    assert told in err
    assert len(err.splitlines()) == 1
