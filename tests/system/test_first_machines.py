"""docs/machines.md: its few lines bring the values of 20 machines onto the screen."""

import json
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.processes import gateway, lamproom, simulator

LINES_MOST = 60
MACHINES, POINTS = 20, 100


def written(folder: Path) -> int:
    """Writes the page's files; returns how many lines they have."""
    page = (ROOT / "docs/machines.md").read_text(encoding="utf-8")
    files = re.findall(r"```\w+ (\S+)\n(.*?)```", page, re.DOTALL)
    for name, text in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return sum(len(text.splitlines()) for _, text in files)


def test_twenty_machines_with_a_hundred_points_each(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    assert written(mine) <= LINES_MOST
    devices = mine / "devices.toml"
    # Every 127.x.y.z is this computer, so each machine has an address of its own here too.
    here = devices.read_text(encoding="utf-8").replace("10.1.2.{n}", "127.1.2.{n}")
    devices.write_text(f"{here}port = {free_port()}\n", encoding="utf-8")
    checked = subprocess.run(lamproom("check", mine), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    port = free_port()
    with ExitStack() as stack:
        stack.enter_context(simulator(mine, tmp_path))
        stack.enter_context(gateway(mine, port, tmp_path)).wait_for(lambda: all_good(port))


def all_good(port: int) -> bool:
    """Whether every point of every machine shows a good value."""
    command = lamproom("values", f"127.0.0.1:{port}", "--json")
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = [json.loads(line) for line in shown.splitlines()]
    good = {(row["device"], row["point"]) for row in rows if row["quality"] == "good"}
    return len(good) == MACHINES * POINTS
