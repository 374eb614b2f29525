"""A simulated reader's lines, through the driver into ranges: each exactly once, as it was sent."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipment.profile import Kind
from equipment.text_profile import TextProfile
from hil_sim.folder import SimulationError, TextDevice, read_folder
from hil_sim.lines import LineWriter
from hil_sim.ring import Column
from hil_sim.serve.servers import Servers
from hil_sim.serve.text import TextServer
from hil_sim.stations import Stations
from hil_sim.world import World
from positioning.observation import IdTable, Records
from protocols.readers import ranges_of, with_times
from protocols.text.driver import TextDriver
from protocols.text.format import Format
from protocols.text.options import TextOptions
from tests.protocols.text_profiles import RANGE, profile, shipped
from tests.support.ports import free_port
from tests.support.sink import Told, running
from tests.support.waiting import until

ANCHORS = tuple(f"A{number}" for number in range(1, 31))
CARDS = tuple(f"140100000001{number:05d}" for number in range(1, 101))
T_US = 1_764_500_000_000_000


def driver_for(device: TextDevice) -> TextDriver:
    given = {"transport": device.transport, "host": device.host, "port": device.port}
    return TextDriver(device.id, device.profile, TextOptions.model_validate(given))


def measured(count: int) -> dict[str, list[Any]]:
    rng = np.random.default_rng(7)
    return {
        "t_us": (T_US + np.arange(count) * 137).tolist(),
        "card": [CARDS[n] for n in rng.integers(0, len(CARDS), count)],
        "anchor": [ANCHORS[n] for n in rng.integers(0, len(ANCHORS), count)],
        "range_m": (rng.integers(500, 90_000, count) / 1000).tolist(),
        "rssi_dbm": np.where(rng.random(count) < 0.1, np.nan, -80.5).tolist(),
        "flags": rng.integers(0, 4, count).tolist(),
    }


def received(told: Told, cards: IdTable) -> tuple[Records, list[int]]:
    """All ranges that came, and what their cards said of themselves."""
    found = [ranges_of(with_times(one, 0), cards, IdTable(ANCHORS)) for one in told.batches]
    assert [refusals for _, refusals, _ in found if refusals] == []
    flags = [int(flag) for *_, column in found for flag in column]
    return np.concatenate([ranges for ranges, _, _ in found]), flags


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_every_range_that_is_sent_arrives_once(transport: str) -> None:
    device = TextDevice("uwb_1", shipped(), transport, "127.0.0.1", free_port())
    sent = measured(3000)
    lines = LineWriter(shipped()).write(sent)
    server = None if transport == "udp" else await TextServer.start(device)
    async with running(driver_for(device)) as (told, _):
        if server is None:
            # The port is there once the driver has begun: what is sent before is for nobody.
            await asyncio.sleep(0)
            server = await TextServer.start(device)
            sender = server
            await until(lambda: is_heard(sender, told))
        await until(lambda: transport == "udp" or server.clients)
        for first in range(0, 3000, 100):
            server.send(lines[first : first + 100])
            await asyncio.sleep(0)
        await until(lambda: sum(len(one.columns["t_us"]) for one in told.batches) == 3000)
    await server.close()
    cards = IdTable(CARDS)
    ranges, flags = received(told, cards)
    assert ranges["t_ns"].tolist() == [t_us * 1000 for t_us in sent["t_us"]]
    assert [cards.name(card) for card in ranges["card"]] == sent["card"]
    assert [ANCHORS[anchor] for anchor in ranges["anchor"]] == sent["anchor"]
    assert ranges["range_m"].tolist() == pytest.approx(sent["range_m"])
    assert ranges["rssi_dbm"].tolist() == pytest.approx(sent["rssi_dbm"], nan_ok=True)
    assert flags == sent["flags"]
    assert told.notices == []


def is_heard(server: TextServer, told: Told) -> bool:
    """Sends a sign of life; whether one has come."""
    server.send([b"#VER 1\r\n"])
    return told.heard_count > 0


def test_lines_of_a_tag_hold_its_ranges_in_groups() -> None:
    profile = shipped("uwb_dwm1001")
    writer = LineWriter(profile, card="7")
    lines = writer.write(
        {
            "card": ["7", "8", "7", "7", "7", "7"],
            "anchor": ["A", "B", "C", "D", "E", "F"],
            "range_m": [1.5, 2.0, 3.0, 4.0, 5.0, 6.25],
        }
    )
    assert lines == [
        b"DIST,4,0,A,0,0,0,1.5,0,C,0,0,0,3,0,D,0,0,0,4,0,E,0,0,0,5\r\n",
        b"DIST,1,0,F,0,0,0,6.25\r\n",
    ]


def test_lines_of_several_cards_and_with_keys_are_read_as_they_were_written() -> None:
    grouped = RANGE.replace("width = 4", "width = 2\ngroups = { first = 2, width = 2 }")
    keyed = RANGE.replace("at = 3", 'key = "m"').replace("width = 4", "width = 3\nwidth_most = 4")
    sent: dict[str, Column] = {
        "card": ["1", "1", "2"],
        "anchor": ["A", "B", "A"],
        "range_m": [1.5, np.nan, 2.0],
    }
    written = {
        grouped: [b"R,1,A,1.5,B,-\r\n", b"R,2,A,2\r\n"],
        keyed: [b"R,1,A,m=1.5\r\n", b"R,1,B,m=-\r\n", b"R,2,A,m=2\r\n"],
    }
    for text, lines in written.items():
        made = profile(text)
        assert LineWriter(made).write(sent) == lines
        read = Format(made).read([line.rstrip() for line in lines], 0.0)
        assert read.refusals == []
        ((_, _, found),) = read.found
        for name, column in sent.items():
            wanted = list(column)
            if name == "range_m":
                wanted = [pytest.approx(value, nan_ok=True) for value in column]
            assert found.columns[name].tolist() == wanted


@pytest.mark.parametrize(
    ("unit", "text"),
    [("s", "1764500000.123456"), ("ms", "1764500000123"), ("us", "1764500000123456")],
)
def test_times_are_written_in_their_unit(unit: str, text: str) -> None:
    keys = shipped().model_dump(exclude_none=True)
    keys["line"][0]["field"][1]["unit"] = unit
    lines = LineWriter(TextProfile.model_validate(keys)).write({"t_us": [T_US + 123_456]})
    assert lines[0].split(b",")[2].decode() == text


def folder_with(tmp_path: Path, sample: Path, more: str) -> Path:
    for name in ("map.geojson", "people.csv"):
        (tmp_path / name).write_bytes((sample / name).read_bytes())
    (tmp_path / "devices.toml").write_text(more, encoding="utf-8")
    return tmp_path


async def test_a_simulated_mine_sends_lines(tmp_path: Path, sample_folder: Path) -> None:
    ports = free_port(), free_port()
    toml = "".join(
        f'[[device]]\nid = "uwb_{n}"\nprofile = "uwb_text"\nhost = "127.0.0.1"\n'
        f'port = {port}\ntransport = "{transport}"\n'
        for n, (port, transport) in enumerate(zip(ports, ("tcp", "udp"), strict=True), start=1)
    )
    folder = read_folder(folder_with(tmp_path, sample_folder, toml))
    assert [device.id for device in folder.text_readers(Kind.UWB_READER)] == ["uwb_1", "uwb_2"]
    world = World(folder.map, folder.people, {}, seed=1, start_t_ns=T_US * 1000)
    stations = Stations(folder, world.cards, 1, T_US * 1000)
    servers = Servers(folder, {})
    await servers.start({})
    async with (
        running(driver_for(folder.text[0])) as (told, _),
        running(driver_for(folder.text[1])) as (told_2, _),
    ):
        await until(lambda: servers._text["uwb_1"].clients)

        def both() -> bool:
            stations.add(world.advance(0.1), world.t_ns)
            servers.send(stations.lines())
            return bool(told.batches and told_2.batches)

        await until(both, "ranges of both")
        anchors = {name for one in told.batches for name in one.columns["anchor"].tolist()}
        anchors_2 = {name for one in told_2.batches for name in one.columns["anchor"].tolist()}
    await servers.close()
    assert not anchors & anchors_2
    assert anchors | anchors_2 <= {anchor.id for anchor in folder.map.anchors}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('profile = "uwb_text"\nport = 1', "needs host (a text) and port (a number)"),
        (
            'profile = "uwb_text"\nhost = "127.0.0.1"\nport = 1\ntransport = "tcp_listen"',
            "connects to the gateway, which the simulator does not do",
        ),
    ],
)
def test_what_is_not_simulated_is_told(
    keys: str, told: str, tmp_path: Path, sample_folder: Path
) -> None:
    toml = f'[[device]]\nid = "uwb_1"\n{keys}\n'
    with pytest.raises(SimulationError) as failed:
        read_folder(folder_with(tmp_path, sample_folder, toml))
    assert told in str(failed.value)


async def test_an_address_in_use_is_told(tmp_path: Path, sample_folder: Path) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    toml = f'[[device]]\nid = "u"\nprofile = "uwb_text"\nhost = "127.0.0.1"\nport = {port}\n'
    folder = read_folder(folder_with(tmp_path, sample_folder, toml))
    servers = Servers(folder, {})
    with pytest.raises(SimulationError, match=r"device 'u': 127.0.0.1:\d+ is in use"):
        await servers.start({})
    server.close()
