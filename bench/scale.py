"""What a fix costs with 1,000, 10,000 and 100,000 cards.

    ./run bench scale

With the tracker's default settings, in the open, four ranges a fix. The cards come round after
round in the same order, a gateway's tick of 1,000 cards at a time, so that with more cards more of
their state is out of the processor's caches: each card's was last touched a whole round ago. The
numbers of cards take turns; of each the median round counts, in processor time. The last line is a
JSON object: `cost_ratio` is the cost at the most cards by that at the fewest, `ns_per_fix` each.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

import numpy as np

from bench.kernel_scene import CARD_Z_M, Scene, open_scene
from positioning.observation import Records, measurements
from positioning.tracker import Tracker

CARDS: Final = (1_000, 10_000, 100_000)
TICK_CARDS: Final = 1_000
RANGES: Final = 4
#: The cards' places are found in the first rounds, which are not measured.
WARM_UP_ROUNDS: Final = 4
ROUNDS: Final = 15


@dataclass
class Crowd:
    """Cards of one number, what tracks them, and how long each round took, ns a fix."""

    scene: Scene
    tracker: Tracker
    costs_ns: list[float] = field(default_factory=list)

    def feed(self, k: int) -> None:
        """Round `k`, tick by tick."""
        measured = measurements(self.scene.round(k))
        step = TICK_CARDS * RANGES
        ticks: list[Records] = [measured[i : i + step] for i in range(0, len(measured), step)]
        told = 0
        begun_ns = time.thread_time_ns()
        for tick in ticks:
            told += len(self.tracker.latest(tick))
        took_ns = time.thread_time_ns() - begun_ns
        if k >= WARM_UP_ROUNDS:
            self.costs_ns.append(took_ns / told)


def new_crowd(cards: int) -> Crowd:
    """Cards of which nothing has been heard yet."""
    scene = open_scene(cards, WARM_UP_ROUNDS + ROUNDS)
    return Crowd(scene, Tracker(scene.anchors_m, np.full(len(scene.anchors_m), CARD_Z_M)))


def main() -> None:
    """Measures and prints."""
    crowds = {cards: new_crowd(cards) for cards in CARDS}
    for k in range(WARM_UP_ROUNDS + ROUNDS):
        for crowd in crowds.values():
            crowd.feed(k)
    cost_ns = {cards: float(np.median(crowd.costs_ns)) for cards, crowd in crowds.items()}
    for cards, ns in cost_ns.items():
        print(f"{cards:8,} cards {ns:8.0f} ns a fix")
    ratio = cost_ns[CARDS[-1]] / cost_ns[CARDS[0]]
    print(json.dumps({"cost_ratio": ratio, "ns_per_fix": cost_ns}))


if __name__ == "__main__":
    main()
