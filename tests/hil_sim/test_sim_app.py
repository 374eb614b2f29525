from __future__ import annotations

import csv
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import typer
from pymodbus.client import ModbusTcpClient
from typer.testing import CliRunner

from gateway.cli.init import init
from gateway.cli.sim import sim
from hil_sim.app import Wish, run
from hil_sim.folder import SimulationError, read_folder
from hil_sim.recording import write_recording_mine
from tests.support.ports import free_port
from tests.support.processes import READY_S, Process
from tests.support.waiting import LONG_S

Start = Callable[..., "Simulator"]


class Simulator(Process):
    """`python -m hil_sim` in a process of its own."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        command = [sys.executable, "-m", "hil_sim", *map(str, arguments)]
        super().__init__(command, folder, "simulator")

    def said(self, word: str) -> dict[str, int]:
        """The facts of the line that begins with `word`, once it is there."""
        facts: dict[str, int] = json.loads(self.word_after(word))
        return facts

    def ends_by(self, number: signal.Signals) -> None:
        """Sends a signal: it ends cleanly and without complaint."""
        assert (self.stop(number), self.err) == (0, "")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a simulator, which ends with the test."""
    with ExitStack() as stack:

        def start(*arguments: object) -> Simulator:
            simulator = Simulator(tmp_path, *arguments)
            stack.callback(simulator.end)
            return simulator

        yield start


def read_ring(client: ModbusTcpClient, first: int) -> tuple[int, dict[int, Sequence[int]]]:
    """The device's clock, and the registers of the records from number `first` on."""
    header = client.read_input_registers(0, count=8).registers
    head = header[2] << 16 | header[3]
    records: dict[int, Sequence[int]] = {}
    for number in range(first, head + 1):
        address = 16 + (number - 1) % 2048 * 25
        records[number] = client.read_input_registers(address, count=25).registers
    return int.from_bytes(b"".join(word.to_bytes(2, "big") for word in header[4:]), "big"), records


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_mine_is_served_with_its_truth_beside_and_ends_on_a_signal(
    sample_folder: Path, tmp_path: Path, start: Start, number: signal.Signals
) -> None:
    simulator = start(sample_folder, "--truth", tmp_path / "truth")
    assert simulator.said("READY") == {"devices": 9}
    folder = read_folder(sample_folder)
    port = folder.modbus[0].port
    with ModbusTcpClient("127.0.0.1", port=port) as client:
        clock_us, records = read_ring(client, 1)
        deadline = time.monotonic() + LONG_S
        while len(records) < 100 and time.monotonic() < deadline:
            clock_us, more = read_ring(client, len(records) + 1)
            records |= more
            time.sleep(0.05)
        assert len(records) >= 100
        assert abs(clock_us - time.time_ns() // 1000) < 2_000_000
        with socket.create_connection(("127.0.0.1", folder.modbus[1].port)):
            simulator.ends_by(number)
    with (tmp_path / "truth" / "truth.csv").open() as lines:
        truth = list(csv.DictReader(lines))
    cards = {person.card for person in folder.people}
    assert {row["tag"] for row in truth} <= cards
    assert len({row["tag"] for row in truth}) > 40
    assert len({row["t_s"] for row in truth}) > 5
    with (tmp_path / "truth" / "machines.csv").open() as lines:
        machines = list(csv.DictReader(lines))
    assert {row["device"] for row in machines} == {
        "shearer_3101",
        "gas_3101",
        "roadheader_3105",
        "shearer_3103",
    }


def test_a_recording_waits_for_its_reader_and_is_read_whole(tmp_path: Path, start: Start) -> None:
    count = 6000
    lines = [f"{i / 200 - 1:.4f},T{i % 3},A1,{i / 1000:.4f}" for i in range(count)]
    (tmp_path / "ranges.csv").write_text("t_s,tag,anchor,range_m\n" + "\n".join(lines))
    (tmp_path / "anchors.csv").write_text("anchor,x_m,y_m,z_m\nA1,0,0,2\n")
    port = free_port()
    write_recording_mine(tmp_path, tmp_path / "mine", port=port)
    simulator = start(tmp_path / "mine", "--recording", tmp_path, "--speed", 50, "--wait-client")
    assert simulator.said("READY") == {"devices": 1, "records": count}
    assert "PLAYING" not in simulator.out
    got: dict[int, Sequence[int]] = {}
    with ModbusTcpClient("127.0.0.1", port=port) as client:
        deadline = time.monotonic() + LONG_S
        while len(got) < count and time.monotonic() < deadline:
            got |= read_ring(client, len(got) + 1)[1]
        playing = simulator.said("PLAYING")
        assert simulator.said("PLAYED") == {"records": count}
        assert len(read_ring(client, count - 2000)[1]) == 2001  # it serves on
    assert playing["records"] == count
    base_us = playing["base_t_ns"] // 1000
    assert playing["base_t_ns"] % 1000 == 0
    about = json.loads((tmp_path / "mine" / "recording.json").read_text())
    assert about["base_t_ns"] == playing["base_t_ns"]
    for number, record in got.items():
        wire = b"".join(word.to_bytes(2, "big") for word in record)
        assert int.from_bytes(wire[:4], "big") == number
        assert int.from_bytes(wire[4:12], "big") == base_us + (number - 1) * 5000 - 1_000_000
        assert int.from_bytes(wire[38:42], "big") == (number - 1) * 10
    simulator.ends_by(signal.SIGTERM)


def test_it_ends_by_itself_when_the_time_is_up(sample_folder: Path, start: Start) -> None:
    simulator = start(sample_folder, "--seconds", 0.5, "--people", 3)
    assert (simulator.popen.wait(READY_S), simulator.err) == (0, "")
    assert simulator.said("READY") == {"devices": 9}


def test_a_port_in_use_is_told_with_device_and_remedy(sample_folder: Path, start: Start) -> None:
    url = read_folder(sample_folder).opcua[0].url
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        other.listen()
        simulator = start(sample_folder)
        assert simulator.popen.wait(READY_S) == 1
    assert simulator.err == (
        f"devices.toml: device 'shearer_3103': {url} is in use: end the program that listens "
        "there, or write another port\n"
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--wait-client"], "--wait-client is for a recording"),
        (["--people", "99"], "people.csv has 62 cards, not 99"),
        (["--recording", "."], "was not made from a recording"),
        (["--truth", "/dev/null/truth"], "the truth can't be written to /dev/null/truth"),
    ],
)
def test_the_command_line_tells_what_is_wrong(
    sample_folder: Path, arguments: list[str], problem: str
) -> None:
    app = typer.Typer()
    app.command()(sim)
    result = CliRunner().invoke(app, [str(sample_folder), *arguments])
    assert result.exit_code == 1
    assert problem in result.stderr


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        ({"nlos_share": -0.1}, "--nlos must be 0 to .*, not -0.1"),
        ({"nlos_share": 2.0}, "--nlos must be 0 to .*, not 2"),
        ({"recording": Path(), "speed": 0.0}, "--speed must be 0.01 to 1000, not 0"),
        ({"wait_client": True}, "--wait-client is for a recording"),
        ({"recording": Path(), "pause": True}, "--pause, --grpc-port and --scenario are for a"),
    ],
)
def test_what_cannot_be_simulated_is_told(
    sample_folder: Path, wish: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SimulationError, match=problem):
        run(Wish(sample_folder, **wish))


def test_a_signal_ends_the_wait_for_a_client(tmp_path: Path, start: Start) -> None:
    (tmp_path / "ranges.csv").write_text("t_s,tag,anchor,range_m\n0,T0,A1,1\n1,T0,A1,2\n")
    (tmp_path / "anchors.csv").write_text("anchor,x_m,y_m,z_m\nA1,0,0,2\n")
    write_recording_mine(tmp_path, tmp_path / "mine", port=free_port())
    simulator = start(tmp_path / "mine", "--recording", tmp_path, "--wait-client")
    assert simulator.said("READY") == {"devices": 1, "records": 2}
    simulator.ends_by(signal.SIGINT)
    assert "PLAYING" not in simulator.out


def test_init_writes_a_mine_and_says_what_to_do_next(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(init)
    folder = str(tmp_path / "mine")
    result = CliRunner().invoke(app, [folder, "--people", "12", "--seed", "3"])
    assert result.exit_code == 0
    for command in ("check", "sim", "run"):
        assert f"lamproom {command} {folder}" in result.stdout
    people = [one for one in read_folder(tmp_path / "mine").people if not one.drives]
    assert len(people) == 12
    again = CliRunner().invoke(app, [folder])
    assert again.exit_code == 1
    assert "is not empty" in again.stderr
