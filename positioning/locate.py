"""A recording to fixes, as the gateway would make them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from positioning.anchor_stats import ANCHOR_STATS
from positioning.cards import Rejections
from positioning.observation import Records
from positioning.recording import Run, read_recording
from positioning.tracker import Tracker

#: How high a card is carried above the floor, unless the user knows better.
CARD_HEIGHT_M: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class LocatedRun:
    """A run and what came of it: `fixes` (n,) FIX, with the handles of `run.tags`.

    `anchor_stats` (anchors,) ANCHOR_STATS: what the ranges say of the run's anchors.
    """

    run: Run
    fixes: Records
    anchor_stats: Records
    rejections: Rejections


def card_height_m(run: Run, height_m: float | None) -> float:
    """The height of a run's cards: `height_m`, or if None a default.

    That is 1 m above z = 0, but 0 where every anchor's z is 0: then the run was recorded in a plane
    and its ranges have no vertical part.
    """
    if height_m is not None:
        return height_m
    return CARD_HEIGHT_M if run.anchors_m[:, 2].any() else 0.0


def locate_recording(recording: Path, height_m: float | None = None) -> tuple[LocatedRun, ...]:
    """Fixes of every run of the folder `recording`, each run by a tracker of its own.

    `height_m` as in `card_height_m`.

    Raises:
        RecordingError: a file is missing or wrong; the text names file, line, column and problem.
    """
    located = []
    for run in read_recording(recording):
        heights_m = np.full(len(run.anchors_m), card_height_m(run, height_m))
        tracker = Tracker(run.anchors_m, heights_m)
        fixes = tracker.update(run.ranges)
        stats = np.zeros(len(run.anchors_m), ANCHOR_STATS)
        located.append(LocatedRun(run, fixes, stats, tracker.rejections))
    return tuple(located)
