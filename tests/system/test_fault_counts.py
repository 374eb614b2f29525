"""How many values a refusal, a wrong answer and names that are there twice cost, counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.processes import lamproom, running
from tests.support.waiting import LONG_S
from tests.system import fault_frames
from tests.system.fault_client import Client, client
from tests.system.fault_plant import Plant
from tests.system.fault_proxy import Proxy, proxy
from tests.system.fault_rigs_modbus import POINTS, PROFILES, TIMEOUT_S, Units
from tests.system.fault_run import ready

FRAMES = fault_frames.TcpFrames()

#: The values in an answer of each block, by its bytes of data.
VALUES = {64: 16, 52: 13}


@dataclass
class Served:
    """The answers that a device gave, by their bytes of data; refusals are none."""

    wire: Proxy
    answers: Counter[int] = field(default_factory=Counter)
    #: The wrong answers that were given in place of right ones.
    wrong: int = 0
    #: Whether the next answer of the second block is to be a wrong one.
    lies: bool = False

    def change(self, answer: bytes) -> bytes:
        """What the gateway gets."""
        size = len(FRAMES.data(answer))
        if self.lies and size == 52:
            self.lies, self.wrong = False, self.wrong + 1
            return fault_frames.longer(FRAMES)(answer)
        self.answers[size] += size in VALUES
        return answer

    @property
    def values(self) -> int:
        """How many values were in them."""
        return sum(VALUES.get(size, 0) * count for size, count in self.answers.items())


@asynccontextmanager
async def three_devices(folder: Path) -> AsyncIterator[tuple[Client, dict[str, Served]]]:
    """Devices whose points all have the same names; of the first one register is refused."""
    plant = Plant(POINTS, PROFILES)
    served: dict[str, Served] = {}
    async with AsyncExitStack() as stack:
        units = Units(folder, stack)
        for device in ("refuses", "lies", "good"):
            port = free_port()
            wire = await stack.enter_async_context(proxy(port))
            served[device] = Served(wire)
            wire.change = served[device].change
            keys = {"host": "127.0.0.1", "port": wire.port, "timeout_s": TIMEOUT_S}
            await units.start(port, plant.add(device, "plant", **keys))
        served["refuses"].wire.answer = fault_frames.refuse_one(FRAMES)
        mine, port = folder / "mine", free_port()
        plant.write(mine)
        command = lamproom("run", mine, "--grpc-port", str(port))
        gateway = stack.enter_context(running(command, folder, "gateway"))
        await ready(gateway)
        yield await stack.enter_async_context(client(port, plant.numbers)), served


async def test_a_refusal_and_a_wrong_answer_cost_no_other_value_and_make_no_false_one(
    tmp_path: Path,
) -> None:
    async with three_devices(tmp_path) as (told, served):

        def values(device: str) -> int:
            health = told.health.get(device)
            return health.value_count if health else 0

        def bad(device: str) -> int:
            return told.health[device].bad_value_count

        assert await told.until(lambda: values("refuses") and values("lies"), LONG_S)

        def goes_on(device: str, before: int) -> bool:
            return values(device) > before + 3 * POINTS

        def has_come(device: str) -> bool:
            return values(device) == served[device].values

        for _ in range(3):
            before = values("lies")
            served["lies"].lies = True
            assert await told.until(partial(goes_on, "lies", before), LONG_S)
        assert served["lies"].wrong == 3

        # Each value that a device has sent has come, once all that is on its way has.
        for device in ("lies", "good"):
            missing = served[device].values - values(device)
            assert await told.until(partial(has_come, device), LONG_S), f"{device}: {missing} lost"
            assert bad(device) == 0
        # One of each scan's values is refused, the others are there.
        refuses = told.health["refuses"]
        assert refuses.bad_value_count * POINTS == refuses.value_count
        assert refuses.refused_count == 1
        assert refuses.down_count == told.health["good"].down_count == 0
        assert told.health["lies"].down_count == 3

        # All points have the names of the others': none has another's value.
        assert told.truth.judged > 100
        assert told.truth.wrong == []


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"id": "pump"}, "device[2].id"),
        ({"id": "other", "port": 5020}, "the same host, port, unit as the device 'pump'"),
    ],
)
async def test_two_devices_of_one_id_or_address_are_refused(
    tmp_path: Path, second: dict[str, object], words: str
) -> None:
    plant = Plant(POINTS, PROFILES)
    plant.add("pump", "plant", host="127.0.0.1", port=5020)
    keys = {"id": "pump", "port": 5021} | second
    plant.add(str(keys["id"]), "plant", host="127.0.0.1", port=keys["port"])
    plant.write(tmp_path / "mine")
    with running(lamproom("run", tmp_path / "mine"), tmp_path, "run") as run:
        assert await asyncio.to_thread(run.popen.wait, LONG_S) == 1
    assert "devices.toml:" in run.err
    assert words in run.err
