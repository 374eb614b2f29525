"""A device's lines over each transport, and what it does to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

import protocols.text.driver
import protocols.text.feed
import protocols.text.port
from equipment.report import NoticeKind
from protocols.driver import Pool
from protocols.readers import AGE_US
from tests.protocols.text_profiles import KEYED, RANGE, profile, range_line, shipped
from tests.protocols.text_server import Caller, Device, Sender, device, driver_for, udp_port
from tests.support.ports import free_port
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import until


def block(first: int, last: int) -> bytes:
    return b"".join(range_line(number) + b"\r\n" for number in range(first, last + 1))


def refused(told: Told) -> list[str]:
    return [text for kind, _, text in told.notices if kind is NoticeKind.DATA_REFUSED]


@asynccontextmanager
async def connected(peer: Device, **more: Any) -> AsyncIterator[Told]:
    async with running(driver_for(peer.port, **more)) as (told, _):
        await until(lambda: peer.writers, "the connection")
        yield told


async def test_lines_come_over_a_connection_that_we_make() -> None:
    async with device() as peer, connected(peer) as told:
        data = block(1, 300)
        for start in range(0, len(data), 777):  # cut anywhere
            peer.send(data[start : start + 777])
            await asyncio.sleep(0)
        await until(lambda: len(told.numbers()) == 300)
        assert told.numbers() == list(range(1, 301))
        assert told.notices == []
        assert told.batches[0].device == "kit"
        assert AGE_US not in told.batches[0].columns


async def test_lines_come_over_a_connection_that_the_device_makes() -> None:
    port = free_port()
    async with running(driver_for(port, "tcp_listen")) as (told, _):
        peer = await called(port)
        peer.send(block(1, 5) + b"#RNG,6,half")
        await until(lambda: len(told.numbers()) == 5)
        peer.close()
        again = await called(port)
        again.send(block(6, 9))
        await until(lambda: len(told.numbers()) == 9)
        await until(lambda: refused(told), "the half line")
        again.close()
    assert told.numbers() == list(range(1, 10))
    assert "no end before that of the connection, such as '#RNG,6,half'" in refused(told)[0]


async def called(port: int, host: str = "127.0.0.1") -> Caller:
    made: list[Caller] = []

    def connects() -> bool:
        try:
            made.append(Caller(port, host))
        except OSError:
            return False
        return True

    await until(connects, "the port")
    return made[0]


async def test_lines_come_in_datagrams() -> None:
    port = udp_port()
    async with running(driver_for(port, "udp")) as (told, _):
        peer = Sender(port)
        await until(lambda: heard_from(peer, told), "the first datagram")
        for first in (2, 12, 22):
            peer.send(block(first, first + 9).rstrip())  # without the last end
        await until(lambda: told.numbers()[-1] == 31)
        peer.close()
    assert told.numbers() == list(range(1, 32))
    assert told.lost() == 0


def heard_from(peer: Sender, told: Told, number: int = 1) -> bool:
    """Sends until something is heard: repeats are refused by their numbers."""
    peer.send(range_line(number))
    return bool(told.batches)


async def test_devices_share_a_port_and_are_known_by_their_addresses() -> None:
    port, pool = udp_port(), Pool()
    first, second = driver_for(port, "udp"), driver_for(port, "udp", "127.0.0.2")
    for one in (first, second):
        one.share(pool)
    async with running(first) as (told, _), running(second) as (told_2, _):
        peer, peer_2 = Sender(port), Sender(port, "127.0.0.2")
        await until(lambda: heard_from(peer, told) & heard_from(peer_2, told_2, 101))
        peer.send(block(2, 4))
        peer_2.send(block(102, 104))
        await until(lambda: len(told.numbers()) == len(told_2.numbers()) == 4)
        peer.close()
        peer_2.close()
    assert told.numbers() == [1, 2, 3, 4]
    assert told_2.numbers() == [101, 102, 103, 104]


async def test_the_port_stays_open_for_the_others() -> None:
    port, pool = free_port(), Pool()
    first = driver_for(port, "tcp_listen")
    second = driver_for(port, "tcp_listen", "127.0.0.2")
    for one in (first, second):
        one.share(pool)
    async with running(second) as (told, _):
        peer = await called(port, "127.0.0.2")
        peer.send(block(0, 0))
        await until(lambda: told.batches)
        async with running(first) as (told_first, _):
            caller = await called(port)
            caller.send(block(1, 1))
            await until(lambda: told_first.batches)
        caller.close()
        peer.send(block(1, 3))
        await until(lambda: told.numbers() == [0, 1, 2, 3])
        peer.close()


async def test_what_is_missing_and_what_came_twice_in_datagrams_is_told() -> None:
    port = udp_port()
    async with running(driver_for(port, "udp")) as (told, _):
        peer = Sender(port)
        await until(lambda: heard_from(peer, told), "the first datagram")
        for number in (4, 2, 2, 5, 5, 7):
            peer.send(range_line(number))
        await until(lambda: told.lost() == 2, "the loss")
        peer.close()
    assert told.numbers() == [1, 4, 2, 5, 7]
    lost = [text for kind, _, text in told.notices if kind is NoticeKind.DATA_LOST]
    assert lost == ["lines lost on the way: their numbers are missing"]
    assert refused(told)[0].startswith("lines refused: their numbers came before, such as '#RNG,")


@pytest.mark.parametrize("transport", ["udp", "tcp_listen"])
async def test_what_comes_from_others_is_refused_and_told(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.text.port, "SETTLED_S", 0.0)
    port = free_port()
    async with running(driver_for(port, transport)) as (told, _):
        if transport == "udp":
            stranger: Sender | Caller = Sender(port, "127.0.0.3")
            await until(lambda: (stranger.send(range_line(1)), told.notices)[1])
        else:
            stranger = await called(port, "127.0.0.3")
            await until(lambda: stranger.received() is None, "the end of the connection")
            await until(lambda: told.notices)
        stranger.close()
    assert told.batches == []
    text = "data refused from 127.0.0.3, which is no device's host on this port"
    assert refused(told)[0] == text


async def test_time_of_arrival_counts_where_lines_have_none() -> None:
    async with device() as peer, connected(peer, profile=profile(RANGE)) as told:
        peer.send(b"R,1401,A1,2.5\nR,1402,A1,-\n")
        await until(lambda: told.batches)
        batch = told.batches[0]
        assert batch.device_t_ns is None
        assert batch.columns[AGE_US].dtype == np.int64
        assert min(batch.columns[AGE_US].tolist()) >= 0
        assert "t_us" not in batch.columns


async def test_the_card_of_a_tag_is_the_device_s() -> None:
    line = b"DIST,2,AN0,A1,0,0,0,3.44,AN1,A2,0,0,0,5.68\r\ndwm> \r\n"
    kit = shipped("uwb_dwm1001")
    async with device() as peer, connected(peer, profile=kit, card="14010000000100009") as told:
        peer.send(line)
        await until(lambda: told.batches)
        assert told.batches[0].columns["card"].tolist() == ["14010000000100009"] * 2
        assert told.notices == []


async def test_a_machine_s_lines_are_values_of_points() -> None:
    async with device() as peer, connected(peer, profile=profile(KEYED, "machine")) as told:
        peer.send(b"#POS x=10352 y=2 op=UWB,2D fom=50\n#POS x=? y=2 op=IMU\n")
        await until(lambda: len(told.of("x")) == 2)
        await until(lambda: told.notices)
        assert [one.value for one in told.of("x")] == [10.352, None]
        assert [one.value for one in told.of("options")] == ["UWB,2D", "IMU"]
        assert refused(told) == ["values refused: x is not a number, such as '#POS x=? y=2 op=IMU'"]


async def test_a_clock_is_told_once_lines_come_as_they_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("protocols.pace.SETTLED_NS", 0)
    async with device() as peer, connected(peer) as told:
        peer.send(block(1, 1))
        await until(lambda: len(told.batches) == 1)
        peer.send(block(2, 2))
        await until(lambda: len(told.batches) == 2)
        assert told.batches[0].device_t_ns is None
        assert told.batches[1].device_t_ns == (1_764_500_000_000_000 + 2000) * 1000


async def test_an_empty_line_is_a_sign_of_life() -> None:
    async with device() as peer, connected(peer) as told:
        peer.send(b"\r\n")
        await until(lambda: told.heard_count)
        assert (told.batches, told.notices) == ([], [])


async def test_numbers_go_on_over_sessions() -> None:
    async with device() as peer:
        driver = driver_for(peer.port)
        async with running(driver) as (told, task):
            await until(lambda: peer.writers)
            peer.send(block(1, 3))
            await until(lambda: told.numbers() == [1, 2, 3])
            peer.writers[-1].close()
            await until(task.done)
        async with running(driver) as (told, _):
            await until(lambda: len(peer.writers) == 2)
            peer.send(block(3, 3) + block(6, 7))
            await until(lambda: told.lost() == 2)
            assert told.numbers() == [6, 7]


async def test_a_name_that_can_not_be_resolved_is_told() -> None:
    text, _ = await failure_of(driver_for(free_port(), host="no-such-host.invalid"))
    assert text.startswith("text tcp no-such-host.invalid:")
    assert "can't be reached" in text
    text, _ = await failure_of(driver_for(udp_port(), "udp", host="no-such-host.invalid"))
    assert "host can't be resolved" in text
