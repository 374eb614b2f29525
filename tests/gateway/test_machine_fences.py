"""Fences that move with machines: who is in them, and how far machines are believed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mine.change import Batch
from gateway.mine.machines.plan import AlongRoadway, Machine, OnCards
from gateway.mine.plan import AlarmRule
from positioning.mine_map import Zone, ZoneKind
from tests.gateway.machine_mine import (
    CUTS,
    FRONT,
    HEADER,
    MATE,
    PERSON,
    REAR,
    RIG,
    SHEARER,
    Site,
    plan_of,
    value,
)
from tests.gateway.small_mine import MAP, PLAN, S, rectangle

DANGER, UNSURE, OUT = "danger_proximity", "machine_uncertain", "out_of_boundary"
RAISED, CLEARED = ("RAISED", PERSON, "shearer"), ("CLEARED", PERSON, "shearer")


def test_a_machine_that_comes_up_to_someone_and_goes_away_again() -> None:
    site = Site(plan_of(SHEARER))
    for position in range(20, 100, 2):
        site.second({PERSON: 60.0}, ("position", float(position)))
    assert site.told(DANGER) == [RAISED, CLEARED]
    raised, cleared = (
        event.alarm
        for changes in site.all
        for event in changes.events
        if event.alarm and event.alarm.rule == DANGER
    )
    # Within 8 m of its middle, 5 m of axis and 3 m around it: from 52 m to 68 m.
    assert 51 <= 20 + 2 * (raised.start_t_ns - site.all[0].now_ns) / S <= 60
    assert 66 <= 20 + 2 * ((cleared.end_t_ns or 0) - site.all[0].now_ns) / S <= 76
    assert raised.place is not None
    assert raised.place.x_m == pytest.approx(60.0, abs=1.0)
    assert raised.device == raised.zone == ""


@pytest.mark.parametrize(("off_m", "within"), [(7.5, True), (8.6, False)])
def test_at_the_border(*, off_m: float, within: bool) -> None:
    site = Site(plan_of(SHEARER))
    for _ in range(6):
        site.second({PERSON: 60.0 + off_m}, ("position", 60.0))
    assert site.told(DANGER) == [RAISED] * within


def test_crew_may_be_within_and_so_may_a_single_card() -> None:
    site = Site(plan_of(SHEARER, replace(RIG, crew=frozenset({PERSON}))))
    for _ in range(4):
        site.second({MATE: 50.0, PERSON: 50.0}, ("position", 50.0))
    assert site.told(DANGER) == [("RAISED", PERSON, "shearer"), ("RAISED", MATE, "rig")]


def test_what_is_no_person_may_be_within() -> None:
    site = Site(plan_of(RIG))
    for _ in range(4):
        site.second({FRONT: 50.0})
    assert site.told(DANGER) == []


@pytest.mark.parametrize(
    ("from_end", "reverse", "x_m", "ahead"),
    [
        (False, False, 40.0, 1),
        (True, False, 80.0, -1),
        (False, True, 40.0, -1),
        (True, True, 80.0, 1),
    ],
)
def test_which_end_counts_and_where_it_looks(
    *, from_end: bool, reverse: bool, x_m: float, ahead: int
) -> None:
    """60 m from an end of a roadway from x = -20 to 140; a fence of 10 m ahead of it only."""
    ring = np.array([(2.0, -4.0), (12.0, -4.0), (12.0, 4.0), (2.0, 4.0), (2.0, -4.0)])
    pose = AlongRoadway("shearer", "position", "main", from_end, 0.0, reverse, 0.1)
    site = Site(plan_of(replace(SHEARER, pose=pose, ring_m=ring)))
    for _ in range(4):
        places = {PERSON: x_m + 7.0 * ahead, MATE: x_m - 7.0 * ahead}
        site.second(places, ("position", 60.0))
    assert site.told(DANGER) == [RAISED]


def test_a_fence_that_is_active_unless_a_value_says_stopped() -> None:
    stopped = replace(CUTS, equals="stopped")
    site = Site(plan_of(replace(SHEARER, active=stopped, active_unless=True)))
    for state in ("stopped", "stopped", "left", "right", "stopped"):
        site.second({PERSON: 60.0}, ("position", 60.0), ("cutting", state))
    assert site.told(DANGER) == [RAISED, CLEARED]


def test_a_fence_that_is_not_active_and_one_of_which_that_is_not_known() -> None:
    site = Site(plan_of(replace(SHEARER, active=CUTS)))
    at = {PERSON: 60.0}
    for cuts in (False, False, True, True, False):
        site.second(at, ("position", 60.0), ("cutting", cuts))
    # At first nobody had said that it stands, and the first fix counts at once.
    assert site.told(DANGER) == [RAISED, CLEARED]
    for _ in range(7):
        site.second(at, ("position", 60.0))
    assert site.told(DANGER) == [RAISED, CLEARED, RAISED]
    assert site.texts(DANGER)[-1].endswith("whether it runs is not known")
    for _ in range(3):
        site.second(at, ("position", 60.0), ("cutting", None), bad=True)
    assert site.told(UNSURE)[-1] == ("RAISED", "", "shearer")
    site.second(at, ("position", 60.0), ("cutting", False))
    assert site.told(DANGER)[-1] == CLEARED
    assert site.told(UNSURE)[-1] == ("CLEARED", "", "shearer")


def test_a_silent_machine_stays_where_it_was_and_its_fence_grows() -> None:
    site = Site(plan_of(SHEARER))
    for _ in range(3):
        site.second({PERSON: 70.0}, ("position", 60.0))
    assert site.told(DANGER) == site.told(UNSURE) == []
    for _ in range(7):
        site.second({PERSON: 70.0})
    assert site.told(UNSURE) == [("RAISED", "", "shearer")]
    assert site.told(DANGER) == [RAISED]
    assert "6 s old: 4 m are added" in site.texts(DANGER)[0]
    site.second({PERSON: 70.0}, ("position", 60.0))
    assert site.told(UNSURE)[-1] == ("CLEARED", "", "shearer")
    assert site.told(DANGER) == [RAISED, CLEARED]


def test_a_machine_that_was_never_heard_has_no_fence_and_that_is_told() -> None:
    rules = {**PLAN.rules, UNSURE: AlarmRule(level=3, after_s=10.0)}
    site = Site(plan_of(SHEARER, rules=rules))
    for _ in range(9):
        site.second({PERSON: 0.0})
    assert site.told(UNSURE) == []
    for _ in range(4):
        site.second({PERSON: 0.0})
    assert site.told(UNSURE) == [("RAISED", "", "shearer")]
    assert "never known" in site.texts(UNSURE)[0]
    assert site.told(DANGER) == []


@pytest.mark.parametrize("wrong", [float("nan"), 900.0, -100.0, "60", None])
def test_a_value_that_is_no_place_moves_nothing(wrong: float | str | None) -> None:
    site = Site(plan_of(SHEARER))
    for position in (60.0, wrong, wrong, wrong):
        site.second({PERSON: 60.0}, ("position", position))
    assert site.told(DANGER) == [RAISED]


def test_a_value_that_comes_late_takes_no_machine_back() -> None:
    site = Site(plan_of(SHEARER))
    for _ in range(3):
        site.second({PERSON: 60.0}, ("position", 100.0))
    late = value("position", 60.0, site.t_ns - 3 * S)
    for _ in range(3):
        site.t_ns += S
        site.step(Batch(samples=(late,)), site.t_ns)
    assert site.told(DANGER) == []


def test_who_falls_silent_in_a_fence_is_in_it_still() -> None:
    site = Site(plan_of(RIG))
    for _ in range(3):
        site.second({PERSON: 50.0})
    for _ in range(60):
        site.second()
    assert site.told(DANGER) == [("RAISED", PERSON, "rig")]
    assert site.told("signal_lost") == [("RAISED", PERSON, "")]


def test_after_a_restart_no_alarm_is_told_again_and_its_end_is() -> None:
    plan = plan_of(SHEARER)
    site = Site(plan)
    for _ in range(6):
        site.second({PERSON: 60.0}, ("position", 60.0))
    assert site.told(DANGER) == [RAISED]
    site = site.again(plan, away_s=100.0)
    for _ in range(3):
        site.second({PERSON: 60.0}, ("position", 60.0))
    assert site.told(DANGER) == site.told(UNSURE) == []
    for x_m in (64.0, 68.0, 72.0, 76.0, 80.0):
        site.second({PERSON: x_m}, ("position", 60.0))
    assert site.told(DANGER) == [CLEARED]


def test_after_a_restart_a_machine_is_where_it_was() -> None:
    plan = plan_of(replace(SHEARER, active=CUTS))
    site = Site(plan)
    for _ in range(8):
        site.second({}, ("position", 60.0), ("cutting", True))
    site = site.again(plan, away_s=50.0)
    for _ in range(3):
        site.second({PERSON: 60.0})
    assert site.told(DANGER) == [RAISED]


def test_a_machine_that_is_gone_from_the_configuration_ends_its_alarms() -> None:
    site = Site(plan_of(SHEARER))
    for _ in range(3):
        site.second({PERSON: 60.0}, ("position", 60.0))
    for _ in range(9):
        site.second({PERSON: 60.0})
    assert site.told(UNSURE) == [("RAISED", "", "shearer")]
    site = site.again(plan_of(RIG))
    site.second({PERSON: 60.0})
    assert site.told(DANGER) == [CLEARED]
    assert site.told(UNSURE) == [("CLEARED", "", "shearer")]


def test_the_gateway_that_stood_still_blames_no_machine() -> None:
    site = Site(plan_of(SHEARER))
    site.second({}, ("position", 60.0))
    site.t_ns += 100 * S
    for _ in range(3):
        site.second({PERSON: 60.0})
    assert site.told(UNSURE) == []
    assert site.told(DANGER) == [RAISED]


def test_a_machine_with_two_cards_stands_between_them() -> None:
    ring = np.array([(2.0, -4.0), (12.0, -4.0), (12.0, 4.0), (2.0, 4.0), (2.0, -4.0)])
    site = Site(plan_of(replace(HEADER, ring_m=ring)))
    for _ in range(4):
        # It looks against the roadway: the front card has the smaller x.
        site.second({FRONT: 58.0, REAR: 62.0, PERSON: 52.0, MATE: 68.0})
    assert site.told(DANGER) == [("RAISED", PERSON, "header")]
    for _ in range(8):
        site.second({PERSON: 52.0, MATE: 68.0})
    assert site.told(UNSURE) == [("RAISED", "", "header")]


def test_a_machine_with_one_card_looks_along_its_roadway() -> None:
    ring = np.array([(2.0, -4.0), (12.0, -4.0), (12.0, 4.0), (2.0, 4.0), (2.0, -4.0)])
    site = Site(plan_of(replace(HEADER, pose=OnCards(FRONT), ring_m=ring)))
    for _ in range(5):
        site.second({FRONT: 60.0, PERSON: 67.0, MATE: 53.0})
    assert site.told(DANGER) == [("RAISED", PERSON, "header")]


def licensed(z_band_m: tuple[float, float] | None = None) -> dict[str, object]:
    zone = Zone("licence", "Licence", ZoneKind.LICENCE, rectangle(-30, 80), z_band_m)
    return {"map": replace(MAP, zones=(MAP.zones[0], zone))}


CUTTER = replace(SHEARER, ring_m=None, crew=frozenset(), cutter_m=(4.0, 0.0, 1.5))


def test_a_cutter_that_leaves_the_licence_and_comes_back() -> None:
    rules = {**PLAN.rules, OUT: AlarmRule(level=1, after_s=3.0)}
    plan = plan_of(CUTTER, rules=rules, **licensed())
    site = Site(plan)
    for position in [70.0, 74.0, 78.0, 74.0, 78.0, 79.0, 80.0, 81.0, 82.0]:
        site.second({}, ("position", position))
    assert site.told(OUT) == [("RAISED", "", "shearer")]
    site = site.again(plan)
    for position in [82.0, 80.0, 60.0, 60.0, 60.0]:
        site.second({}, ("position", position))
    assert site.told(OUT) == [("CLEARED", "", "shearer")]


@pytest.mark.parametrize(("band", "outside"), [((-9.0, -5.0), False), ((-20.0, -10.0), True)])
def test_a_cutter_and_the_heights_of_the_licence(
    *, band: tuple[float, float], outside: bool
) -> None:
    site = Site(plan_of(CUTTER, **licensed(band)))
    for _ in range(5):
        site.second({}, ("position", 40.0))
    assert site.told(OUT) == [("RAISED", "", "shearer")] * outside


def test_a_cutter_of_which_nothing_is_heard_changes_nothing() -> None:
    site = Site(plan_of(CUTTER, **licensed()))
    for _ in range(3):
        site.second({}, ("position", 90.0))
    for _ in range(20):
        site.second()
    assert site.told(OUT) == [("RAISED", "", "shearer")]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120), st.booleans()), max_size=25),
    st.integers(0, 24),
)
def test_laws_of_fences(course: list[tuple[int, int, bool]], cut_at: int) -> None:
    """At most one open alarm for a card and machine, none that ends unopened; a restart or not."""
    plan = plan_of(SHEARER, RIG)
    site, told = Site(plan), []
    for number, (person, machine, heard) in enumerate(course):
        if number == cut_at:
            told += site.told(DANGER)
            site = site.again(plan)
        site.second({PERSON: person}, *([("position", float(machine))] if heard else []))
    told += site.told(DANGER)
    for subject in ("shearer", "rig"):
        kinds = [kind for kind, _, machine in told if machine == subject and kind != "CHANGED"]
        assert all(kind == ("RAISED", "CLEARED")[n % 2] for n, kind in enumerate(kinds))


def test_the_plan_of_a_machine_knows_its_cards() -> None:
    assert HEADER.cards == (FRONT, REAR)
    assert isinstance(RIG, Machine)
    assert RIG.cards == ()
