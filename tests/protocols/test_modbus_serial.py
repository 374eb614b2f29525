"""The driver on a serial line, and behind a converter: libmodbus units, real ports."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from equipment.modbus_profile import ModbusProfile
from equipment.report import LinkState, Quality
from protocols.driver import Pool
from protocols.modbus.connection import Connection, LineError
from protocols.modbus.driver import ModbusDriver
from protocols.modbus.endpoint import SerialEndpoint
from protocols.modbus.options import ModbusOptions
from protocols.modbus.rtu_gate import Debts
from protocols.supervise import Supervisor
from tests.protocols.modbus_peer import KNOWN, machine
from tests.protocols.rtu_peer import holding
from tests.protocols.serial_hub import Hub, converter, hub
from tests.support.places import built_modbus_device
from tests.support.processes import Process
from tests.support.processes import running as running_process
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import LONG_S, until

StartUnit = Callable[[Hub, int], Process]

TRANSPORTS = ("rtu", "rtu_over_tcp")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_modbus_device(tmp_path_factory.mktemp("modbus"))


@pytest.fixture
def unit(program: Path, tmp_path: Path) -> Iterator[StartUnit]:
    """Puts a libmodbus unit on a line; ends it with the test."""
    with ExitStack() as stack:

        def start(line: Hub, number: int) -> Process:
            command: list[str | Path] = [program, line.unit_port(), "0", "1", "0", str(number)]
            process = stack.enter_context(running_process(command, tmp_path, f"unit-{number}"))
            process.word_after("ready")
            return process

        yield start


@asynccontextmanager
async def reached(line: Hub, transport: str) -> AsyncIterator[dict[str, object]]:
    """The keys of a device on `line`."""
    if transport == "rtu":
        # A pseudo-terminal has no parity.
        yield {"transport": "rtu", "serial": line.gateway_port(), "parity": "none"}
    else:
        async with converter(line) as port:
            yield {"transport": transport, "host": "127.0.0.1", "port": port}


def driver_of(profile: ModbusProfile, keys: dict[str, object], number: int = 1) -> ModbusDriver:
    options = ModbusOptions.model_validate({"unit": number, **keys})
    return ModbusDriver(f"dev{number}", profile, options)


@asynccontextmanager
async def supervised(
    profile: ModbusProfile, keys: dict[str, object], *units: int
) -> AsyncIterator[dict[int, Told]]:
    pool = Pool()
    told = {number: Told() for number in units}
    tasks = []
    for number, sink in told.items():
        driver = driver_of(profile, keys, number)
        driver.share(pool)
        supervisor = Supervisor(driver, sink, silence_s=profile.scan.silence_s)
        tasks.append(asyncio.create_task(supervisor.run()))
    try:
        yield told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_values_of_a_libmodbus_unit_on_a_serial_line(unit: StartUnit, transport: str) -> None:
    profile = machine(*(words for words, _ in KNOWN))
    async with hub() as line, reached(line, transport) as keys:
        unit(line, 1)
        async with running(driver_of(profile, keys)) as (told, _):
            await until(lambda: told.got, "a sample")
    wanted = dict(zip((point.name for point in profile.point), (v for _, v in KNOWN), strict=True))
    assert {name: sample.value for name, sample in told.latest().items()} == wanted
    assert {sample.quality for sample in told.got} == {Quality.GOOD}
    assert told.notices == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_three_units_on_one_line_of_which_one_dies_and_comes_back(
    unit: StartUnit, transport: str
) -> None:
    profile = machine('name="number"; address=52; type="uint16"')
    async with hub() as line, reached(line, transport) as keys:
        units = {number: unit(line, number) for number in (1, 2, 3)}
        async with supervised(profile, {**keys, "timeout_s": 0.3}, 1, 2, 3) as told:
            await until(lambda: all(one.got for one in told.values()), "samples of all")
            units[2].kill()
            await until(lambda: told[2].count(LinkState.DOWN) >= 3, "its tries")
            assert "unit 2 gave no answer within 0.3 s" in told[2].links[-1][1]
            assert told[1].count(LinkState.DOWN) == told[3].count(LinkState.DOWN) == 0
            before = len(told[2].got)
            unit(line, 2)
            await until(lambda: len(told[2].got) > before, "the unit that is back")
        for number, sink in told.items():
            assert {sample.value for sample in sink.got} == {float(number)}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_frames_that_are_damaged_on_the_line_are_never_values(
    unit: StartUnit, transport: str
) -> None:
    profile = machine('name="number"; address=52; type="uint16"')
    count = 0

    def damage(data: bytes) -> bytes:
        nonlocal count
        count += 1
        return data[:-3] + bytes([data[-3] ^ 0x10]) + data[-2:] if count % 5 == 0 else data

    async with hub() as line, reached(line, transport) as keys:
        unit(line, 1)
        line.changed = damage
        async with supervised(profile, {**keys, "timeout_s": 0.3}, 1) as told:
            await until(lambda: told[1].count(LinkState.DOWN) >= 2, "damaged frames")
            before = len(told[1].got)
            await until(lambda: len(told[1].got) > before, "a sample after them")
        assert {sample.value for sample in told[1].got} == {1.0}
        # A pseudo-terminal may give a frame in pieces: then it is one of those that is damaged.
        assert all(
            "wrong checksum" in why or "gave" in why for _, why in told[1].links if "asked" in why
        )


async def test_a_serial_port_that_is_unplugged_is_told_and_used_again_when_it_is_back(
    unit: StartUnit, tmp_path: Path
) -> None:
    profile = machine('name="number"; address=52; type="uint16"')
    plug = tmp_path / "ttyUSB0"
    async with hub() as line:
        unit(line, 1)
        port = line.gateway_port()
        plug.symlink_to(port)
        keys = {"transport": "rtu", "serial": str(plug), "parity": "none", "timeout_s": 0.3}
        async with supervised(profile, keys, 1, 2) as told:
            await until(lambda: told[1].got, "a sample")
            plug.unlink()
            line.unplug(port)
            missing = "can't be reached (No such file or directory)"
            await until(lambda: missing in told[1].links[-1][1], "no port")
            before = len(told[1].got)
            plug.symlink_to(line.gateway_port())
            await until(lambda: len(told[1].got) > before, "samples again")
        texts = [why for _, why in told[1].links if missing in why]
        assert set(texts) == {
            f"modbus rtu {plug} unit 1 {missing}; "
            "check the name of the port, its rights and the adapter"
        }
        assert {sample.value for sample in told[1].got} == {1.0}


async def test_a_port_that_another_program_has_open_is_told() -> None:
    async with hub() as line:
        endpoint = SerialEndpoint(line.gateway_port(), 19_200, "none", 1)
        first = Connection(endpoint, Debts())
        await first.connect(1.0)
        keys: dict[str, object] = {
            "transport": "rtu",
            "serial": endpoint.path,
            "parity": "none",
        }
        error, _ = await failure_of(driver_of(machine('name="a"; address=0; type="int16"'), keys))
        first.close()
    assert "can't be reached (another program has it open)" in error


async def test_a_port_that_does_not_take_the_settings_is_told() -> None:
    async with hub() as line:
        keys: dict[str, object] = {
            "transport": "rtu",
            "serial": line.gateway_port(),
            "parity": "even",
        }
        error, _ = await failure_of(driver_of(machine('name="a"; address=0; type="int16"'), keys))
    assert "can't be reached (it does not take this baud, parity or stop_bits)" in error


async def test_a_file_that_is_no_serial_port_is_told(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    keys: dict[str, object] = {"transport": "rtu", "serial": str(plain)}
    error, _ = await failure_of(driver_of(machine('name="a"; address=0; type="int16"'), keys))
    assert f"modbus rtu {plain} unit 1 can't be reached (" in error


async def test_a_serial_port_that_is_lost_while_an_answer_is_waited_for_is_told() -> None:
    async with hub() as line:
        port = line.gateway_port()
        connection = Connection(SerialEndpoint(port, 19_200, "none", 1), Debts())
        await connection.connect(1.0)
        asking = asyncio.create_task(connection.read(1, holding(5), LONG_S))
        await until(lambda: line.requests, "the request")
        line.unplug(port)
        with pytest.raises(LineError, match=r"^lost the serial port, asked for holding"):
            await asking
        assert not connection.is_usable
        connection.close()
