"""Floods of alarms: grouped, never hidden; and which reader explains whose silence."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.report import LinkChange, LinkState
from gateway.mine.alarms.floods import FloodBook
from gateway.mine.alarms.kept import AlarmKey, keep_alarm, recall_alarm
from gateway.mine.change import Alarm, Batch, Event, EventKind
from gateway.mine.machines.plan import FloodRule
from gateway.mine.plan import AlarmRule
from gateway.serve.encode import alarm_message, encode_event
from lamproom.v1 import event_pb2
from tests.gateway.alarm_room import RULES, Room
from tests.gateway.small_mine import PLAN, T0, S, Walk, batch_of, ranges_at

RULE = FloodRule(count=4, window_s=20.0)


class FloodRoom(Room):
    """A room whose book knows floods."""

    def restart(self, away_s: float = 0.0) -> None:
        super().restart(away_s)
        floods = FloodBook(RULE, self.state, ("uwb-1",), silent_after_s=30.0)
        self.book = type(self.book)(self.rules, self.state, floods)

    def entry(self, number: int, seconds: float = 1.0) -> None:
        self.begin(AlarmKey("restricted_entry", card=str(number), zone="sealed"), seconds)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind.name == kind]

    def groups(self) -> list[str]:
        return [alarm.group for alarm in self.alarms.values()]


def test_few_alarms_are_no_flood() -> None:
    room = FloodRoom(RULES)
    for number in range(3):
        room.entry(number)
    for number in range(3, 6):
        room.entry(number, 18.5)
    assert room.of("FLOOD_BEGUN") == []
    assert room.groups() == [""] * 6


def test_many_at_once_are_one_group_and_each_is_told() -> None:
    room = FloodRoom(RULES)
    for number in range(7):
        room.entry(number)
    (begun,) = room.of("FLOOD_BEGUN")
    assert (begun.count, begun.group) == (4, "flood-4")
    assert begun.event_t_ns == T0 + S
    assert "4 alarms of restricted_entry within 20 s are one group" in begun.text
    assert room.groups() == ["flood-4"] * 7
    raised = room.of("ALARM_RAISED")
    assert [(event.alarm or Alarm("", "", 1, 0)).group for event in raised] == (
        [""] * 3 + ["flood-4"] * 4
    )
    assert all(event.alarm and event.alarm.number == event.sequence for event in raised)
    room.wait(19.0)
    assert room.of("FLOOD_ENDED") == []
    room.wait(1.0)
    (ended,) = room.of("FLOOD_ENDED")
    assert (ended.count, ended.group) == (7, "flood-4")
    room.entry(8)
    assert room.groups()[-1] == ""


def test_families_do_not_mix() -> None:
    room = FloodRoom(RULES)
    for number in range(3):
        room.entry(number)
        room.begin(AlarmKey("latched", card=str(number)))
    assert room.of("FLOOD_BEGUN") == []


def test_a_flood_goes_on_over_a_restart_and_begins_over_one() -> None:
    room = FloodRoom(RULES)
    for number in range(3):
        room.entry(number)
    room.restart(2.0)
    room.entry(3)
    assert [event.count for event in room.of("FLOOD_BEGUN")] == [4]
    room.restart(2.0)
    room.entry(4)
    room.wait(30.0)
    assert [event.count for event in room.of("FLOOD_BEGUN")] == [4]
    assert [event.count for event in room.of("FLOOD_ENDED")] == [5]
    assert not any(key.startswith("flood/") for key in room.state)


def test_an_alarm_that_ended_before_the_flood_counts_and_is_not_brought_back() -> None:
    room = FloodRoom(RULES)
    for number in range(3):
        room.entry(number)
    key = AlarmKey("restricted_entry", card="0", zone="sealed")
    room.over(key)
    alarm_id = next(iter(room.alarms))
    record = room.step()
    assert room.book.acknowledge(key, "Li", record, "") == ""
    room.end(record)
    room.entry(3)
    assert [event.count for event in room.of("FLOOD_BEGUN")] == [4]
    assert room.alarms[alarm_id].group == ""
    assert alarm_id not in room.book.all()


def test_a_reader_that_fails_explains_the_silence_of_its_cards() -> None:
    rules = {
        **PLAN.rules,
        "signal_lost": AlarmRule(level=3, after_s=30),
        "device_down": AlarmRule(level=2, after_s=5),
    }
    readers = frozenset({"uwb-1"})
    mine = Walk(plan=replace(PLAN, rules=rules, flood=RULE, uwb_readers=readers))
    mine.begin()
    cards = [f"1506220000010000{n}" for n in range(6)]
    t_ns = T0
    for _ in range(3):
        t_ns += S
        ranges = [ranges_at(mine.table.handle(card), 50.0, t_ns) for card in cards]
        mine.step(batch_of(*ranges), t_ns)
    for device in ("shearer", "uwb-1"):
        link = LinkChange(device, LinkState.DOWN, "no answer", t_ns)
        mine.step(Batch(links=(link,)), t_ns)
    mine.wait(40, t_ns)
    alarms = {k: a for changes in mine.all for k, a in changes.alarms.items()}
    down = next(a.id for a in alarms.values() if a.device == "uwb-1")
    lost = [a for a in alarms.values() if a.rule == "signal_lost"]
    assert [a.parent for a in lost] == [down] * 6
    assert len({a.group for a in lost}) == 1
    assert lost[0].group
    begun = [e for changes in mine.all for e in changes.events if e.kind.name == "FLOOD_BEGUN"]
    assert [event.count for event in begun] == [4]
    assert begun[0].text.endswith("device uwb-1 is down: no answer")


@pytest.mark.parametrize(("device", "heard_s"), [("shearer", 0.0), ("uwb-1", 60.0)])
def test_what_hears_no_card_or_failed_at_another_time_explains_nothing(
    device: str, heard_s: float
) -> None:
    room = FloodRoom(RULES)
    room.begin(AlarmKey("device_down", device=device))
    room.begin(AlarmKey("signal_lost", card="1"), 30.0 + heard_s)
    assert [alarm.parent for alarm in room.alarms.values()] == ["", ""]


def test_clients_are_told_the_group_the_cause_and_the_machine() -> None:
    alarm = Alarm(
        "signal_lost-7", "signal_lost", 3, T0, machine="m", group="flood-4", parent="device_down-2"
    )
    message = alarm_message(alarm)
    assert message.machine_id == "m"
    assert message.group_id == "flood-4"
    assert message.parent_alarm_id == "device_down-2"
    event = Event(9, EventKind.FLOOD_BEGUN, T0, T0, count=4, group="flood-4")
    response = event_pb2.WatchEventsResponse.FromString(encode_event(event, 1))
    assert (response.event.kind, response.event.group_id) == (25, "flood-4")


def test_the_key_of_a_machine_s_alarm_is_kept_and_older_ones_are_as_they_were() -> None:
    key = AlarmKey("danger_proximity", card="1", machine="shearer")
    alarm = Alarm("a-1", key.rule, 2, T0, card="1", machine="shearer", group="g", parent="p")
    kept = keep_alarm(key, alarm, None)
    assert kept is not None
    assert recall_alarm(kept) == (key, alarm, None)
    assert key.text == "danger_proximity/1/////shearer"
    assert AlarmKey(*key.text.split("/")) == key
    assert AlarmKey("r", card="1", zone="z").text == "r/1//z"
    assert AlarmKey("r", device="d", limit="l").text == "r//d//l"
    fields = b'{"id": "r-1", "rule": "r", "level": 1, "start_t_ns": 5}'
    old = b'{"key": ["r", "1", "", "z"], "alarm": ' + fields + b"}"
    again, recalled, _ = recall_alarm(old)
    assert again == AlarmKey("r", card="1", zone="z")
    assert recalled is not None
    assert (recalled.machine, recalled.group, recalled.parent) == ("", "", "")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.1, 30.0), max_size=40), st.integers(0, 39))
def test_laws_of_floods(gaps_s: list[float], cut_at: int) -> None:
    """Floods do not overlap, every alarm is told, and a group is as large as its end says."""
    room = FloodRoom(RULES)
    for number, gap_s in enumerate(gaps_s):
        if number == cut_at:
            room.restart()
        room.entry(number, gap_s)
    room.wait(21.0)
    begun, ended = room.of("FLOOD_BEGUN"), room.of("FLOOD_ENDED")
    assert [event.group for event in begun] == [event.group for event in ended]
    assert len(room.of("ALARM_RAISED")) == len(gaps_s)
    for event in ended:
        assert room.groups().count(event.group) == event.count >= RULE.count
