"""Compiles the kernels that most tests use, before any of them waits for one: `./run test` does."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final

import numpy as np

from hil_sim.sample_map import map_text
from positioning.geojson import parse_map
from positioning.mine_map import Area, MineMap, Roadway
from positioning.settings import TrackerSettings
from positioning.warm_up import warm_up


def _sample_mine() -> None:
    """What takes longest."""
    sample = parse_map(map_text(("rfid_1", "rfid_2")))
    warm_up(sample, TrackerSettings(), fences=True, nearness=True)


def _roadways_alone() -> None:
    line_m = np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]])
    warm_up(MineMap((Roadway("main", "main", 5.0, line_m),), (), (), ()), TrackerSettings())


def _open_area(lag_s: float) -> None:
    square_m = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0], [0.0, 0.0]])
    room = MineMap((), (), (), (), (Area("room", "room", (square_m,)),))
    warm_up(room, TrackerSettings(lag_s=lag_s))


#: The longest first: a core takes the next one when it is free.
KINDS: Final[tuple[Callable[[], None], ...]] = (
    _sample_mine,
    _roadways_alone,
    partial(_open_area, 0.0),
    partial(_open_area, 1.0),
)


def _warm(kind: int) -> None:
    KINDS[kind]()


def main() -> None:
    """All kinds of maps, as many at once as there are cores."""
    cores = min(len(KINDS), os.cpu_count() or 1)
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_warm, range(len(KINDS))))


if __name__ == "__main__":
    main()
