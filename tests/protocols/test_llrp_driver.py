"""The LLRP driver against a reader of our own making, well and otherwise."""

import asyncio
import struct
from collections.abc import Callable

import numpy as np
import pytest

from equipment.report import LinkState, NoticeKind
from protocols import losses
from protocols.driver import driver_class
from protocols.llrp.driver import LlrpDriver
from protocols.llrp.options import LlrpOptions
from protocols.supervise import Supervisor
from tests.protocols.llrp_peer import (
    ACK,
    ADD,
    CLOSE,
    DELETE,
    ENABLE,
    EVENTS,
    GET,
    NOW_US,
    SET_CONFIG,
    START,
    Reader,
    driver_for,
    message,
    profile,
    reader,
    status,
    tag,
    tlv,
)
from tests.support.ports import free_port
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import until

EPC = "300833b2ddd9014000000001"
OWN = 14_150
BEGIN = [SET_CONFIG, GET, ADD, ENABLE, EVENTS]


@pytest.fixture
def quick_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "LOSSES_S", 0.0)


def cards(told: Told) -> list[str]:
    return [card for batch in told.batches for card in batch.columns["card"].tolist()]


def test_the_driver_is_found_by_its_protocol() -> None:
    assert driver_class("llrp") is LlrpDriver


async def test_a_reader_is_given_one_rospec_and_what_it_sees_becomes_records() -> None:
    sides = "[sides]\n1 = 1\n2 = 2\n"
    async with (
        reader() as device,
        running(driver_for(device.port, profile(sides))) as (told, _),
    ):
        await until(lambda: device.kinds.count(GET) > 2, "that it listens")
        assert device.kinds[: len(BEGIN)] == BEGIN
        assert device.rospecs[OWN][0] == 2
        # A longer EPC, antennas without a side, and all that a report may hold besides.
        more = (b"\x89" + bytes(4), b"\x8e\0\1", b"\x84" + bytes(8), b"\x88\0\1", b"\x8c\x30\0")
        device.report(
            tag(EPC, NOW_US + 5, 1, -60),
            tag("aa" * 16, NOW_US + 7, 2, -71, *more, tlv(1023, bytes(12))),
            tag("00000000000000000009", NOW_US + 6, 3, None),
        )
        await until(lambda: told.batches, "records")
    (batch,) = told.batches
    assert batch.device == "gate"
    assert batch.columns["t_us"].tolist() == [NOW_US + 5, NOW_US + 7, NOW_US + 6]
    assert cards(told) == ["B2DDD9014000000001", "AA" * 9, "000000000000000009"]
    np.testing.assert_array_equal(batch.columns["rssi_dbm"], [-60.0, -71.0, np.nan])
    assert batch.columns["side"].tolist() == [1, 2, 0]
    # The greeting tells what the reader's clock shows.
    assert batch.device_t_ns is not None
    assert abs(batch.device_t_ns - NOW_US * 1000) < 60_000_000_000
    assert told.notices == []
    assert told.answers[0][1] == NOW_US * 1000


async def test_tags_of_a_reader_without_a_clock_have_the_time_of_arrival() -> None:
    async with (
        reader(clock_us=None) as device,
        running(driver_for(device.port)) as (told, _),
    ):
        await until(lambda: EVENTS in device.kinds, "that it listens")
        device.report(tag(EPC, None, 1, -60, b"\x83" + bytes(8)))
        await until(lambda: told.batches, "records")
    (batch,) = told.batches
    assert batch.columns["age_us"].tolist() == [0]
    assert "t_us" not in batch.columns
    assert batch.device_t_ns is None


async def test_a_rospec_that_goes_on_is_kept_and_another_one_is_replaced() -> None:
    async with reader() as device:
        for expected in (BEGIN, [SET_CONFIG, GET, EVENTS]):
            device.got.clear()
            async with running(driver_for(device.port)):
                await until(lambda: EVENTS in device.kinds, "that it listens")
                begin = device.kinds[: len(expected)]
            assert begin == expected
            await until(lambda: device.clients == 0, "the leave")
            assert OWN in device.rospecs  # it goes on while the gateway is away
            assert device.kinds[-1] == CLOSE
        other = device.rospecs[OWN][1][:-1] + b"\xff"
        device.rospecs = {OWN: (2, other), 1: (2, other)}
        device.got.clear()
        async with running(driver_for(device.port)):
            await until(lambda: EVENTS in device.kinds, "that it listens")
        assert device.kinds[:4] == [SET_CONFIG, GET, DELETE, ADD]
        # Those of others are left alone.
        assert device.rospecs[1] == (2, other)
        assert device.rospecs[OWN][1] != other


async def test_a_reader_whose_rospecs_exist_is_given_nothing() -> None:
    form = tlv(177, struct.pack(">IBB", 3, 0, 0))
    async with (
        reader(rospecs={3: (1, form)}) as device,
        running(driver_for(device.port, rospec="existing")) as (told, _),
    ):
        await until(lambda: device.kinds.count(GET) > 1, "that it listens")
        device.report(tag(EPC))
        await until(lambda: told.batches, "records")
        assert set(device.kinds) == {EVENTS, GET}
        device.rospecs[3] = (0, form)
        await until(lambda: told.waits, "that none is enabled")
    assert "no ROSpec that is enabled" in told.waits[-1]


async def test_one_that_does_not_start_by_itself_is_started() -> None:
    async with (
        reader(enabled=1) as device,
        running(driver_for(device.port)) as (told, _),
    ):
        await until(lambda: device.rospecs.get(OWN, (0,))[0] == 2, "the start")
        assert device.kinds[6] == START
        await until(lambda: told.heard_count, "that it works")
        device.refusals[START] = (402, "another one runs")
        device.rospecs[OWN] = (1, device.rospecs[OWN][1])
        before = len(told.waits)
        await until(lambda: len(told.waits) > before + 1, "that it waits")
    assert "another client's ROSpec goes first" in told.waits[-1]


async def test_signs_of_life_are_acknowledged() -> None:
    async with (
        reader() as device,
        running(driver_for(device.port)),
    ):
        await until(lambda: EVENTS in device.kinds, "that it listens")
        device.send(62)
        await until(lambda: ACK in device.kinds, "the acknowledgement")


async def test_a_connected_reader_that_looks_for_nothing_is_down_and_set_right_again() -> None:
    """It is silent in the only way that a reader can be which acknowledges all: by what it does."""
    told = Told()
    async with reader() as device:
        task = asyncio.create_task(Supervisor(driver_for(device.port), told, silence_s=5.0).run())
        try:
            await until(lambda: told.count(LinkState.UP), "the link")
            device.rospecs.clear()
            await until(lambda: told.count(LinkState.DOWN), "that this is found")
            await until(lambda: told.count(LinkState.UP) > 1, "the link")
            assert device.rospecs[OWN][0] == 2
        finally:
            task.cancel()
            await asyncio.wait({task})
    reason = next(reason for state, reason in told.links if state is LinkState.DOWN)
    assert "its ROSpec 14150 was deleted or disabled by someone else" in reason


async def test_what_a_reader_has_lost_is_told(quick_losses: None) -> None:
    async with (
        reader() as device,
        running(driver_for(device.port)) as (told, task),
    ):
        await until(lambda: EVENTS in device.kinds, "that it listens")
        device.event(tlv(251, b""))
        device.event(tlv(252, struct.pack(">H", 4) + b"hot!"))
        device.event(tlv(255, b"\0\0\2"), tlv(255, b"\1\0\3"), tlv(250, b"\x50"))
        device.send(100, status(109, "what?"))
        await until(lambda: len(told.notices) == 4, "notices")
        assert not task.done()
    assert {kind for kind, _, _ in told.notices} == {NoticeKind.DATA_LOST}
    text = "; ".join(text for _, _, text in told.notices)
    assert "the reader's buffer of reports was full" in text
    assert "the reader has an exception: 'hot!'" in text
    assert "antenna 2 was disconnected" in text
    assert "antenna 3" not in text
    assert "LLRP status 109 (what?)" in text


async def test_a_reader_that_tells_no_events_is_listened_to(quick_losses: None) -> None:
    async with (
        reader(refusals={SET_CONFIG: (100, "unknown event")}) as device,
        running(driver_for(device.port)) as (told, _),
    ):
        await until(lambda: EVENTS in device.kinds, "that it listens")
        device.report(tag(EPC))
        await until(lambda: told.batches and told.notices, "records and a notice")
    assert (
        "does not take which events to tell: LLRP status 100 (unknown event)"
        in (told.notices[0][2])
    )


async def test_a_tag_that_can_not_be_read_is_refused_and_the_others_are_taken(
    quick_losses: None,
) -> None:
    wrong = (
        tlv(240, b"\x81\0\1"),
        tlv(240, tlv(241, struct.pack(">H", 96) + bytes(3))),
        tlv(240, tlv(241, b"\0")),
        tlv(240, b"\x8d" + bytes(5)),
        tlv(240, b"\xff\0\1"),
        tlv(240, b"\0\1"),
        tlv(240, b"\0\1\0\2"),
    )
    async with (
        reader() as device,
        running(driver_for(device.port)) as (told, task),
    ):
        await until(lambda: EVENTS in device.kinds, "that it listens")
        device.report(*wrong, tag(EPC))
        device.report(tag(EPC), b"\0\xf0\0\xff")
        await until(lambda: len(cards(told)) == 2, "the good ones")
        await until(lambda: sum(count for _, count, _ in told.notices) == 8, "the refusals")
        assert not task.done()
    assert {kind for kind, _, _ in told.notices} == {NoticeKind.DATA_REFUSED}
    text = "; ".join(text for _, _, text in told.notices)
    for words in ("a tag with no EPC", "another length than it says", "a report with a parameter"):
        assert words in text


async def test_the_clock_is_told_by_what_is_seen_once_that_comes_as_it_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("protocols.pace.SETTLED_NS", 0)
    async with (
        reader() as device,
        running(driver_for(device.port)) as (told, _),
    ):
        await until(lambda: EVENTS in device.kinds, "that it listens")
        for number in range(2):
            t_us = NOW_US + 3_600_000_000 + number
            device.report(tag(EPC, t_us))
            await until(lambda: len(told.batches) > number, "records")
    assert told.batches[-1].device_t_ns == (NOW_US + 3_600_000_001) * 1000


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"attempt": 2}, "another client already, and room for one"),
        ({"attempt": 9}, "connection attempt status 9"),
        ({"refusals": {ADD: (101, "full")}}, "does not take the ROSpec: LLRP status 101 (full)"),
        ({"refusals": {ENABLE: (402, "")}}, "does not enable the ROSpec: LLRP status 402"),
        ({"twist": lambda _, answer: message(100, 2, status(109, "no")) if _ == GET else answer},
         "does not tell its ROSpecs: LLRP status 109 (no)"),
        ({"twist": lambda kind, answer: message(36, 2) if kind == GET else answer},
         "an answer without a status"),
        ({"twist": lambda _, answer: b"HTTP/1.1 400 Bad Request\r\n"}, "is no LLRP"),
        ({"twist": lambda _, answer: struct.pack(">HII", 1 << 10 | 13, 1 << 21, 1)}, "is no LLRP"),
    ],
)  # fmt: skip
async def test_what_a_reader_refuses_or_gets_wrong_is_told(
    device: dict[str, object], words: str
) -> None:
    made: Reader
    async with reader(**device) as made:
        text, told = await failure_of(driver_for(made.port))
    assert text.startswith(f"llrp 127.0.0.1:{made.port}: ")
    assert words in text
    assert told.heard_count == 0


def silent(kind: int, answer: bytes) -> bytes | None:
    return None if kind == GET else answer


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"attempt": None}, "no greeting within 0.05 s"),
        ({"twist": silent}, "no answer within 0.05 s"),
    ],
)
async def test_a_reader_that_hangs_ends_its_session(device: dict[str, object], words: str) -> None:
    async with reader(**device) as made:
        text, _ = await failure_of(driver_for(made.port, timeout_s=0.05))
        await until(lambda: made.clients == 0, "the connection's end")
    assert words in text


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda device: device.hang_up(), "the reader has hung up"),
        (lambda device: device.event(tlv(257, b"")), "the reader has ended the connection"),
        (lambda device: device.event(tlv(256, b"\0\4")), "another client wants its place"),
        (lambda device: device.raw(bytes(20)), "what comes is no LLRP"),
        (lambda device: device.send(63, b"\0\xf6\0\xff"), "an answer that can't be read"),
    ],
)
async def test_a_connection_that_ends_is_told_with_its_reason(
    act: Callable[[Reader], None], words: str
) -> None:
    async with reader() as device, running(driver_for(device.port)) as (_, task):
        await until(lambda: EVENTS in device.kinds, "that it listens")
        act(device)
        await until(task.done, "the session's end")
        assert words in str(task.exception())


async def test_messages_in_pieces_are_put_together() -> None:
    async with reader(version=2) as device, running(driver_for(device.port)) as (told, _):
        await until(lambda: EVENTS in device.kinds, "that it listens")
        for byte in message(61, 9, tag(EPC)) + message(61, 9, tag("01")):
            device.raw(bytes((byte,)))
            await asyncio.sleep(0)
        await until(lambda: len(cards(told)) == 2, "both")
    assert cards(told)[1] == "01"


async def test_where_nobody_listens_or_no_name_is_known_is_told() -> None:
    text, _ = await failure_of(driver_for(free_port()))
    assert "connection refused: check that the reader runs" in text
    text, _ = await failure_of(driver_for(1, host="no-such-host.invalid"))
    assert "host 'no-such-host.invalid' is not known" in text
    text, _ = await failure_of(driver_for(1, host="a" * 70))
    assert "can't be the name of a computer" in text


def test_options_that_do_not_go_together_are_refused_and_a_look_aside_is_not_had() -> None:
    with pytest.raises(ValueError, match='rospec_id has no use with rospec = "existing"'):
        LlrpOptions.model_validate({"host": "a", "rospec": "existing", "rospec_id": 3})
    assert LlrpOptions(host="a").aside(is_reader=True) is None


async def test_many_reports_leave_other_devices_their_turn() -> None:
    async with reader() as device, running(driver_for(device.port)) as (told, task):
        await until(lambda: EVENTS in device.kinds, "that it listens")
        turns = 0
        device.raw(b"".join(message(61, n, tag(EPC)) for n in range(5_000)))
        while len(told.batches) < 5_000:
            assert not task.done()
            await asyncio.sleep(0)
            turns += 1
    assert turns > 100
