"""The truth beside what the devices serve, so that a run can be scored."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hil_sim.faults.book import Active, Ended
from hil_sim.folder import SimulationError
from hil_sim.world import Heard, World

#: Machines change slowly, and have many points.
MACHINES_PERIOD_NS: Final = 1_000_000_000
FLUSH_PERIOD_NS: Final = 1_000_000_000


class TruthFiles:
    """Three files; times in them are seconds since the Unix epoch, by exact clocks of devices.

    `truth.csv` (`tag,t_s,x_m,y_m,z_m`): who is below, at each step of the world.
    `machines.csv` (`device,t_s,point,value`): each second, whatever faults make of it on the wire.
    `faults.csv` (`number,fault,device,begin_s,end_s`): a row for each device that a fault befell,
    once it is over; what was not at the end has no `end_s`.
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
            self._faults = (folder / "faults.csv").open("w", encoding="utf-8", newline="")
        except OSError as error:
            msg = f"the truth can't be written to {folder}: {error.strerror}"
            raise SimulationError(msg) from None
        self._truth.write("tag,t_s,x_m,y_m,z_m\n")
        self._rows = csv.writer(self._machines, lineterminator="\n")
        self._rows.writerow(("device", "t_s", "point", "value"))
        self._faults.write("number,fault,device,begin_s,end_s\n")
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

    def write_faults(self, ended: Sequence[Ended]) -> None:
        """Adds faults that are over."""
        for one in ended:
            self._write_fault(one.active, f"{one.end_t_ns / 1e9:.3f}")
        if ended:
            self._faults.flush()

    def _write_fault(self, active: Active, end_s: str) -> None:
        begin_s = f"{active.begin_t_ns / 1e9:.3f}"
        self._faults.writelines(
            f"{active.number},{active.fault.kind.value},{device},{begin_s},{end_s}\n"
            for device in active.devices
        )

    def close(self, active: Sequence[Active] = ()) -> None:
        """Writes out what is left; `active`: the faults that are not over."""
        for one in active:
            self._write_fault(one, "")
        for file in (self._truth, self._machines, self._faults):
            file.close()
