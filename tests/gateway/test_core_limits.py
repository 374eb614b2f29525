"""Attendance, quotas, stays, zones that are not for all, the licence's borders, strange cards."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gateway.mine.change import Batch
from gateway.mine.plan import AlarmRule, Holder, MinePlan
from positioning.mine_map import MineMap, Zone, ZoneKind
from tests.gateway.small_mine import (
    MAP,
    PLAN,
    T0,
    S,
    Walk,
    batch_of,
    ranges_at,
    rectangle,
)

CARD = "15062200000100007"
OTHER = "15062200000100008"
TRUCK = "15062200000100009"
HOLDERS = {
    CARD: Holder("Li Hua", "team 1", zones=frozenset({"substation"})),
    OTHER: Holder("Wang", "team 1", leader=True),
    TRUCK: Holder("monorail 1", is_person=False),
}
MIN = 60


def plan_of(*zones: Zone, **changes: Any) -> MinePlan:
    """A landing and `zones`, with a roster."""
    mine_map = replace(MAP, zones=(MAP.zones[0], *zones))
    return replace(PLAN, map=mine_map, **{"holders": HOLDERS, **changes})


def begun(plan: MinePlan) -> Walk:
    mine = Walk(plan=plan)
    mine.begin()
    return mine


def alarms(mine: Walk, rule: str) -> list[tuple[str, str, str]]:
    """(kind without ALARM_, card, zone) of a family's events."""
    return [
        (event.kind.name.removeprefix("ALARM_"), event.alarm.card, event.alarm.zone)
        for changes in mine.all
        for event in changes.events
        if event.alarm and event.alarm.rule == rule
    ]


def stand(mine: Walk, seconds: int, t_ns: int, **at_m: float) -> int:
    """Cards c1 … stand for a while where they are said to: `c7=60.0`, by the last digit."""
    cards = {card[-1]: card for card in HOLDERS}
    for _ in range(seconds):
        t_ns += S
        seen = [
            ranges_at(mine.table.handle(cards[name[1:]]), x_m, t_ns) for name, x_m in at_m.items()
        ]
        mine.step(batch_of(*seen), t_ns)
    return t_ns


def test_the_way_down_and_up_is_told_with_the_time_below() -> None:
    mine = begun(plan_of())
    t_ns = mine.walk(CARD, range(60), T0)
    t_ns = stand(mine, 30 * MIN, t_ns, c7=60.0)
    t_ns = mine.wait(20 * MIN, t_ns)
    mine.walk(CARD, range(60, -2, -1), t_ns)
    told = [
        (event.kind.name, event.text)
        for changes in mine.all
        for event in changes.events
        if event.kind.name.startswith("MINE")
    ]
    assert told == [
        ("MINE_ENTERED", f"card {CARD} is below"),
        ("MINE_LEFT", f"card {CARD} is at the wellhead after 0 h 51 min"),
    ]


def test_the_leaders_below_are_counted() -> None:
    mine = begun(plan_of())
    t_ns = stand(mine, 13, T0, c7=80.0)
    assert (mine.all[-1].headcount.underground, mine.all[-1].headcount.leaders) == (1, 0)
    t_ns = stand(mine, 13, t_ns, c8=70.0)
    assert (mine.all[-1].headcount.underground, mine.all[-1].headcount.leaders) == (2, 1)
    mine.wait(60, t_ns)  # silent, and below
    assert mine.all[-1].headcount.leaders == 1


def test_a_round_of_ranges_crosses_a_border_once_and_late_data_every_border() -> None:
    room = Zone("room", "Room", ZoneKind.KEY, rectangle(50, 70))
    mine = begun(plan_of(room))
    card = mine.table.handle(CARD)
    walk = [ranges_at(card, x_m, T0 + n * S) for n, x_m in enumerate(range(30, 90))]
    mine.step(batch_of(*walk), T0 + 60 * S)  # a minute of a reader that was away, at once
    crossings = [kind for kind, *_ in mine.events() if kind.startswith("ZONE")]
    assert crossings == ["ZONE_ENTERED", "ZONE_LEFT"]


def test_someone_first_heard_at_the_wellhead_has_not_been_below() -> None:
    mine = begun(plan_of())
    mine.walk(CARD, [0.0] * 30, T0)
    assert not any(kind.startswith("MINE") for kind, *_ in mine.events())


def test_the_time_below_goes_on_over_a_restart() -> None:
    mine = begun(plan_of(below_most_s=600.0))
    t_ns = stand(mine, 60, T0, c7=60.0)
    again = Walk(mine.state, 100, plan=plan_of(below_most_s=600.0))
    again.begin(t_ns + 300 * S)
    t_ns = stand(again, 239, t_ns + 300 * S, c7=60.0)
    assert alarms(again, "overtime") == []
    t_ns = stand(again, 3, t_ns, c7=60.0)
    assert alarms(again, "overtime") == [("RAISED", CARD, "")]
    assert not any(kind.startswith("MINE") for kind, *_ in again.events())
    again.walk(CARD, range(60, -2, -1), t_ns)
    assert alarms(again, "overtime") == [("RAISED", CARD, ""), ("CLEARED", CARD, "")]


def test_a_vehicle_may_stay() -> None:
    room = Zone("room", "Room", ZoneKind.KEY, rectangle(50, 130), stay_limit_min=1.0)
    mine = begun(plan_of(room, below_most_s=100.0))
    stand(mine, 150, T0, c9=80.0)
    assert alarms(mine, "overtime") == []


def test_a_stay_in_a_zone_is_limited_by_itself() -> None:
    room = Zone("room", "Room", ZoneKind.KEY, rectangle(50, 130), stay_limit_min=2.0)
    mine = begun(plan_of(room))
    t_ns = stand(mine, 121, T0, c7=80.0)
    assert alarms(mine, "overtime") == []
    t_ns = stand(mine, 2, t_ns, c7=80.0)
    assert alarms(mine, "overtime") == [("RAISED", CARD, "room")]
    t_ns = mine.wait(60, t_ns)  # silent: still there
    assert alarms(mine, "overtime") == [("RAISED", CARD, "room")]
    stand(mine, 5, t_ns, c7=30.0)
    assert alarms(mine, "overtime") == [("RAISED", CARD, "room"), ("CLEARED", CARD, "room")]


@pytest.mark.parametrize("quota", [0, 1, 2])
def test_a_zone_is_overcrowded_by_people_beyond_its_quota(quota: int) -> None:
    face = Zone("face", "Face", ZoneKind.FACE, rectangle(50, 130), quota=quota)
    mine = begun(plan_of(face))
    t_ns = stand(mine, 3, T0, c7=80.0, c9=90.0)
    one = [("RAISED", "", "face")] if quota < 1 else []
    assert alarms(mine, "overcrowded") == one
    t_ns = stand(mine, 3, t_ns, c7=80.0, c8=70.0)
    two = [("RAISED", "", "face")] if quota < 2 else []
    assert alarms(mine, "overcrowded") == two
    t_ns = mine.wait(40, t_ns)  # both are silent, and still there
    assert alarms(mine, "overcrowded") == two
    stand(mine, 5, t_ns, c7=30.0, c8=30.0)
    assert alarms(mine, "overcrowded") == two + [("CLEARED", "", "face")] * len(two)


def test_the_mine_has_a_quota_of_its_own() -> None:
    mine = begun(plan_of(people_quota=1))
    t_ns = stand(mine, 13, T0, c7=80.0, c9=60.0)
    assert alarms(mine, "overcrowded") == []
    t_ns = stand(mine, 13, t_ns, c7=80.0, c8=70.0)
    assert alarms(mine, "overcrowded") == [("RAISED", "", "")]
    mine.walk(OTHER, range(70, -2, -1), t_ns)
    assert alarms(mine, "overcrowded") == [("RAISED", "", ""), ("CLEARED", "", "")]


def test_a_controlled_zone_is_for_those_on_its_list() -> None:
    substation = Zone("substation", "Substation", ZoneKind.CONTROLLED, rectangle(60, 90))
    mine = begun(plan_of(substation))
    t_ns = stand(mine, 3, T0, c7=75.0)
    assert alarms(mine, "unauthorised_entry") == []
    t_ns = stand(mine, 3, t_ns, c8=75.0)
    assert alarms(mine, "unauthorised_entry") == [("RAISED", OTHER, "substation")]
    allowed = {**HOLDERS, OTHER: replace(HOLDERS[OTHER], zones=frozenset({"substation"}))}
    again = Walk(mine.state, 100, plan=plan_of(substation, holders=allowed))
    again.begin(t_ns)
    assert alarms(again, "unauthorised_entry") == [("CLEARED", OTHER, "substation")]


def test_people_keep_away_from_danger_and_machines_need_not() -> None:
    danger = Zone("heading", "Heading", ZoneKind.DANGER, rectangle(80, 110), near_m=15.0)
    mine = begun(plan_of(danger))
    t_ns = stand(mine, 3, T0, c7=55.0, c9=90.0)
    assert alarms(mine, "danger_proximity") == []
    t_ns = stand(mine, 10, t_ns, c7=70.0)
    assert alarms(mine, "danger_proximity") == [("RAISED", CARD, "heading")]
    again = Walk(mine.state, 100, plan=plan_of(danger))
    again.begin(t_ns)
    t_ns = stand(again, 10, t_ns, c7=90.0)
    assert alarms(again, "danger_proximity") == []
    stand(again, 10, t_ns, c7=40.0)
    assert alarms(again, "danger_proximity") == [("CLEARED", CARD, "heading")]


def test_who_is_near_danger_is_not_in_the_zone() -> None:
    danger = Zone("heading", "Heading", ZoneKind.DANGER, rectangle(80, 110), near_m=15.0)
    mine = begun(plan_of(danger))
    stand(mine, 5, T0, c7=70.0)
    assert mine.all[-1].headcount.by_zone == {"pit-top": 0, "heading": 0}
    assert "ZONE_ENTERED" not in [kind for kind, *_ in mine.events()]


def test_without_a_distance_danger_begins_at_the_border() -> None:
    danger = Zone("heading", "Heading", ZoneKind.DANGER, rectangle(80, 110))
    mine = begun(plan_of(danger))
    t_ns = stand(mine, 5, T0, c7=70.0)
    assert alarms(mine, "danger_proximity") == []
    stand(mine, 5, t_ns, c7=90.0)
    assert alarms(mine, "danger_proximity") == [("RAISED", CARD, "heading")]


def test_the_licence_has_borders() -> None:
    licence = Zone("licence", "Licence", ZoneKind.LICENCE, rectangle(-30, 100))
    rules = {**PLAN.rules, "out_of_boundary": AlarmRule(level=1, after_s=10.0)}
    mine = begun(plan_of(licence, rules=rules))
    t_ns = mine.walk(CARD, range(60, 110), T0)
    assert alarms(mine, "out_of_boundary") == []
    t_ns = stand(mine, 12, t_ns, c7=110.0)
    assert alarms(mine, "out_of_boundary") == [("RAISED", CARD, "")]
    stand(mine, 5, t_ns, c7=60.0)
    assert alarms(mine, "out_of_boundary") == [("RAISED", CARD, ""), ("CLEARED", CARD, "")]


def test_a_card_that_nobody_is_known_to_have_is_shown_and_told() -> None:
    mine = begun(plan_of())
    mine.walk("999999999", [60.0] * 3, T0)
    assert alarms(mine, "unknown_card") == [("RAISED", "999999999", "")]
    assert mine.all[-1].headcount.underground == 1
    holders = {**HOLDERS, "999999999": Holder("Zhao")}
    again = Walk(mine.state, 100, plan=plan_of(holders=holders))
    again.begin(T0 + 10 * S)
    assert alarms(again, "unknown_card") == [("CLEARED", "999999999", "")]


def test_without_a_roster_no_card_is_strange() -> None:
    mine = begun(plan_of(holders=None))
    mine.walk("999999999", [60.0] * 3, T0)
    assert alarms(mine, "unknown_card") == []


def test_nothing_is_raised_twice_over_many_restarts() -> None:
    zones = (
        Zone("sub", "Substation", ZoneKind.CONTROLLED, rectangle(60, 90)),
        Zone("near", "Heading", ZoneKind.DANGER, rectangle(100, 120), near_m=25.0),
        Zone("face", "Face", ZoneKind.FACE, rectangle(50, 130), quota=0, stay_limit_min=0.2),
        Zone("licence", "Licence", ZoneKind.LICENCE, rectangle(0, 70)),
    )
    plan = plan_of(*zones, people_quota=0, below_most_s=20.0)
    mine = begun(plan)
    t_ns = stand(mine, 60, T0, c7=80.0)
    raised = {key.rule for key in mine.mine._alarms}
    assert raised >= {
        "unauthorised_entry",
        "danger_proximity",
        "overcrowded",
        "overtime",
        "out_of_boundary",
    }
    for _ in range(3):
        again = Walk(mine.state, 1000, plan=plan)
        again.begin(t_ns)
        t_ns = stand(again, 20, t_ns, c7=80.0)
        assert [kind for kind, *_ in again.events() if kind.startswith("ALARM")] == []
        mine = again


def test_a_map_without_zones_has_no_alarms_of_zones() -> None:
    empty = MineMap(MAP.roadways, MAP.anchors, MAP.readers, ())
    mine = begun(replace(PLAN, map=empty, holders=HOLDERS))
    mine.walk(CARD, np.linspace(0, 120, 30).tolist(), T0)
    mine.step(Batch(), T0 + 31 * S)
    assert [kind for kind, *_ in mine.events() if kind.startswith("ALARM")] == []
