"""What devices and networks do wrong: told in words, and over when it is over."""

import asyncio
import socket

import pytest

import protocols.text.driver
import protocols.text.feed
from equipment.report import LinkState, NoticeKind
from equipment.text_profile import TextProfile
from protocols.driver import Pool
from protocols.supervise import Supervisor
from protocols.text.feed import Feed
from tests.protocols.test_text_driver import block, called, refused
from tests.protocols.text_profiles import range_line, shipped
from tests.protocols.text_server import Device, Sender, device, driver_for, udp_port
from tests.support.ports import free_port
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import until


def impatient() -> TextProfile:
    """The profile that comes along, of a device that is silent after half a second."""
    keys = shipped().model_dump(exclude_none=True)
    keys["scan"] = {"period_s": 0.01, "silence_s": 0.5}
    return TextProfile.model_validate(keys)


async def test_a_device_that_is_not_there_is_told() -> None:
    port = free_port()
    text, _ = await failure_of(driver_for(port))
    assert text == (
        f"text tcp 127.0.0.1:{port} can't be reached (Connection refused); check the address, the "
        "power and the network"
    )


async def test_a_connection_that_is_closed_is_told_after_all_that_came() -> None:
    async with device() as peer, running(driver_for(peer.port)) as (told, task):
        await until(lambda: peer.writers)
        peer.send(block(1, 50) + b"#RNG,51")
        peer.writers[-1].close()
        await until(task.done)
        assert str(task.exception()) == (
            f"text tcp 127.0.0.1:{peer.port} closed the connection; check the device"
        )
        assert told.numbers() == list(range(1, 51))
        assert "no end before that of the connection" in refused(told)[0]


async def test_a_connection_that_is_reset_is_told() -> None:
    async with device() as peer, running(driver_for(peer.port)) as (_, task):
        await until(lambda: peer.writers)
        raw = peer.writers[-1].get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.writers[-1].transport.abort()
        await until(task.done)
        assert "lost the connection (Connection reset by peer)" in str(task.exception())


@pytest.mark.parametrize("transport", ["udp", "tcp_listen"])
async def test_a_port_that_is_taken_is_told(transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("0.0.0.0", 0))
        if transport == "tcp_listen":
            other.listen()
        port = other.getsockname()[1]
        text, _ = await failure_of(driver_for(port, transport))
    assert text == (
        f"text {transport} 127.0.0.1 on port {port}: the port is in use by another program: end "
        "that, or have the device send to another port"
    )


async def test_an_address_of_another_computer_can_not_be_listened_on() -> None:
    text, _ = await failure_of(driver_for(udp_port(), "udp", bind="192.0.2.1"))
    assert "can't be had, as bind is no address of this computer" in text


async def test_two_devices_with_one_address_are_told() -> None:
    port, pool = udp_port(), Pool()
    first, second = driver_for(port, "udp"), driver_for(port, "udp", "localhost")
    for one in (first, second):
        one.share(pool)
    async with running(first):
        await until(lambda: first._port._feeds if first._port else None)
        text, _ = await failure_of(second)
    assert "another device on this port has the address" in text


async def test_garbage_alone_is_no_sign_of_life() -> None:
    async with (
        device() as peer,
        running(driver_for(peer.port, profile=impatient())) as (told, task),
    ):
        await until(lambda: peer.writers)
        while not task.done():
            peer.send(b"\xff\x00garbage\r\n")
            await asyncio.sleep(0.01)
        text = str(task.exception())
        assert "sends no line that can be read (they begin like no line of the profile)" in text
        assert (told.heard_count, told.batches) == (0, [])
        assert refused(told)[0].startswith(
            "lines refused: they begin like no line of the profile, such as '\\\\xff\\x00garbage'"
        )


async def test_garbage_among_lines_costs_no_line() -> None:
    async with device() as peer, running(driver_for(peer.port)) as (told, _):
        await until(lambda: peer.writers)
        for number in range(1, 101):
            peer.send(bytes(range(256)) + b"\n" + range_line(number) + b"\n" + b"x" * 5000 + b"\n")
        await until(lambda: len(told.numbers()) == 100)
        assert told.numbers() == list(range(1, 101))
        counts = {text.partition(",")[0]: count for _, count, text in told.notices}
        assert "lines refused: longer than 128 bytes" in counts


async def test_a_giant_line_without_end_fills_no_memory() -> None:
    async with device() as peer, running(driver_for(peer.port)) as (told, _):
        await until(lambda: peer.writers)
        for _ in range(64):
            peer.send(b"y" * 65_536)
            await peer.writers[-1].drain()
        peer.send(b"\n" + range_line(1) + b"\n")
        await until(lambda: told.numbers() == [1])
        ((kind, count, text),) = told.notices
        assert (kind, count) == (NoticeKind.DATA_REFUSED, 1)
        assert text.startswith("lines refused: longer than 128 bytes, such as 'yyy")


async def test_a_flood_over_tcp_waits_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols.text.feed, "WAITING_BYTES_MOST", 8192)
    async with device() as peer, running(driver_for(peer.port)) as (told, _):
        await until(lambda: peer.writers)
        peer.send(block(1, 20_000))
        await until(lambda: len(told.numbers()) == 20_000)
        assert told.numbers() == list(range(1, 20_001))
        assert told.notices == []


async def test_lines_of_one_batch_are_bounded_and_so_is_their_rate() -> None:
    feed = Feed()
    for _ in range(100):
        feed.put(b"x" * 4096)
    taken = await feed.take(1.0)
    assert sum(len(piece.data or b"") for piece in taken) <= 1 << 16
    assert len(taken) < 100


async def test_a_flood_of_datagrams_is_lost_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols.text.feed, "WAITING_BYTES_MOST", 4096)
    monkeypatch.setattr(protocols.text.driver, "GATHER_S", 0.2)
    port = udp_port()
    async with running(driver_for(port, "udp")) as (told, _):
        peer = Sender(port)
        number = 0
        while not told.lost():
            for _ in range(100):
                number += 1
                peer.send(range_line(number) + b"\n")
            await asyncio.sleep(0.001)
        peer.close()
        lost = [text for kind, _, text in told.notices if kind is NoticeKind.DATA_LOST]
        assert any("more come than can be read" in text for text in lost)
        assert len(told.numbers()) == len(set(told.numbers()))


async def test_who_has_never_connected_or_is_not_back_is_told() -> None:
    port = free_port()
    driver = driver_for(port, "tcp_listen", profile=impatient())
    text, _ = await failure_of(driver)
    assert "127.0.0.1 on port" in text
    assert "has not connected; check the device and where it sends to" in text
    async with running(driver) as (_, task):
        peer = await called(port)
        peer.send(block(1, 1))
        peer.close()
        await until(task.done)
        text = str(task.exception())
    assert "had connected, closed it, and is not back" in text


async def test_a_device_s_newest_connection_counts() -> None:
    port = free_port()
    async with running(driver_for(port, "tcp_listen")) as (told, _):
        old = await called(port)
        old.send(b"#RNG,0,half")
        new = await called(port)
        await until(lambda: old.received() is None, "the end of the old connection")
        new.send(block(1, 3))
        await until(lambda: told.numbers() == [1, 2, 3])
        old.close()
        new.close()


async def test_a_silent_device_is_found_and_heard_again_when_it_is_back() -> None:
    told = Told()
    async with device() as peer:
        driver = driver_for(peer.port, profile=impatient())
        task = asyncio.create_task(Supervisor(driver, told, silence_s=0.5).run())
        try:
            await until(lambda: peer.writers)
            peer.send(block(1, 2))
            await until(lambda: told.count(LinkState.DOWN) == 1, "the silence")
            assert "has given no sign of life" in told.links[-1][1]
            await until(lambda: len(peer.writers) == 2)
            await sent_until_heard(peer, told)
        finally:
            task.cancel()
            await asyncio.wait({task})
    assert told.numbers()[:3] == [1, 2, 3]


async def sent_until_heard(peer: Device, told: Told) -> None:
    number = 2
    while len(told.numbers()) < 3:
        number += 1
        peer.send(range_line(3))
        peer.send(b"\n")
        await asyncio.sleep(0.02)
