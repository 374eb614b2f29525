"""A recording to fixes, as the gateway would make them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from positioning.cards import Rejections
from positioning.locator import Locator
from positioning.observation import Records
from positioning.recording import Run, read_recording
from positioning.settings import TrackerSettings
from positioning.tracker import Tracker

#: How high a card is carried above the floor, unless the user knows better.
CARD_HEIGHT_M: Final = 1.0

_DEFAULTS: Final = TrackerSettings()


@dataclass(frozen=True, slots=True, eq=False)
class LocatedRun:
    """A run and what came of it: `fixes` (n,) FIX, with the handles of `run.tags`.

    `lagged` (m,) FIX: the smoothed output, empty where none was asked for. `anchor_stats`: what
    each anchor's ranges say of it, (anchors,) ANCHOR_STATS.
    """

    run: Run
    fixes: Records
    lagged: Records
    rejections: Rejections
    anchor_stats: Records


def card_height_m(run: Run, height_m: float | None) -> float:
    """The height of a run's cards: `height_m`, or if None a default.

    That is 1 m above z = 0, but 0 where the z of every anchor and reader is 0: then the run was
    recorded in a plane and its ranges have no vertical part.
    """
    if height_m is not None:
        return height_m
    return CARD_HEIGHT_M if run.anchors_m[:, 2].any() or run.readers_m[:, 2].any() else 0.0


def locate_recording(
    recording: Path, height_m: float | None = None, settings: TrackerSettings = _DEFAULTS
) -> tuple[LocatedRun, ...]:
    """Fixes of every run of the folder `recording`, each run by a tracker of its own.

    `height_m` as in `card_height_m`.

    Raises:
        RecordingError: a file is missing or wrong; the text names file, line, column and problem.
    """
    return tuple(_located(run, height_m, settings) for run in read_recording(recording))


def _located(run: Run, height_m: float | None, settings: TrackerSettings) -> LocatedRun:
    tracker: Locator | Tracker
    if run.map is not None:
        tracker = Locator(run.map, CARD_HEIGHT_M if height_m is None else height_m, settings)
        fixes = tracker.locate(run.measurements)
    else:
        card_z_m = card_height_m(run, height_m)
        tracker = Tracker(
            run.anchors_m,
            np.full(len(run.anchors_m), card_z_m),
            settings,
            readers=run.readers,
            reader_card_z_m=np.full(len(run.readers), card_z_m),
        )
        fixes = tracker.update(run.measurements)
    lagged, stats = tracker.take_lagged(), tracker.anchor_stats()
    return LocatedRun(run, fixes, lagged, tracker.rejections, stats)
