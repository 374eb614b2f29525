"""Typical mistakes in a mine's folder, and the lines that `lamproom check` prints for them.

Each folder of `tests/cases/config` but `good` has a `change.toml`, which says how it differs from
`good`, and an `expected.txt`.
"""

import shutil
import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.check import check
from gateway.config.bundle import load

CASES = Path(__file__).parents[1] / "cases" / "config"
NAMES = sorted(path.parent.name for path in CASES.glob("*/change.toml"))


def changed_folder(case: str, folder: Path) -> Path:
    """A copy of `good` with the case's changes."""
    shutil.copytree(CASES / "good", folder)
    changes = tomllib.loads((CASES / case / "change.toml").read_text(encoding="utf-8"))
    for change in changes["change"]:
        file = folder / change["file"]
        if change.get("remove"):
            file.unlink()
            continue
        if "rename" in change:
            file.rename(folder / change["rename"])
            continue
        text = change["text"] if "text" in change else file.read_text(encoding="utf-8")
        if "old" in change:
            assert change["old"] in text, f"{case}: {change['old']!r} is not in {file.name}"
            text = text.replace(change["old"], change["new"], 1)
        file.write_bytes(text.encode(change.get("encoding", "utf-8")))
    return folder


def run_check(folder: Path) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(check)
    result = CliRunner().invoke(app, [str(folder)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_there_are_cases() -> None:
    assert len(NAMES) >= 18


@pytest.mark.parametrize("case", NAMES)
def test_a_mistake_is_told(case: str, tmp_path: Path) -> None:
    folder = changed_folder(case, tmp_path / "mine")
    status, output = run_check(folder)
    assert output == (CASES / case / "expected.txt").read_text(encoding="utf-8")
    assert status == 1


def test_a_good_folder_is_summed_up(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(CASES / "good", folder)
    status, output = run_check(folder)
    assert status == 0
    assert output == (
        f"试验煤矿 (140100000002) is fine: configuration {load(folder).label}. "
        "3 people on the roster. 4 devices: 2 machine, "
        "1 rfid_reader, 1 uwb_reader. 1 roadway of 380 m, with 2 anchors and 1 reader. "
        "2 zones: 1 restricted, 1 wellhead. 23 alarm families, each as `lamproom "
        "explain` says; a card is lost after 30 s, a device after 5 s. "
        f"gRPC in plaintext at 127.0.0.1:(a free port), journal in {folder}/journal. "
        "Note: nobody is named as owner of pit_top, sealed.\n"
    )
