"""Hazards in the core: the chain, its refusals, time to mend, supervision, restart."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.desk import audit_of
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.alarms.states import OPEN
from gateway.mine.change import ActKind
from gateway.mine.prevention import hazards as hazards_module
from gateway.mine.prevention.hazard import HazardInput, HazardState, following, possible
from tests.gateway.hazard_room import PREVENTION, H, HazardRoom
from tests.gateway.small_mine import T0, S

REPORT, ASSIGN, MEND = ActKind.HAZARD_REPORT, ActKind.HAZARD_ASSIGN, ActKind.HAZARD_MEND
CHECK, SUPERVISE, CLEAR = ActKind.HAZARD_CHECK, ActKind.HAZARD_SUPERVISE, ActKind.HAZARD_CLEAR


def test_a_hazard_goes_from_found_to_cleared() -> None:
    room = HazardRoom()
    name = room.report(note="near shield 40")
    hazard = room.hazards[name]
    assert (hazard.level, hazard.zone, hazard.device) == (1, "face", "")
    assert hazard.due_t_ns == hazard.found_t_ns + 8 * H
    assert room.act(ASSIGN, name, assignee="Li") == ""
    assert room.act(MEND, name, by="Li", note="bolted") == ""
    assert room.act(CHECK, name, result="rejected", note="one bolt is loose") == ""
    assert room.hazards[name].state is HazardState.ASSIGNED
    assert room.act(MEND, name, by="Li") == ""
    assert room.act(CHECK, name, result="passed") == ""
    assert room.act(CLEAR, name) == ""
    hazard = room.hazards[name]
    assert (hazard.state, hazard.assignee, hazard.found_by) == (HazardState.CLEARED, "Li", "Wang")
    assert [step.what.name for step in hazard.steps] == [
        "REPORT", "ASSIGN", "MEND", "REJECT", "MEND", "PASS", "CLEAR",
    ]  # fmt: skip
    assert room.told() == ["HAZARD_FOUND", *["HAZARD_CHANGED"] * 5, "HAZARD_CLEARED"]
    texts = [one.text for one in room.events if one.hazard]
    assert texts[0] == f"{name}, level 1: loose roof; found by Wang: near shield 40"
    assert texts[3] == f"{name} is sent back: Wang: one bolt is loose"


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ({"risk_point": "rof"}, "there is no risk point 'rof'"),
        ({"risk_point": "", "zone": "fase"}, "there is no zone 'fase' on the map"),
        ({"risk_point": "", "device": "pump"}, "there is no device 'pump'"),
        ({"risk_point": "", "zone": "face"}, "say of which level the hazard is"),
        ({"risk_point": ""}, "say where the hazard is"),
        ({"due_t_ns": T0}, "the time to mend it by must be to come"),
        ({"due_t_ns": T0 + 400 * 24 * H}, "the time to mend it by must be to come"),
    ],
)
def test_what_can_not_be_reported(detail: dict[str, str], said: str) -> None:
    room = HazardRoom()
    given = {"title": "x", "risk_point": "roof", **detail}
    given = {name: text for name, text in given.items() if text}
    assert said in room.act(REPORT, "roof", **given)
    assert room.hazards == {}


def test_a_refusal_says_what_can_be_done_instead() -> None:
    room = HazardRoom()
    name = room.report()
    assert room.act(CLEAR, name) == (
        f"{name} is found, not to be cleared: what it can be is assigned, supervised"
    )
    assert room.act(MEND, "hazard-99") == "there is no hazard hazard-99"
    assert room.act(ASSIGN, name) == "say to whom it is assigned"
    assert room.act(SUPERVISE, name) == "say who supervises it"


def test_a_supervised_hazard_is_cleared_by_its_supervisor_alone() -> None:
    room = HazardRoom()
    name = room.report()
    assert "is not supervised" in room.act(CLEAR, name, by="Zhao", as_supervisor="yes")
    assert room.act(SUPERVISE, name, supervisor="Zhao") == ""
    assert "alone may hand that over" in room.act(SUPERVISE, name, supervisor="Wang")
    room.act(ASSIGN, name, assignee="Li")
    room.act(MEND, name)
    room.act(CHECK, name, result="passed")
    for by, flag in (("Wang", {}), ("Zhao", {}), ("Wang", {"as_supervisor": "yes"})):
        assert "Zhao alone, as supervisor, clears it" in room.act(CLEAR, name, by=by, **flag)
    assert room.act(SUPERVISE, name, by="Zhao", supervisor="Sun") == ""
    assert room.act(CLEAR, name, by="Sun", as_supervisor="yes") == ""
    assert not room.hazards[name].is_open


def test_what_is_not_mended_in_time_is_an_alarm_until_it_is() -> None:
    room = HazardRoom()
    name = room.report(due_t_ns=T0 + 60 * S)
    room.wait(50)
    assert not room.hazards[name].overdue
    room.wait(10)
    assert room.hazards[name].overdue
    (alarm,) = (one for one in room.alarms.values() if one.rule == "hazard_overdue")
    assert (alarm.hazard, alarm.zone, alarm.level) == (name, "face", 1)
    assert alarm.start_t_ns == T0 + 60 * S
    room.restart()
    room.wait()
    assert room.told().count("ALARM_RAISED") == 1
    # More time ends it.
    assert room.act(ASSIGN, name, assignee="Li", due_t_ns=room.t_ns + 60 * S) == ""
    assert not room.hazards[name].overdue
    assert room.told()[-1] == "ALARM_CLEARED"
    room.wait(80)
    assert room.told()[-1] == "ALARM_RAISED"
    # So does mending; a hazard that is sent back is as late as before.
    assert room.act(MEND, name) == ""
    assert room.told()[-1] == "ALARM_CLEARED"
    assert room.act(CHECK, name, result="rejected", note="no") == ""
    assert room.told()[-1] == "ALARM_RAISED"


def test_an_act_is_done_once_and_audited_with_all_that_was_given() -> None:
    room = HazardRoom()
    for _ in range(2):
        given = {
            "title": "loose", "risk_point": "roof", "level": "2", "due_t_ns": str(T0 + H),
        }  # fmt: skip
        assert room.act(REPORT, "roof", request_id="the-same", note="wet", **given) == ""
    assert len(room.hazards) == 1
    assert [one.again for one in room.answers] == [False, True]
    (entry,) = audit_of(room.answers, 0)
    assert (entry.act, entry.operator, entry.outcome) == ("hazard.report", "Wang", "done")
    assert entry.detail == {
        "title": "loose", "risk_point": "roof", "level": "2", "due_t_ns": str(T0 + H),
        "note": "wet",
    }  # fmt: skip
    other = room.act(REPORT, "roof", request_id="the-same", title="another", risk_point="roof")
    assert "was used for another act" in other
    room.restart()
    assert room.act(REPORT, "roof", request_id="the-same", note="wet", **given) == ""
    assert len(room.hazards) == 1


def test_old_cleared_hazards_are_no_longer_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hazards_module, "CLEARED_MOST", 1)
    room = HazardRoom()
    names = [room.report(title=f"no. {n}") for n in range(3)]
    for name in names[:2]:
        room.act(ASSIGN, name, assignee="Li")
        room.act(MEND, name)
        room.act(CHECK, name, result="passed")
        assert room.act(CLEAR, name) == ""
    assert list(room.hazards) == names[1:]
    assert [key for key in room.state if key.startswith("hazard/")] == [
        f"hazard/{name}" for name in names[1:]
    ]


def test_no_more_than_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hazards_module, "OPEN_MOST", 1)
    room = HazardRoom()
    room.report()
    assert "1 hazards are open" in room.act(REPORT, "roof", title="x", risk_point="roof")


def test_an_alarm_of_a_hazard_that_is_gone_ends() -> None:
    room = HazardRoom()
    name = room.report(due_t_ns=T0 + 5 * S)
    room.wait(10)
    del room.state[f"hazard/{name}"]
    room.hazards.clear()
    room.restart()
    (alarm,) = (one for one in room.alarms.values() if one.rule == "hazard_overdue")
    assert alarm.state not in OPEN


def test_a_key_with_a_hazard_reads_as_it_is_written() -> None:
    key = AlarmKey("hazard_overdue", zone="face", hazard="hazard-7")
    assert AlarmKey(*key.text.split("/")) == key
    assert AlarmKey("device_down", device="d").text == "device_down//d/"
    assert AlarmKey("limit_exceeded", device="d", limit="l").text == "limit_exceeded//d//l"


# Laws


@given(steps=st.lists(st.sampled_from(list(HazardInput)), max_size=30), supervised=st.booleans())
def test_only_the_chain_leads_to_the_end(steps: list[HazardInput], *, supervised: bool) -> None:
    state, done = HazardState.FOUND, []
    for what in steps:
        after = following(state, what, supervised=supervised)
        assert (after is not None) == (what in possible(state, supervised=supervised))
        if after is not None:
            state = after
            done.append(what)
    if state is HazardState.CLEARED:
        assert possible(state, supervised=supervised) == []
        kinds = [one for one in done if one not in (HazardInput.SUPERVISE, HazardInput.REJECT)]
        last = HazardInput.CLEAR_AS_SUPERVISOR if supervised else HazardInput.CLEAR
        assert kinds[-1] is last
        assert [one for one in done if one is not HazardInput.SUPERVISE][-3:] == [
            HazardInput.MEND, HazardInput.PASS, last,
        ]  # fmt: skip
        assert HazardInput.ASSIGN in done[: done.index(HazardInput.MEND)]
    else:
        assert possible(state, supervised=supervised)  # none is ever stuck


ACTS = st.one_of(
    st.tuples(st.just(REPORT), st.sampled_from([{"risk_point": "roof"}, {"zone": "no"}])),
    st.tuples(st.just(ASSIGN), st.sampled_from([{"assignee": "Li"}, {"assignee": "Sun"}])),
    st.tuples(st.just(MEND), st.just({})),
    st.tuples(st.just(CHECK), st.sampled_from([{"result": "passed"}, {"result": "rejected"}])),
    st.tuples(st.just(SUPERVISE), st.just({"supervisor": "Zhao"})),
    st.tuples(st.just(CLEAR), st.sampled_from([{}, {"as_supervisor": "yes"}])),
)
STORY = st.lists(
    st.tuples(ACTS, st.integers(0, 2), st.sampled_from(["Wang", "Zhao"]), st.sampled_from([0, 9])),
    max_size=20,
)
SHORT = replace(PREVENTION, mend_h=(20 / 3600,) * 4)


def play(story: list[tuple[tuple[ActKind, dict[str, str]], int, str, int]], at: int) -> HazardRoom:
    """The story, with a restart before its step `at`."""
    room, names = HazardRoom(SHORT), list[str]()
    for number, ((kind, detail), which, by, pause_s) in enumerate(story):
        room.wait(pause_s)
        if number == at:
            room.restart()
        if kind is REPORT:
            before = set(room.hazards)
            room.act(kind, "roof", by=by, title="t", **detail)
            names += room.hazards.keys() - before
        else:
            room.act(kind, names[which] if which < len(names) else "none", by=by, **detail)
        # None is lost, and exactly those that are late have an open alarm.
        assert list(room.hazards) == names
        late = {name for name, one in room.hazards.items() if one.overdue}
        alarms = room.alarms.values()
        assert late == {one.hazard for one in alarms if one.hazard and one.state in OPEN}
    return room


@settings(max_examples=25, deadline=None)
@given(STORY, st.integers(0, 19))
def test_a_restart_changes_nothing(
    story: list[tuple[tuple[ActKind, dict[str, str]], int, str, int]], at: int
) -> None:
    whole, again = play(story, -1), play(story, at)

    def essence(room: HazardRoom) -> list[object]:
        return [
            [
                (one.level, one.assignee, one.supervisor, one.overdue, one.due_t_ns, one.found_t_ns)
                for one in room.hazards.values()
            ],
            [
                [(step.t_ns, step.operator, step.what, step.state) for step in one.steps]
                for one in room.hazards.values()
            ],
            [one.refusal.partition(" is ")[2] for one in room.answers],
            room.told(),
        ]

    assert essence(whole) == essence(again)
