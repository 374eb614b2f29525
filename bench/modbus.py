"""The Modbus driver beside a bare loop of the same library: 50 devices of 100 registers.

    ./run bench modbus [TURNS]

The devices are libmodbus, in processes of their own, ten connections to each. The rival is what one
would write first: a pymodbus client for each device, which asks for all 100 registers at once,
again and again, and takes the list of registers as it is. Ours are sessions of the driver with a
period of a microsecond, so that each asks as soon as it has told what came: the schedule, the gate
that checks every frame, the decoding, the judging, a `Sample` of each value and the sink's calls
are all in it. Both read in this process, in turns that alternate; what counts is values by
processor time of this process while all 50 are at it. The devices' own time is not in it.

The last line is a JSON object: `vs_bare` is the median of the turns' ratios where each register is
a value (uint16), `vs_bare_floats` where two are (float32, for both 50 values a read);
`values_per_cpu_s` and `bare_values_per_cpu_s` are medians of the former.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

from pymodbus.client import AsyncModbusTcpClient

from bench.sink import Counting
from equipment.catalogue import parse_profile
from protocols.modbus.driver import ModbusDriver
from protocols.modbus.options import ModbusOptions
from tests.support.places import built_modbus_device
from tests.support.processes import running

DEVICES: Final = 50
DEVICES_A_PROCESS: Final = 10
REGISTERS: Final = 100
TURNS: Final = 9
TURN_S: Final = 1.0

PROFILE: Final = """
id = "machine"
title = { en = "Machine", zh = "机器" }
kind = "machine"
protocol = "modbus"
scan = { period_s = 1e-6 }

[[point]]
name = "value_{n}"
meaning = { en = "value {n}", zh = "值{n}" }
address = 0
"""
POINTS: Final = {
    "": (REGISTERS, f'type = "uint16"\nrepeat = {{ count = {REGISTERS}, step = 1 }}'),
    "_floats": (
        REGISTERS // 2,
        f'type = "float32"\nrepeat = {{ count = {REGISTERS // 2}, step = 2 }}',
    ),
}


class Bare:
    """The rival's loop over one connection."""

    def __init__(self, client: AsyncModbusTcpClient, values_a_read: int) -> None:
        self._client = client
        self._values_a_read = values_a_read
        self.values = 0
        #: Before Python 3.12 the library may forget that it was cancelled.
        self.ending = False

    async def run(self) -> None:
        """Reads until it is told to end. Raises ValueError for a wrong answer."""
        while not self.ending:
            answer = await self._client.read_holding_registers(0, count=REGISTERS, device_id=1)
            if answer.isError() or len(answer.registers) != REGISTERS:
                msg = f"{answer}"
                raise ValueError(msg)
            self.values += self._values_a_read


@asynccontextmanager
async def bare_clients(ports: Sequence[int]) -> AsyncIterator[list[AsyncModbusTcpClient]]:
    """A connected client for each device."""
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, retries=0) for port in ports]
    try:
        for client in clients:
            await client.connect()
        yield clients
    finally:
        for client in clients:
            client.close()


async def values_per_cpu_s(
    tasks: Sequence[asyncio.Task[None]], loops: Sequence[Counting] | Sequence[Bare]
) -> float:
    """Values by processor time, of a turn that begins when each device has given some."""
    while not all(loop.values for loop in loops):
        await asyncio.sleep(0.01)
        for task in tasks:
            if task.done():
                task.result()
    before, begun_s = sum(loop.values for loop in loops), time.process_time()
    await asyncio.sleep(TURN_S)
    after, ended_s = sum(loop.values for loop in loops), time.process_time()
    if any(task.done() for task in tasks):
        msg = "a device gave up"
        raise ValueError(msg)
    return (after - before) / (ended_s - begun_s)


async def drivers_turn(ports: Sequence[int], points: str) -> float:
    """Values per processor second of sessions of the driver."""
    profile = parse_profile(PROFILE + points, "machine.toml")
    sinks = [Counting() for _ in ports]
    tasks: list[asyncio.Task[None]] = []
    for n, port in enumerate(ports):
        options = ModbusOptions(host="127.0.0.1", port=port, timeout_s=10.0)
        session = ModbusDriver(f"m{n}", profile, options).session(sinks[n])
        tasks.append(asyncio.create_task(session))
    try:
        return await values_per_cpu_s(tasks, sinks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def bare_turn(clients: Sequence[AsyncModbusTcpClient], values_a_read: int) -> float:
    """Values per processor second of the rival."""
    loops = [Bare(client, values_a_read) for client in clients]
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        return await values_per_cpu_s(tasks, loops)
    finally:
        for loop in loops:
            loop.ending = True
        await asyncio.gather(*tasks)


async def measure(ports: Sequence[int], turns: int) -> dict[str, float]:
    """All figures."""
    result: dict[str, float] = {}
    for key, (values_a_read, points) in POINTS.items():
        ours, theirs = [], []
        async with bare_clients(ports) as clients:
            for _ in range(turns):
                theirs.append(await bare_turn(clients, values_a_read))
                ours.append(await drivers_turn(ports, points))
        result[f"vs_bare{key}"] = median(a / b for a, b in zip(ours, theirs, strict=True))
        result[f"values_per_cpu_s{key}"] = median(ours)
        result[f"bare_values_per_cpu_s{key}"] = median(theirs)
        print(
            f"{values_a_read} values a read: driver {median(ours):,.0f} values a processor second, "
            f"bare {median(theirs):,.0f}: {result[f'vs_bare{key}']:.2f}"
        )
    return result


@contextmanager
def running_devices(folder: Path) -> Iterator[list[int]]:
    """The devices; gives the port of each."""
    program = built_modbus_device(folder)
    with ExitStack() as stack:
        ports: list[int] = []
        for n in range(DEVICES // DEVICES_A_PROCESS):
            command: list[str | Path] = [program, "0", "0", "1", "0"]
            device = stack.enter_context(running(command, folder, f"device{n}"))
            ports += [int(device.word_after("ready"))] * DEVICES_A_PROCESS
        yield ports


def main(turns: int) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder, running_devices(Path(folder)) as ports:
        result = asyncio.run(measure(ports, turns))
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else TURNS)
