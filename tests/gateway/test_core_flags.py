"""Calls for help and low batteries: never overheard, and told once."""

import numpy as np
import pytest

from gateway.mine.change import Act, ActKind, Batch
from positioning.observation import CardFlag, Records, measurements
from tests.gateway.small_mine import T0, S, Walk, ranges_at

CARD = "15062200000100007"


def said(mine: Walk, t_ns: int, *flags: int) -> Records:
    """A card at 40 m that says one thing after the other, a millisecond apart."""
    measured = measurements(ranges_at(mine.table.handle(CARD), 40.0, t_ns))
    measured = np.resize(measured, len(flags))
    measured["flags"] = flags
    measured["t_ns"] = t_ns + np.arange(len(flags)) * 1_000_000
    return measured


def alarms(mine: Walk) -> list[tuple[str, str]]:
    return [(kind, rule) for kind, _, rule in mine.events() if kind.startswith("ALARM")]


@pytest.fixture
def mine() -> Walk:
    walk = Walk()
    walk.begin()
    return walk


@pytest.mark.parametrize("times", [1, 7])
def test_a_call_for_help_is_one_alarm_however_often_it_is_repeated(mine: Walk, times: int) -> None:
    for n in range(1, times + 1):
        mine.step(Batch(said(mine, T0 + n * S, *([CardFlag.DISTRESS] * 4))), T0 + n * S)
    assert alarms(mine) == [("ALARM_RAISED", "distress")]
    (alarm,) = [a for changes in mine.all for a in changes.alarms.values()]
    assert (alarm.card, alarm.start_t_ns, alarm.level) == (CARD, T0 + S, 1)
    mine.step(Batch(said(mine, T0 + 99 * S, 0)), T0 + 99 * S)
    assert alarms(mine)[1:] == [("ALARM_CLEARED", "distress")]


def test_a_button_pressed_for_a_moment_has_been_pressed(mine: Walk) -> None:
    mine.step(Batch(said(mine, T0 + S, 0, CardFlag.DISTRESS, 0)), T0 + S)
    assert alarms(mine) == [("ALARM_RAISED", "distress"), ("ALARM_CLEARED", "distress")]
    (alarm,) = mine.all[-1].alarms.values()
    assert alarm.end_t_ns == alarm.start_t_ns + 1_000_000


def test_a_call_that_comes_late_is_heard_and_an_old_silence_takes_none_back(mine: Walk) -> None:
    mine.step(Batch(said(mine, T0 + 10 * S, CardFlag.DISTRESS)), T0 + 10 * S)
    mine.step(Batch(said(mine, T0 + 5 * S, 0)), T0 + 11 * S)
    assert alarms(mine) == [("ALARM_RAISED", "distress")]
    mine.step(Batch(said(mine, T0 + 12 * S, 0)), T0 + 12 * S)
    mine.step(Batch(said(mine, T0 + 11 * S, CardFlag.LOW_BATTERY)), T0 + 13 * S)
    assert alarms(mine)[1:] == [("ALARM_CLEARED", "distress"), ("ALARM_RAISED", "low_battery")]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_comes_late_of_a_call_that_is_over_is_no_second_call(
    mine: Walk, *, restarted: bool
) -> None:
    for n, flags in ((200, 1), (220, 1), (230, 0), (235, 0), (236, 0)):
        mine.step(Batch(said(mine, T0 + n * S, flags)), T0 + n * S)
    if restarted:
        mine = Walk(mine.state, 100)
        mine.begin(T0 + 235 * S)
    before = alarms(mine)
    for late_s in (20, 190, 200, 229, 234):  # readers' clocks may be off by 5 s
        mine.step(Batch(said(mine, T0 + late_s * S, CardFlag.DISTRESS)), T0 + 240 * S)
    assert alarms(mine) == before
    # An earlier one that was not known is.
    mine.step(Batch(said(mine, T0 + 19 * S, CardFlag.DISTRESS)), T0 + 241 * S)
    assert alarms(mine)[len(before) :] == [("ALARM_RAISED", "distress")]


def test_a_card_without_a_place_is_heard_too(mine: Walk) -> None:
    measured = said(mine, T0 + S, CardFlag.DISTRESS)
    measured["value_m"] = np.nan
    mine.step(Batch(measured), T0 + S)
    assert alarms(mine) == [("ALARM_RAISED", "distress")]
    assert mine.all[-1].events[-1].place is None


def test_a_call_lasts_over_a_restart_and_is_not_raised_twice(mine: Walk) -> None:
    mine.step(Batch(said(mine, T0 + S, CardFlag.DISTRESS)), T0 + S)
    again = Walk(mine.state, 100)
    again.begin(T0 + 60 * S)
    again.step(Batch(said(again, T0 + 61 * S, CardFlag.DISTRESS)), T0 + 61 * S)
    assert alarms(again) == []
    again.step(Batch(said(again, T0 + 62 * S, 0)), T0 + 62 * S)
    assert alarms(again) == [("ALARM_CLEARED", "distress")]


@pytest.mark.parametrize("seconds", range(5))
def test_a_call_that_is_taken_back_while_the_gateway_is_down_ends(mine: Walk, seconds: int) -> None:
    t_ns = T0 + seconds * S
    mine.step(Batch(said(mine, t_ns, 0)), t_ns)
    mine.step(Batch(said(mine, t_ns + S // 2, CardFlag.DISTRESS)), t_ns + S // 2)
    again = Walk(mine.state, 100)  # killed at once after
    again.begin(t_ns + 60 * S)
    again.step(Batch(said(again, t_ns + 61 * S, 0)), t_ns + 61 * S)
    assert alarms(again) == [("ALARM_CLEARED", "distress")]


@pytest.mark.parametrize("seconds", range(5))
def test_a_call_is_heard_after_one_that_was_taken_back_when_the_gateway_died(
    mine: Walk, seconds: int
) -> None:
    t_ns = T0 + 10 * S
    for n in range(7):  # long enough for the call to be kept
        mine.step(Batch(said(mine, t_ns + n * S, CardFlag.DISTRESS)), t_ns + n * S)
    t_ns += (7 + seconds) * S
    mine.step(Batch(said(mine, t_ns, 0)), t_ns)
    again = Walk(mine.state, 100)
    again.begin(t_ns + 60 * S)
    again.step(Batch(said(again, t_ns + 61 * S, CardFlag.DISTRESS)), t_ns + 61 * S)
    assert alarms(again) == [("ALARM_RAISED", "distress")]


def test_an_operator_resets_a_call_while_the_button_is_stuck(mine: Walk) -> None:
    mine.step(Batch(said(mine, T0 + S, CardFlag.DISTRESS)), T0 + S)
    (alarm,) = mine.all[-1].alarms.values()
    act = Act("request-1", "Li", ActKind.RESET, alarm.id, "spoken with on the phone")
    changes = mine.step(Batch(acts=(act,)), T0 + 2 * S)
    assert [answer.refusal for answer in changes.answers] == [""]
    mine.step(Batch(said(mine, T0 + 3 * S, CardFlag.DISTRESS)), T0 + 3 * S)
    assert alarms(mine) == [("ALARM_RAISED", "distress"), ("ALARM_CLEARED", "distress")]
    for n, flags in ((4, 0), (5, CardFlag.DISTRESS)):  # pressed anew
        mine.step(Batch(said(mine, T0 + n * S, flags)), T0 + n * S)
    assert alarms(mine)[2:] == [("ALARM_RAISED", "distress")]
