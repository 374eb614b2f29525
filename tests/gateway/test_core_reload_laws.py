"""A configuration that is read again and is the same changes nothing, whenever that is."""

import copy
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.report import LinkChange, LinkState, Notice, NoticeKind, Quality, Sample
from gateway.mine.change import Act, ActKind, Batch, Changes, EventKind
from gateway.mine.machines.plan import AlongRoadway, Fixed, FloodRule, Machine, NearRule, OnCards
from gateway.mine.people.shifts import ShiftTime
from gateway.mine.plan import (
    AlarmRule,
    AttendancePlan,
    DualCard,
    DuplicateCard,
    Holder,
    MinePlan,
    Stop,
    ValueLimit,
)
from gateway.mine.prepared import Reload, prepare
from gateway.mine.prevention.plan import PreventionPlan, RiskPoint
from positioning.fences import disc
from positioning.mine_map import Zone, ZoneKind
from positioning.observation import Records
from tests.gateway.small_mine import MAP, PLAN, T0, S, Walk, batch_of, ranges_at, rectangle

CARDS = [f"{n:09d}" for n in range(5)]
#: A card of the mine that nobody has at first.
SPARE = "000000009"


def _later(now: datetime, minutes: int) -> time:
    return (now + timedelta(minutes=minutes)).time()


#: The stop of the route begins ten seconds after the start, and is over a minute later.
_NOW = datetime.fromtimestamp(T0 // S, UTC)

ZONES = (
    *(zone for zone in MAP.zones if zone.id != "face"),
    Zone("face", "Face", ZoneKind.FACE, rectangle(50, 130), quota=1, stay_limit_min=0.2),
    Zone("store", "Store", ZoneKind.CONTROLLED, rectangle(20, 45)),
    Zone("shearer", "Shearer", ZoneKind.DANGER, rectangle(100, 110), near_m=8.0),
    Zone("haul", "Haulage", ZoneKind.SECTION, rectangle(30, 80)),
    Zone("refuge", "Refuge", ZoneKind.REFUGE, rectangle(126, 132)),
    Zone("licence", "Licence", ZoneKind.LICENCE, rectangle(-30, 100)),
)

#: One of each kind: by a value, by a card, and one that stands; a fence, a cutter or both.
MACHINES = (
    Machine(
        "shearer",
        "Shearer",
        AlongRoadway("shearer", "position", "main", offset_m=20.0, sigma_m=0.3),
        ring_m=disc(6.0),
        active=ValueLimit("cuts", "cuts", "shearer", "ch4", above=0.5),
        stale_s=6.0,
        margin_m=4.0,
        crew=frozenset({"A", CARDS[1]}),
        cutter_m=(2.0, 0.0, 1.0),
    ),
    Machine("header", "Roadheader", OnCards(CARDS[4]), ring_m=disc(8.0), stale_s=4.0),
    Machine("rig", "Drill rig", Fixed(75.0, 0.0, z_m=-8.0), ring_m=disc(5.0)),
)

#: Every rule and every part that there is, with delays, latches and suppression.
RICH = replace(
    PLAN,
    map=replace(MAP, zones=ZONES, roadways=(replace(MAP.roadways[0], speed_max_m_s=3.0),)),
    rules={
        **PLAN.rules,
        "restricted_entry": AlarmRule(1, after_s=2.0, clear_after_s=3.0, latch=True),
        "danger_proximity": AlarmRule(1, clear_after_s=2.0),
        "overcrowded": AlarmRule(2, after_s=1.0, escalate_after_s=4.0, escalate_to=("chief",)),
        "signal_lost": AlarmRule(3, after_s=8.0, suppressed_by=("device_down",)),
        "limit_exceeded": AlarmRule(2, after_s=1.5, clear_after_s=2.5),
    },
    holders={
        CARDS[0]: Holder("Wang", "A", zones=frozenset({"store"}), route="round"),
        CARDS[1]: Holder("Li", "A", leader=True),
        CARDS[2]: Holder("Truck", "B", is_person=False, is_vehicle=True),
        CARDS[4]: Holder("Header", "B", is_person=False),
    },
    uwb_readers=frozenset({"uwb-1"}),
    machines=MACHINES,
    near=NearRule(person_vehicle_m=20.0, vehicle_vehicle_m=30.0, ride_after_s=3.0),
    flood=FloodRule(3, 20.0),
    shifts=tuple(ShiftTime(f"s{n}", _later(_NOW, n), _later(_NOW, n + 1)) for n in range(5)),
    attendance=AttendancePlan(shifts_kept=2, early_s=30.0),
    dual_card=DualCard(near_m=3.0, apart_m=8.0, way_m=5.0, time_s=5.0),
    duplicate_card=DuplicateCard(leaps=2, within_s=10.0),
    prevention=PreventionPlan(
        (
            RiskPoint("roof", "Roof", 2, "Wu", zone="face"),
            RiskPoint("cutting", "Cutting", 1, "Wu", zone="haul", device="shearer"),
        ),
        mend_h=(0.002, 0.004, 1.0, 1.0),
    ),
    speeds_max_m_s={CARDS[2]: 12.0},
    people_quota=1,
    below_most_s=20.0,
    limits=(ValueLimit("gas", "Gas", "shearer", "ch4", above=1.0, deadband=0.2, zone="face"),),
    routes={"round": (Stop("face", *((_NOW + timedelta(minutes=n)).time() for n in (0, 1))),)},
)

NONE = np.zeros(0, np.int64)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("stand"), st.sampled_from(CARDS), st.integers(-15, 135)),
        st.tuples(st.just("walk"), st.sampled_from(CARDS), st.integers(-12, 120)),
        st.tuples(st.just("both"), st.just(CARDS[0]), st.integers(-12, 120)),
        st.tuples(st.just("twice"), st.sampled_from(CARDS[:2]), st.integers(-12, 20)),
        st.tuples(st.just("gas"), st.just(""), st.integers(0, 20)),
        st.tuples(st.just("cut"), st.just(""), st.integers(-10, 160)),
        st.tuples(st.just("hazard"), st.just(""), st.integers(1, 4)),
        st.tuples(st.just("hand in"), st.sampled_from([*CARDS[:3], SPARE]), st.just(0)),
        st.tuples(st.just("hand out"), st.sampled_from(CARDS[:3]), st.just(1)),
        st.tuples(st.just("swap"), st.sampled_from(CARDS[:3]), st.just(1)),
        st.tuples(st.just("link"), st.just(""), st.integers(0, 1)),
        st.tuples(st.just("notice"), st.just(""), st.integers(1, 3)),
        st.tuples(st.just("muster"), st.just(""), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 25)),
    ),
    min_size=1,
    max_size=14,
)


#: How fast a card goes, m/s.
SPEEDS = {"stand": 0.0, "walk": 2.5, "both": 1.5, "twice": 0.0}
ACTS = {
    "hazard": ActKind.HAZARD_REPORT,
    "hand in": ActKind.CARD_RETURN,
    "hand out": ActKind.CARD_ISSUE,
    "swap": ActKind.CARD_REPLACE,
}


def batches(walk: Walk, actions: list[tuple[str, str, int]]) -> list[tuple[Batch, int]]:
    """What comes of the actions, and when."""
    t_ns, found = T0, []
    for n, action in enumerate(actions):
        long = {"stand": 4, "walk": 4, "both": 12, "twice": 4, "wait": action[2]}
        for second in range(long.get(action[0], 1)):
            t_ns += S
            found.append((batch_at(walk, n, action, second, t_ns), t_ns))
    return found


def batch_at(walk: Walk, n: int, action: tuple[str, str, int], second: int, t_ns: int) -> Batch:
    """What comes in one second of action number `n`."""
    what, name, number = action
    if what in SPEEDS:
        return batch_of(*heard(walk, action, number + SPEEDS[what] * second, t_ns))
    if what in ("gas", "cut"):
        point, value = ("ch4", number / 10) if what == "gas" else ("position", float(number))
        return Batch(samples=(Sample("shearer", point, value, Quality.GOOD, "", None, t_ns),))
    if what == "link":
        state = LinkState.UP if number else LinkState.DOWN
        return Batch(links=(LinkChange("uwb-1", state, "cut", t_ns),))
    if what == "notice":
        return Batch(notices=(Notice("uwb-1", NoticeKind.DATA_LOST, number, "ring", t_ns),))
    if what == "muster":
        kind = (ActKind.MUSTER_OPEN, ActKind.MUSTER_CLOSE)[number]
        subject = "real/face" if not number else "muster-1"
        return Batch(acts=(Act(f"request-{n}", "Zhao", kind, subject, "smoke"),))
    if what in ACTS:
        other = SPARE if number else name
        subjects = {"hand in": name, "hand out": f"{other}/{name}", "swap": f"{name}/{other}"}
        detail = (("zone", "face"), ("level", str(number)), ("title", "crack"))
        subject = subjects.get(what, "face")
        act = Act(f"request-{n}", "Zhao", ACTS[what], subject, "so", detail=detail)
        return Batch(acts=(act,))
    return Batch()


def heard(walk: Walk, action: tuple[str, str, int], x_m: float, t_ns: int) -> list[Records]:
    """The ranges of who stands, walks, walks with another, or is in two places."""
    what, name, _ = action
    found = [ranges_at(walk.table.handle(name), x_m, t_ns)]
    if what == "both":
        found.append(ranges_at(walk.table.handle(CARDS[1]), x_m + 1.0, t_ns))
    if what == "twice":
        found.append(ranges_at(walk.table.handle(name), x_m + 100.0, t_ns + S // 3))
    return found


def again(plan: MinePlan) -> Reload:
    """The same plan, of which nothing is the same object."""
    rebuilt = copy.deepcopy(plan)
    return Reload("nothing has changed", prepare(plan, rebuilt))


def told(changes: Changes) -> list[Any]:
    """What a step says, without the numbers of events, which one more event has moved."""
    words = [repr(replace(event, sequence=0)) for event in changes.events]
    alarms = [repr(alarm) for alarm in changes.alarms.values()]
    answers = [repr(answer) for answer in changes.answers]
    prevention, hazards, risk = changes.prevention, "", []
    if prevention:
        hazards = repr(dict(prevention.hazards))
        risk = bits(prevention.risk) if prevention.risk is not None else []
    rest = (changes.headcount, dict(changes.zones), changes.now_ns, changes.issued)
    said = (*words, *alarms, *answers, hazards, repr(rest), repr((changes.muster, changes.visits)))
    spent = [
        (repr(replace(one, spent_ns=NONE)), one.spent_ns.tobytes()) for one in changes.exposure
    ]
    return [*map(unnumbered, said), *spent, *risk, *bits(changes.fixes), *bits(changes.lagged)]


def unnumbered(text: str) -> str:
    """Without the numbers that are those of events."""
    return re.sub(r"([a-z])-\d+\b", r"\1", text)


def bits(fixes: Records) -> list[bytes]:
    """Each column to the last bit; what lies between columns is not set."""
    return [fixes[name].tobytes() for name in fixes.dtype.names or ()]


def kept(state: Mapping[str, bytes]) -> dict[str, Any]:
    """What is kept: everything, to the last bit, but for the numbers of events."""
    return {unnumbered(k): unnumbered(v.decode("latin-1")) for k, v in state.items()}


@settings(deadline=None, max_examples=60)
@given(ACTIONS, st.data(), st.sampled_from([0.0, 0.5]))
def test_the_same_again_changes_nothing_at_any_step(
    actions: list[tuple[str, str, int]], data: st.DataObject, lag_s: float
) -> None:
    walks = Walk(plan=replace(RICH, lag_s=lag_s)), Walk(plan=replace(RICH, lag_s=lag_s))
    steps, _ = (batches(walk, actions) for walk in walks)  # both give out the same handles
    tell_alike(*walks, steps, data.draw(st.integers(0, len(steps))))


def test_the_same_again_before_a_machine_has_a_place_changes_nothing() -> None:
    walks = Walk(plan=RICH), Walk(plan=RICH)
    actions = [("both", CARDS[0], 0), ("stand", CARDS[4], 10)]
    steps, _ = (batches(walk, actions) for walk in walks)
    tell_alike(*walks, steps, at=0)


def tell_alike(plain: Walk, other: Walk, steps: list[tuple[Batch, int]], at: int) -> None:
    """Both tell the same, to the last bit, where `other` is given its plan again at step `at`."""
    plain.begin()
    other.begin()
    for n, (batch, t_ns) in enumerate([*steps, (Batch(), steps[-1][1] + S)]):
        if n == at:
            changes = other._note(other.mine.reload(again(other.plan), t_ns - S // 2))
            kinds = [event.kind for event in changes.events]
            assert kinds == [EventKind.CONFIGURATION_CHANGED]
            assert len(changes.fixes) == 0
        assert told(plain.step(batch, t_ns)) == told(other.step(batch, t_ns))
    end_ns = steps[-1][1] + 2 * S
    assert told(plain._note(plain.mine.end(end_ns))) == told(other._note(other.mine.end(end_ns)))
    assert kept(plain.state) == kept(other.state)


def test_nothing_of_the_old_plan_is_left() -> None:
    """No part of the core holds on to what it was before: it would go on by old rules."""
    walk = Walk(plan=RICH)
    walk.begin()
    walk.step(Batch(), T0 + S // 2)
    moved = copy.deepcopy(RICH)
    parts = (getattr(RICH, field.name) for field in fields(RICH))
    nested = (*RICH.map.zones, *RICH.map.roadways, *RICH.map.anchors, *MACHINES)
    # A copy of what can't change is the same object.
    shared = {id(getattr(moved, field.name)) for field in fields(moved)}
    old = [one for one in (RICH, *parts, *nested) if id(one) not in shared]
    old += [machine.pose for machine in MACHINES] + [machine.active for machine in MACHINES[:1]]
    old += [*RICH.prevention.points, RICH.prevention.weights, *RICH.shifts]
    zones = tuple(replace(zone, rings_m=tuple(r + 1.0 for r in zone.rings_m)) for zone in ZONES)
    roadway = moved.map.roadways[0]
    shifted = replace(roadway, centreline_m=roadway.centreline_m + 0.5)
    moved = replace(moved, map=replace(moved.map, zones=zones, roadways=(shifted,)))
    assert moved.map.zones[0].rings_m is not RICH.map.zones[0].rings_m
    machines = tuple(replace(m, ring_m=disc(7.0), stale_s=m.stale_s + 1) for m in moved.machines)
    moved = replace(moved, machines=machines)
    reload = Reload("moved", prepare(RICH, moved))
    walk._note(walk.mine.reload(reload, T0 + S))
    found = {id(one): type(one).__name__ for one in old}
    left = [found[id(one)] for one in reachable(walk.mine) if id(one) in found]
    assert left == []


def reachable(root: Any) -> list[Any]:
    """Everything that hangs on an object by its attributes and its containers."""
    seen: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | str | bytes | int | float):
            continue
        seen[id(one)] = one
        if isinstance(one, Mapping):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, tuple | list | set | frozenset):
            waiting += one
        waiting += vars(one).values() if hasattr(one, "__dict__") else []
        slots = getattr(type(one), "__slots__", ())
        waiting += [getattr(one, name) for name in slots if hasattr(one, name)]
    return list(seen.values())
