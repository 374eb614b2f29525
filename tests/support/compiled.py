"""Compiles the kernels that most tests use, before any of them waits for one: `./run test` does."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import numpy as np

from hil_sim.sample_map import map_text
from positioning.geojson import parse_map
from positioning.mine_map import Area, MineMap, Reader, Roadway
from positioning.settings import TrackerSettings
from positioning.warm_up import warm_up

SAMPLE: Final = parse_map(map_text(("rfid_1", "rfid_2")))
LINE_M: Final = np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]])
ROADWAYS: Final = (Roadway("main", "main", 5.0, LINE_M),)
SQUARE_M: Final = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0], [0.0, 0.0]])
AREAS: Final = (Area("room", "room", (SQUARE_M,)),)
READERS: Final = (Reader("gate", 1.0, 1.0, 2.0, 6.0),)

#: Maps that differ in what the filter must know, with the lag for which it smooths, seconds. The
#: longest first: a core takes the next one when it is free.
KINDS: Final[tuple[tuple[MineMap, float], ...]] = (
    (MineMap(ROADWAYS, (), READERS, (), AREAS), 0.0),
    (SAMPLE, 0.0),
    (MineMap((), (), READERS, (), AREAS), 0.0),
    (MineMap(ROADWAYS, (), READERS, ()), 1.0),
    (MineMap(ROADWAYS, (), (), ()), 0.0),
    (MineMap((), (), (), (), AREAS), 0.0),
    (MineMap((), (), (), (), AREAS), 1.0),
)


def _warm(kind: int) -> None:
    mine_map, lag_s = KINDS[kind]
    whole = mine_map is SAMPLE
    warm_up(mine_map, TrackerSettings(lag_s=lag_s), fences=whole, nearness=whole)


def main() -> None:
    """All kinds of maps, as many at once as there are cores."""
    cores = min(len(KINDS), os.cpu_count() or 1)
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_warm, range(len(KINDS))))


if __name__ == "__main__":
    main()
