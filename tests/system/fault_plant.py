"""A plant of one protocol: devices of which each is to have one fault, and others beside them."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.processes import Process
from tests.system.fault_proxy import Proxy, Wire

Act = Callable[[], Awaitable[None]]


@dataclass
class Case:
    """A device with one fault, which `begin` causes and `end` takes away."""

    fault: str
    device: str
    begin: Act
    end: Act
    #: Values that are not there while the fault lasts, though others are: they must go on.
    missing: frozenset[str] = frozenset()
    #: A reader has records in place of values.
    reads_records: bool = False
    #: The fault is over as soon as it has begun: its time is counted from there.
    is_momentary: bool = False


@dataclass
class Plant:
    """What a gateway is to read."""

    #: Points of each machine, `v0` and so on.
    points: int
    #: The files of the mine's `profiles/`, by name.
    profiles: dict[str, str]
    cases: list[Case] = field(default_factory=list)
    #: Devices without a fault.
    neighbours: list[str] = field(default_factory=list)
    #: Those of them that share a serial line with one that fails: a unit that stood still gives all
    #: its late answers at once, into what others are asked.
    beside: list[str] = field(default_factory=list)
    #: The number in the values of each machine.
    numbers: dict[str, int] = field(default_factory=dict)
    _devices: list[str] = field(default_factory=list)

    def add(self, device: str, profile: str, **keys: Any) -> int:
        """Configures a machine; gives its number."""
        self.add_reader(device, profile, **keys)
        self.numbers[device] = len(self._devices)
        return self.numbers[device]

    def add_reader(self, device: str, profile: str, **keys: Any) -> None:
        """Configures a device whose values say nothing of themselves."""
        words = {"id": device, "profile": profile, **keys}
        lines = [f"{key} = {_toml(value)}" for key, value in words.items()]
        self._devices.append("\n".join(["[[device]]", *lines]) + "\n")

    def add_neighbour(self, device: str, profile: str, **keys: Any) -> int:
        """Configures a device that must not feel anything."""
        self.neighbours.append(device)
        return self.add(device, profile, **keys)

    def write(self, folder: Path) -> None:
        """Writes the mine's folder."""
        (folder / "profiles").mkdir(parents=True)
        files = {
            **{f"profiles/{name}": text for name, text in self.profiles.items()},
            **_MINE,
            "devices.toml": "\n".join(self._devices),
        }
        for name, text in files.items():
            (folder / name).write_text(text)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


_MINE = {
    "mine.toml": """
[mine]
code = "140100000001"
name = "faults"
[alarm.device_down]
after_s = 1
""",
    "people.csv": "card,name,job,team\n",
    "map.geojson": """{"type": "FeatureCollection", "features": [
{"type": "Feature", "properties": {"kind": "roadway", "id": "main", "width_m": 5},
 "geometry": {"type": "LineString", "coordinates": [[0, 0, 0], [100, 0, 0]]}},
{"type": "Feature", "properties": {"kind": "anchor", "id": "A001"},
 "geometry": {"type": "Point", "coordinates": [10, 0, 2]}}]}
""",
}


async def together(acts: Sequence[Act]) -> None:
    """All at once."""
    await asyncio.gather(*(act() for act in acts))


def machine_profile(name: str, protocol: str, body: str, scan: str) -> str:
    """A machine's profile; `body` has its points."""
    return f"""
id = "{name}"
title = {{ en = "{name}", zh = "{name}" }}
kind = "machine"
protocol = "{protocol}"
{body}
[scan]
{scan}
"""


async def ended(task: asyncio.Task[None]) -> None:
    """Ends a task, also one in which a library loses that it was cancelled."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)


def setting(wire: Wire, name: str, value: object) -> Act:
    """Has a wire do one thing."""

    async def act() -> None:
        setattr(wire, name, value)

    return act


def resetting(wire: Wire) -> Act:
    """Has a wire do nothing."""

    async def act() -> None:
        wire.reset()

    return act


def signalling(process: Process, number: int) -> Act:
    """Sends a process a signal."""

    async def act() -> None:
        process.popen.send_signal(number)

    return act


def hanging(wire: Proxy) -> Case:
    """A network that passes nothing on."""

    async def hang() -> None:
        wire.hang()

    async def flow() -> None:
        wire.flow()

    return Case("hung", "hung", hang, flow)


def stopping(process: Process) -> Case:
    """A device whose program stands still."""
    begin = signalling(process, signal.SIGSTOP)
    return Case("silent", "silent", begin, signalling(process, signal.SIGCONT))
