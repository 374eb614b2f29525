"""Compiles the kernels that most tests use, before any of them waits for one: `./run test` does."""

import numpy as np

from hil_sim.sample_map import map_text
from positioning.geojson import parse_map
from positioning.mine_map import Area, MineMap, Roadway
from positioning.settings import TrackerSettings
from positioning.warm_up import warm_up


def main() -> None:
    """The sample mine, roadways alone, and an open area with and without its smoothed output."""
    sample = parse_map(map_text(("rfid_1", "rfid_2")))
    warm_up(sample, TrackerSettings(), fences=True, nearness=True)
    line_m = np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]])
    warm_up(MineMap((Roadway("main", "main", 5.0, line_m),), (), (), ()), TrackerSettings())
    square_m = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0], [0.0, 0.0]])
    room = MineMap((), (), (), (), (Area("room", "room", (square_m,)),))
    for lag_s in (0.0, 1.0):
        warm_up(room, TrackerSettings(lag_s=lag_s))


if __name__ == "__main__":
    main()
