"""Places by signal strength alone, beside the nearest reader and the weighted centroid.

    ./run bench strength ../shared/data/tetam_ble_rssi

Prints errors on the recording, in simulated rooms and on simulated roadways; the last line is a
JSON object.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1])]  # what is shared with the tests is not installed

from positioning import roadway_strength as roads
from positioning.graph import Graph, build_graph
from positioning.mine_map import Roadway
from positioning.strength import HEARD_MAX, ROW_COLUMNS
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


LINES_M = (
    [(0.0, 0.0), (300.0, 0.0), (300.0, 250.0)],
    [(150.0, 0.0), (150.0, -300.0)],
    [(300.0, 0.0), (600.0, 50.0)],
    [(150.0, -300.0), (600.0, 50.0)],
)


def readers_along(graph: Graph, gap_m: float, reach_m: float) -> roads.ReaderPlaces:
    """A reader on the wall every `gap_m` of each edge."""
    places = []
    for edge, length_m in enumerate(graph.length_m):
        pieces = slice(graph.first_piece[edge], graph.first_piece[edge + 1])
        for s_m in np.arange(gap_m / 2.0, length_m, gap_m):
            piece = pieces.start + np.searchsorted(graph.piece_s_m[pieces], s_m, "right") - 1
            on_m = (s_m - graph.piece_s_m[piece]) * graph.along[piece]
            places.append(graph.piece_m[piece] + on_m + [1.0, 1.0, 2.0])
    return roads.reader_places(graph, np.array(places), np.full(len(places), reach_m))


def roadway(gap_m: float, reach_m: float) -> dict[str, float]:
    """Errors along the roadways of 300 cards heard once, power and exponent unknown; printed."""
    rng = np.random.default_rng(3)
    graph = build_graph(
        [
            Roadway(str(i), "", 5.0, np.array([(x, y, 0.0) for x, y in line]))
            for i, line in enumerate(LINES_M)
        ]
    )
    readers = readers_along(graph, gap_m, reach_m)
    around = (tuple(graph), (readers.edge, readers.at))
    rows, ways = np.empty((32, ROW_COLUMNS)), np.empty((HEARD_MAX, 2))
    work = (rows, ways, np.empty((roads.SAMPLES, roads.SAMPLE_COLUMNS)))
    out = np.empty(roads.ROADWAY_FIGURES)
    found, nearest_m, inside, elsewhere = [], [], [], []
    for _ in range(300):
        edge = int(rng.choice(len(graph.length_m), p=graph.length_m / graph.length_m.sum()))
        s_m = rng.uniform(0.0, graph.length_m[edge])
        ways_m = np.array(
            [
                roads.signed_way_m(around[0], edge, s_m, int(home), float(at[0]))
                for home, at in zip(readers.edge, readers.at, strict=True)
            ]
        )
        falling = 10.0 * rng.uniform(1.6, 3.0) * np.log10(np.hypot(ways_m, readers.at[:, 1]))
        rssi = -55.0 + rng.uniform(-15.0, 15.0) - falling + rng.normal(0.0, 6.0, len(ways_m))
        heard = np.flatnonzero(rssi > -95.0)
        sightings = (heard, np.zeros(len(heard)), rssi[heard])
        if not roads.roadway_strength_place(around, len(heard), sightings, work, out):
            continue
        place = (int(out[roads.OUT_EDGE]), float(out[roads.OUT_S]))
        found.append(abs(roads.signed_way_m(around[0], *place, edge, s_m)))
        nearest_m.append(abs(ways_m[np.argmax(rssi)]))
        inside.append(found[-1] < 1.96 * np.sqrt(out[roads.OUT_VAR_S]))
        elsewhere.append(out[roads.OUT_OTHER_SHARE] > 0.1)
    alone = np.array(inside)[~np.array(elsewhere)]
    figures = {
        "along_p50_m": round(float(np.percentile(found, 50)), 1),
        "along_p95_m": round(float(np.percentile(found, 95)), 1),
        "nearest_p50_m": round(float(np.percentile(nearest_m, 50)), 1),
        "nearest_p95_m": round(float(np.percentile(nearest_m, 95)), 1),
        "covered": round(float(np.mean(inside)), 3),
        "covered_if_no_second": round(float(alone.mean()), 3),
        "second": round(float(np.mean(elsewhere)), 3),
    }
    print(f"readers every {gap_m:g} m, reach {reach_m:g} m: {figures}")
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
    along = {
        f"{gap_m:g}/{reach_m:g}": roadway(gap_m, reach_m)
        for gap_m, reach_m in ((30.0, 40.0), (60.0, 40.0), (60.0, 80.0), (120.0, 80.0))
    }
    print(json.dumps(result | {"roadways": along, "us_per_fix": round(spent_us, 1)}))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("which recording? give its folder")
    main(Path(sys.argv[1]))
