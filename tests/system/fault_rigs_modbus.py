"""Modbus devices with faults: libmodbus and jsmodbus, on the far side of wires that fail."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.protocols.serial_hub import Hub, converter, hub
from tests.support.places import PEERS, built_modbus_device, missing_node
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.system import fault_frames as frames
from tests.system.fault_plant import (
    Case,
    Plant,
    hanging,
    machine_profile,
    resetting,
    setting,
    signalling,
    stopping,
)
from tests.system.fault_proxy import Proxy, Wire, proxy

#: How long an answer may take.
TIMEOUT_S = 0.5
SLOW_S = 3 * TIMEOUT_S

POINTS = 29
#: Two blocks, which are read one by one.
_BLOCKS = """
gap = 0
[[point]]
name = "v{n}"
meaning = { en = "value {n}", zh = "值{n}" }
address = 64
type = "uint32"
repeat = { count = 16, step = 2, first = 0 }
[[point]]
name = "v{n}"
meaning = { en = "value {n}", zh = "值{n}" }
address = 98
type = "uint32"
repeat = { count = 13, step = 2, first = 16 }
"""
PROFILES = {
    "plant.toml": machine_profile("plant", "modbus", _BLOCKS, "period_s = 0.2\nsilence_s = 2.0")
}
#: The point in the register that is refused.
REFUSED_POINT = "v3"

#: Faults that a wire makes, and how.
_CHANGES: Mapping[str, tuple[str, Callable[[frames.Frames], object]]] = {
    "slow": ("delay_s", lambda _: SLOW_S),
    "short": ("change", frames.short),
    "length": ("change", frames.longer),
    "id": ("change", frames.of_others),
    "one_refused": ("answer", frames.refuse_one),
    "all_refused": ("answer", frames.refuse_all),
    "garbage": ("change", frames.garbage),
    "cut": ("cuts", lambda _: True),
    "half_closed": ("half_closes", lambda _: True),
    "flipped": ("change", frames.flipped),
}


def case_on(wire: Wire, fault: str, framing: frames.Frames) -> Case:
    """A device whose wire makes the fault."""
    name, value = _CHANGES[fault]
    missing = frozenset({REFUSED_POINT} if fault == "one_refused" else ())
    begin = setting(wire, name, value(framing))
    return Case(fault, fault, begin, resetting(wire), missing)


class Units:
    """Starts devices, and ends all of them."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._program = built_modbus_device(folder)
        self._folder = folder
        self._stack = stack

    async def start(self, port: int | str, number: int, unit: int = 1) -> Process:
        """One of libmodbus, ready."""
        words = (port, 20, 1, 0, unit, number)
        return await self._started(Process([self._program, *map(str, words)], self._folder, "c"))

    async def start_js(self, port: int, number: int) -> Process:
        """One of jsmodbus, ready."""
        if why := missing_node("jsmodbus"):
            pytest.skip(why)
        command = ["node", "modbus_device.js", str(port), str(number)]
        return await self._started(Process(command, self._folder, "js", cwd=PEERS))

    async def _started(self, process: Process) -> Process:
        self._stack.callback(process.end)
        # A process that is stopped does not end when it is asked to.
        self._stack.callback(process.popen.send_signal, signal.SIGCONT)
        await asyncio.to_thread(process.word_after, "ready")
        return process


@asynccontextmanager
async def modbus_tcp(folder: Path) -> AsyncIterator[Plant]:
    """A device of its own for each fault."""
    plant = Plant(POINTS, PROFILES)
    async with AsyncExitStack() as stack:
        units = Units(folder, stack)

        def keys(port: int) -> dict[str, Any]:
            return {"host": "127.0.0.1", "port": port, "timeout_s": TIMEOUT_S}

        for name, start in (("good_c", units.start), ("good_js", units.start_js)):
            port = free_port()
            await start(port, plant.add_neighbour(name, "plant", **keys(port)))
        for fault in [one for one in _CHANGES if one != "flipped"]:
            port = free_port()
            wire = await stack.enter_async_context(proxy(port))
            await units.start(port, plant.add(fault, "plant", **keys(wire.port)))
            plant.cases.append(case_on(wire, fault, frames.TcpFrames()))
        port = free_port()
        wire = await stack.enter_async_context(proxy(port))
        await units.start(port, plant.add("hung", "plant", **keys(wire.port)))
        plant.cases.append(hanging(wire))
        await _add_killed(plant, units, keys)
        port = free_port()
        number = plant.add("silent", "plant", **keys(port))
        plant.cases.append(stopping(await units.start_js(port, number)))
        await _add_readers(plant, units, keys)
        yield plant


async def _add_killed(plant: Plant, units: Units, keys: Callable[[int], dict[str, Any]]) -> None:
    port = free_port()
    number = plant.add("dead", "plant", **keys(port))
    killed = await units.start(port, number)

    async def kill() -> None:
        killed.kill()

    async def again() -> None:
        await units.start(port, number)

    plant.cases.append(Case("dead", "dead", kill, again))


async def _add_readers(plant: Plant, units: Units, keys: Callable[[int], dict[str, Any]]) -> None:
    """Readers whose clocks are wrong: a machine tells no time over Modbus."""
    for fault in _CLOCKS:
        port = free_port()
        plant.add_reader(fault, "uwb_reader", **keys(port))
        plant.cases.append(clock_case(fault, await units.start(port, 0)))


_CLOCKS = {"jump": signal.SIGUSR1, "drift": signal.SIGUSR2}


def clock_case(fault: str, reader: Process) -> Case:
    """The same signal puts a clock wrong, and right again."""
    toggle = signalling(reader, _CLOCKS[fault])
    return Case(fault, fault, toggle, toggle, reads_records=True)


@asynccontextmanager
async def rtu_over_tcp(folder: Path) -> AsyncIterator[Plant]:
    """For each fault a line behind a converter of its own; on one of them a second unit."""
    plant = Plant(POINTS, PROFILES)
    async with AsyncExitStack() as stack:
        units = Units(folder, stack)

        async def add(
            device: str, profile: str = "plant", *, fault: bool = True
        ) -> tuple[Hub, Proxy, Process]:
            line = await stack.enter_async_context(hub())
            wire = await stack.enter_async_context(
                proxy(await stack.enter_async_context(converter(line)))
            )
            number = _add(plant, device, profile, fault=fault, **_at(wire))
            return line, wire, await units.start(line.unit_port(), number)

        await add("good", fault=False)
        for fault in _CHANGES:
            _, wire, _ = await add(fault)
            plant.cases.append(case_on(wire, fault, frames.RtuFrames()))
        _, wire, _ = await add("hung")
        plant.cases.append(hanging(wire))
        _, wire, _ = await add("dead")
        plant.cases.append(Case("dead", "dead", wire.refuse, wire.listen))
        line, wire, unit = await add("silent")
        plant.beside.append("beside_silent")
        number = plant.add_neighbour("beside_silent", "plant", unit=2, **_at(wire))
        await units.start(line.unit_port(), number, unit=2)
        plant.cases.append(stopping(unit))
        for fault in _CLOCKS:
            _, _, unit = await add(fault, "uwb_reader")
            plant.cases.append(clock_case(fault, unit))
        yield plant


def _at(wire: Proxy) -> dict[str, Any]:
    return {
        "transport": "rtu_over_tcp",
        "host": "127.0.0.1",
        "port": wire.port,
        "timeout_s": TIMEOUT_S,
    }


def _add(plant: Plant, device: str, profile: str, *, fault: bool, **keys: Any) -> int:
    if profile != "plant":
        plant.add_reader(device, profile, **keys)
        return 0
    return (plant.add if fault else plant.add_neighbour)(device, profile, **keys)


class SerialWire(Wire):
    """What a serial line does to what its units say."""

    def __init__(self, line: Hub, place: Path) -> None:
        """`place`: the port's name for the gateway, which stays the same."""
        super().__init__()
        self._line = line
        self._place = place
        self._ask = line.ask
        line.changed = self._changed
        line.ask = self._asked  # type: ignore[method-assign]  # a wire that answers by itself
        self.plug()

    def plug(self) -> None:
        """Gives the gateway a port."""
        self._port = self._line.gateway_port()
        self._place.unlink(missing_ok=True)
        self._place.symlink_to(self._port)

    def unplug(self) -> None:
        """Takes the port away."""
        self._place.unlink()
        self._line.unplug(self._port)

    def _changed(self, data: bytes) -> bytes:
        if self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, self._line.say, data)
            return b""
        return data[: len(data) // 2] if self.cuts else self.change(data)

    def _asked(self, data: bytes) -> None:
        answered = self.answer(data)
        if answered is None:
            self._ask(data)
        else:
            self._line.say(answered)


@asynccontextmanager
async def rtu(folder: Path) -> AsyncIterator[Plant]:
    """For each fault a serial line of its own; on one of them a second unit."""
    plant = Plant(POINTS, PROFILES)
    async with AsyncExitStack() as stack:
        units = Units(folder, stack)

        async def add(
            device: str, profile: str = "plant", *, fault: bool = True
        ) -> tuple[Hub, SerialWire, Process]:
            line = await stack.enter_async_context(hub())
            wire = SerialWire(line, folder / device)
            number = _add(plant, device, profile, fault=fault, **_on(folder / device))
            return line, wire, await units.start(line.unit_port(), number)

        await add("good", fault=False)
        for fault in [one for one in _CHANGES if one != "half_closed"]:
            _, wire, _ = await add(fault)
            plant.cases.append(case_on(wire, fault, frames.RtuFrames()))
        _, wire, _ = await add("dead")
        plant.cases.append(_unplugging(wire))
        line, _, unit = await add("silent")
        keys = _on(folder / "silent")
        plant.beside.append("beside_silent")
        number = plant.add_neighbour("beside_silent", "plant", unit=2, **keys)
        await units.start(line.unit_port(), number, unit=2)
        plant.cases.append(stopping(unit))
        for fault in _CLOCKS:
            _, _, unit = await add(fault, "uwb_reader")
            plant.cases.append(clock_case(fault, unit))
        yield plant


def _on(place: Path) -> dict[str, Any]:
    # A pseudo-terminal has no parity.
    return {"transport": "rtu", "serial": str(place), "parity": "none", "timeout_s": TIMEOUT_S}


def _unplugging(wire: SerialWire) -> Case:
    async def unplug() -> None:
        wire.unplug()

    async def plug() -> None:
        wire.plug()

    return Case("dead", "dead", unplug, plug)
