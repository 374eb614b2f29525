"""The alarms by themselves: delays, latches, hiding, escalation, restart, and operators' acts."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.mine.acts import SHELVED_MOST_S
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.alarms.states import AlarmMode, AlarmState
from gateway.mine.change import ActKind, EventKind
from gateway.mine.plan import AlarmRule
from tests.gateway.alarm_room import CARD, DOWN, LOST, OTHER, RULES, T0, Room, S


def test_a_condition_must_last_before_it_is_raised_and_be_over_before_it_is_cleared() -> None:
    room, key = Room(), AlarmKey("slow", zone="z")
    room.begin(key)
    room.wait(4.9)
    assert room.told() == []
    room.over(key)
    room.begin(key, 1)
    begun_ns = room.t_ns
    room.wait(5)
    assert room.told() == ["ALARM_RAISED"]
    assert (room.last().start_t_ns, room.last().raised_t_ns) == (begun_ns, begun_ns + 5 * S)
    room.over(key, 10)
    room.begin(key, 2.9)  # back within the time: it never ended
    room.wait(10)
    assert room.told() == ["ALARM_RAISED"]
    room.over(key)
    over_ns = room.t_ns
    room.wait(3)
    assert room.told() == ["ALARM_RAISED", "ALARM_CLEARED"]
    assert room.last().end_t_ns == over_ns


def test_what_waits_goes_on_after_a_restart() -> None:
    room, key = Room(), AlarmKey("slow", zone="z")
    room.begin(key)
    room.wait(3)
    room.restart()
    room.wait(1.9)
    assert room.told() == []
    room.wait(0.1)
    assert room.told() == ["ALARM_RAISED"]
    room.restart()
    room.begin(key)  # whoever watches the condition says again that it is there
    assert room.told() == ["ALARM_RAISED"]
    room.over(key)
    room.restart()
    room.wait(4)  # up to a second may have passed when the gateway was last known to look
    assert room.told() == ["ALARM_RAISED", "ALARM_CLEARED"]


def test_a_delay_goes_on_after_a_restart_as_the_rule_said_last_and_as_time_was_left_out() -> None:
    room, key = Room(), AlarmKey("slow", zone="z")
    room.begin(key)
    room.rules = {**RULES, "slow": replace(RULES["slow"], after_s=20)}
    record = room.step()
    room.book.reload(room.rules, record)
    room.end(record)
    room.restart()
    room.wait(19)
    room.t_ns += 100 * S
    room.book.shift(100 * S)  # the gateway stood still
    room.wait(0)
    room.restart()
    room.wait(0.9)
    assert room.told() == []
    room.restart(away_s=50)
    room.wait(0)
    room.restart(away_s=50)
    room.wait(0)
    assert room.told() == []
    room.wait(2)
    assert room.told() == ["ALARM_RAISED"]


def test_the_time_that_the_gateway_was_away_is_no_time_of_a_condition() -> None:
    room, key = Room(), AlarmKey("slow", zone="z")
    room.begin(key)
    for _ in range(3):
        room.wait(1)
    room.restart(away_s=3600)
    room.wait(1.9)
    assert room.told() == []
    room.wait(0.1)
    assert room.told() == ["ALARM_RAISED"]


def test_an_alarm_stays_in_the_list_until_it_is_over_and_acknowledged() -> None:
    room = Room()
    room.begin(CARD)
    alarm = room.last()
    assert (alarm.state, alarm.tell, alarm.card) == (
        AlarmState.UNACKNOWLEDGED,
        ("dispatcher",),
        "1001",
    )
    room.over(CARD, 7)
    assert set(room.book.all()) == {alarm.id}
    assert CARD not in room.book
    assert room.act(ActKind.ACKNOWLEDGE, alarm.id, note="seen") == ""
    assert room.book.all() == {}
    assert room.state.keys() == {f"act/{room.answers[-1].act.request_id}"}
    assert room.told() == ["ALARM_RAISED", "ALARM_CLEARED", "ALARM_ACKNOWLEDGED"]
    assert room.events[-1].text == "Li: seen"
    assert room.alarms[alarm.id].state is AlarmState.NORMAL
    assert "over and acknowledged" in room.act(ActKind.ACKNOWLEDGE, alarm.id)


def test_one_that_comes_again_is_another_alarm() -> None:
    room = Room()
    room.begin(CARD)
    first = room.last()
    room.over(CARD, 1)
    room.begin(CARD, 1)
    second = room.last()
    assert second.id != first.id
    assert set(room.book.all()) == {second.id}
    assert room.alarms[first.id].state is AlarmState.NORMAL
    assert room.alarms[first.id].end_t_ns == T0 + S


def test_a_latched_alarm_ends_when_it_is_reset() -> None:
    room, key = Room(), AlarmKey("latched", card="1001")
    room.begin(key)
    alarm = room.last()
    assert "still lasts" in room.act(ActKind.RESET, alarm.id)
    room.over(key)
    room.over(key)
    assert room.told() == ["ALARM_RAISED", "ALARM_CHANGED"]
    assert key in room.book
    room.act(ActKind.ACKNOWLEDGE, alarm.id)
    room.restart()
    assert room.book.all()[alarm.id].state is AlarmState.LATCHED_ACKNOWLEDGED
    assert room.act(ActKind.RESET, alarm.id, note="card found") == ""
    assert room.told()[2:] == ["ALARM_ACKNOWLEDGED", "ALARM_CLEARED"]
    assert room.book.all() == {}


def test_a_latched_alarm_that_comes_again_must_be_acknowledged_again() -> None:
    room, key = Room(), AlarmKey("latched", card="1001")
    room.begin(key)
    alarm = room.last()
    room.act(ActKind.ACKNOWLEDGE, alarm.id)
    room.over(key)
    room.begin(key)
    assert room.book.all()[alarm.id].state is AlarmState.UNACKNOWLEDGED
    assert room.told()[2:] == ["ALARM_CHANGED", "ALARM_CHANGED"]


def test_a_shelved_alarm_is_recorded_and_comes_back_by_itself() -> None:
    room = Room()
    room.begin(CARD)
    alarm = room.last()
    assert room.act(ActKind.SHELVE, alarm.id, until_s=60, note="known") == ""
    assert room.last().mode is AlarmMode.SHELVED
    room.over(CARD, 5)
    room.begin(CARD, 5)
    assert room.told()[1:] == ["ALARM_HIDDEN", "ALARM_CLEARED", "ALARM_RAISED"]
    assert room.last().mode is AlarmMode.SHELVED
    room.restart()
    room.begin(OTHER)
    assert room.last().mode is AlarmMode.IN_SERVICE
    room.wait(49.9)
    assert room.told()[-1] == "ALARM_RAISED"
    room.wait(0.1)
    assert room.told()[-1] == "ALARM_SHOWN"
    assert room.last().mode is AlarmMode.IN_SERVICE
    assert room.last().hidden_until_ns is None


def test_what_is_shelved_stays_so_with_another_card_and_can_be_shown_again() -> None:
    room = Room()
    room.begin(LOST)
    (alarm,) = room.alarms.values()
    assert room.act(ActKind.SHELVE, alarm.id, until_s=600) == ""
    record = room.step(1)
    room.book.move("1001", "1002", record, "replaced", lambda _: True)
    room.end(record)
    assert room.alarms[alarm.id].mode is AlarmMode.SHELVED
    assert room.act(ActKind.UNSHELVE, alarm.id) == ""
    assert room.alarms[alarm.id].mode is AlarmMode.IN_SERVICE
    room.begin(LOST)
    assert {one.mode for one in room.alarms.values()} == {AlarmMode.IN_SERVICE}


def test_one_that_goes_on_with_another_card_stands_for_what_was_over_there() -> None:
    room = Room()
    room.begin(OTHER)
    (over,) = room.alarms.values()
    room.over(OTHER, 1)  # and nobody has acknowledged it
    room.begin(CARD, 1)
    goes_on = room.last()
    record = room.step(1)
    room.book.move("1001", "1002", record, "replaced", lambda _: True)
    room.end(record)
    assert set(room.book.all()) == {goes_on.id}
    assert room.alarms[over.id].state is AlarmState.NORMAL
    room.restart()
    assert room.book.all() == {goes_on.id: room.alarms[goes_on.id]}


def test_nothing_is_shelved_for_ever_or_into_the_past() -> None:
    room = Room()
    room.begin(CARD)
    alarm = room.last()
    for until_s in (0.0, -5.0, SHELVED_MOST_S + 1.0):
        assert "at most 12 h" in room.act(ActKind.SHELVE, alarm.id, until_s=until_s)
    assert "neither shelved" in room.act(ActKind.UNSHELVE, alarm.id)
    room.act(ActKind.SHELVE, alarm.id, until_s=SHELVED_MOST_S)
    assert room.act(ActKind.UNSHELVE, alarm.id) == ""
    assert room.told() == ["ALARM_RAISED", "ALARM_HIDDEN", "ALARM_SHOWN"]


def test_a_family_or_a_subject_is_taken_out_of_service_with_a_reason() -> None:
    room = Room()
    room.begin(CARD)
    room.begin(OTHER)
    assert "why" in room.act(ActKind.OUT_OF_SERVICE, OTHER.text)
    assert room.act(ActKind.OUT_OF_SERVICE, OTHER.text, note="drill") == ""
    modes = {alarm.card: alarm.mode for alarm in room.book.all().values()}
    assert modes == {"1001": AlarmMode.IN_SERVICE, "1002": AlarmMode.OUT_OF_SERVICE}
    whole = AlarmKey("restricted_entry").text
    assert room.act(ActKind.OUT_OF_SERVICE, whole, note="works") == ""
    room.restart()
    assert {alarm.mode for alarm in room.book.all().values()} == {AlarmMode.OUT_OF_SERVICE}
    assert room.act(ActKind.IN_SERVICE, whole) == ""
    modes = {alarm.card: alarm.mode for alarm in room.book.all().values()}
    assert modes == {"1001": AlarmMode.IN_SERVICE, "1002": AlarmMode.OUT_OF_SERVICE}
    assert "no alarm family 'nonsense'" in room.act(ActKind.OUT_OF_SERVICE, "nonsense", note="x")


def test_an_alarm_that_another_one_explains_is_not_shown_meanwhile() -> None:
    room = Room()
    room.begin(LOST)
    assert room.last().mode is AlarmMode.IN_SERVICE
    room.begin(DOWN, 1)
    assert room.told() == ["ALARM_RAISED", "ALARM_RAISED", "ALARM_HIDDEN"]
    assert room.last().mode is AlarmMode.SUPPRESSED
    room.over(DOWN, 1)
    assert room.told()[-2:] == ["ALARM_CLEARED", "ALARM_SHOWN"]
    assert (room.last().rule, room.last().mode) == ("signal_lost", AlarmMode.IN_SERVICE)


def test_others_are_told_when_nobody_acknowledges_in_time() -> None:
    room, key = Room(), AlarmKey("urgent", card="1001")
    room.begin(key)
    room.wait(59.9)
    assert room.told() == ["ALARM_RAISED"]
    room.wait(0.1)
    assert room.told() == ["ALARM_RAISED", "ALARM_ESCALATED"]
    assert room.last().tell == ("dispatcher", "chief", "rescue")
    assert "60 s" in room.events[-1].text
    room.wait(600)
    assert room.told() == ["ALARM_RAISED", "ALARM_ESCALATED"]


def test_an_acknowledged_alarm_does_not_escalate() -> None:
    room, key = Room(), AlarmKey("urgent", card="1001")
    room.begin(key)
    room.act(ActKind.ACKNOWLEDGE, room.last().id)
    room.wait(600)
    assert "ALARM_ESCALATED" not in room.told()


def test_a_request_is_done_once_however_often_it_comes_also_after_a_restart() -> None:
    room = Room()
    room.begin(CARD)
    alarm = room.last()
    assert room.act(ActKind.ACKNOWLEDGE, alarm.id, request_id="first") == ""
    done_ns = room.t_ns
    room.wait(5)
    room.restart()
    assert room.act(ActKind.ACKNOWLEDGE, alarm.id, request_id="first") == ""
    assert (room.answers[-1].again, room.answers[-1].act_t_ns) == (True, done_ns)
    assert room.told() == ["ALARM_RAISED", "ALARM_ACKNOWLEDGED"]
    other = room.act(ActKind.SHELVE, alarm.id, request_id="first", until_s=5)
    assert "used for another act" in other
    assert "Li has acknowledged it already" in room.act(ActKind.ACKNOWLEDGE, alarm.id)


def test_an_alarm_of_a_family_that_this_version_lacks_goes_on() -> None:
    room = Room({**RULES, "future": AlarmRule(2)})
    key = AlarmKey("future", card="1001")
    room.begin(key)
    room.rules = RULES
    room.restart()
    assert key in room.book
    room.over(key)
    assert room.told() == ["ALARM_RAISED", "ALARM_CLEARED"]


KEYS = (CARD, OTHER, DOWN, LOST, AlarmKey("slow", zone="z"), AlarmKey("latched", card="1"))


class AnyShift(RuleBasedStateMachine):
    """Whatever happens in whatever order, beside what must be true by the conditions alone."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room()
        self.there: set[AlarmKey] = set()

    @rule(key=st.sampled_from(KEYS), seconds=st.floats(0, 10))
    def begins(self, key: AlarmKey, seconds: float) -> None:
        self.there.add(key)
        self.room.begin(key, seconds)

    @rule(key=st.sampled_from(KEYS), seconds=st.floats(0, 10))
    def ends(self, key: AlarmKey, seconds: float) -> None:
        self.there.discard(key)
        self.room.over(key, seconds)

    @rule(seconds=st.floats(0, 100))
    def waits(self, seconds: float) -> None:
        self.room.wait(seconds)

    @rule(pick=st.integers(0, 10), kind=st.sampled_from(ActKind), until_s=st.floats(-1, 100))
    def acts(self, pick: int, kind: ActKind, until_s: float) -> None:
        alarms = [*self.room.book.all().values()]
        if kind in (ActKind.OUT_OF_SERVICE, ActKind.IN_SERVICE):
            self.room.act(kind, KEYS[pick % len(KEYS)].text, note="works")
        elif alarms:
            self.room.act(kind, alarms[pick % len(alarms)].id, until_s=until_s)

    @rule()
    def restarts(self) -> None:
        before, hidden = self.room.book.all(), dict(self.room.state)
        self.room.restart()
        assert self.room.book.all() == before
        assert self.room.state == hidden

    @invariant()
    def conditions_and_alarms_agree(self) -> None:
        waiting = {AlarmKey("slow", zone="z"), AlarmKey("latched", card="1")}
        for key in set(KEYS) - waiting:
            assert (key in self.room.book) == (key in self.there)
        latched = AlarmKey("latched", card="1")
        assert latched in self.room.book or latched not in self.there

    @invariant()
    def each_alarm_begins_once_and_ends_at_most_once_and_later(self) -> None:
        open_now: dict[tuple[str, str, str, str], str] = {}
        for event in self.room.events:
            alarm = event.alarm
            assert alarm
            subject = (alarm.rule, alarm.card, alarm.device, alarm.zone)
            if event.kind is EventKind.ALARM_RAISED:
                assert subject not in open_now
                open_now[subject] = alarm.id
            if event.kind is EventKind.ALARM_CLEARED:
                assert open_now.pop(subject) == alarm.id
                assert (alarm.end_t_ns or 0) >= alarm.start_t_ns
        assert set(open_now.values()) == {
            alarm.id for alarm in self.room.book.all().values() if alarm.end_t_ns is None
        }


TestAnyShift = AnyShift.TestCase
TestAnyShift.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
