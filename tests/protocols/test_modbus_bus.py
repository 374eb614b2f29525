"""Several units over one connection: turns, failures, cancellations, and what is never sent."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from equipment.report import LinkState
from protocols.driver import DeviceError, Pool
from protocols.modbus.bus import Bus, SharedLine
from protocols.modbus.driver import ModbusDriver
from protocols.modbus.endpoint import TcpEndpoint
from protocols.modbus.options import ModbusOptions
from protocols.supervise import Supervisor
from tests.protocols.modbus_peer import answer, machine, refusal, stream_server
from tests.protocols.rtu_peer import (
    REQUEST_BYTES,
    addresses,
    holding,
    numbers,
    rtu_server,
    slow_line,
)
from tests.support.ports import free_port
from tests.support.sink import Told
from tests.support.waiting import LONG_S, until

TIMEOUT_S = 0.2


def bus_at(port: int, *, rtu: bool = True) -> Bus:
    return Bus(TcpEndpoint("127.0.0.1", port, rtu=rtu))


@asynccontextmanager
async def lines(
    bus: Bus, *units: int, timeout_s: float = LONG_S
) -> AsyncIterator[list[SharedLine]]:
    made = [bus.line(f"unit {unit}", unit, timeout_s) for unit in units]
    try:
        for line in made:
            await line.connect()
        yield made
    finally:
        for line in made:
            line.close()


async def test_units_share_one_connection_and_ask_one_at_a_time_in_turns() -> None:
    connections = 0
    order: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            # A second request before the first is answered would be in what is read.
            request = await reader.read(1024)
            if not request:
                return
            assert len(request) == REQUEST_BYTES
            order.append(request[0])
            await asyncio.sleep(0.002)
            writer.write(addresses(request))

    async def ask(line: SharedLine) -> None:
        for address in range(20):
            assert numbers(await line.read(holding(address))) == [address, address + 1]

    async with stream_server(serve) as port, lines(bus_at(port), 1, 2, 3) as three:
        await asyncio.gather(*map(ask, three))
    assert connections == 1
    rounds = [order[at : at + 3] for at in range(3, 57, 3)]
    assert all(sorted(one) == [1, 2, 3] for one in rounds)


async def test_a_session_that_is_cancelled_while_it_asks_leaves_the_line_to_the_others() -> None:
    """Its unit answers when another is asked: the wire is left to it until then."""
    async with (
        slow_line(lambda request: 0.3 if request[0] == 1 else 0.0) as (port, requests),
        lines(bus_at(port), 1, 2) as (first, second),
    ):
        for _ in range(3):
            asking = asyncio.create_task(first.read(holding(10)))
            await until(lambda: requests and requests[-1][0] == 1, "the request")
            waiting = asyncio.create_task(second.read(holding(10)))
            await asyncio.sleep(0)
            asking.cancel()
            assert numbers(await waiting) == [10, 11]
            with suppress(asyncio.CancelledError):
                await asking
        assert numbers(await first.read(holding(50))) == [50, 51]


async def test_a_session_that_is_cancelled_while_it_waits_takes_no_turn() -> None:
    async with (
        slow_line(lambda request: 0.1 if request[0] == 1 else 0.0) as (port, requests),
        lines(bus_at(port), 1, 2, 3) as (first, second, third),
    ):
        asking = asyncio.create_task(first.read(holding(10)))
        await until(lambda: requests, "the request")
        waiting = asyncio.create_task(second.read(holding(20)))
        last = asyncio.create_task(third.read(holding(30)))
        await asyncio.sleep(0)
        waiting.cancel()
        assert numbers(await last) == [30, 31]
        assert numbers(await asking) == [10, 11]
        assert waiting.cancelled()
        assert {request[0] for request in requests} == {1, 3}
        # Also one that is cancelled in the moment in which it is given the turn.
        asking = asyncio.create_task(first.read(holding(10)))
        waiting = asyncio.create_task(second.read(holding(20)))
        asking.add_done_callback(lambda _: waiting.cancel())
        await asyncio.wait({asking, waiting})
        assert numbers(await third.read(holding(40))) == [40, 41]


async def test_the_connection_ends_with_the_last_session_and_comes_back_with_the_next() -> None:
    open_ = connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_, connections
        open_ += 1
        connections += 1
        try:
            while True:
                writer.write(addresses(await reader.readexactly(REQUEST_BYTES)))
        finally:
            open_ -= 1

    async with stream_server(serve) as port:
        bus = bus_at(port)
        for _ in range(2):
            async with lines(bus, 1, 2) as (first, second):
                await first.read(holding(1))
                first.close()
                first.close()
                assert numbers(await second.read(holding(2))) == [2, 3]
                assert open_ == 1
            await until(lambda: not open_, "the end of the connection")
    assert connections == 2


async def test_a_connection_that_the_other_side_ends_costs_only_who_asks() -> None:
    asked = 0

    def reply(request: bytes) -> bytes | None:
        nonlocal asked
        asked += 1
        return None if asked == 2 else addresses(request)

    async with rtu_server(reply) as port, lines(bus_at(port), 1, 2) as (first, second):
        await second.read(holding(1))
        with pytest.raises(DeviceError, match=r"^unit 1 closed the connection, asked for"):
            await first.read(holding(2))
        assert numbers(await second.read(holding(3))) == [3, 4]


async def test_whoever_waits_for_a_connection_that_fails_is_told_at_once() -> None:
    bus = bus_at(free_port())
    tries = [bus.line(f"unit {unit}", unit, LONG_S) for unit in range(1, 6)]
    failed = await asyncio.gather(*(one.connect() for one in tries), return_exceptions=True)
    assert [str(error) for error in failed] == [
        f"unit {unit} can't be reached (Connection refused); "
        "check the address, the power and the network"
        for unit in range(1, 6)
    ]
    assert bus._failures == 1


async def test_a_late_answer_on_shared_tcp_ends_in_a_connection_that_is_given_up() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        mine = connections
        while True:
            request = await reader.readexactly(12)
            if mine == 1 and request[6] == 1:
                asyncio.get_running_loop().call_later(0.3, writer.write, answer(request, b"\0\1"))
            else:
                writer.write(answer(request, b"\0\2"))

    async with (
        stream_server(serve) as port,
        lines(bus_at(port, rtu=False), 1, 2, timeout_s=TIMEOUT_S) as (first, second),
    ):
        with pytest.raises(DeviceError, match="gave no answer"):
            await first.read(holding(1, 1))
        for _ in range(20):
            assert numbers(await second.read(holding(1, 1))) == [2]
        assert numbers(await first.read(holding(1, 1))) == [2]
    assert connections == 2


async def test_a_unit_that_its_converter_does_not_reach_is_left_alone_like_a_silent_one() -> None:
    async with stream_server(_refusing) as port, lines(bus_at(port, rtu=False), 1) as (line,):
        assert "exception 11" in str(await line.read(holding(1)))
        with pytest.raises(DeviceError) as failed:
            await line.read(holding(1))
    assert str(failed.value) == (
        "unit 1 is silent (holding registers 1 to 2 refused: the gateway before it gets no answer "
        "from it (exception 11)); look at the device itself"
    )
    assert failed.value.again_s > 0


async def _refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        request = await reader.readexactly(12)
        await asyncio.sleep(0.05)
        writer.write(refusal(request, 11))


@pytest.mark.parametrize("transport", ["tcp", "rtu_over_tcp"])
async def test_only_drivers_that_share_a_pool_share_a_connection(transport: str) -> None:
    connections = Counter[str]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[transport] += 1
        while request := await reader.read(1024):
            rtu = transport == "rtu_over_tcp"
            writer.write(addresses(request) if rtu else answer(request, b"\0\1"))

    profile = machine('name="a"; address=1; type="uint16"')
    async with stream_server(serve) as port:
        for share, pools, wanted in ((True, [Pool()] * 2, 1), (True, [Pool(), Pool()], 2)):
            connections.clear()
            keys = {"share": share} if transport == "tcp" else {}
            told = []
            tasks = []
            for unit, pool in enumerate(pools, start=1):
                options = ModbusOptions.model_validate(
                    {
                        "transport": transport,
                        "host": "127.0.0.1",
                        "port": port,
                        "unit": unit,
                        **keys,
                    }
                )
                driver = ModbusDriver(f"dev{unit}", profile, options)
                driver.share(pool)
                told.append(Told())
                tasks.append(asyncio.create_task(driver.session(told[-1])))
            await until(lambda: all(one.got for one in told), "samples of both")
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert connections[transport] == wanted


async def test_a_dead_unit_among_three_is_asked_rarely_and_heard_when_it_is_back() -> None:
    dead = True
    asked: Counter[int] = Counter()

    def reply(request: bytes) -> bytes:
        asked[request[0]] += 1
        return b"" if request[0] == 2 and dead else addresses(request)

    profile = machine('name="a"; address=7; type="uint16"')
    pool = Pool()
    told = {unit: Told() for unit in (1, 2, 3)}
    async with rtu_server(reply) as port:
        tasks = []
        for unit, sink in told.items():
            options = ModbusOptions(
                transport="rtu_over_tcp",
                host="127.0.0.1",
                port=port,
                unit=unit,
                timeout_s=TIMEOUT_S,
            )
            driver = ModbusDriver(f"dev{unit}", profile, options)
            driver.share(pool)
            supervisor = Supervisor(driver, sink, silence_s=profile.scan.silence_s)
            tasks.append(asyncio.create_task(supervisor.run()))
        try:
            await until(lambda: asked[2] >= 4, "the dead unit's tries")
            counts = [len(told[unit].got) for unit in (1, 3)]
            # A scan takes 0.05 s: in the rests between four tries there is room for far more.
            assert min(counts) > 20
            assert all(told[unit].count(LinkState.DOWN) == 0 for unit in (1, 3))
            assert "unit 2 gave no answer within 0.2 s" in told[2].links[-1][1]
            dead = False
            await until(lambda: told[2].got, "the unit that is back")
            assert {sample.value for sample in told[2].got} == {7.0}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
