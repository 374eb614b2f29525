"""What another configuration means for machines, cards that were issued, counts and floods."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from gateway.mine.change import Act, ActKind, Batch, Changes, EventKind
from gateway.mine.machines.plan import AlongRoadway, Fixed, FloodRule, NearRule
from gateway.mine.people.shifts import ShiftTime
from gateway.mine.plan import AttendancePlan, DuplicateCard, Holder, MinePlan, ValueLimit
from gateway.mine.prepared import Reload, prepare
from gateway.mine.prevention.plan import PreventionPlan, RiskPoint
from positioning.fences import disc
from positioning.mine_map import Zone, ZoneKind
from tests.gateway.machine_mine import (
    CUTS,
    HOLDERS,
    LOCO,
    MATE,
    PERSON,
    RIG,
    SHEARER,
    TRUCK,
    Site,
    plan_of,
    value,
)
from tests.gateway.small_mine import MAP, PLAN, T0, S, Walk, batch_of, ranges_at, rectangle


def reload(walk: Walk, before: MinePlan, plan: MinePlan, t_ns: int) -> Changes:
    return walk._note(walk.mine.reload(Reload("other rules", prepare(before, plan)), t_ns))


class Other(Site):
    """A site that is given other plans."""

    def __init__(self, plan: MinePlan) -> None:
        self.plan = plan
        super().__init__(plan)

    def use(self, plan: MinePlan) -> Changes:
        changes = reload(self, self.plan, plan, self.t_ns + 1)
        self.plan = plan
        return changes


def said(changes: Changes) -> list[tuple[str, str, str]]:
    """Kind, family and text of all events about alarms."""
    events = [event for event in changes.events if event.alarm]
    return [(event.kind.name, event.alarm.rule, event.text) for event in events if event.alarm]


def inside(plan: MinePlan) -> Other:
    """Someone stands in the shearer's fence, and it is told."""
    site = Other(plan)
    for _ in range(3):
        site.second({PERSON: 40.0}, ("position", 38.0), ("cutting", True))
    assert site.told("danger_proximity") == [("RAISED", PERSON, "shearer")]
    return site


def test_a_machine_that_is_gone_takes_its_alarms_along_and_is_forgotten() -> None:
    site = inside(plan_of(SHEARER, RIG))
    for _ in range(5):  # machines are kept by turns
        site.second({PERSON: 40.0}, ("position", 38.0))
    assert any(key.startswith("machine/") for key in site.state)
    changes = site.use(plan_of(RIG))
    assert said(changes) == [
        ("ALARM_CLEARED", "danger_proximity", "machine shearer has no fence any more")
    ]
    assert "machine/shearer" not in site.state
    later = site.use(plan_of(SHEARER, RIG))
    assert said(later) == []
    assert not site.mine._machines._fences._fenced[0].within


def test_an_uncertain_machine_that_is_gone_is_uncertain_no_more() -> None:
    site = Other(plan_of(SHEARER))
    for _ in range(3):
        site.second()
    assert site.told("machine_uncertain") == [("RAISED", "", "shearer")]
    assert said(site.use(plan_of())) == [
        ("ALARM_CLEARED", "machine_uncertain", "machine shearer is no longer configured")
    ]
    site.second()
    assert len(site.told("machine_uncertain")) == 2


def test_a_new_machine_is_where_the_newest_value_says_and_others_go_on() -> None:
    site = Other(plan_of(RIG))
    for _ in range(3):
        site.second({PERSON: 48.0, MATE: 20.0}, ("position", 21.0))
    assert site.told("danger_proximity") == [("RAISED", PERSON, "rig")]
    shearer = replace(SHEARER, crew=frozenset())
    assert said(site.use(plan_of(shearer, RIG))) == []  # the rig is another fence's number now
    for _ in range(2):
        site.second({PERSON: 48.0, MATE: 20.0})
    assert site.told("danger_proximity")[1:] == [("RAISED", MATE, "shearer")]
    assert site.told("machine_uncertain") == []
    for n in range(1, 8):
        site.second({PERSON: 48.0 + 2 * n, MATE: 20.0})
    assert site.told("danger_proximity")[2:] == [("CLEARED", PERSON, "rig")]


def test_another_point_another_crew_and_a_larger_fence() -> None:
    site = inside(plan_of(replace(SHEARER, crew=frozenset())))
    crew = replace(SHEARER, crew=frozenset({"repair"}))
    assert said(site.use(plan_of(crew))) == [
        (
            "ALARM_CLEARED",
            "danger_proximity",
            f"card {PERSON} may be in the fence of machine shearer now",
        )
    ]
    assert [kind for kind, *_ in said(site.use(plan_of(SHEARER)))] == ["ALARM_RAISED"]
    site.second({PERSON: 40.0}, ("cutting", False))
    stands = replace(SHEARER, active=CUTS)
    assert [text for *_, text in said(site.use(plan_of(stands)))] == [
        f"machine shearer stands still; card {PERSON} is beside it"
    ]
    pose = AlongRoadway("shearer", "elsewhere", "main", offset_m=20.0)
    site.use(plan_of(replace(SHEARER, pose=pose)))
    assert site.mine._machines._poses.poses["x_m"][0] == pytest.approx(38.0)


def test_a_machine_that_was_set_up_at_a_place_was_there_until_now() -> None:
    site = Other(plan_of(RIG))
    site.second()
    assert isinstance(RIG.pose, Fixed)
    moving = replace(RIG, pose=AlongRoadway("shearer", "position", "main"), stale_s=3.0)
    site.use(plan_of(moving))
    site.second()
    assert site.told("machine_uncertain") == []
    assert site.mine._machines._poses.poses["x_m"][0] == RIG.pose.x_m
    for _ in range(4):
        site.second()
    assert site.told("machine_uncertain") == [("RAISED", "", "rig")]


def driven(near: NearRule) -> Other:
    """A truck that drives is near a person, and a locomotive."""
    site = Other(plan_of(near=near))
    for n in range(4):
        site.second({PERSON: 48.0, TRUCK: 30.0 + 3 * n, LOCO: 60.0})
    return site


def test_pairs_end_with_their_rule_and_begin_with_a_new_one() -> None:
    near = NearRule(person_vehicle_m=25.0, vehicle_vehicle_m=25.0)
    site = driven(near)
    assert ("RAISED", PERSON, TRUCK) in site.told("danger_proximity")
    assert ("RAISED", TRUCK, LOCO) in site.told("vehicle_proximity")
    assert said(site.use(replace(site.plan))) == []
    changes = site.use(plan_of(near=NearRule(vehicle_vehicle_m=25.0)))
    assert {(kind, rule) for kind, rule, _ in said(changes)} == {
        ("ALARM_CLEARED", "danger_proximity")
    }
    assert {kind for kind, *_ in said(site.use(plan_of()))} == {"ALARM_CLEARED"}
    site.second({PERSON: 48.0, TRUCK: 42.0})
    site.use(plan_of(near=near))
    for n in range(3):
        site.second({PERSON: 48.0, TRUCK: 43.0 + n})
    assert site.told("danger_proximity")[-1] == ("RAISED", PERSON, TRUCK)


def test_what_is_no_vehicle_any_more_is_in_no_pair() -> None:
    site = driven(NearRule(person_vehicle_m=25.0))
    holders = {**HOLDERS, TRUCK: Holder("robot", is_person=False)}
    changes = site.use(replace(site.plan, holders=holders))
    assert {(kind, rule) for kind, rule, _ in said(changes)} == {
        ("ALARM_CLEARED", "danger_proximity")
    }


def test_floods_go_on_by_another_rule_and_end_without_one() -> None:
    plan = replace(PLAN, holders={}, flood=FloodRule(3, 60.0))
    walk = Walk(plan=plan)
    walk.begin()
    for n in range(3):
        walk.step(batch_of(ranges_at(walk.table.handle(f"10{n}"), 40.0, T0 + S)), T0 + S)
    kinds = [event.kind for changes in walk.all for event in changes.events]
    assert EventKind.FLOOD_BEGUN in kinds
    longer = replace(plan, flood=FloodRule(5, 120.0))
    assert len(reload(walk, plan, longer, T0 + 2 * S).events) == 1
    walk.wait(100, T0 + 2 * S)
    assert any(key.startswith("flood/") for key in walk.state)
    ended = reload(walk, longer, replace(plan, flood=None), T0 + 103 * S).events[1]
    assert (ended.kind, ended.count) == (EventKind.FLOOD_ENDED, 3)
    assert not any(key.startswith("flood/") for key in walk.state)


CREW = {"1001": Holder("Wang", "A"), "1002": Holder("Li", "B")}
ROOM = replace(PLAN, holders=CREW, attendance=AttendancePlan(shifts_kept=4))


def act(kind: ActKind, subject: str, n: int) -> Batch:
    return Batch(acts=(Act(f"request-{n}", "Zhao", kind, subject, "so"),))


def test_issued_cards_stay_issued_over_another_people_csv() -> None:
    walk = Walk(plan=ROOM)
    walk.begin()
    walk.step(act(ActKind.CARD_REPLACE, "1001/7001", 1), T0 + S)
    walk.step(act(ActKind.CARD_RETURN, "1002", 2), T0 + 2 * S)
    t_ns = walk.walk("7001", [100.0] * 15, T0 + 2 * S)
    more = replace(ROOM, holders={**CREW, "1003": Holder("Sun", "C")})
    changes = reload(walk, ROOM, more, t_ns + 1)
    assert changes.issued == {"7001": "1001", "1003": "1003"}
    assert said(changes) == []
    gone = replace(ROOM, holders={"1002": CREW["1002"]})
    changes = reload(walk, more, gone, t_ns + 2)
    assert changes.issued == {}
    # It is below with nobody who is known; 1001 was replaced, and stays one of the mine's.
    text = "card 7001 is below and issued to nobody: who carries it is not known"
    assert [text for _, _, text in said(changes)] == [text]
    back = said(reload(walk, gone, ROOM, t_ns + 3))
    assert [(kind, rule) for kind, rule, _ in back] == [("ALARM_CLEARED", "unknown_card")]


def spent(walk: Walk, zone: str) -> dict[str, float]:
    """Seconds in a zone by team, of the newest exposure of each shift."""
    newest = {one.shift: one for changes in walk.all for one in changes.exposure}
    found: dict[str, float] = {}
    for one in newest.values():
        if zone in one.zones:
            for team, ns in zip(one.teams, one.spent_ns[one.zones.index(zone)], strict=True):
                found[team] = found.get(team, 0.0) + float(ns.sum()) / S
    return {team: seconds for team, seconds in found.items() if seconds}


def test_time_goes_on_in_new_zones_teams_and_shifts() -> None:
    walk = Walk(plan=ROOM)
    walk.begin()
    t_ns = walk.walk("1001", [100.0] * 20, T0)
    before = spent(walk, "face")["A"]
    new = Zone("crossing", "Crossing", ZoneKind.SECTION, rectangle(95, 110))
    now = datetime.fromtimestamp(T0 // S, UTC)
    shift = ShiftTime("early", (now - timedelta(hours=2)).time(), (now + timedelta(hours=2)).time())
    plan = replace(
        ROOM,
        map=replace(MAP, zones=(new, *MAP.zones)),
        holders={**CREW, "1001": Holder("Wang", "C")},
        shifts=(shift,),
    )
    changes = reload(walk, ROOM, plan, t_ns + 1)
    assert changes.headcount.shift == "early"
    assert changes.headcount.by_zone["crossing"] == 1
    t_ns = walk.walk("1001", [100.0] * 30, t_ns)
    assert spent(walk, "crossing") == {"C": pytest.approx(30.0, abs=1.5)}
    assert spent(walk, "face") == {
        "A": pytest.approx(before, abs=1.5),
        "C": pytest.approx(30.0, abs=1.5),
    }
    assert spent(walk, "")["C"] == pytest.approx(30.0, abs=1.5)
    walk._note(walk.mine.end(t_ns + 1))
    again = Walk(walk.state, 900, plan=plan)
    again.begin(t_ns + 2)
    for zone in ("face", "crossing", ""):
        assert spent(again, zone) == {
            team: pytest.approx(seconds, abs=1.5) for team, seconds in spent(walk, zone).items()
        }
    fewer = replace(plan, map=MAP)
    gone = reload(walk, plan, fewer, t_ns + 3)
    flow = gone.headcount.flows["crossing"]
    assert (flow.entered, flow.left) == (1, 1)
    walk.walk("1001", [100.0] * 5, t_ns + 3)
    assert spent(walk, "crossing") == {"C": pytest.approx(30.0, abs=1.5)}


def test_a_shift_that_ends_at_another_time_goes_on() -> None:
    now = datetime.fromtimestamp(T0 // S, UTC)
    start, end = now - timedelta(hours=1), now + timedelta(hours=1)
    plan = replace(ROOM, shifts=(ShiftTime("day", start.time(), end.time()),))
    walk = Walk(plan=plan)
    walk.begin()
    t_ns = walk.walk("1001", [100.0] * 20, T0)
    later = (end + timedelta(hours=3)).time()
    other = replace(plan, shifts=(ShiftTime("day", start.time(), later),))
    (told,) = reload(walk, plan, other, t_ns + 1).exposure
    assert told.shift.end_ns - told.shift.start_ns == 5 * 3600 * S
    walk.walk("1001", [100.0] * 20, t_ns + 1)
    (newest,) = walk.all[-1].exposure
    face = newest.spent_ns[newest.zones.index("face")].sum() / S
    assert face == pytest.approx(40.0, abs=3)
    assert len({key.split("/")[1] for key in walk.state if key.startswith("exposure/")}) == 1


def test_fewer_shifts_are_kept_at_once() -> None:
    now = datetime.fromtimestamp(T0 // S, UTC)
    times = [(now + timedelta(minutes=n)).time() for n in range(-1, 9)]
    shifts = tuple(ShiftTime(f"s{n}", *span) for n, span in enumerate(pairwise(times)))
    plan = replace(ROOM, shifts=shifts, attendance=AttendancePlan(shifts_kept=9, early_s=0.0))
    walk = Walk(plan=plan)
    walk.begin()
    t_ns = T0
    for _ in range(4):
        t_ns = walk.walk("1001", [100.0] * 45 + [0.0] * 15, t_ns)
    kept = {key for key in walk.state if key.startswith("visit/")}
    assert len(kept) == 4
    fewer = replace(plan, attendance=AttendancePlan(shifts_kept=2, early_s=0.0))
    changes = reload(walk, plan, fewer, t_ns + 1)
    assert list(changes.visits.values()) == [None, None]
    assert len([key for key in walk.state if key.startswith("visit/")]) == 2


def test_leaps_count_by_other_thresholds_and_another_map() -> None:
    plan = replace(PLAN, duplicate_card=DuplicateCard(leaps=1000, within_s=60.0))
    walk = Walk(plan=plan)
    walk.begin()

    def leap(t_ns: int, seconds: int) -> int:
        for n in range(seconds):
            t_ns += S
            card = walk.table.handle("1001")
            walk.step(batch_of(ranges_at(card, 0.0 if n % 2 else 120.0, t_ns)), t_ns)
        return t_ns

    t_ns = leap(T0, 60)
    assert ("ALARM_RAISED", "1001", "duplicate_card") not in walk.events()
    fewer = replace(plan, duplicate_card=DuplicateCard(leaps=4, within_s=60.0))
    anchors = tuple(reversed(MAP.anchors[:2]))
    fewer = replace(fewer, map=replace(MAP, anchors=anchors, readers=()))
    reload(walk, plan, fewer, t_ns + 1)
    walk.wait(1, t_ns)
    assert ("ALARM_RAISED", "1001", "duplicate_card") in walk.events()


def test_a_limit_that_is_new_and_exceeded_opens_its_muster() -> None:
    walk = Walk(plan=ROOM)
    walk.begin()
    t_ns = walk.walk("1001", [100.0] * 12, T0) + S
    walk.step(Batch(samples=(value("ch4", 2.0, t_ns),)), t_ns)
    gas = ValueLimit("gas", "Gas", "shearer", "ch4", above=1.0, zone="face", muster=("face",))
    changes = reload(walk, ROOM, replace(ROOM, limits=(gas,)), t_ns + 1)
    assert [event.kind for event in changes.events[1:]] == [
        EventKind.ALARM_RAISED,
        EventKind.MUSTER_OPENED,
    ]
    assert changes.muster
    assert [card.card for card in changes.muster.cards] == ["1001"]


def scored(walk: Walk) -> dict[str, Any]:
    return next(
        {"score": one.prevention.risk["score"][2], "past": one.prevention.risk["past"][2]}
        for one in reversed(walk.all)
        if one.prevention and one.prevention.risk is not None
    )


def test_risk_goes_on_with_other_weights_and_counts_anew_with_other_points() -> None:
    point = RiskPoint("roof", "Roof", 2, "Wu", zone="face")
    plan = replace(ROOM, prevention=PreventionPlan((point,)))
    walk = Walk(plan=plan)
    walk.begin()
    t_ns = walk.wait(2, T0)
    assert scored(walk)["score"] == 12.0
    worse = PreventionPlan((replace(point, level=1),))
    reload(walk, plan, replace(plan, prevention=worse), t_ns + 1)
    t_ns = walk.wait(2, t_ns)
    assert scored(walk)["score"] == 20.0
    two = PreventionPlan((point, replace(point, id="gas")))
    changes = reload(walk, replace(plan, prevention=worse), replace(plan, prevention=two), t_ns + 1)
    assert changes.prevention
    assert changes.prevention.risk is not None
    assert changes.prevention.risk["score"][2] == 24.0


def test_a_fence_that_grows_takes_in_who_stands_beside_it() -> None:
    site = Other(plan_of(RIG))
    for _ in range(3):
        site.second({PERSON: 60.0})
    assert site.told("danger_proximity") == []
    site.use(plan_of(replace(RIG, ring_m=disc(14.0))))
    for _ in range(2):
        site.second({PERSON: 60.0})
    assert site.told("danger_proximity") == [("RAISED", PERSON, "rig")]
