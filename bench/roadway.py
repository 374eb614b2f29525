"""The gateway's locator and a plain 2-D Kalman filter on the simulated roadways, in the same run.

    ./run bench roadway [--seed N] [--seeds N] [--walkers N] [--seconds N] [--write FOLDER]

30 walkers for 600 s in 2.4 km of roadways (`hil_sim/roadway_trial.py`), once with every range in
line of sight and once with 20 % in bursts without, each without readers and with a directional
reader at both junctions. Both filters are scored at each range's time, from 10 s after the first
range of its card, with what they last said:

along        way along the roadways from the true place to that of the answer. The place of an
             answer that names no roadway is the nearest centreline's.
wrong edge   the answer is in another roadway, and more than 3 m of way off.
horizontal   straight from place to place, sideways error included.
unmarked     an error above 50 m, along or horizontal, of an answer that is not called ambiguous,
             zone or lost.

`vs_plain_ekf` is how far the locator's along error at p95 lies below the rival's, as a share of it;
`horizontal_vs_plain_ekf` the same of the horizontal error. The last line printed is a JSON object;
figures are by the percentage without line of sight, over all seeds together.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # the simulator's scenario, in a checkout

import numpy as np
from numpy.typing import NDArray

from bench.plain_ekf import plain_ekf
from hil_sim.people import CARD_HEIGHT_M
from hil_sim.roadway_trial import Trial, roadway_trial
from hil_sim.trial_folder import write_trial
from hil_sim.trial_walks import Places
from positioning.graph import Graph, build_graph
from positioning.locator import Locator
from positioning.observation import FixClass, Records, new_fixes
from positioning.roadway import Roadways

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NLOS_PERCENT = (0, 20)
SETTLE_NS = 10_000_000_000
WRONG_M = 3.0
FAR_M = 50.0
MARKED = (FixClass.AMBIGUOUS, FixClass.ZONE, FixClass.LOST)
#: Squared Mahalanobis distance that holds 95 % of a plane's normal distribution.
CHI2_95 = 5.991


@dataclass(frozen=True)
class Errors:
    """Errors at the scored ranges, (n,) each; `covered` of those with a covariance.

    `marked`: the answer is called ambiguous, zone or lost. `unanswered`: how many ranges came
    before any answer for their card.
    """

    along_m: Floats
    horizontal_m: Floats
    wrong: Flags
    marked: Flags
    covered: Flags
    unanswered: int

    def figures(self) -> dict[str, float]:
        """The figures of these errors."""
        return {
            "along_p50_m": float(np.percentile(self.along_m, 50)),
            "along_p95_m": float(np.percentile(self.along_m, 95)),
            "wrong_edge": float(self.wrong.mean()),
            "horizontal_p50_m": float(np.percentile(self.horizontal_m, 50)),
            "horizontal_p95_m": float(np.percentile(self.horizontal_m, 95)),
            "max_m": float(self.worst_m.max()),
            "over_50_m": int((self.worst_m > FAR_M).sum()),
            "unmarked_over_50_m": int(((self.worst_m > FAR_M) & ~self.marked).sum()),
            "marked": float(self.marked.mean()),
            "coverage_95": float(self.covered.mean()) if len(self.covered) else float("nan"),
            "unanswered": self.unanswered,
        }

    @property
    def worst_m(self) -> Floats:
        """The larger of both errors."""
        worst: Floats = np.maximum(self.along_m, self.horizontal_m)
        return worst


def joined(parts: list[Errors]) -> Errors:
    """The errors of several trials as one."""
    return Errors(
        along_m=np.concatenate([part.along_m for part in parts]),
        horizontal_m=np.concatenate([part.horizontal_m for part in parts]),
        wrong=np.concatenate([part.wrong for part in parts]),
        marked=np.concatenate([part.marked for part in parts]),
        covered=np.concatenate([part.covered for part in parts]),
        unanswered=sum(part.unanswered for part in parts),
    )


def ways_m(
    graph: Graph, a: tuple[NDArray[np.int64], Floats], b: tuple[NDArray[np.int64], Floats]
) -> Floats:
    """The shortest ways along the graph, (n,), between places given as roadway and chainage."""
    (a_edge, a_m), (b_edge, b_m) = on_edges(graph, *a), on_edges(graph, *b)
    ways = np.where(a_edge == b_edge, np.abs(a_m - b_m), np.inf)
    for i, from_m in ((0, a_m), (1, graph.length_m[a_edge] - a_m)):
        for j, to_m in ((0, b_m), (1, graph.length_m[b_edge] - b_m)):
            between_m = graph.apart_m[graph.ends[a_edge, i], graph.ends[b_edge, j]]
            ways = np.minimum(ways, from_m + between_m + to_m)
    return ways


def on_edges(
    graph: Graph, roadway: NDArray[np.int64], chainage_m: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Edge and metres along it of places on roadways."""
    edge = np.zeros(len(roadway), np.int64)
    for i in range(len(graph.length_m)):
        edge[(graph.roadway[i] == roadway) & (graph.chainage_m[i] <= chainage_m)] = i
    s_m = np.clip(chainage_m - graph.chainage_m[edge], 0.0, graph.length_m[edge])
    return edge, s_m


def located(trial: Trial) -> Records:
    """The last fix of its card at each range's time, (n,) FIX; of class 0 where there is none."""
    fixes = Locator(trial.mine, CARD_HEIGHT_M).locate(trial.measurements)
    answers = new_fixes(len(trial.ranges))
    for card in range(len(trial.tags)):
        own = fixes[fixes["card"] == card]
        own = own[np.argsort(own["t_ns"], kind="stable")]
        rows = np.flatnonzero(trial.ranges["card"] == card)
        last = np.searchsorted(own["t_ns"], trial.ranges["t_ns"][rows], "right") - 1
        answers[rows[last >= 0]] = own[last[last >= 0]]
    return answers


def rival(trial: Trial, truth: Places) -> Records:
    """The same of the plain filter: places only."""
    anchors_m = np.array([(a.x_m, a.y_m, a.z_m) for a in trial.mine.anchors])
    places_m = plain_ekf(anchors_m, trial.ranges, truth.place_m[:, 2])
    answers = new_fixes(len(trial.ranges))
    answers["x_m"], answers["y_m"] = places_m.T
    answers["fix_class"] = np.where(np.isfinite(places_m[:, 0]), FixClass.PRECISE, 0)
    return answers


def errors(trial: Trial, truth: Places, answers: Records) -> Errors:
    """The errors of the answers to a trial's ranges."""
    t_ns, card = trial.ranges["t_ns"], trial.ranges["card"]
    first_ns = np.full(len(trial.tags), np.iinfo(np.int64).max)
    np.minimum.at(first_ns, card, t_ns)
    settled = t_ns >= first_ns[card] + SETTLE_NS
    given = settled & (answers["fix_class"] > 0)
    fixes = answers[given]
    ex_m = fixes["x_m"] - truth.place_m[given, 0]
    ey_m = fixes["y_m"] - truth.place_m[given, 1]
    nearest = Roadways(trial.mine.roadways).nearest(np.column_stack([fixes["x_m"], fixes["y_m"]]))
    named = fixes["roadway"] >= 0
    roadway = np.where(named, fixes["roadway"], nearest.roadway).astype(np.int64)
    chainage_m = np.where(named, fixes["chainage_m"], nearest.chainage_m)
    true_roadway = truth.roadway[given]
    along_m = ways_m(
        build_graph(trial.mine.roadways),
        (true_roadway, truth.chainage_m[given]),
        (roadway, chainage_m),
    )
    return Errors(
        along_m=along_m,
        horizontal_m=np.hypot(ex_m, ey_m),
        wrong=(roadway != true_roadway) & (along_m > WRONG_M),
        marked=np.isin(fixes["fix_class"], MARKED),
        covered=covered(fixes, ex_m, ey_m),
        unanswered=int(settled.sum() - given.sum()),
    )


def covered(fixes: Records, ex_m: Floats, ey_m: Floats) -> Flags:
    """Which 95 % ellipses hold the truth; only of fixes that have one."""
    xx, xy, yy = fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"]
    area = xx * yy - xy * xy
    has = area > 0
    squared = (yy * ex_m**2 - 2 * xy * ex_m * ey_m + xx * ey_m**2)[has] / area[has]
    inside: Flags = squared <= CHI2_95
    return inside


def run(
    seeds: list[int], percent: int, walkers: int, seconds: float
) -> dict[str, dict[str, float]]:
    """The figures of the locator, the locator with readers, and the rival, over all seeds."""
    scored: dict[str, list[Errors]] = {"locator": [], "with readers": [], "plain EKF": []}
    for seed in seeds:
        for readers in (False, True):
            trial = roadway_trial(
                seed, nlos_share=percent / 100, cards=walkers, duration_s=seconds, readers=readers
            )
            truth = trial.truth_of(trial.ranges)
            name = "with readers" if readers else "locator"
            scored[name].append(errors(trial, truth, located(trial)))
        scored["plain EKF"].append(errors(trial, truth, rival(trial, truth)))
        for name, parts in scored.items():
            show(f"{percent:2} % seed {seed}", name, parts[-1].figures())
    figures = {name: joined(parts).figures() for name, parts in scored.items()}
    if len(seeds) > 1:
        for name, of_name in figures.items():
            show(f"{percent:2} % all", name, of_name)
    return figures


def show(trial: str, name: str, figures: dict[str, float]) -> None:
    """One line of the table."""
    print(
        f"{trial:12} {name:12} along {figures['along_p50_m']:6.3f} {figures['along_p95_m']:7.3f}"
        f"   wrong edge {figures['wrong_edge']:6.2%}"
        f"   horizontal {figures['horizontal_p50_m']:6.2f} {figures['horizontal_p95_m']:6.2f}"
        f"   max {figures['max_m']:5.0f}"
        f"   >50 m {figures['over_50_m']:4.0f}, unmarked {figures['unmarked_over_50_m']:4.0f}"
        f"   ellipse {figures['coverage_95']:6.1%}",
        flush=True,
    )


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(prog="./run bench roadway")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--walkers", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument(
        "--write", type=Path, metavar="FOLDER", help="write the first seed's recordings there"
    )
    given = parser.parse_args()
    seeds = list(range(given.seed, given.seed + given.seeds))
    if given.write:
        for percent in NLOS_PERCENT:
            trial = roadway_trial(
                given.seed,
                nlos_share=percent / 100,
                cards=given.walkers,
                duration_s=given.seconds,
            )
            write_trial(trial, given.write / f"nlos_{percent}")
    print("along and horizontal: p50 and p95, metres")
    by_percent = {p: run(seeds, p, given.walkers, given.seconds) for p in NLOS_PERCENT}
    print(json.dumps(result(by_percent)))


def result(by_percent: dict[int, dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The figures by name, then by percentage without line of sight."""

    def of(name: str, figure: str) -> dict[str, float]:
        return {str(p): round(figures[name][figure], 4) for p, figures in by_percent.items()}

    def below(figure: str) -> dict[str, float]:
        own, others = of("locator", figure), of("plain EKF", figure)
        return {p: round(1 - own[p] / others[p], 4) for p in own}

    same = ("along_p50_m", "along_p95_m", "wrong_edge")
    more = ("horizontal_p95_m", "max_m", "over_50_m", "unmarked_over_50_m", "coverage_95")
    return {
        **{figure: of("locator", figure) for figure in same},
        "vs_plain_ekf": below("along_p95_m"),
        "horizontal_vs_plain_ekf": below("horizontal_p95_m"),
        **{figure: of("locator", figure) for figure in (*more, "marked", "unanswered")},
        **{f"{figure}_with_readers": of("with readers", figure) for figure in (*same, *more)},
        **{f"{figure}_plain_ekf": of("plain EKF", figure) for figure in (*same, more[0])},
    }


if __name__ == "__main__":
    main()
