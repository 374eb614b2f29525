"""What the tests of faults share: faults that begin and end at once, on served devices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from equipment.report import Value
from hil_sim.faults.book import Active, FaultBook
from hil_sim.faults.kinds import FaultKind, befallen, check, made
from hil_sim.faults.targets import targets_of
from hil_sim.folder import MineFolder
from hil_sim.machines import make_machine
from hil_sim.serve.servers import Servers
from hil_sim.stations import Stations

T_NS = 1_764_500_000_000_000_000


class FaultRig:
    """The devices of a folder, with the values that their machines have."""

    def __init__(self, folder: MineFolder) -> None:
        self.book = FaultBook()
        self.targets = targets_of(folder)
        self.stations = Stations(folder, ("1",), 1, T_NS, self.book)
        readers = {name: one.registers for name, one in self.stations.by_device.items()}
        self.servers = Servers(folder, readers, self.book)
        self.values: dict[str, dict[str, Value]] = {
            d.id: make_machine(d.profile, "S", (1,)).values() for d in folder.machines
        }

    async def show(self, device: str, world_s: float = 0.0, **values: Value) -> None:
        """Changes values of a machine and shows them."""
        self.values[device] = self.values[device] | values
        await self.servers.show(self.values, world_s)

    async def begin(self, device: str, kind: FaultKind, **details: Any) -> Active:
        fault = made(device=device, kind=kind, **details)
        devices = befallen(fault, check(fault, self.targets))
        active = self.book.inject(fault, devices, 0.0, None, T_NS)
        await self._follow()
        return active

    async def end(self, active: Active) -> None:
        assert self.book.end(active.number, T_NS) is active
        await self._follow()

    async def _follow(self) -> None:
        await self.servers.follow()
        await self.servers.show(self.values)


@asynccontextmanager
async def rig_of(folder: MineFolder) -> AsyncIterator[FaultRig]:
    rig = FaultRig(folder)
    await rig.servers.start(rig.values)
    try:
        yield rig
    finally:
        await rig.servers.close()
