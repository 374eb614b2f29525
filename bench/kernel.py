"""The kernel and the tracker beside FilterPy and a batched NumPy filter, in the same run.

    ./run bench kernel [CARDS]

Four ranges make a fix, for all, each at its own time. The rivals do nothing but predict and update;
so does the kernel alone: the tracker's own two functions for four states, gates and Huber's weight
included, on the tracker's own cards. The tracker does all: it refuses what is wrong or repeated,
judges anchors, keeps what it needs to find lost cards again, and answers with a fix for each card;
it is given a round of all cards at once, as one array that is ready. Each is measured several
times, in turns, and its best processor time counts, so that what else the machine does matters
less.

The last line is JSON, how many times as many fixes per second as the rival: `vs_filterpy` and
`vs_numpy` the kernel alone; `tracker_vs_filterpy` and `tracker_vs_numpy` the tracker with four
states, `bias_vs_filterpy` with bias states too (the default), `roadway_vs_filterpy` on the
roadways' graph. `vs_filterpy_epochs` is the kernel against FilterPy with all four ranges of a fix
as one measurement, and `vs_numpy_columns` against NumPy with the cards' axis last.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

import numpy as np

from bench import filterpy_rival, numpy_rival
from bench.kernel_scene import (
    CARD_Z_M,
    RANGE_SIGMA_M,
    Scene,
    open_scene,
    rmse_m,
    roadway_scene,
)
from positioning.area_plain import predict_plain
from positioning.area_quick import absorb_range
from positioning.graph import build_graph
from positioning.jit import njit
from positioning.mine_map import MineMap
from positioning.observation import Records, measurements
from positioning.settings import TrackerSettings
from positioning.tracker import Tracker

#: The tracker finds the cards' places and makes room for them in the first rounds, which are
#: not measured: a filter of a rival is simply told where it is.
WARM_UP_ROUNDS: Final = 5
ROUNDS: Final = 45
TURNS: Final = 5

#: Fixes per second, and the RMSE of the last round.
Measured = tuple[float, float]


def plain_settings() -> TrackerSettings:
    """Four states, no biases."""
    return TrackerSettings(range_sigma_m=RANGE_SIGMA_M, bias_sigma_m=0.0)


@njit
def _follow(cards: Records, sites: Records, measured: Records) -> None:
    """Ranges of cards that are followed already into their filters."""
    site = sites[0]
    for i in range(len(measured)):
        m = measured[i]
        card = cards[m["card"]]
        dt_ns = m["t_ns"] - card["t_ns"]
        if dt_ns > 0:
            predict_plain(card, site, dt_ns * 1e-9)
            card["t_ns"] = m["t_ns"]
        absorb_range(card, site, m["source"], m["value_m"])


def kernel_rate(given: Scene) -> Measured:
    """The kernel alone, on cards that a tracker has found."""
    tracker = Tracker(given.anchors_m, np.full(len(given.anchors_m), CARD_Z_M), plain_settings())
    rounds = [measurements(ranges) for ranges in given.rounds()]
    for measured in rounds[:WARM_UP_ROUNDS]:
        tracker.latest(measured)
    cards, sites = tracker._cards, tracker._sites  # noqa: SLF001 its own state is the point
    _follow(cards, sites, rounds[0][:0])
    begun_s = time.thread_time()
    for measured in rounds[WARM_UP_ROUNDS:]:
        _follow(cards, sites, measured)
    took_s = time.thread_time() - begun_s
    fixes, places_m = len(given.start_m) * (len(rounds) - WARM_UP_ROUNDS), cards["mean"][:, :2]
    return fixes / took_s, rmse_m(places_m[: len(given.start_m)], given.truth_m[-1])


def tracker_rate(given: Scene, settings: TrackerSettings) -> Measured:
    """The tracker in the open."""
    heights_m = np.full(len(given.anchors_m), CARD_Z_M)
    return _rate(given, Tracker(given.anchors_m, heights_m, settings))


def roadway_rate(mine_map: MineMap, given: Scene) -> Measured:
    """The filter on the roadways' graph."""
    graph = build_graph(mine_map.roadways, CARD_Z_M)
    heights_m = np.full(len(given.anchors_m), CARD_Z_M)
    return _rate(given, Tracker(given.anchors_m, heights_m, graph=graph))


def _rate(given: Scene, tracker: Tracker) -> Measured:
    """Feeds round after round; the error is that of the last round's fixes."""
    rounds = [measurements(ranges) for ranges in given.rounds()]
    for measured in rounds[:WARM_UP_ROUNDS]:
        tracker.latest(measured)
    begun_s, told = time.thread_time(), 0
    for measured in rounds[WARM_UP_ROUNDS:]:
        fixes = tracker.latest(measured)
        told += len(fixes)
    took_s = time.thread_time() - begun_s
    places_m = np.column_stack([fixes["x_m"], fixes["y_m"]])
    return told / took_s, rmse_m(places_m, given.truth_m[-1][fixes["card"]])


def main(cards: int) -> None:
    """Measures and prints."""
    scene = open_scene(cards, WARM_UP_ROUNDS + ROUNDS)
    mine_map, in_roadways = roadway_scene(cards, WARM_UP_ROUNDS + ROUNDS)
    few = scene.part(min(cards, 100), 20)  # enough for a second of FilterPy
    contestants: dict[str, Callable[[], Measured]] = {
        "kernel alone, 4 states": lambda: kernel_rate(scene),
        "tracker, 4 states": lambda: tracker_rate(scene, plain_settings()),
        "tracker, biases": lambda: tracker_rate(scene, TrackerSettings()),
        "tracker, roadways": lambda: roadway_rate(mine_map, in_roadways),
        "NumPy, (n, 4, 4)": lambda: numpy_rival.rate(scene),
        "NumPy, (4, 4, n)": lambda: numpy_rival.rate_of_columns(scene),
        "FilterPy, range by range": lambda: filterpy_rival.rate(few),
        "FilterPy, four at once": lambda: filterpy_rival.rate_of_epochs(few),
    }
    found: dict[str, list[Measured]] = {name: [] for name in contestants}
    for _ in range(TURNS):
        for name, measure in contestants.items():
            found[name].append(measure())
    best = {name: max(measured) for name, measured in found.items()}
    print(f"{cards} cards, 4 ranges a fix, best of {TURNS}")
    for name, (fixes_per_s, error_m) in best.items():
        print(f"{name:26}{fixes_per_s:14,.0f} fixes/s   RMSE {error_m:.3f} m")
    rates = (rate for rate, _ in best.values())
    kernel, plain, biases, roadways, rows, columns, filterpy, epochs = rates
    result = {
        "vs_filterpy": kernel / filterpy,
        "vs_numpy": kernel / rows,
        "tracker_vs_filterpy": plain / filterpy,
        "tracker_vs_numpy": plain / rows,
        "bias_vs_filterpy": biases / filterpy,
        "roadway_vs_filterpy": roadways / filterpy,
        "vs_filterpy_epochs": kernel / epochs,
        "vs_numpy_columns": kernel / columns,
        "fixes_per_s": {name: rate for name, (rate, _) in best.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 2000)
