"""The demo's picture: it fits the terminal, and the worst is on top."""

import io
import time

import pytest
from rich.cells import cell_len
from rich.console import Console

from gateway.cli.live_picture import EVENTS_MOST, PEOPLE_MOST, Seen, picture
from lamproom.v1 import equipment_pb2, event_pb2, mine_pb2, position_pb2


def alarm(number: int, level: int, *, cleared: bool = False) -> event_pb2.Event:
    event = event_pb2.Event(sequence=number, card=f"1{number:08d}", text=f"sentence {number}")
    event.kind = (
        event_pb2.EVENT_KIND_ALARM_CLEARED if cleared else event_pb2.EVENT_KIND_ALARM_RAISED
    )
    event.alarm.alarm_id = f"a{number}"
    event.alarm.level = event_pb2.AlarmLevel.values()[level]
    event.alarm.start_time.FromSeconds(int(time.time()) - number)
    return event


def full() -> Seen:
    """More of everything than a picture has room for."""
    seen = Seen("127.0.0.1:50051")
    seen.map = mine_pb2.GetMapResponse(
        mine_name="示例煤矿",
        zones=[
            mine_pb2.Zone(zone_id=f"z{n}", name=f"{n}号采煤工作面", kind=mine_pb2.ZONE_KIND_FACE)
            for n in range(8)
        ],
    )
    seen.headcount.underground = 193
    for n in range(8):
        seen.headcount.zones.add(zone_id=f"z{n}", count=n)
    for n in range(20):
        card = f"1{n:08d}"
        seen.names[card] = f"张{n}"
        place = position_pb2.Position(card=card, x_m=10.0 * n, zone_ids=["z1"], vx_m_s=1.25)
        seen.positions.append(place)
        seen.take_event(alarm(n, 1 + n % 4))
    for n in range(3):
        machine = equipment_pb2.Equipment(device_id=f"shearer_{n}", profile="shearer_modbus")
        machine.link_state = equipment_pb2.LINK_STATE_UP
        machine.values.add(point="position", number=12.5, unit="m", quality=1)
        machine.values.add(point="speed", number=1, unit="m/min", quality=3)
        seen.take_equipment(machine)
    return seen


def drawn(seen: Seen, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    with console.capture() as capture:
        console.print(picture(seen, width, height))
    return capture.get().splitlines()


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (110, 40), (160, 50), (200, 100)])
def test_the_picture_fits_the_terminal(size: tuple[int, int]) -> None:
    lines = drawn(full(), *size)
    assert len(lines) <= size[1]
    assert max(cell_len(line) for line in lines) <= size[0]
    text = "\n".join(lines)
    assert "193 underground" in text
    assert "张0" in text
    assert "sentence 19" in text
    assert "alarms open: 20" in text


def test_the_most_severe_and_oldest_alarms_are_on_top() -> None:
    lines = drawn(full(), 110, 40)
    first = next(n for n, line in enumerate(lines) if line.startswith("alarms open"))
    assert [line.split()[:2] for line in lines[first + 1 : first + 6]] == [["level", "1"]] * 5
    assert "sentence 16" in lines[first + 1]


def test_a_cleared_alarm_is_gone() -> None:
    seen = full()
    for n in range(20):
        seen.take_event(alarm(n, 1 + n % 4, cleared=True))
    assert "alarms open: none" in "\n".join(drawn(seen, 110, 40))
    assert len(seen.events) == EVENTS_MOST


def test_machines_show_values_and_doubt() -> None:
    (line,) = (line for line in drawn(full(), 110, 40) if line.startswith("shearer_1"))
    assert line.rstrip().endswith("up    position 12.5 m, speed ?")


def test_changes_of_a_machine_are_added_to_what_is_known() -> None:
    seen = full()
    change = equipment_pb2.Equipment(device_id="shearer_1", profile="shearer_modbus")
    change.values.add(point="position", number=13, unit="m", quality=1)
    seen.take_equipment(change)
    assert [value.point for value in seen.equipment["shearer_1"].values] == ["position", "speed"]
    assert seen.equipment["shearer_1"].values[0].number == 13


def test_the_rate_is_that_of_the_last_seconds() -> None:
    seen = Seen("x")
    assert seen.fixes_per_s() == 0
    for second in range(20):
        seen.fixes = 1000 if second < 10 else 1000 + (second - 9) * 200
        seen.count(float(second))
    assert seen.fixes_per_s() == 200


def test_an_empty_mine_has_a_picture() -> None:
    assert "0 underground" in "\n".join(drawn(Seen("x"), 80, 24))
    assert PEOPLE_MOST > 0
