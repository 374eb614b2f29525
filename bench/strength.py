"""Places by signal strength alone, beside the nearest reader and the weighted centroid.

    ./run bench strength ../shared/data/tetam_ble_rssi

Prints errors on the recording and in simulated rooms; the last line is a
JSON object.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1])]  # what is shared with the tests is not installed

from tests.support.sightings import (
    Room,
    StrengthRun,
    bayes,
    centroid,
    covered,
    errors_m,
    nearest,
    read_strengths,
    simulated,
)

METHODS = {"bayes": bayes, "nearest": nearest, "centroid": centroid}


def rooms() -> list[StrengthRun]:
    """Rooms that differ in all that the defaults cannot know."""
    rng = np.random.default_rng(7)
    return [
        simulated(
            Room(
                width_m=rng.uniform(8.0, 50.0),
                depth_m=rng.uniform(5.0, 50.0),
                readers=int(rng.integers(3, 17)),
                power_dbm=rng.uniform(-75.0, -40.0),
                exponent=rng.uniform(1.8, 3.5),
                noise_db=rng.uniform(3.0, 8.0),
                speed_m_s=rng.uniform(0.3, 1.5),
            ),
            seed,
        )
        for seed in range(40)
    ]


def measure(label: str, runs: list[StrengthRun]) -> dict[str, dict[str, float]]:
    """Errors of every method over all runs together, printed too."""
    figures = {}
    for name, method in METHODS.items():
        places = [method(run) for run in runs]
        away_m = np.concatenate([errors_m(*pair) for pair in zip(runs, places, strict=True)])
        figures[name] = {
            "rmse_m": round(float(np.sqrt((away_m**2).mean())), 2),
            "p50_m": round(float(np.percentile(away_m, 50)), 2),
            "p95_m": round(float(np.percentile(away_m, 95)), 2),
        }
        if name == "bayes":
            inside = np.concatenate([covered(*pair) for pair in zip(runs, places, strict=True)])
            figures[name]["covered"] = round(float(inside.mean()), 3)
        print(f"{label:10}{name:10}{figures[name]}")
    return figures


def main(recording: Path) -> None:
    """Measures and prints."""
    runs = read_strengths(recording)
    bayes(runs[0])  # compiled
    for run in runs:
        measure(run.name[:9], [run])
    result = {"recording": measure("recording", runs), "rooms": measure("rooms", rooms())}
    begin = time.perf_counter()
    for run in runs:
        bayes(run)
    spent_us = (time.perf_counter() - begin) * 1e6 / sum(len(run.t_s) for run in runs)
    print(json.dumps(result | {"us_per_fix": round(spent_us, 1)}))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("which recording? give its folder")
    main(Path(sys.argv[1]))
