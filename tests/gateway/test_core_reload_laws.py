"""A configuration that is read again and is the same changes nothing, whenever that is."""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.report import LinkChange, LinkState, Notice, NoticeKind, Quality, Sample
from gateway.mine.change import Act, ActKind, Batch, Changes, EventKind
from gateway.mine.plan import AlarmRule, Holder, MinePlan, Stop, ValueLimit
from gateway.mine.prepared import Reload, prepare
from positioning.mine_map import Zone, ZoneKind
from positioning.observation import Records
from tests.gateway.small_mine import MAP, PLAN, T0, S, Walk, batch_of, ranges_at, rectangle

CARDS = [f"{n:09d}" for n in range(4)]
#: The stop of the route begins ten seconds after the start, and is over a minute later.
_NOW = datetime.fromtimestamp(T0 // S, UTC)

ZONES = (
    *(zone for zone in MAP.zones if zone.id != "face"),
    Zone("face", "Face", ZoneKind.FACE, rectangle(50, 130), quota=1, stay_limit_min=0.2),
    Zone("store", "Store", ZoneKind.CONTROLLED, rectangle(20, 45)),
    Zone("shearer", "Shearer", ZoneKind.DANGER, rectangle(100, 110), near_m=8.0),
    Zone("haul", "Haulage", ZoneKind.SECTION, rectangle(30, 80)),
    Zone("refuge", "Refuge", ZoneKind.REFUGE, rectangle(126, 132)),
)

#: Every rule that there is, with delays, latches and suppression.
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
    },
    speeds_max_m_s={CARDS[2]: 12.0},
    people_quota=1,
    below_most_s=20.0,
    limits=(ValueLimit("gas", "Gas", "shearer", "ch4", above=1.0, deadband=0.2, zone="face"),),
    routes={"round": (Stop("face", *((_NOW + timedelta(minutes=n)).time() for n in (0, 1))),)},
)

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("stand"), st.sampled_from(CARDS), st.integers(-15, 135)),
        st.tuples(st.just("walk"), st.sampled_from(CARDS), st.integers(-12, 120)),
        st.tuples(st.just("gas"), st.just(""), st.integers(0, 20)),
        st.tuples(st.just("link"), st.just(""), st.integers(0, 1)),
        st.tuples(st.just("notice"), st.just(""), st.integers(1, 3)),
        st.tuples(st.just("muster"), st.just(""), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 25)),
    ),
    min_size=1,
    max_size=14,
)


def batches(walk: Walk, actions: list[tuple[str, str, int]]) -> list[tuple[Batch, int]]:
    """What comes of the actions, and when."""
    t_ns, found = T0, []
    for n, (action, name, number) in enumerate(actions):
        for second in range({"stand": 4, "walk": 4, "wait": number}.get(action, 1)):
            t_ns += S
            batch = Batch()
            if action in ("stand", "walk"):
                x_m = number + 2.5 * second * (action == "walk")
                batch = batch_of(ranges_at(walk.table.handle(name), x_m, t_ns))
            elif action == "gas":
                sample = Sample("shearer", "ch4", number / 10, Quality.GOOD, "", None, t_ns)
                batch = Batch(samples=(sample,))
            elif action == "link":
                state = LinkState.UP if number else LinkState.DOWN
                batch = Batch(links=(LinkChange("uwb-1", state, "cut", t_ns),))
            elif action == "notice":
                batch = Batch(
                    notices=(Notice("uwb-1", NoticeKind.DATA_LOST, number, "ring", t_ns),)
                )
            elif action == "muster":
                kind = (ActKind.MUSTER_OPEN, ActKind.MUSTER_CLOSE)[number]
                subject = "real/face" if not number else "muster-1"
                batch = Batch(acts=(Act(f"request-{n}", "Zhao", kind, subject, "smoke"),))
            found.append((batch, t_ns))
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
    plain = [re.sub(r"-\d+'", "'", one) for one in (*words, *alarms, *answers)]
    plain = [re.sub(r"muster-\d+", "muster", one) for one in plain]
    rest = (changes.headcount, dict(changes.zones), changes.now_ns)
    return [*plain, repr(rest), *bits(changes.fixes), *bits(changes.lagged)]


def bits(fixes: Records) -> list[bytes]:
    """Each column to the last bit; what lies between columns is not set."""
    return [fixes[name].tobytes() for name in fixes.dtype.names or ()]


def kept(state: Mapping[str, bytes]) -> dict[str, Any]:
    """What is kept of cards: everything, to the last bit."""
    return {k: json.loads(v) for k, v in state.items() if k.startswith(("card/", "route/"))}


@settings(deadline=None, max_examples=60)
@given(ACTIONS, st.data(), st.sampled_from([0.0, 0.5]))
def test_the_same_again_changes_nothing_at_any_step(
    actions: list[tuple[str, str, int]], data: st.DataObject, lag_s: float
) -> None:
    plan = replace(RICH, lag_s=lag_s)
    plain, other = Walk(plan=plan), Walk(plan=plan)
    plain.begin()
    other.begin()
    steps = batches(plain, actions)
    batches(other, actions)  # gives out the same handles
    at = data.draw(st.integers(0, len(steps)))
    for n, (batch, t_ns) in enumerate([*steps, (Batch(), steps[-1][1] + S)]):
        if n == at:
            changes = other._note(other.mine.reload(again(plan), t_ns - S // 2))
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
    old = [RICH, RICH.map, *RICH.map.zones, RICH.rules, RICH.holders, RICH.limits, RICH.routes]
    moved = copy.deepcopy(RICH)
    zones = tuple(replace(zone, rings_m=tuple(r + 1.0 for r in zone.rings_m)) for zone in ZONES)
    roadway = moved.map.roadways[0]
    shifted = replace(roadway, centreline_m=roadway.centreline_m + 0.5)
    moved = replace(moved, map=replace(moved.map, zones=zones, roadways=(shifted,)))
    assert moved.map.zones[0].rings_m is not RICH.map.zones[0].rings_m
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
