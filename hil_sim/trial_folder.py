"""A roadway trial as a recording: the folder that `lamproom evaluate` takes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hil_sim.folder import SimulationError
from hil_sim.roadway_trial import TRUTH_PERIOD_S, Trial
from hil_sim.trial_mine import map_text
from positioning.mine_map import MAP_FILE


def write_trial(trial: Trial, folder: Path) -> None:
    """Writes `ranges.csv`, `anchors.csv`, `truth.csv`, `sightings.csv` and `map.geojson`.

    Each card's truth is told every TRUTH_PERIOD_S, with the roadway and the chainage on it.

    Raises:
        SimulationError: the folder can't be written.
    """
    files = {
        MAP_FILE: [map_text(trial.mine)],
        "anchors.csv": _anchors(trial),
        "ranges.csv": _ranges(trial),
        "sightings.csv": _sightings(trial),
        "truth.csv": _truth(trial),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, lines in files.items():
            with (folder / name).open("w", encoding="utf-8", newline="\n") as stream:
                stream.writelines(lines)
    except OSError as error:
        msg = f"the trial can't be written to {folder}: {error.strerror}"
        raise SimulationError(msg) from None


def _anchors(trial: Trial) -> Iterable[str]:
    yield "anchor,x_m,y_m,z_m\n"
    yield from (f"{a.id},{a.x_m:.3f},{a.y_m:.3f},{a.z_m:.3f}\n" for a in trial.mine.anchors)


def _ranges(trial: Trial) -> Iterable[str]:
    yield "t_s,tag,anchor,range_m,rssi_dbm,fp_dbm\n"
    anchors = [anchor.id for anchor in trial.mine.anchors]
    for card, anchor, t_ns, range_m, rssi_dbm, first_path_dbm in trial.ranges.tolist():
        yield f"{t_ns / 1e9:.6f},{trial.tags[card]},{anchors[anchor]},{range_m:.4f},"
        yield f"{rssi_dbm:.2f},{first_path_dbm:.2f}\n"


def _sightings(trial: Trial) -> Iterable[str]:
    yield "t_s,tag,reader,rssi_dbm,side\n"
    readers = [reader.id for reader in trial.mine.readers]
    for card, reader, t_ns, rssi_dbm, side in trial.sightings.tolist():
        yield f"{t_ns / 1e9:.6f},{trial.tags[card]},{readers[reader]},{rssi_dbm:.2f},{side}\n"


def _truth(trial: Trial) -> Iterable[str]:
    yield "tag,t_s,x_m,y_m,z_m,roadway,chainage_m\n"
    names = [roadway.id for roadway in trial.mine.roadways]
    t_s = np.arange(0.0, trial.duration_s, TRUTH_PERIOD_S)
    for card, tag in enumerate(trial.tags):
        at = trial.walks.at(np.full(len(t_s), card), t_s)
        columns = (t_s, *at.place_m.T, at.roadway, at.chainage_m)
        for time_s, x_m, y_m, z_m, roadway, s_m in zip(*(c.tolist() for c in columns), strict=True):
            yield f"{tag},{time_s:.3f},{x_m:.3f},{y_m:.3f},{z_m:.3f},{names[roadway]},{s_m:.3f}\n"
