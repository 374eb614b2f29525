"""`kill -9` of each part in turn: data flow again, no event is lost or doubled."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from hil_sim.sample_mine import Ports, write_sample_mine
from tests.protocols.opcua_peer import NodeServer
from tests.support.ports import free_port
from tests.support.processes import Process, gateway, lamproom, simulator, watcher
from tests.support.waiting import LONG_S
from tests.support.waiting import blocked_until as until
from tests.system import answers

#: The default is to wait five seconds, which no test here is about.
TOLD_SOON = "\n[alarm.device_down]\nafter_s = 1\n"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    write_sample_mine(folder, people=120, ports=Ports.free())
    with (folder / "mine.toml").open("a") as file:
        file.write(TOLD_SOON)
    return folder


def sequences(process: Process) -> list[int]:
    return [line["sequence"] for line in process.lines() if line["kind"] == "event"]


def positions(process: Process) -> int:
    return process.count('"position"')


def test_devices_come_back(tmp_path: Path, mine: Path, stack: ExitStack) -> None:
    port = free_port()
    first = stack.enter_context(simulator(mine, tmp_path, name="sim-1"))
    stack.enter_context(gateway(mine, port, tmp_path))
    watch = stack.enter_context(watcher(port, tmp_path))
    machines = (("shearer_3101", "position"), ("shearer_3103", "position"))
    until(lambda: positions(watch) > 100, "positions before")
    until(lambda: all(answers.good_since(port, *one, 0) for one in machines), "values")

    told_before = len(answers.alarms(port, "device_down"))
    first.kill()
    devices = {
        *("uwb_1", "uwb_2", "uwb_3", "rfid_1", "rfid_2"),
        *("shearer_3101", "shearer_3103", "roadheader_3105", "gas_3101"),
    }

    def told() -> list[tuple[str, str]]:
        return answers.alarms(port, "device_down")[told_before:]

    down = {("raised", device) for device in devices}
    until(lambda: set(told()) == down, "each device is told down")
    below = answers.headcount(port).underground
    assert below > 50, "nobody vanishes with the devices"

    killed_s, seen = time.time(), positions(watch)
    stack.enter_context(simulator(mine, tmp_path, name="sim-2"))
    until(lambda: positions(watch) > seen + 100, "positions again")
    for device, point in machines:
        until(lambda: answers.good_since(port, device, point, killed_s), device)
    up = [("cleared", device) for device in devices]
    until(lambda: len(told()) >= 2 * len(up), "told up")
    assert sorted(told()) == sorted([*down, *up])


OPCUA_MINE = {
    "mine.toml": '[mine]\ncode = "140100000001"\nname = "one shearer"\n' + TOLD_SOON,
    "people.csv": "card,name,job,team\n",
    "map.geojson": """{"type": "FeatureCollection", "features": [
{"type": "Feature", "properties": {"kind": "roadway", "id": "main", "width_m": 5},
 "geometry": {"type": "LineString", "coordinates": [[0, 0, 0], [100, 0, 0]]}}]}
""",
}


#: How the server is when it is there again.
AGAIN: dict[str, dict[str, int]] = {
    "as it was": {},
    "with its nodes 5 s late": {"late_s": 5},
    "with shifted namespaces": {"shift": 3},
}


def test_an_opcua_server_comes_back(tmp_path: Path, stack: ExitStack) -> None:
    port, server_port = free_port(), free_port()
    server = NodeServer(tmp_path / "pki", port=server_port)
    stack.callback(server.end)
    assert server.port == server_port
    mine = tmp_path / "mine"
    mine.mkdir()
    devices = f"""
[[device]]
id = "shearer"
profile = "shearer_opc40560"
url = "opc.tcp://127.0.0.1:{server_port}"
root = "di:DeviceSet/app:Shearer1"
security = "basic256sha256"
user = "reader"
password = "lamp-42"
[device.namespaces]
app = "urn:lamproom:test:mine"
"""
    for file, text in (OPCUA_MINE | {"devices.toml": devices}).items():
        (mine / file).write_text(text)
    stack.enter_context(gateway(mine, port, tmp_path))
    until(lambda: answers.good_since(port, "shearer", "position", 0), "the first value")

    for name, again in AGAIN.items():
        before = _told_down(port)
        server.kill()
        until(lambda: _told_down(port) > before, "it is told down")
        server = NodeServer(tmp_path / "pki", port=server_port, **again)
        stack.callback(server.end)
        server.wait_for(lambda: server.ready)
        back_s = time.time()
        took_s = until(
            lambda: answers.good_since(port, "shearer", "position", back_s), f"back {name}"
        )
        print(f"OPC UA server back {name}: values after {took_s:.1f} s")


def _told_down(port: int) -> int:
    return answers.alarms(port, "device_down").count(("raised", "shearer"))


def test_a_gateway_comes_back_and_its_client_misses_nothing(
    tmp_path: Path, mine: Path, stack: ExitStack
) -> None:
    port = free_port()
    stack.enter_context(simulator(mine, tmp_path))
    first = stack.enter_context(gateway(mine, port, tmp_path, "gateway-0"))
    watch = stack.enter_context(watcher(port, tmp_path, "--from-sequence", "1"))
    until(lambda: len(sequences(watch)) > 20, "events before")
    below = answers.headcount(port).underground

    running = first
    for n in range(1, 4):
        running.kill()
        killed_s, seen = time.monotonic(), len(sequences(watch))
        running = stack.enter_context(gateway(mine, port, tmp_path, f"gateway-{n}"))
        count = positions(watch)
        until(lambda: positions(watch) > count + 50, "positions again")
        took_s = time.monotonic() - killed_s
        print(f"gateway killed and started: data at the client after {took_s:.1f} s")
        assert abs(answers.headcount(port).underground - below) <= 10
        until(lambda: len(sequences(watch)) > seen, "events again")

    stored = [event.sequence for event in answers.events(port)]
    assert stored == list(range(1, len(stored) + 1))
    until(lambda: len(sequences(watch)) >= len(stored), "the client has all events")
    got = sequences(watch)
    assert got == list(range(1, len(got) + 1))
    raised = [event.alarm.alarm_id for event in answers.events(port) if event.alarm.alarm_id]
    assert len(raised) == len(set(raised)) + _ended(port), "no alarm is raised twice"


def _ended(port: int) -> int:
    return sum(1 for event in answers.events(port) if event.alarm.HasField("end_time"))


def test_a_client_comes_back_with_its_cursor(tmp_path: Path, mine: Path, stack: ExitStack) -> None:
    port, cursor = free_port(), tmp_path / "cursor"
    stack.enter_context(simulator(mine, tmp_path))
    stack.enter_context(gateway(mine, port, tmp_path))
    options = ("--cursor-file", str(cursor), "--from-sequence", "1")
    runs: list[list[int]] = []
    for n in range(3):
        watch = stack.enter_context(watcher(port, tmp_path, *options[: 4 if n == 0 else 2]))
        until(lambda: len(sequences(watch)) > 1, "events")
        watch.kill()
        runs.append(sequences(watch))
    assert runs[0][0] == 1
    for run in runs:
        assert run == list(range(run[0], run[-1] + 1))
    for before, after in pairwise(runs):
        # An event is printed first: a kill before its cursor was kept gives that one again.
        assert after[0] in {before[-1], before[-1] + 1}


def test_commands_end_cleanly(tmp_path: Path, mine: Path, stack: ExitStack) -> None:
    port = free_port()
    sim = stack.enter_context(simulator(mine, tmp_path))
    run = stack.enter_context(gateway(mine, port, tmp_path))
    watch = stack.enter_context(watcher(port, tmp_path))
    until(lambda: positions(watch) > 10, "positions")
    # Each while the others still talk to it.
    for process in (sim, run, watch):
        assert process.stop() == 0
        assert "Traceback" not in process.err


def test_two_gateways_do_not_share_a_journal(tmp_path: Path, mine: Path, stack: ExitStack) -> None:
    stack.enter_context(gateway(mine, free_port(), tmp_path))
    second = Process(lamproom("run", mine, "--grpc-port", "0"), tmp_path, "second")
    stack.callback(second.end)
    assert second.popen.wait(LONG_S) == 1
    assert "journal" in second.err
    assert "Traceback" not in second.err
