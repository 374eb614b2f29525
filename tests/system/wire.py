"""A recording over the wire: simulator → Modbus → gateway → gRPC, against `locate` on its files."""

from __future__ import annotations

import csv
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hil_sim.recording import write_recording_mine
from positioning.accuracy import Accuracy, Errors, accuracy, errors_of_run, joined
from positioning.locate import LocatedRun, locate_recording
from positioning.observation import FIX, FixClass, Records
from tests.support.ports import free_port
from tests.support.processes import gateway, simulator, watcher

CARD_HEIGHT_M = 1.0


def cut(recording: Path, folder: Path, run: str, seconds: float) -> Path:
    """Writes the first `seconds` of one run of a recording to `folder`."""
    folder.mkdir()
    for name in ("ranges.csv", "anchors.csv", "truth.csv"):
        with (recording / name).open(newline="") as file:
            reader = csv.DictReader(file)
            rows = [
                row for row in reader if row["run"] == run and float(row.get("t_s", "0")) <= seconds
            ]
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, reader.fieldnames or [])
            writer.writeheader()
            writer.writerows(rows)
    return folder


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came over the wire beside what `locate` made of the same files, run by run."""

    located: tuple[LocatedRun, ...]
    streamed: tuple[Records, ...]

    def figures(self) -> tuple[Accuracy, Accuracy]:
        """Errors against the truth over all runs: located, streamed."""
        located = [_errors(run, run.fixes) for run in self.located]
        streamed = [_errors(*pair) for pair in zip(self.located, self.streamed, strict=True)]
        return accuracy(joined(located)), accuracy(joined(streamed))


def _errors(run: LocatedRun, fixes: Records) -> Errors:
    errors = errors_of_run(run.run, fixes)
    assert errors is not None, "the recording has no truth"
    return errors


def play(recording: Path, folder: Path, speed: float) -> Comparison:
    """Plays a recording through real processes and gathers what a client gets."""
    located = locate_recording(recording, CARD_HEIGHT_M)
    expected = sum(len(run.fixes) for run in located)
    mine, grpc_port = folder / "mine", free_port()
    write_recording_mine(recording, mine, port=free_port(), card_height_m=CARD_HEIGHT_M)
    options = ("--recording", str(recording), "--speed", str(speed), "--wait-client")
    span_s = max(float(np.ptp(run.run.ranges["t_ns"])) for run in located) * 1e-9 / speed
    with ExitStack() as stack:
        stack.enter_context(gateway(mine, grpc_port, folder))
        watch = stack.enter_context(watcher(grpc_port, folder))
        watch.wait_for(lambda: watch.count('"sync"') == 2)
        stack.enter_context(simulator(mine, folder, *options))
        watch.wait_for(lambda: watch.count('"position"') >= expected, 60 + span_s)
        time.sleep(0.5)  # a fix too many would come now
        rows = [row for row in watch.lines() if row["kind"] == "position"]
    about = json.loads((mine / "recording.json").read_text())
    cards = {(entry["run"], entry["tag"]): entry["card"] for entry in about["cards"]}
    return Comparison(
        located,
        tuple(
            _streamed(run, [row for row in rows if row["card"] == card], about["base_t_ns"])
            for run in located
            for card in [cards[run.run.name, run.run.tags[0]]]
        ),
    )


def _streamed(run: LocatedRun, rows: list[dict[str, Any]], base_t_ns: int) -> Records:
    """Rows of `watch --json` as fixes in the recording's own time.

    Runs are played side by side, and a card whose run is over falls silent before the others: the
    gateway then says once more where it was last, as `lost`. That is no fix of a range.
    """
    rows = [row for row in rows if row["class"] != "lost"]
    fixes = np.zeros(len(rows), FIX)
    for fix, row in zip(fixes, rows, strict=True):
        fix["t_ns"] = row["t_ns"] - base_t_ns
        for name in ("x_m", "y_m", "z_m", "var_x_m2", "cov_xy_m2", "var_y_m2"):
            fix[name] = row[name]
        fix["fix_class"] = FixClass[row["class"].upper()]
    return fixes
