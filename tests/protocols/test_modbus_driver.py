"""The driver against real devices of other makes."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from equipment import catalogue
from equipment.modbus_profile import ModbusProfile
from equipment.report import LinkState, NoticeKind, Quality
from protocols.driver import DRIVERS, driver_class
from protocols.modbus.driver import ModbusDriver
from protocols.modbus.options import ModbusOptions
from protocols.supervise import Supervisor
from tests.protocols.modbus_peer import KNOWN, answer, asked, bare_server, driver_for, machine
from tests.support.places import PEERS, built_modbus_device, missing_node
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.processes import running as running_process
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import until

Start = Callable[..., tuple[Process, int]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_modbus_device(tmp_path_factory.mktemp("modbus"))


@pytest.fixture
def device(program: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts the libmodbus device; ends it with the test."""
    with ExitStack() as stack:

        def start(
            port: int = 0, per_s: int = 0, boot_id: int = 1, head: int = 0
        ) -> tuple[Process, int]:
            command = [str(part) for part in (program, port, per_s, boot_id, head)]
            process = stack.enter_context(running_process(command, tmp_path, "device"))
            return process, int(process.word_after("ready"))

        yield start


@pytest.fixture
def node_device(tmp_path: Path) -> Iterator[int]:
    if why := missing_node("jsmodbus"):
        pytest.skip(why)
    with running_process(["node", "modbus_device.js"], tmp_path, "device", cwd=PEERS) as process:
        yield int(process.word_after("ready"))


def uwb_reader() -> ModbusProfile:
    profile = catalogue.load("uwb_reader")
    assert isinstance(profile, ModbusProfile)
    return profile.model_copy(update={"point": ()})


async def gives_what_is_known(port: int) -> None:
    profile = machine(*(words for words, _ in KNOWN))
    async with running(driver_for(profile, port)) as (told, _):
        await until(lambda: told.got, "a sample")
    latest = told.latest()
    wanted = dict(zip((point.name for point in profile.point), (v for _, v in KNOWN), strict=True))
    assert {name: sample.value for name, sample in latest.items()} == wanted
    assert {sample.quality for sample in latest.values()} == {Quality.GOOD}
    assert told.notices == []


async def test_values_of_a_libmodbus_device(device: Start) -> None:
    await gives_what_is_known(device()[1])


async def test_how_long_each_answer_takes_is_told(device: Start) -> None:
    _, port = device()
    async with running(driver_for(machine(KNOWN[0][0]), port)) as (told, _):
        await until(lambda: len(told.answers) > 2)
    assert all(took_s > 0 and device_t_ns is None for took_s, device_t_ns in told.answers)


async def test_values_of_a_jsmodbus_device(node_device: int) -> None:
    await gives_what_is_known(node_device)


async def test_a_device_that_refuses_what_lies_beyond_keeps_the_rest(device: Start) -> None:
    _, port = device()
    profile = machine(
        'name="inside"; address=51; type="uint16"',
        'name="outside"; address=140; type="uint16"',
        'name="bit"; table="coil"; address=9; type="bool"',
        more="gap = 100\n",
    )
    async with running(driver_for(profile, port)) as (told, _):
        await until(lambda: len(told.got) >= 9, "three scans")
    latest = told.latest()
    assert (latest["inside"].value, latest["bit"].value) == (77.0, True)
    assert latest["outside"].value is None
    assert latest["outside"].quality is Quality.BAD
    assert latest["outside"].reason == (
        "holding register 140 refused: it has no such address (exception 2)"
    )
    assert [(kind, count) for kind, count, _ in told.notices] == [(NoticeKind.DATA_REFUSED, 1)]
    assert "outside" in told.notices[0][2]
    assert "register map" in told.notices[0][2]


async def test_jsmodbus_gives_a_short_answer_and_is_found_out(node_device: int) -> None:
    profile = machine('name="beyond"; address=98; type="float64"')
    text, told = await failure_of(driver_for(profile, node_device))
    assert "answered with 4 bytes of data where 8 were asked" in text
    assert told.got == []


async def test_a_ring_is_read_exactly_once_while_it_is_written(device: Start) -> None:
    _, port = device(per_s=1000, head=100)
    async with running(driver_for(uwb_reader(), port)) as (told, _):
        await until(lambda: len(told.numbers()) > 2500, "2,500 records, once around the ring")
    numbers = told.numbers()
    assert numbers == list(range(1, len(numbers) + 1))
    assert told.notices == []


async def test_records_come_as_columns(device: Start) -> None:
    _, port = device(head=2)
    async with running(driver_for(uwb_reader(), port)) as (told, _):
        await until(lambda: told.batches, "records")
    batch = told.batches[0]
    columns = batch.columns
    assert "crc" not in columns
    assert columns["card"].tolist() == ["140100000000000001", "140100000000000002"]
    assert columns["anchor"].tolist() == ["A001", "A001"]
    assert columns["range_m"].tolist() == pytest.approx([0.001, 0.002])
    assert columns["rssi_dbm"].tolist() == pytest.approx([-70.5, -70.5])
    assert np.isnan(columns["first_path_dbm"][0])
    assert columns["first_path_dbm"][1] == pytest.approx(-72.0)
    assert columns["t_us"].dtype == np.int64
    assert batch.device_t_ns is not None
    assert abs(batch.device_t_ns - batch.receive_t_ns) < 1_000_000_000
    assert abs(int(columns["t_us"][0]) * 1000 - batch.receive_t_ns) < 10_000_000_000


async def test_a_full_ring_is_begun_with_its_oldest_record(device: Start) -> None:
    _, port = device(head=5000)
    async with running(driver_for(uwb_reader(), port)) as (told, _):
        await until(lambda: len(told.numbers()) >= 2048, "the ring")
    assert told.numbers() == list(range(5000 - 2048 + 1, 5001))
    assert told.notices == []


async def test_a_new_session_goes_on_where_the_last_one_was(device: Start) -> None:
    _, port = device(per_s=500)
    driver = driver_for(uwb_reader(), port)
    numbers = []
    for _ in range(5):
        async with running(driver) as (told, _):
            await until(told.numbers, "records")
        numbers += told.numbers()
        assert told.notices == []
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_killed_device_flows_again_when_it_is_back(device: Start) -> None:
    first, port = device(per_s=200, boot_id=1)
    told = Told()
    profile = uwb_reader()
    supervisor = Supervisor(driver_for(profile, port), told, silence_s=profile.scan.silence_s)
    task = asyncio.create_task(supervisor.run())
    try:
        await until(lambda: len(told.numbers()) > 20, "records")
        first.kill()
        await until(lambda: told.links[-1][0] is LinkState.DOWN, "down")
        assert "closed the connection" in told.links[-1][1]
        before = len(told.numbers())
        device(port=port, per_s=200, boot_id=2)
        await until(lambda: len(told.numbers()) > before + 20, "records again")
    finally:
        task.cancel()
        await asyncio.wait({task})
    numbers = told.numbers()
    assert numbers[:before] == list(range(1, before + 1))
    assert numbers[before:] == list(range(1, len(numbers) - before + 1))
    assert [state for state, _ in told.links][:3] == [
        LinkState.CONNECTING,
        LinkState.UP,
        LinkState.DOWN,
    ]
    assert "restarted" in "".join(text for _, _, text in told.notices)


async def test_only_functions_that_read_are_ever_sent() -> None:
    functions: Counter[int] = Counter()
    seen: set[int] = set()

    def record(request: bytes) -> bytes:
        function, _, count = asked(request)
        functions[function] += 1
        return answer(request, bytes((count + 7) // 8 if function < 3 else 2 * count))

    names = ("shearer_modbus", "roadheader", "uwb_reader", "rfid_reader")
    async with bare_server(record) as port:
        for name in names:
            functions.clear()
            async with running(driver_for(catalogue.load(name), port)):
                await until(lambda: functions.total() > 10, "requests")
            seen |= set(functions)
    assert seen == {1, 2, 3, 4}


async def test_scans_do_not_drift() -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []

    def record(request: bytes) -> bytes:
        times.append(loop.time())
        return answer(request, bytes(2))

    profile = machine('name="a"; address=0; type="int16"')
    period_s = profile.scan.period_s
    async with bare_server(record) as port, running(driver_for(profile, port)):
        await until(lambda: len(times) >= 41, "41 scans")
    # A busy machine may delay a scan, but the next ones lie on the schedule of the first.
    apart_s = [late - early for late in times[36:] for early in times[:5]]
    off_s = [abs(apart - round(apart / period_s) * period_s) for apart in apart_s]
    assert min(off_s) < 0.005


async def test_a_device_that_is_not_there_is_said_to_refuse() -> None:
    port = free_port()
    text, _ = await failure_of(driver_for(machine('name="a"; address=0; type="int16"'), port))
    assert text.startswith(f"modbus tcp 127.0.0.1:{port} unit 1 can't be reached (")
    assert "(Connection refused)" in text
    assert "check the address, the power and the network" in text


async def test_a_host_without_a_name_is_told() -> None:
    options = ModbusOptions(host="no-such-host.invalid")
    driver = ModbusDriver("dev", machine('name="a"; address=0; type="int16"'), options)
    text, _ = await failure_of(driver)
    assert "no-such-host.invalid:502 unit 1 can't be reached (" in text


def test_the_driver_is_found_by_its_protocol() -> None:
    assert driver_class("modbus") is ModbusDriver
    assert set(DRIVERS) >= {"modbus"}


@pytest.mark.parametrize(
    "wrong", [{}, {"host": ""}, {"host": "h", "port": 0}, {"host": "h", "baud": 9600}]
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ModbusOptions.model_validate(wrong)
