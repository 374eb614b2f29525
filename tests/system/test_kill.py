"""`kill -9` of each part in turn: data flow again within 15 s, no event is lost or doubled."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hil_sim.sample_mine import Ports, write_sample_mine
from tests.protocols.opcua_peer import NodeServer
from tests.system import answers
from tests.system.processes import Process, free_port, gateway, lamproom, simulator, watcher

BACK_S = 15.0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    write_sample_mine(folder, people=120, ports=Ports.free())
    return folder


def until(condition: Callable[[], bool], within_s: float, what: str) -> float:
    """Waits; returns how long it took."""
    begun_s = time.monotonic()
    while not condition():
        assert time.monotonic() - begun_s < within_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - begun_s


def sequences(process: Process) -> list[int]:
    return [line["sequence"] for line in process.lines() if line["kind"] == "event"]


def positions(process: Process) -> int:
    return process.out.count('"position"')


def test_devices_come_back(tmp_path: Path, mine: Path, stack: ExitStack) -> None:
    port = free_port()
    first = stack.enter_context(simulator(mine, tmp_path, name="sim-1"))
    stack.enter_context(gateway(mine, port, tmp_path))
    watch = stack.enter_context(watcher(port, tmp_path))
    machines = (("shearer_3101", "position"), ("shearer_3103", "position"))
    until(lambda: positions(watch) > 100, BACK_S, "positions before")
    until(lambda: all(answers.good_since(port, *one, 0) for one in machines), BACK_S, "values")

    first.kill()
    devices = {
        *("uwb_1", "uwb_2", "uwb_3", "rfid_1", "rfid_2"),
        *("shearer_3101", "shearer_3103", "roadheader_3105"),
    }
    down = {("raised", device) for device in devices}
    until(lambda: set(answers.alarms(port, "device_down")) == down, 20, "each device is told down")
    below = answers.headcount(port).underground
    assert below > 50, "nobody vanishes with the devices"

    killed_s, seen = time.time(), positions(watch)
    stack.enter_context(simulator(mine, tmp_path, name="sim-2"))
    until(lambda: positions(watch) > seen + 100, BACK_S, "positions again")
    for device, point in machines:
        until(lambda: answers.good_since(port, device, point, killed_s), BACK_S, device)
    up = [("cleared", device) for device in devices]
    until(lambda: len(answers.alarms(port, "device_down")) >= 2 * len(up), BACK_S, "told up")
    assert sorted(answers.alarms(port, "device_down")) == sorted([*down, *up])


OPCUA_MINE = {
    "mine.toml": '[mine]\ncode = "140100000001"\nname = "one shearer"\n',
    "people.csv": "card,name,job,team\n",
    "map.geojson": """{"type": "FeatureCollection", "features": [
{"type": "Feature", "properties": {"kind": "roadway", "id": "main", "width_m": 5},
 "geometry": {"type": "LineString", "coordinates": [[0, 0, 0], [100, 0, 0]]}}]}
""",
}


@pytest.mark.parametrize(
    ("again", "name"),
    [
        ({}, "as it was"),
        ({"late_s": 5}, "with its nodes 5 s late"),
        ({"shift": 3}, "with shifted namespaces"),
    ],
    ids=["same", "late", "shifted"],
)
def test_an_opcua_server_comes_back(
    tmp_path: Path, stack: ExitStack, again: dict[str, int], name: str
) -> None:
    port, server_port = free_port(), free_port()
    server = NodeServer(tmp_path / "pki", port=server_port)
    stack.callback(server.close)
    server.wait_ready()
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
    until(lambda: answers.good_since(port, "shearer", "position", 0), BACK_S, "the first value")

    server.process.kill()
    server.process.wait()
    until(lambda: answers.alarms(port, "device_down") != [], 30, "it is told down")
    server = NodeServer(tmp_path / "pki", port=server_port, **again)
    stack.callback(server.close)
    server.wait_ready()
    back_s = time.time()
    took_s = until(
        lambda: answers.good_since(port, "shearer", "position", back_s), BACK_S, f"back {name}"
    )
    print(f"OPC UA server back {name}: values after {took_s:.1f} s")


def test_a_gateway_comes_back_and_its_client_misses_nothing(
    tmp_path: Path, mine: Path, stack: ExitStack
) -> None:
    port = free_port()
    stack.enter_context(simulator(mine, tmp_path))
    first = stack.enter_context(gateway(mine, port, tmp_path, "gateway-0"))
    watch = stack.enter_context(watcher(port, tmp_path, "--from-sequence", "1"))
    until(lambda: len(sequences(watch)) > 20, BACK_S, "events before")
    below = answers.headcount(port).underground

    running = first
    for n in range(1, 4):
        running.kill()
        killed_s, seen = time.monotonic(), len(sequences(watch))
        running = stack.enter_context(gateway(mine, port, tmp_path, f"gateway-{n}"))
        count = positions(watch)
        until(lambda: positions(watch) > count + 50, BACK_S, "positions again")
        took_s = time.monotonic() - killed_s
        print(f"gateway killed and started: data at the client after {took_s:.1f} s")
        assert took_s < BACK_S
        assert abs(answers.headcount(port).underground - below) <= 10
        until(lambda: len(sequences(watch)) > seen, BACK_S, "events again")

    stored = [event.sequence for event in answers.events(port)]
    assert stored == list(range(1, len(stored) + 1))
    until(lambda: len(sequences(watch)) >= len(stored), BACK_S, "the client has all events")
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
    got: list[int] = []
    for n in range(3):
        name = f"watch-{n}"
        watch = stack.enter_context(
            watcher(port, tmp_path, *options[: 4 if n == 0 else 2], name=name)
        )
        until(lambda: len(sequences(watch)) > 1, 60, "events")
        watch.kill()
        got += sequences(watch)
    assert got == list(range(1, len(got) + 1))


@pytest.mark.parametrize("command", ["run", "sim", "watch"])
def test_commands_end_at_once_and_cleanly(
    tmp_path: Path, mine: Path, stack: ExitStack, command: str
) -> None:
    port = free_port()
    processes = {
        "sim": stack.enter_context(simulator(mine, tmp_path)),
        "run": stack.enter_context(gateway(mine, port, tmp_path)),
        "watch": stack.enter_context(watcher(port, tmp_path)),
    }
    watch = processes["watch"]
    until(lambda: positions(watch) > 10, BACK_S, "positions")
    begun_s = time.monotonic()
    assert processes[command].stop() == 0
    assert time.monotonic() - begun_s < 5
    assert "Traceback" not in processes[command].err


def test_two_gateways_do_not_share_a_journal(tmp_path: Path, mine: Path, stack: ExitStack) -> None:
    stack.enter_context(gateway(mine, free_port(), tmp_path))
    second = Process(lamproom("run", mine, "--grpc-port", "0"), tmp_path, "second")
    stack.callback(second.end)
    assert second.popen.wait(30) == 1
    assert "journal" in second.err
    assert "Traceback" not in second.err
