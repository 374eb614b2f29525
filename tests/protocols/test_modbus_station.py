"""A reader's records come beside its own health, and what is lost is told without a storm."""

import struct
from collections import Counter

import numpy as np
import pytest

import protocols.losses
from equipment import catalogue
from equipment.modbus_profile import ModbusProfile, Ring
from equipment.report import NoticeKind, Quality
from protocols.modbus.crc import Crc16
from tests.protocols.modbus_peer import answer, asked, bare_server, driver_for, refusal
from tests.support.sink import failure_of, running
from tests.support.waiting import until

READER = """
id = "station"
title = { en = "Station", zh = "分站" }
kind = "rfid_reader"
protocol = "modbus"
scan = { period_s = 0.02, silence_s = 2.0 }

[[point]]
name = "on_battery"
meaning = { en = "on battery", zh = "电池供电" }
table = "discrete"
address = 0
type = "bool"

[ring]
header_address = 0
first_address = 10
capacity = 4
field = [
  { name = "sequence", type = "uint32" },
  { name = "t_us", type = "uint64" },
  { name = "card", type = "text", length = 2 },
  { name = "crc", type = "uint16" },
]
"""


class Station:
    """A small reader; `functions` counts what it was asked, `refuses` what it refuses."""

    def __init__(self) -> None:
        profile = catalogue.parse_profile(READER, "station.toml")
        assert isinstance(profile, ModbusProfile)
        assert profile.ring is not None
        self.profile = profile
        self.ring = RingModel(profile.ring)
        self.functions: Counter[int] = Counter()
        self.refuses: dict[int, int] = {}
        self.broken = False

    def reply(self, request: bytes) -> bytes:
        function, address, count = asked(request)
        self.functions[function] += 1
        if function in self.refuses:
            return refusal(request, self.refuses[function])
        if function == 2:
            return answer(request, b"\x01")
        memory = self.ring.memory[address : address + count]
        if self.broken and address >= 10:
            memory = [7] * count
        return answer(request, struct.pack(f">{count}H", *memory))


class RingModel:
    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.memory = [0] * (10 + ring.capacity * ring.record_width)
        self.head = 0
        self.boot_id = 1

    def add(self, count: int) -> None:
        for _ in range(count):
            self.head += 1
            body = struct.pack(">IQ4s", self.head, 1_700_000_000_000_000, b"c1")
            start = 10 + (self.head - 1) % self.ring.capacity * self.ring.record_width
            words = struct.unpack(f">{len(body) // 2}H", body)
            crc = Crc16(len(body)).of(np.frombuffer(body, np.uint8)[None, :])[0]
            self.memory[start : start + self.ring.record_width] = [*words, int(crc)]
        header = struct.pack(">IIQ", self.boot_id, self.head, 1_700_000_000_000_000)
        self.memory[:8] = struct.unpack(">8H", header)


async def test_lost_records_are_told_and_the_rest_comes() -> None:
    station = Station()
    station.ring.add(1)
    async with bare_server(station.reply) as port:
        driver = driver_for(station.profile, port)
        async with running(driver) as (told, _):
            await until(told.numbers, "the first record")
        station.ring.add(9)
        async with running(driver) as (told, _):
            await until(lambda: told.numbers() and told.lost(), "the others")
    assert told.numbers() == [7, 8, 9, 10]
    assert told.notices == [
        (
            NoticeKind.DATA_LOST,
            5,
            "records lost: overwritten before they were read (the ring holds 4)",
        )
    ]


async def test_losses_are_told_now_and_then_and_none_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocols.losses, "LOSSES_S", 0.3)
    station = Station()
    station.ring.add(1)
    async with (
        bare_server(station.reply) as port,
        running(driver_for(station.profile, port)) as (told, _),
    ):
        await until(told.numbers, "the first record")
        for _ in range(20):
            station.ring.add(6)
            await until(lambda: told.numbers()[-1] == station.ring.head, "the newest")
        await until(lambda: told.lost() == 40, "all losses")
    assert 2 <= len(told.notices) <= 6


async def test_a_readers_health_is_read_once_a_second_beside_its_records() -> None:
    station = Station()
    station.ring.add(1)
    async with (
        bare_server(station.reply) as port,
        running(driver_for(station.profile, port)) as (told, _),
    ):
        await until(lambda: len(told.got) >= 2, "two scans of points")
    assert station.functions[2] == 2
    assert station.functions[4] > 5


async def test_a_reader_that_refuses_its_health_still_gives_records() -> None:
    station = Station()
    station.refuses[2] = 1
    async with (
        bare_server(station.reply) as port,
        running(driver_for(station.profile, port)) as (told, _),
    ):
        await until(lambda: told.got, "a BAD sample")
        station.ring.add(3)
        await until(told.numbers, "records")
    assert [(s.point, s.quality) for s in told.got] == [("on_battery", Quality.BAD)]
    assert told.numbers() == [1, 2, 3]


async def test_a_reader_that_refuses_its_ring_is_down_with_the_reason() -> None:
    station = Station()
    station.refuses[4] = 2
    async with bare_server(station.reply) as port:
        text, told = await failure_of(driver_for(station.profile, port))
    assert "input registers 0 to 7 refused: it has no such address (exception 2)" in text
    assert (told.got, told.heard_count) == ([], 0)


async def test_a_ring_that_is_laid_out_otherwise_is_said_to_be() -> None:
    station = Station()
    station.broken = True

    def reply(request: bytes) -> bytes:
        station.ring.add(1)
        return station.reply(request)

    async with bare_server(reply) as port:
        text, told = await failure_of(driver_for(station.profile, port))
    assert "compare the profile's [ring] with the device's register map" in text
    assert told.numbers() == []
    assert told.lost() > 0
