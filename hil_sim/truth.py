"""The truth beside what the devices serve, so that a run can be scored."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hil_sim.folder import SimulationError
from hil_sim.world import Heard, World

#: Machines change slowly, and have many points.
MACHINES_PERIOD_NS: Final = 1_000_000_000
FLUSH_PERIOD_NS: Final = 1_000_000_000


class TruthFiles:
    """Two files; times in them are seconds since the Unix epoch.

    `truth.csv` (`tag,t_s,x_m,y_m,z_m`): who is below, at each step of the world.
    `machines.csv` (`device,t_s,point,value`): each second.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder and the files.

        Raises:
            SimulationError: they can't be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._truth = (folder / "truth.csv").open("w", encoding="utf-8", newline="")
            self._machines = (folder / "machines.csv").open("w", encoding="utf-8", newline="")
        except OSError as error:
            msg = f"the truth can't be written to {folder}: {error.strerror}"
            raise SimulationError(msg) from None
        self._truth.write("tag,t_s,x_m,y_m,z_m\n")
        self._rows = csv.writer(self._machines, lineterminator="\n")
        self._rows.writerow(("device", "t_s", "point", "value"))
        self._next_machines_ns = 0
        self._next_flush_ns = 0

    def write(self, world: World, steps: Sequence[Heard]) -> None:
        """Adds where everyone was after each step, and each second what the machines show.

        `steps`: at least one, with the times of the devices' clocks.
        """
        for step in steps:
            t_s = f"{step.t_ns // 1_000_000_000}.{step.t_ns % 1_000_000_000 // 1000:06d}"
            places, below = step.truth.place_m.tolist(), step.truth.below.tolist()
            self._truth.writelines(
                f"{card},{t_s},{place[0]:.3f},{place[1]:.3f},{place[2]:.3f}\n"
                for card, place, is_below in zip(world.cards, places, below, strict=True)
                if is_below
            )
        now_ns = steps[-1].t_ns
        if now_ns >= self._next_machines_ns:
            self._next_machines_ns = now_ns + MACHINES_PERIOD_NS
            t_s = f"{now_ns / 1e9:.3f}"
            for device, values in world.machine_values().items():
                self._rows.writerows((device, t_s, point, v) for point, v in values.items())
        if now_ns >= self._next_flush_ns:
            self._next_flush_ns = now_ns + FLUSH_PERIOD_NS
            self._truth.flush()
            self._machines.flush()

    def close(self) -> None:
        """Writes out what is left."""
        self._truth.close()
        self._machines.close()
