from __future__ import annotations

import csv
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from equipment.modbus_profile import ModbusProfile, Table
from equipment.profile import Kind
from hil_sim.folder import SimulationError, read_folder
from hil_sim.player import Player
from hil_sim.recording import read_rows, write_recording_mine
from hil_sim.roadgraph import contains
from hil_sim.stations import Station

RECORD = struct.Struct(">IQ18s8sIhhHH")
BASE_US = 1_700_000_000_123_456

RANGES = """\
run,t_s,tag,anchor,range_m,rssi_dbm,fp_dbm
b,-0.1853,T1,A1,6.1412,-79.46,-81.03
b,0.0001,T1,anchor_two,0.0001,,
b,0.0001,T2,A1,62.3755,-79.5,
a,-0.0500,T1,A1,3.0000,-90,-95.25
a,1.2500,T1,A1,3.3719,-90,-95.25
a,0.7500,T1,A1,1.1001,-90,-95.25
"""
ANCHORS = """\
run,anchor,x_m,y_m,z_m
a,A1,0.0,0.0,2.0
b,A1,1.5,0.0,2.0
b,anchor_two,1.5,9.0,2.0
"""
TRUTH = "run,tag,t_s,x_m,y_m,z_m\n" + "".join(f"a,T1,{i},{i - 20},30,0\n" for i in range(60))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "recording"
    folder.mkdir()
    (folder / "ranges.csv").write_text(RANGES)
    (folder / "anchors.csv").write_text(ANCHORS)
    (folder / "truth.csv").write_text(TRUTH)
    return folder


@pytest.fixture
def mine(recording: Path, tmp_path: Path) -> Path:
    write_recording_mine(recording, tmp_path / "mine")
    return tmp_path / "mine"


def station_of(mine: Path) -> Station:
    (reader,) = read_folder(mine).readers(Kind.UWB_READER)
    return Station(reader.profile, 1, BASE_US * 1000)


def ring_of(station: Station) -> list[tuple[object, ...]]:
    """All records, decoded with nothing of the simulator's."""
    header = station.registers.read(Table.INPUT, 0, 8)
    assert header is not None
    _, head, _ = struct.unpack(">IIQ", header)
    found: list[tuple[object, ...]] = []
    for slot in range(min(head, 2048)):
        wire = station.registers.read(Table.INPUT, 16 + 25 * slot, 25)
        assert wire is not None
        sequence, t_us, card, anchor, tenths_mm, rssi, first, _, _ = RECORD.unpack(wire)
        text = card.rstrip(b"\0").decode(), anchor.rstrip(b"\0").decode()
        found.append((sequence, t_us - BASE_US, *text, tenths_mm, rssi, first))
    return found


def test_every_record_is_played_once_and_exactly(recording: Path, mine: Path) -> None:
    station = station_of(mine)
    player = Player(read_rows(recording, mine), station, speed=2.0)
    about = json.loads((mine / "recording.json").read_text())
    card = {(c["run"], c["tag"]): c["card"] for c in about["cards"]}
    anchor = {(a["run"], a["name"]): a["anchor"] for a in about["anchors"]}
    none = -32768
    expected = [
        (1, -185_300, card["b", "T1"], anchor["b", "A1"], 61412, -7946, -8103),
        (2, -50_000, card["a", "T1"], anchor["a", "A1"], 30000, -9000, -9525),
        (3, 100, card["b", "T1"], anchor["b", "anchor_two"], 1, none, none),
        (4, 100, card["b", "T2"], anchor["b", "A1"], 623755, -7950, none),
        (5, 750_000, card["a", "T1"], anchor["a", "A1"], 11001, -9000, -9525),
        (6, 1_250_000, card["a", "T1"], anchor["a", "A1"], 33719, -9000, -9525),
    ]
    player.advance(BASE_US, 0.0)
    assert ring_of(station) == expected[:2]
    player.advance(BASE_US, 0.374)
    assert ring_of(station) == expected[:4]
    for elapsed_s in (0.375, 0.7, 1.0, 5.0):
        player.advance(BASE_US, elapsed_s)
    assert ring_of(station) == expected
    assert player.played == len(player) == 6


def clock_us(station: Station) -> int:
    header = station.registers.read(Table.INPUT, 0, 8)
    assert header is not None
    return int.from_bytes(header[8:], "big") - BASE_US


def test_the_readers_clock_goes_at_the_speed_of_the_play_until_its_end(
    recording: Path, mine: Path
) -> None:
    station = station_of(mine)
    player = Player(read_rows(recording, mine), station, speed=2.5)
    for elapsed_s, expected_us in ((0.2, 500_000), (0.5, 1_250_000), (1.5, 2_250_000)):
        player.advance(BASE_US, elapsed_s)
        assert clock_us(station) == expected_us


def test_a_long_recording_can_not_be_played_so_fast_that_its_clock_is_not_believed(
    recording: Path, mine: Path
) -> None:
    (recording / "ranges.csv").write_text(RANGES.replace("1.2500", "4000.0"))
    rows = read_rows(recording, mine)
    Player(rows, station_of(mine), 5.0)
    with pytest.raises(SimulationError, match="4000 s long: played 20 times as fast"):
        Player(rows, station_of(mine), 20.0)


def test_cards_and_anchors_are_unique_among_the_runs(mine: Path) -> None:
    about = json.loads((mine / "recording.json").read_text())
    cards = [card["card"] for card in about["cards"]]
    anchors = [anchor["anchor"] for anchor in about["anchors"]]
    assert len(set(cards)) == len(cards) == 3
    assert all(card.isdecimal() and len(card) == 17 for card in cards)
    assert sorted(anchors) == ["1.A1", "2.2", "2.A1"]
    assert about["base_t_ns"] is None


def test_the_small_zone_lies_on_the_track_and_all_anchors_in_the_area(mine: Path) -> None:
    folder = read_folder(mine)
    area, spot = folder.map.zones
    track = np.array([(i - 20.0, 30.0) for i in range(60)])
    inside = contains(spot, track)
    assert inside.any()
    assert not inside.all()
    assert contains(area, track).all()
    assert contains(area, np.array([(a.x_m, a.y_m) for a in folder.map.anchors])).all()
    (floor,) = folder.map.areas
    low_m, high_m = floor.rings_m[0].min(axis=0), floor.rings_m[0].max(axis=0)
    assert (low_m < track).all()
    assert (track < high_m).all()
    assert "clock_tolerance_s = 3600" in (mine / "mine.toml").read_text()


def test_the_gateway_takes_the_folder(mine: Path) -> None:
    bundle = pytest.importorskip("gateway.config.bundle", reason="no gateway.config.bundle yet")
    bundle.load(mine)


def test_a_run_can_be_chosen_and_one_that_is_not_there_is_told(
    recording: Path, tmp_path: Path
) -> None:
    write_recording_mine(recording, tmp_path / "one", ["a"])
    rows = read_rows(recording, tmp_path / "one")
    assert len(rows.t_us) == 3
    with pytest.raises(SimulationError, match="has no run c; it has: a, b"):
        write_recording_mine(recording, tmp_path / "two", ["c"])


def test_a_recording_without_runs_and_signal_strength_is_played(tmp_path: Path) -> None:
    (tmp_path / "ranges.csv").write_text("t_s,tag,anchor,range_m\n0.5,T,A,1.5\n")
    (tmp_path / "anchors.csv").write_text("anchor,x_m,y_m,z_m\nA,0,0,2\n")
    write_recording_mine(tmp_path, tmp_path / "mine")
    station = station_of(tmp_path / "mine")
    Player(read_rows(tmp_path, tmp_path / "mine"), station, 1.0).advance(BASE_US, 1.0)
    assert ring_of(station) == [(1, 500_000, "14010000000100001", "1.A", 15000, -32768, -32768)]


def test_what_no_one_has_read_is_not_overwritten(tmp_path: Path) -> None:
    lines = [f"{i / 1000:.4f},T,A,{i / 10_000:.4f}" for i in range(5000)]
    (tmp_path / "ranges.csv").write_text("t_s,tag,anchor,range_m\n" + "\n".join(lines))
    (tmp_path / "anchors.csv").write_text("anchor,x_m,y_m,z_m\nA,0,0,2\n")
    write_recording_mine(tmp_path, tmp_path / "mine")
    station = station_of(tmp_path / "mine")
    player = Player(read_rows(tmp_path, tmp_path / "mine"), station, 1000.0)
    got: list[int] = []
    for step in range(40):
        player.advance(BASE_US, 1.0 + step)
        assert player.played - len(got) <= 2048
        for number in range(len(got), min(player.played, len(got) + 300)):
            wire = station.registers.read(Table.INPUT, 16 + 25 * (number % 2048), 25)
            assert wire is not None
            sequence, *_, tenths_mm, _, _, _, _ = RECORD.unpack(wire)
            assert sequence == number + 1
            got.append(tenths_mm)
    assert got == list(range(5000))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("6.1412", "6,1412", "ranges.csv:2: more cells"),
        ("6.1412", "six", "ranges.csv:2: range_m is no number: 'six'"),
        ("6.1412", "nan", "ranges.csv:2: range_m is not finite"),
        ("6.1412", "", "ranges.csv:2: column 'range_m' is missing or empty"),
        ("T1,A1,3.3719", "T1,A9,3.3719", "anchors.csv has no anchor 'A9'"),
        ("T2", "T7", "is not the recording that"),
    ],
)
def test_mistakes_in_a_recording_are_told(
    recording: Path, mine: Path, old: str, new: str, problem: str
) -> None:
    assert old in RANGES
    (recording / "ranges.csv").write_text(RANGES.replace(old, new, 1))
    with pytest.raises(SimulationError) as raised:
        read_rows(recording, mine)
    assert problem in str(raised.value)


def test_a_missing_recording_is_told(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"anchors\.csv can't be read"):
        write_recording_mine(tmp_path / "nowhere", tmp_path / "mine")


def test_a_range_that_no_record_holds_is_told(recording: Path, mine: Path) -> None:
    (recording / "ranges.csv").write_text(RANGES.replace("6.1412", "-6.1412"))
    with pytest.raises(SimulationError, match=r"ranges\.csv:2: range_m .*-6\.1412"):
        read_rows(recording, mine)


@pytest.mark.parametrize("name", ["hanyang_outdoor", "labyrinth_nlos"])
def test_every_record_of_a_real_recording_comes_through(name: str, tmp_path: Path) -> None:
    recording = Path(__file__).parents[2] / ".." / "shared" / "data" / name
    if not recording.is_dir():
        pytest.skip(f"../shared/data/{name} is not here")
    write_recording_mine(recording, tmp_path / "mine")
    about = json.loads((tmp_path / "mine" / "recording.json").read_text())
    tag = {card["card"]: (card["run"], card["tag"]) for card in about["cards"]}
    anchor = {a["anchor"]: (a["run"], a["name"]) for a in about["anchors"]}
    station = station_of(tmp_path / "mine")
    player = Player(read_rows(recording, tmp_path / "mine"), station, 1.0)
    got = []
    while player.played < len(player):
        start = player.played
        player.advance(BASE_US, 1e6)
        for number in range(start, player.played):
            wire = station.registers.read(Table.INPUT, 16 + 25 * (number % 2048), 25)
            assert wire is not None
            _, t_us, card, name_, tenths_mm, rssi, first, _, _ = RECORD.unpack(wire)
            run, card_tag = tag[card.rstrip(b"\0").decode()]
            assert anchor[name_.rstrip(b"\0").decode()][0] == run
            anchor_name = anchor[name_.rstrip(b"\0").decode()][1]
            got.append((run, t_us - BASE_US, card_tag, anchor_name, tenths_mm, rssi, first))
    with (recording / "ranges.csv").open() as lines:
        expected = [
            (
                row["run"],
                round(float(row["t_s"]) * 1e6),
                row["tag"],
                row["anchor"],
                round(float(row["range_m"]) * 1e4),
                round(float(row["rssi_dbm"]) * 100)
                if row["rssi_dbm"] not in ("", "-inf")
                else -32768,
                round(float(row["fp_dbm"]) * 100) if row["fp_dbm"] not in ("", "-inf") else -32768,
            )
            for row in csv.DictReader(lines)
        ]
    assert sorted(got) == sorted(expected)
    assert isinstance(read_folder(tmp_path / "mine").modbus[0].profile, ModbusProfile)
