"""What devices that fail cost the others: 50 of them, read ten times a second.

    ./run bench neighbours [SECONDS]

Each has a driver and a supervisor, as in the gateway, all in this process. 47 devices are libmodbus
in processes of their own, 100 registers in one read; of the others one takes connections and never
answers, one takes 0.9 s for each answer (the timeout is 1 s), and one answers with garbage. A scan
is on time when its values have come within half a period of when it was due: the schedule of a
device is that of its own session, and a scan that was left out is not on time. Before it, the same
with 50 devices that all answer, which says what the machine itself does. The last line is a JSON
object: `on_time` is the share of the 47 devices' scans, `on_time_worst` that of the worst of them,
`on_time_healthy` and `on_time_worst_healthy` of all where none fails.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

from bench.modbus import running_devices
from bench.sink import Counting
from equipment.catalogue import parse_profile
from equipment.report import LinkState, Sample
from protocols.modbus.driver import ModbusDriver
from protocols.modbus.options import ModbusOptions
from protocols.supervise import Supervisor
from tests.support.processes import running

DEVICES: Final = 50
PERIOD_S: Final = 0.1
SECONDS: Final = 30.0
SLOW_S: Final = 0.9
#: The time until all are connected and a device's schedule is known is not counted.
SETTLE_S: Final = 3.0

PROFILE: Final = f"""
id = "machine"
title = {{ en = "Machine", zh = "机器" }}
kind = "machine"
protocol = "modbus"
scan = {{ period_s = {PERIOD_S} }}

[[point]]
name = "value_{{n}}"
meaning = {{ en = "value {{n}}", zh = "值{{n}}" }}
address = 0
type = "uint16"
repeat = {{ count = 100, step = 1 }}
"""
FAULTS: Final = ("dead", "slow", "garbage")


class Scans(Counting):
    """Notes when scans of a device came."""

    def __init__(self) -> None:
        super().__init__()
        self.came_s: list[float] = []

    def samples(self, samples: Sequence[Sample], *, live: bool = True) -> None:
        """Notes the time."""
        super().samples(samples)
        self.came_s.append(time.monotonic())

    def link(self, state: LinkState, reason: str) -> None:
        """Nothing to note."""

    def on_time(self, begun_s: float, ended_s: float) -> float:
        """The share of the scans that were due within a time that came within half a period."""
        came_s = [t for t in self.came_s if begun_s <= t <= ended_s + PERIOD_S]
        if not came_s:
            return 0.0
        phase_s = _phase_s(came_s)
        slots = {
            int((t - phase_s) // PERIOD_S)
            for t in came_s
            if (t - phase_s) % PERIOD_S <= PERIOD_S / 2
        }
        first, last = (-(-(t - phase_s) // PERIOD_S) for t in (begun_s, ended_s))
        due = range(int(first), int(last))
        return len(slots & set(due)) / len(due)


def _phase_s(came_s: Sequence[float]) -> float:
    """Where within a period scans are due: none comes before, and most come soon after."""
    phases_s = sorted(t % PERIOD_S for t in came_s)
    twice_s = [*phases_s, *(phase_s + PERIOD_S for phase_s in phases_s)]
    followers = [
        bisect_right(twice_s, phase_s + PERIOD_S / 2) - n for n, phase_s in enumerate(phases_s)
    ]
    return phases_s[followers.index(max(followers))]


async def serve_faults() -> None:
    """A device of each fault; prints their ports."""

    async def dead(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(64):
            pass

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(12):
            await asyncio.sleep(SLOW_S)
            count = request[11]
            head = request[:4] + (3 + 2 * count).to_bytes(2, "big") + request[6:8]
            writer.write(head + bytes([2 * count]) + bytes(2 * count))

    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(64):
            writer.write(b"\xa5" * 64)

    servers = [await asyncio.start_server(f, "127.0.0.1", 0) for f in (dead, slow, garbage)]
    ports = (server.sockets[0].getsockname()[1] for server in servers)
    print("READY", *ports, flush=True)
    await asyncio.to_thread(sys.stdin.read)  # ends with the benchmark


async def shares(ports: Sequence[int], seconds: float) -> list[float]:
    """The share of scans on time of each device."""
    profile = parse_profile(PROFILE, "machine.toml")
    targets = [Scans() for _ in ports]
    tasks = []
    for n, (port, target) in enumerate(zip(ports, targets, strict=True)):
        driver = ModbusDriver(f"m{n}", profile, ModbusOptions(host="127.0.0.1", port=port))
        supervisor = Supervisor(driver, target, silence_s=profile.scan.silence_s)
        tasks.append(asyncio.create_task(supervisor.run()))
    await asyncio.sleep(SETTLE_S)
    begun_s = time.monotonic()
    await asyncio.sleep(seconds)
    ended_s = time.monotonic()
    await asyncio.sleep(PERIOD_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [target.on_time(begun_s, ended_s) for target in targets]


def main(seconds: float) -> None:
    """Measures and prints."""
    serving = [sys.executable, __file__, "--faults"]
    with (
        tempfile.TemporaryDirectory() as name,
        running_devices(Path(name)) as good,
        running(serving, Path(name), "faults") as faults,
    ):
        failing = [int(word) for word in faults.word_after("READY").split()]
        healthy = asyncio.run(shares(good, seconds))
        among = asyncio.run(shares([*failing, *good[: DEVICES - len(failing)]], seconds))
    others = among[len(failing) :]
    for fault, share in zip(FAULTS, among, strict=False):
        print(f"{fault:8} {share:.4f} of its own scans on time")
    result = {
        "on_time": sum(others) / len(others),
        "on_time_worst": min(others),
        "on_time_healthy": sum(healthy) / len(healthy),
        "on_time_worst_healthy": min(healthy),
    }
    print(f"the other {len(others)}: {result['on_time']:.4f}, worst {result['on_time_worst']:.4f}")
    print(f"none fails: {result['on_time_healthy']:.4f}")
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:] == ["--faults"]:
        asyncio.run(serve_faults())
    else:
        main(float(sys.argv[1]) if sys.argv[1:] else SECONDS)
