"""The risk of zones: the formula part by part, grades, what is over, restart."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.report import LinkChange, LinkState
from gateway.mine.change import ActKind, Alarm, Batch, EventKind
from gateway.mine.prevention.hazard import Hazard, HazardInput, HazardState, HazardStep
from gateway.mine.prevention.plan import PreventionPlan, RiskWeights
from gateway.mine.prevention.risk import PARTS, RiskBook
from gateway.mine.record import StepRecord
from positioning.mine_map import Zone, ZoneKind
from tests.gateway.hazard_room import FACE, POINTS, PREVENTION, HazardRoom
from tests.gateway.small_mine import T0, S, rectangle


def parts(room: HazardRoom, zone: int = FACE) -> dict[str, float]:
    assert room.risk is not None
    return {part: float(room.risk[part][zone]) for part in PARTS if room.risk[part][zone]}


def score(room: HazardRoom, zone: int = FACE) -> tuple[float, int]:
    assert room.risk is not None
    return float(room.risk["score"][zone]), int(room.risk["grade"][zone])


def grades(room: HazardRoom) -> list[str]:
    return [one.text for one in room.events if one.kind is EventKind.RISK_CHANGED]


def test_risk_points_and_hazards_add_up_until_a_hazard_is_cleared() -> None:
    room = HazardRoom()
    assert (parts(room), score(room)) == ({"points": 32.0}, (32.0, 3))
    assert room.risk is not None
    assert room.risk["t_ns"].tolist() == [T0] * 3
    name = room.report(level=2)
    room.wait()
    assert (parts(room), score(room)) == ({"points": 32.0, "hazards": 20.0}, (52.0, 2))
    room.act(ActKind.HAZARD_ASSIGN, name, assignee="Li")
    room.act(ActKind.HAZARD_MEND, name)
    room.act(ActKind.HAZARD_CHECK, name, result="passed")
    assert parts(room)["hazards"] == 20.0
    room.act(ActKind.HAZARD_CLEAR, name)
    assert (parts(room), score(room)) == ({"points": 32.0}, (32.0, 3))
    assert grades(room) == [
        "the risk of zone face (Face) is yellow now, blue before: 32 of 100 (points 32)",
        "the risk of zone face (Face) is orange now, yellow before: 52 of 100"
        " (points 32, hazards 20)",
        "the risk of zone face (Face) is yellow now, orange before: 32 of 100 (points 32)",
    ]


def test_a_machine_that_is_down_counts_where_its_risk_points_are_and_is_forgotten_by_half() -> None:
    room = HazardRoom()
    down = LinkChange("shearer", LinkState.DOWN, "no answer", T0)
    room.give(Batch(links=(down,)))
    room.listen(5)
    assert parts(room) == {"points": 32.0, "machines": 15.0}
    up = LinkChange("shearer", LinkState.UP, "", room.t_ns)
    room.give(Batch(links=(up,)))
    over_s = 1.0  # the last second in which it was down is one ago
    assert parts(room)["past"] == pytest.approx(15.0 * 0.5 ** (over_s / 1800), abs=0.06)
    room.wait(1800 - over_s)
    assert parts(room) == {"points": 32.0, "past": 7.5}
    room.restart()
    assert parts(room) == {"points": 32.0, "past": 7.5}
    room.wait(10 * 1800)
    assert parts(room) == {"points": 32.0}


def test_people_count_where_anything_else_does() -> None:
    room = HazardRoom(PreventionPlan(POINTS, weights=RiskWeights(person=4.0, people_most=6.0)))
    room.stand("1001", 52.0)
    assert parts(room) == {"points": 32.0, "people": 4.0}
    room.stand("1002", 53.0)
    assert parts(room) == {"points": 32.0, "people": 6.0}
    room.stand("1003", 5.0)
    assert parts(room, 0) == {}


def test_an_alarm_counts_in_its_zone_and_that_of_a_card_where_the_card_is() -> None:
    room = HazardRoom()
    for x_m in (55.0, 60.0, 65.0, 70.0):  # the sealed stub is within the face
        room.stand("1001", x_m)
    assert parts(room, 1) == {"alarms": 50.0, "people": 0.5}
    assert parts(room)["points"] == 32.0
    room.listen(32)  # silent: an alarm of the card, in both of its zones
    assert parts(room, 1) == {"alarms": 65.0, "people": 0.5}
    assert parts(room)["alarms"] == 15.0


def test_a_grade_is_left_by_the_deadband() -> None:
    weights = RiskWeights(person=1.0, people_most=10.0, thresholds=(70.0, 50.0, 33.5), deadband=2.0)
    room = HazardRoom(PreventionPlan(POINTS, weights=weights))
    assert score(room) == (32.0, 4)
    room.stand("1001", 52.0)
    room.stand("1002", 53.0)
    assert score(room) == (34.0, 3)
    room.stand("1001", 30.0, 6)
    assert score(room) == (33.0, 3)
    room.stand("1002", 30.0, 6)
    assert score(room) == (32.0, 3)  # 33.5 - 2 is below
    assert len(grades(room)) == 1


def test_a_restart_tells_no_grade_twice_and_a_zone_that_is_gone_is_forgotten() -> None:
    room = HazardRoom()
    room.report(level=1)
    room.wait()
    room.state["risk/gone"] = b'{"peak": 9, "peak_t_ns": 1, "acute": 0, "grade": 2}'
    told = grades(room)
    assert len(told) == 2
    before = score(room)
    room.restart()
    room.wait()
    assert (grades(room), score(room)) == (told, before)
    assert "risk/gone" not in room.state


def test_without_risk_points_nothing_is_scored() -> None:
    room = HazardRoom(replace(PREVENTION, points=()))
    assert room.act(ActKind.HAZARD_REPORT, "face", title="x", zone="face", level=1) == ""
    room.wait()
    assert (room.risk, grades(room)) == (None, [])


def test_what_may_go_wrong_adds_no_more_than_its_most() -> None:
    room = HazardRoom(PreventionPlan(POINTS, weights=RiskWeights(points_most=25.0)))
    assert parts(room) == {"points": 25.0}


def test_another_configuration_is_taken_over_as_by_a_restart() -> None:
    room, other = HazardRoom(), PreventionPlan(POINTS[:1])
    room.report(level=3)
    down = LinkChange("shearer", LinkState.DOWN, "no answer", room.t_ns)
    room.give(Batch(links=(down,)))
    room.listen(6)
    room.give(Batch(links=(LinkChange("shearer", LinkState.UP, "", room.t_ns),)))
    room.wait()
    before = parts(room)
    prevention = room.walk.mine._prevention
    record = StepRecord(room.first, room.t_ns)
    prevention.reload(replace(room.plan, prevention=other), record)
    change = prevention.take()
    assert change is not None
    assert change.risk is not None
    after = {part: float(change.risk[part][FACE]) for part in PARTS if change.risk[part][FACE]}
    assert before == {"points": 32.0, "hazards": 8.0, "past": 15.0}
    assert after == {"points": 20.0, "hazards": 8.0, "past": 15.0}
    assert [one.text.partition(":")[0] for one in record.events] == [
        "the risk of zone face (Face) is yellow now, orange before"
    ]
    prevention.reload(replace(room.plan, prevention=PreventionPlan()), record)
    assert record.state["risk/face"] is None


# Laws

ZONES = tuple(Zone(f"z{n}", f"Z{n}", ZoneKind.FACE, rectangle(0, 9)) for n in range(3))
PLAN = PreventionPlan(tuple(replace(POINTS[n], zone=f"z{n}") for n in range(2)))
HAZARDS = st.builds(
    lambda number, zone, level: Hazard(
        f"hazard-{number}",
        "t",
        level,
        0,
        (HazardStep(0, "W", HazardInput.REPORT, HazardState.FOUND),),
        zone=zone,
    ),
    st.integers(1, 50),
    st.sampled_from(["z0", "z1", "z2", "gone"]),
    st.integers(1, 4),
)
ALARMS = st.builds(
    lambda number, rule, zone, level, device: Alarm(
        f"{rule}-{number}", rule, level, 0, zone=zone, device=device
    ),
    st.integers(1, 50),
    st.sampled_from(["distress", "machine_fault"]),
    st.sampled_from(["z0", "z1", "z2", ""]),
    st.integers(1, 4),
    st.sampled_from(["shearer", "other"]),
)


@settings(deadline=None)
@given(st.lists(HAZARDS), st.lists(ALARMS), st.lists(st.integers(0, 9000), min_size=3, max_size=3))
def test_it_is_bounded_and_the_sum_of_its_parts_in_any_order(
    hazards: list[Hazard], alarms: list[Alarm], people: list[int]
) -> None:
    hazards = list({one.id: one for one in hazards}.values())
    alarms = list({one.id: one for one in alarms}.values())
    told = []
    for order in (1, -1):
        book = RiskBook(PLAN, ZONES, lambda _: (), {})
        record = StepRecord(1, T0)
        book.look(hazards[::order], alarms[::order], np.array(people), record)
        risk = book.take()
        assert risk is not None
        told.append(risk.tobytes())
        sums = np.minimum(sum(risk[part] for part in PARTS), 100.0)
        assert np.allclose(risk["score"], sums, atol=0.31)
        assert ((risk["score"] >= 0) & (risk["score"] <= 100)).all()
        assert ((risk["grade"] == 1) == (risk["score"] >= 70)).all()
    assert told[0] == told[1]


@settings(deadline=None)
@given(st.lists(ALARMS, min_size=1), st.integers(1, 100_000))
def test_what_is_over_only_falls(alarms: list[Alarm], later_s: int) -> None:
    book = RiskBook(PLAN, ZONES, lambda _: (), {})
    nobody = np.zeros(3, np.int64)
    book.look((), alarms, nobody, StepRecord(1, T0))
    first = book.take()
    over = [replace(one, state=type(one.state).NORMAL) for one in alarms]
    book.look((), over, nobody, StepRecord(1, T0 + S))
    book.look((), (), nobody, StepRecord(1, T0 + (1 + later_s) * S))
    last = book.take()
    assert first is not None
    assert last is not None
    assert (last["score"] <= first["score"]).all()
    assert not last["alarms"].any()
    assert not last["machines"].any()
