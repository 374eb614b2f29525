"""Values beyond limits, vehicles, and planned routes."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

import pytest

from equipment.report import Quality, Sample, Value
from gateway.mine.change import Batch
from gateway.mine.plan import AlarmRule, Holder, MinePlan, Stop, ValueLimit
from gateway.mine.record import StepRecord
from positioning.mine_map import Roadway, Zone, ZoneKind
from positioning.observation import FixClass, new_fixes
from tests.gateway.small_mine import MAP, PLAN, T0, S, Walk, batch_of, ranges_at, rectangle

CARD = "15062200000100007"
TRUCKS = ("15062200000100011", "15062200000100012")
HOLDERS = {
    CARD: Holder("Li Hua", route="round"),
    **{card: Holder("truck", is_person=False, is_vehicle=True) for card in TRUCKS},
}
GAS = ValueLimit("ch4", "methane", "gas-1", "ch4", above=1.0, deadband=0.2, zone="face")
WARN = ValueLimit("ch4-warn", "methane", "gas-1", "ch4", above=0.8, level=3, zone="face")
WATER = ValueLimit("water", "water", "pump", "level", below=0.5)
FAULT = ValueLimit("trip", "tripped", "pump", "tripped", equals=True, fault=True)


def plan_of(**changes: Any) -> MinePlan:
    zones = (
        MAP.zones[0],
        Zone("section", "Section", ZoneKind.SECTION, rectangle(60, 90)),
        Zone("sub", "Substation", ZoneKind.KEY, rectangle(60, 90)),
    )
    roadways = tuple(replace(one, speed_max_m_s=4.0) for one in MAP.roadways)
    mine_map = replace(MAP, zones=zones, roadways=roadways)
    speeds = dict.fromkeys(TRUCKS, 12.0)
    given = {"map": mine_map, "holders": HOLDERS, "speeds_max_m_s": speeds, **changes}
    return replace(PLAN, **given)


def begun(plan: MinePlan, now_ns: int = T0) -> Walk:
    mine = Walk(plan=plan)
    mine.begin(now_ns)
    return mine


def sample(device: str, point: str, value: Value | None, quality: Quality = Quality.GOOD) -> Sample:
    return Sample(device, point, value, quality, "", None, T0)


def told(mine: Walk, *rules: str) -> list[tuple[str, str]]:
    """(kind without ALARM_, limit or card or zone)."""
    return [
        (
            event.kind.name.removeprefix("ALARM_"),
            event.alarm.limit or event.alarm.card or event.alarm.zone,
        )
        for changes in mine.all
        for event in changes.events
        if event.alarm and event.alarm.rule in rules
    ]


def read(mine: Walk, *samples: Sample) -> None:
    mine.step(Batch(samples=samples), T0 + len(mine.all) * S)


def test_gas_beyond_its_limits_raises_each_and_clears_each_by_its_deadband() -> None:
    mine = begun(plan_of(limits=(GAS, WARN)))
    for value in (0.5, 0.9, 1.1, 0.9, 0.81, 0.79, 0.85, 0.8):
        read(mine, sample("gas-1", "ch4", value))
    assert told(mine, "limit_exceeded") == [
        ("RAISED", "ch4-warn"),
        ("RAISED", "ch4"),
        ("CLEARED", "ch4"),
        ("CLEARED", "ch4-warn"),
        ("RAISED", "ch4-warn"),
        ("CLEARED", "ch4-warn"),
    ]
    levels = {
        (event.alarm.limit, event.alarm.level, event.zone)
        for changes in mine.all
        for event in changes.events
        if event.alarm
    }
    assert levels == {("ch4", 1, "face"), ("ch4-warn", 3, "face")}


@pytest.mark.parametrize("bad", [sample("gas-1", "ch4", None, Quality.BAD), None])
def test_a_value_that_can_not_be_had_is_no_good_value(bad: Sample | None) -> None:
    mine = begun(plan_of(limits=(GAS,)))
    read(mine, sample("gas-1", "ch4", 2.0))
    for _ in range(5):
        read(mine, *([bad] if bad else []))
    assert told(mine, "limit_exceeded") == [("RAISED", "ch4")]


def test_a_value_too_small_and_a_fault() -> None:
    mine = begun(plan_of(limits=(WATER, FAULT)))
    read(mine, sample("pump", "level", 0.6), sample("pump", "tripped", value=False))
    read(mine, sample("pump", "level", 0.4), sample("pump", "tripped", value=True))
    read(mine, sample("pump", "level", 0.5), sample("pump", "tripped", value=False))
    assert told(mine, "limit_exceeded") == [("RAISED", "water"), ("CLEARED", "water")]
    assert told(mine, "machine_fault") == [("RAISED", "trip"), ("CLEARED", "trip")]


def test_a_limit_that_is_gone_ends_its_alarm_at_the_next_start() -> None:
    mine = begun(plan_of(limits=(GAS, WARN)))
    read(mine, sample("gas-1", "ch4", 2.0))
    again = Walk(mine.state, 100, plan=plan_of(limits=(GAS,)))
    again.begin(T0 + 100 * S)
    assert told(again, "limit_exceeded") == [("CLEARED", "ch4-warn")]


def musters(mine: Walk) -> list[tuple[tuple[str, ...], bool]]:
    """(zones, whether it is open) whenever something has changed."""
    changes = [step.muster for step in mine.all if step.muster]
    return [(change.muster.zones, change.muster.is_open) for change in changes]


def test_a_value_beyond_its_limit_opens_a_muster_and_another_widens_it() -> None:
    gas, warn = replace(GAS, muster=("sub",)), replace(WARN, above=1.5, muster=("section", "sub"))
    mine = begun(plan_of(limits=(gas, warn)))
    mine.walk(CARD, range(30, 80), T0)
    read(mine, sample("gas-1", "ch4", 1.2))
    assert musters(mine)[-1] == (("sub",), True)
    opened = [e.text for c in mine.all for e in c.events if e.kind.name == "MUSTER_OPENED"]
    assert len(opened) == 1
    assert "methane: gas-1 ch4 is 1.2, above 1" in opened[0]
    read(mine, sample("gas-1", "ch4", 1.6))
    assert musters(mine)[-1] == (("sub", "section"), True)
    read(mine, sample("gas-1", "ch4", 0.1))  # good again: an operator says when it is over
    read(mine, sample("gas-1", "ch4", 1.6))
    assert musters(mine)[-1] == (("sub", "section"), True)
    assert len([k for k, *_ in mine.events() if k == "MUSTER_OPENED"]) == 2


def drive(mine: Walk, card: str, t_ns: int, start_m: float, *steps_m: float) -> int:
    """A card that moves on by `steps_m`, one each quarter of a second."""
    x_m = start_m
    for step_m in steps_m:
        t_ns += S // 4
        mine.step(batch_of(ranges_at(mine.table.handle(card), x_m, t_ns)), t_ns)
        x_m += step_m
    return t_ns


@pytest.mark.parametrize(("card", "raised"), [(TRUCKS[0], True), (CARD, False)])
def test_a_vehicle_that_is_too_fast_is_told_and_a_person_is_none(
    card: str, *, raised: bool
) -> None:
    rules = {**PLAN.rules, "overspeed": AlarmRule(level=3, after_s=2.0)}
    mine = begun(plan_of(rules=rules))
    t_ns = drive(mine, card, T0, 20.0, *[0.5] * 16)
    assert told(mine, "overspeed") == []
    t_ns = drive(mine, card, t_ns, 28.0, *[1.75] * 30)
    assert told(mine, "overspeed") == [("RAISED", card)] * raised
    drive(mine, card, t_ns, 80.5, *[0.1] * 40)
    assert told(mine, "overspeed")[1:] == [("CLEARED", card)] * raised


def test_one_fast_moment_is_no_overspeed() -> None:
    rules = {**PLAN.rules, "overspeed": AlarmRule(level=3, after_s=2.0)}
    mine = begun(plan_of(rules=rules))
    seen = mine.mine._vehicles
    record, fixes = StepRecord(1, T0), new_fixes(1)
    fixes["card"], fixes["roadway"] = mine.table.handle(TRUCKS[0]), 0
    fixes["fix_class"], fixes["t_ns"], fixes["vx_m_s"] = FixClass.ROADWAY, T0, 9.0
    mine.mine._roster.reserve(mine.mine._alarms, record)
    seen.look(fixes, record)
    fixes["t_ns"], fixes["vx_m_s"] = T0 + S, 1.0
    seen.look(fixes, record)
    for second in range(2, 6):
        mine.step(Batch(), T0 + second * S)
    assert told(mine, "overspeed") == []


def test_two_vehicles_that_pass_are_not_told_before_their_time() -> None:
    rules = {**PLAN.rules, "section_occupied": AlarmRule(level=2, after_s=30.0)}
    mine = begun(plan_of(rules=rules))
    t_ns = drive(mine, TRUCKS[0], T0, 70.0, *[0.5] * 12)
    t_ns = drive(mine, TRUCKS[1], t_ns, 50.0, *[1.0] * 24)
    t_ns = drive(mine, TRUCKS[0], t_ns, 76.0, *[1.0] * 40)
    mine.wait(60, t_ns)
    assert told(mine, "section_occupied") == []


def test_a_value_good_again_before_its_time_is_not_told() -> None:
    rules = {**PLAN.rules, "limit_exceeded": AlarmRule(level=1, after_s=5.0)}
    mine = begun(plan_of(rules=rules, limits=(GAS,)))
    read(mine, sample("gas-1", "ch4", 1.1))
    read(mine, sample("gas-1", "ch4", 0.9))
    mine.wait(20, T0 + 3 * S)
    assert told(mine, "limit_exceeded") == []


def test_a_section_is_for_one_vehicle() -> None:
    mine = begun(plan_of())
    one, two = (mine.table.handle(card) for card in TRUCKS)
    walker = mine.table.handle(CARD)
    for n in range(1, 4):
        t_ns = T0 + n * S
        seen = (ranges_at(one, 70.0, t_ns), ranges_at(walker, 75.0, t_ns))
        mine.step(batch_of(*seen, ranges_at(two, 30.0, t_ns)), t_ns)
    assert told(mine, "section_occupied") == []
    again = drive(mine, TRUCKS[1], T0 + 4 * S, 30.0, *[1.0] * 40)
    assert told(mine, "section_occupied") == [("RAISED", "section")]
    drive(mine, TRUCKS[1], again, 70.0, *[1.0] * 40)
    assert told(mine, "section_occupied") == [("RAISED", "section"), ("CLEARED", "section")]


ZONE = timezone(timedelta(hours=8))
DAY = datetime(2027, 3, 1, tzinfo=ZONE)
ROUTES = {"round": (Stop("sub", time(8, 0), time(9, 0)), Stop("sub", time(23, 30), time(0, 30)))}


def ns(hour: int, minute: int, day: int = 0) -> int:
    moment = DAY + timedelta(days=day, hours=hour, minutes=minute)
    return int(moment.astimezone(UTC).timestamp()) * S


def stay(mine: Walk, x_m: float, since_ns: int, until_ns: int) -> None:
    """The worker stands somewhere; told every 20 s."""
    for t_ns in range(since_ns, until_ns, 20 * S):
        mine.step(batch_of(ranges_at(mine.table.handle(CARD), x_m, t_ns)), t_ns)


def route_plan() -> MinePlan:
    return plan_of(routes=ROUTES, timezone=ZONE)


def test_a_stop_that_is_missed_is_told_and_the_next_one_makes_it_good() -> None:
    mine = begun(route_plan(), ns(7, 0))
    stay(mine, 30.0, ns(7, 0), ns(8, 59))
    assert told(mine, "route_deviation") == []
    stay(mine, 30.0, ns(8, 59), ns(9, 1))
    assert told(mine, "route_deviation") == [("RAISED", CARD)]
    text = [e.text for c in mine.all for e in c.events if e.alarm][-1]
    assert "zone sub from 08:00 to 09:00" in text
    stay(mine, 75.0, ns(23, 40), ns(23, 41))
    assert told(mine, "route_deviation") == [("RAISED", CARD), ("CLEARED", CARD)]
    stay(mine, 30.0, ns(24, 20), ns(24, 40))
    assert len(told(mine, "route_deviation")) == 2


def test_a_visit_before_a_restart_counts() -> None:
    mine = begun(route_plan(), ns(7, 0))
    stay(mine, 30.0, ns(7, 0), ns(8, 10))
    stay(mine, 75.0, ns(8, 10), ns(8, 12))
    stay(mine, 30.0, ns(8, 12), ns(8, 14))
    again = Walk(mine.state, 1000, plan=route_plan())
    again.begin(ns(8, 14))
    stay(again, 30.0, ns(8, 14), ns(9, 2))
    assert told(again, "route_deviation") == []


def test_who_comes_down_in_the_middle_of_a_stop_has_not_missed_it() -> None:
    mine = begun(route_plan(), ns(7, 0))
    stay(mine, 30.0, ns(8, 30), ns(9, 2))
    assert told(mine, "route_deviation") == []


def test_a_missed_stop_over_midnight() -> None:
    mine = begun(route_plan(), ns(22, 0))
    stay(mine, 30.0, ns(22, 0), ns(24, 29))
    assert told(mine, "route_deviation") == []
    stay(mine, 30.0, ns(24, 29), ns(24, 31))
    assert told(mine, "route_deviation") == [("RAISED", CARD)]


def test_a_roadway_without_a_limit_has_none() -> None:
    free: tuple[Roadway, ...] = MAP.roadways
    mine = begun(plan_of(map=replace(MAP, roadways=free)))
    drive(mine, TRUCKS[0], T0, 20.0, *[1.75] * 40)
    assert told(mine, "overspeed") == []
