"""The EtherNet/IP driver against a controller of our own making, well and otherwise."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable

import pytest

from equipment.report import NoticeKind, Quality
from protocols.driver import driver_class
from protocols.ethernetip.driver import EthernetIpDriver
from tests.protocols.logix_peer import (
    FAULTED,
    IDLE,
    RUNS,
    Logix,
    controller,
    driver_for,
    machine,
    string,
    typed,
)
from tests.support.ports import free_port
from tests.support.sink import failure_of, running
from tests.support.waiting import until

SPEED = 'name="speed"; tag="Speed"'


def threads() -> set[str]:
    return {one.name for one in threading.enumerate() if one.name.startswith("ethernetip")}


def test_the_driver_is_found_by_its_protocol() -> None:
    assert driver_class("ethernetip") is EthernetIpDriver


async def test_numbers_of_every_type_elements_members_bits_and_texts_are_read() -> None:
    numbers = {
        "SINT": -7, "INT": -300, "DINT": -70_000, "LINT": -(1 << 40), "USINT": 200, "UINT": 60_000,
        "UDINT": 4_000_000_000, "REAL": 2.5, "LREAL": 1e-3,
    }  # fmt: skip
    tags = {kind.lower(): typed(kind, value) for kind, value in numbers.items()}
    tags |= {
        "program:main.drive[3].speed": typed("REAL", 1.25),
        "grid[1,200,70000]": typed("INT", 5),
        "status": typed("DINT", -(1 << 31) | 0b1000),
        "running": typed("BOOL", 1),
        "alarms[1]": typed("DWORD", 0b100),
        "serial": string(b"LW-3101"),
        "long": string("支架".encode(), 200, 0x1234),
    }
    points = [f'name="{kind.lower()}"; tag="{kind}"' for kind in numbers]
    points += [
        'name="member"; tag="Program:Main.Drive[3].Speed"; scale=2.0; offset=1.0; unit="m/s"',
        'name="cell"; tag="Grid[1,200,70000]"',
        'name="bit_3"; tag="Status.3"; type="bool"',
        'name="bit_4"; tag="Status.4"; type="bool"',
        'name="bit_31"; tag="Status.31"; type="bool"',
        'name="running"; tag="Running"; type="bool"',
        'name="alarm_34"; tag="Alarms[34]"; type="bool"',
        'name="alarm_33"; tag="Alarms[33]"; type="bool"',
        'name="state"; tag="USINT"; states={ 200 = "running" }',
        'name="serial"; tag="Serial"; type="text"',
        'name="long"; tag="Long"; type="text"',
    ]
    async with (
        controller(tags=tags) as plc,
        running(driver_for(machine(*points), plc.port)) as (told, _),
    ):
        await until(lambda: told.last("long"), "all points")
        last = told.latest()
    values = {name: sample.value for name, sample in last.items()}
    assert values == {
        **{kind.lower(): value for kind, value in numbers.items()},
        "member": 3.5, "cell": 5, "bit_3": True, "bit_4": False, "bit_31": True, "running": True,
        "alarm_34": True, "alarm_33": False, "state": "running", "serial": "LW-3101",
        "long": "支架",
    }  # fmt: skip
    assert {sample.quality for sample in last.values()} == {Quality.GOOD}
    # What several points are taken from is asked for once.
    assert len([name for name in plc.reads[: len(tags)] if name == "Status"]) == 1
    assert all(told.lively)


@pytest.mark.parametrize("most", [4000, 500])
async def test_many_tags_go_in_few_requests_that_fit_the_connection(most: int) -> None:
    sizes: list[int] = []

    def measured(answer: bytes, command: int) -> bytes:
        if command == 0x70:
            sizes.append(struct.unpack_from("<H", answer, 42)[0])
        return answer

    count = 300
    tags = {f"leg[{n}].pressure": typed("REAL", n) for n in range(count)}
    point = 'name="leg_{n}"; tag="Leg[{n}].Pressure"; repeat={ count=300, first=0 }'
    profile = machine(point)
    async with (
        controller(tags=tags, large=most > 500, twist=measured) as plc,
        running(driver_for(profile, plc.port)) as (told, _),
    ):
        await until(lambda: len(told.latest()) == count, "all points")
        assert {n: told.latest()[f"leg_{n}"].value for n in range(count)} == {
            n: float(n) for n in range(count)
        }
        assert max(sizes) <= most
        counts = [merged - 1 for merged in plc.merges[1:]]  # beside the controller's state
        scan = next(n for n in range(len(counts) + 1) if sum(counts[:n]) == count)
    assert scan <= (3 if most > 500 else 24)


async def test_a_tag_that_is_refused_makes_only_its_point_bad_and_is_told_once() -> None:
    tags = {"speed": typed("REAL", 1.0), "text": string(b"x"), "on": typed("BOOL", 1)}
    refused: dict[str, tuple[int, int | None]] = {
        "Secret": (0x0F, None), "Array": (0xFF, 0x2105), "Odd": (0x1F, None), "Load": (0xFF, 0x2108)
    }  # fmt: skip
    points = [SPEED]
    points += [f'name="{name.lower()}"; tag="{name}"' for name in ("Missing", *refused)]
    points += [
        'name="no_number"; tag="Text"',
        'name="no_text"; tag="Speed"; type="text"',
        'name="no_bool"; tag="Speed"; type="bool"',
        'name="no_bit"; tag="Speed.3"; type="bool"',
        'name="no_array"; tag="On[2]"; type="bool"',
    ]
    async with (
        controller(tags=tags | {"on[0]": typed("BOOL", 1)}, refused=refused) as plc,
        running(driver_for(machine(*points), plc.port)) as (told, task),
    ):
        await until(lambda: len(told.of("speed")) > 3, "several scans")
        assert not task.done()
        last = told.latest()
        reasons = {name: sample.reason for name, sample in last.items() if name != "speed"}
        plc.tags["missing"] = typed("REAL", 7.0)
        await until(lambda: told.good("missing"), "the tag that was added")
    assert last["speed"].quality is Quality.GOOD
    assert {last[name].quality for name in reasons} == {Quality.BAD}
    words = {
        "missing": "no such tag", "secret": "External Access", "array": "no such element",
        "odd": "status 0x1f", "load": "being changed", "no_number": "is a structure, and no number",
        "no_text": "is REAL, and no text", "no_bool": "is REAL, and no BOOL",
        "no_bit": "is REAL, and no whole number with a bit 3",
        "no_array": "is BOOL, and no array of BOOL",
    }  # fmt: skip
    assert {name for name, text in words.items() if text in reasons[name]} == reasons.keys()
    assert {kind for kind, _, _ in told.notices} == {NoticeKind.DATA_REFUSED}
    assert sum(count for _, count, _ in told.notices) == len(reasons)


async def test_a_type_that_changes_while_connected_never_gives_a_wrong_number() -> None:
    tags = {"speed": typed("REAL", 2.0)}
    async with (
        controller(tags=tags) as plc,
        running(driver_for(machine(SPEED), plc.port)) as (told, _),
    ):
        await until(lambda: told.good("speed"), "a value")
        plc.tags["speed"] = typed("DINT", 3)
        await until(lambda: told.of("speed")[-1].value != 2.0, "another value")
    assert {sample.value for sample in told.of("speed")} == {2.0, 3.0}


async def test_a_text_that_is_too_long_beside_others_is_read_alone() -> None:
    tags = {"speed": typed("REAL", 2.0), "long": string(b"y" * 300, 400)}
    async with controller(tags=tags) as plc:
        plc.refused["Long"] = (0x11, None)
        points = ('name="long"; tag="Long"; type="text"', SPEED)
        async with running(driver_for(machine(*points), plc.port)) as (told, _):
            await until(lambda: told.last("long"), "the refusal")
            await until(lambda: plc.merges[-2:] == [2, 2], "two requests for two tags")
            plc.refused.clear()
            await until(lambda: told.good("long"), "the text")
    assert "longer than one answer" in told.of("long")[0].reason


@pytest.mark.parametrize(
    ("status", "words"), [(IDLE, "program mode"), (FAULTED, "major fault"), (RUNS, "")]
)
async def test_values_of_a_controller_whose_program_stands_are_uncertain(
    status: int, words: str
) -> None:
    async with (
        controller(tags={"speed": typed("REAL", 2.0)}) as plc,
        running(driver_for(machine(SPEED), plc.port)) as (told, _),
    ):
        await until(lambda: told.good("speed"), "a value")
        plc.status = status
        before = len(told.got)
        await until(lambda: len(told.got) > before + 2, "later values")
        last = told.of("speed")[-1]
    assert last.value == 2.0
    assert last.quality is (Quality.UNCERTAIN if words else Quality.GOOD)
    assert words in last.reason


async def test_each_scan_class_has_its_own_pace() -> None:
    points = (SPEED, 'name="rarely"; tag="Rarely"; scan="slow"')
    tags = {"speed": typed("REAL", 2.0), "rarely": typed("INT", 1)}
    async with (
        controller(tags=tags) as plc,
        running(driver_for(machine(*points), plc.port)) as (told, _),
    ):
        await until(lambda: len(told.of("rarely")) == 3, "two periods of the slow one")
    assert len(told.of("speed")) > 3
    assert set(plc.merges) == {1, 2}  # nothing is read along


async def test_values_that_can_not_be_true_are_bad_and_the_controller_is_heard() -> None:
    point = SPEED + "; range=[0.0, 1.0]"
    async with (
        controller(tags={"speed": typed("REAL", 2.0)}) as plc,
        running(driver_for(machine(point), plc.port)) as (told, task),
    ):
        await until(lambda: len(told.got) > 5, "several scans")
        assert not task.done()
    assert {sample.quality for sample in told.got} == {Quality.BAD}
    assert all(told.lively)
    assert told.notices == []


async def test_a_connection_on_which_nothing_is_read_for_long_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("protocols.ethernetip.driver.IDLE_MOST_S", 0.02)
    async with (
        controller(tags={"speed": typed("REAL", 2.0)}) as plc,
        running(driver_for(machine(SPEED + '; scan="slow"'), plc.port)) as (told, _),
    ):
        await until(lambda: len(told.got) == 2, "two scans")
        assert plc.merges.count(1) > 2


async def test_a_session_that_ends_takes_leave_and_leaves_no_thread() -> None:
    async with controller(tags={"speed": typed("REAL", 2.0)}) as plc:
        async with running(driver_for(machine(SPEED), plc.port)) as (told, _):
            await until(lambda: told.good("speed"), "a value")
            assert (plc.connections, plc.sessions, len(threads())) == (1, 1, 1)
        await until(lambda: (plc.connections, plc.sessions) == (0, 0), "the leave")
        await until(lambda: not threads(), "the thread's end")


def nothing(answer: bytes, command: int) -> bytes | None:
    return None if command == 0x70 else answer


def late_forever(answer: bytes, command: int) -> bytes | None:
    return answer[:30] if command == 0x70 else answer


async def test_a_controller_that_hangs_ends_its_session_and_threads_do_not_pile_up() -> None:
    async with controller(twist=nothing) as plc:
        driver = driver_for(machine(SPEED), plc.port, timeout_s=0.05)
        for _ in range(5):
            text, _ = await failure_of(driver)
            assert "gave no answer within 0.05 s" in text
        await until(lambda: not threads(), "the threads' end")
        assert plc.opened == 5


@pytest.mark.parametrize("hang", [nothing, late_forever])
async def test_a_session_that_is_cancelled_while_it_waits_ends_at_once(
    hang: Callable[[bytes, int], bytes | None],
) -> None:
    async with controller(twist=hang) as plc:
        async with running(driver_for(machine(SPEED), plc.port, timeout_s=60.0)):
            await until(lambda: plc.merges, "the first request")
        await until(lambda: not threads(), "the thread's end")


async def test_a_hung_controller_does_not_stop_another() -> None:
    async with (
        controller(twist=nothing) as hung,
        controller(tags={"speed": typed("REAL", 2.0)}) as plc,
        running(driver_for(machine(SPEED), hung.port)),
        running(driver_for(machine(SPEED), plc.port)) as (told, _),
    ):
        await until(lambda: hung.merges, "the first request")
        await until(lambda: len(told.of("speed")) > 5, "values of the other one")


def twisted(at: int, value: int, command: int = 0x70) -> Callable[[bytes, int], bytes]:
    """Answers to `command` have another byte at `at`."""

    def twist(answer: bytes, of: int) -> bytes:
        if of != command:
            return answer
        changed = bytearray(answer)
        changed[at] = value
        return bytes(changed)

    return twist


@pytest.mark.parametrize(
    ("twist", "words"),
    [
        (twisted(0, 0x71), "to another request"),
        (twisted(4, 9), "to another request"),
        (twisted(8, 0x64), "it has closed the session"),
        (twisted(8, 0x77), "encapsulation status 0x77"),
        (twisted(12, 9), "to another request"),
        (twisted(44, 99), "to another request"),
        (twisted(46, 0xCC), "to another request"),
        (twisted(50, 9), "does not hold 1 answers"),
        (twisted(52, 200), "do not lie within it"),
        (lambda answer, of: answer + b"\0" if of == 0x70 else answer, "longer than it says"),
        (lambda answer, of: b"HTTP/1.1 400 Bad Request\r\n" * 900, "that is"),
        (lambda answer, of: struct.pack("<HH", 0x70, 2) + answer[4:26] if of == 0x70 else answer,
         "cut off"),
    ],
)  # fmt: skip
async def test_an_answer_that_does_not_fit_ends_the_session(
    twist: Callable[[bytes, int], bytes], words: str
) -> None:
    async with controller(tags={"speed": typed("REAL", 2.0)}, twist=twist) as plc:
        text, told = await failure_of(driver_for(machine(SPEED), plc.port))
    assert words in text
    assert told.got == []


async def test_a_controller_that_hangs_up_within_an_answer_is_told() -> None:
    """pycomm3's own socket would go round for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(28)
        writer.write(b"\x65\0\x04\0")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        text, _ = await failure_of(driver_for(machine(SPEED), server.sockets[0].getsockname()[1]))
    finally:
        server.close()
    assert "connection lost (it has hung up)" in text
    await until(lambda: not threads(), "the thread's end")


@pytest.mark.parametrize(
    ("plc", "words"),
    [
        ({"full": 0x0113}, "no connection left (status 0x01, 0x0113)"),
        ({"full": 0x0312}, "no controller answers in slot 0"),
        ({"full": 0x0106}, "refuses a connection to its controller"),
        ({"deaf": 0x08}, "it takes no merged reads"),
        ({"deaf": 0x1F}, "refuses to be read (status 0x1f)"),
        ({}, "it gives nothing that is asked for; the controller has no such tag"),
    ],
)
async def test_what_a_controller_refuses_is_told_with_what_to_do(
    plc: dict[str, int], words: str
) -> None:
    made: Logix
    async with controller(**plc) as made:
        text, told = await failure_of(driver_for(machine(SPEED), made.port))
    assert text.startswith(f"ethernetip 127.0.0.1:{made.port} slot 0: ")
    assert words in text
    assert told.heard_count == 0


async def test_where_nobody_listens_or_no_name_is_known_is_told() -> None:
    text, _ = await failure_of(driver_for(machine(SPEED), free_port()))
    assert "connection refused: check that the controller runs, and port" in text
    text, _ = await failure_of(driver_for(machine(SPEED), 1, host="no-such-host.invalid"))
    assert "host 'no-such-host.invalid' is not known" in text
    text, _ = await failure_of(driver_for(machine(SPEED), 1, host="a" * 70))
    assert "can't be the name of a computer" in text


async def test_a_connection_that_nobody_takes_is_told() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.settimeout(0)
                one.connect_ex(("127.0.0.1", port))
            text, _ = await failure_of(driver_for(machine(SPEED), port, timeout_s=0.2))
        finally:
            for one in waiting:
                one.close()
    assert "no connection within 0.2 s" in text or "no answer within 0.2 s" in text
