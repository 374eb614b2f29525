"""The attendance list: for which shift someone came, and what is kept of it."""

from dataclasses import replace
from datetime import time

import pytest

from gateway.mine.change import Act, ActKind, Batch
from gateway.mine.people.shifts import ShiftTime
from gateway.mine.plan import AttendancePlan, Holder
from gateway.mine.zones.visits import Visit
from tests.gateway.small_mine import PLAN, T0, S, Walk

#: T0 is 08:00 in UTC, some time after midnight elsewhere.
SHIFTS = (ShiftTime("early", time(0), time(8, 30)), ShiftTime("late", time(8, 30), time(16)))
CREW = {
    "1001": Holder("Wang", "A"),
    "1002": Holder("Li", "B", leader=True),
    "1003": Holder("robot", "R", is_person=False),
}
PLANNED = replace(
    PLAN, holders=CREW, shifts=SHIFTS, attendance=AttendancePlan(early_s=1200, shifts_kept=2)
)


def visits(*walks: Walk) -> list[Visit]:
    found: dict[tuple[int, str], Visit | None] = {}
    for walk in walks:
        for changes in walk.all:
            found |= changes.visits
    return [visit for visit in found.values() if visit]


def test_a_visit_from_its_beginning_over_a_restart_to_its_end() -> None:
    walk = Walk(plan=PLANNED)
    walk.begin(T0)
    t_ns = walk.walk("1002", [100.0] * 15, T0)
    (visit,) = visits(walk)
    assert (visit.card, visit.person, visit.name, visit.team) == ("1002", "1002", "Li", "B")
    assert (visit.leader, visit.shift.name, visit.in_ns) == (True, "early", T0 + S)
    again = Walk(walk.state, 100, plan=PLANNED)
    again.begin(t_ns + 60 * S)
    again.walk("1002", [40.0, *[0.0] * 8], t_ns + 60 * S)
    (visit,) = visits(walk, again)
    assert visit.out_ns is not None
    assert visit.out_ns > t_ns + 60 * S
    left = [event for one in again.all for event in one.events if event.kind.name == "MINE_LEFT"]
    assert [(event.shift, event.event_t_ns) for event in left] == [("early", visit.out_ns)]


def test_who_comes_shortly_before_a_shift_comes_for_it() -> None:
    walk = Walk(plan=PLANNED)
    walk.begin(T0 + 600 * S)
    walk.walk("1001", [100.0] * 15, T0 + 600 * S)
    (visit,) = visits(walk)
    assert (visit.shift.name, visit.shift.start_ns) == ("late", T0 + 1800 * S)
    entered = [e for one in walk.all for e in one.events if e.kind.name == "MINE_ENTERED"]
    assert [event.shift for event in entered] == ["late"]


def test_machines_attend_nothing() -> None:
    walk = Walk(plan=PLANNED)
    walk.begin(T0)
    walk.walk("1003", [100.0] * 15, T0)
    assert walk.all[-1].headcount.attending == 1
    assert visits(walk) == []


def test_old_shifts_are_forgotten_but_not_who_is_still_below() -> None:
    walk = Walk(plan=PLANNED)
    walk.begin(T0)
    t_ns = walk.walk("1002", [100.0] * 15, T0)  # stays for ever
    for day in range(4):
        t_ns = T0 + day * 86_400 * S + 20 * S
        t_ns = walk.walk("1001", [*[100.0] * 15, 40.0, *[0.0] * 8], t_ns)
    kept = visits(walk)
    assert sorted(visit.card for visit in kept if visit.out_ns is not None) == ["1001", "1001"]
    assert [visit.shift.day for visit in kept if visit.card == "1002"] == ["2027-01-15"]
    assert sum(key.startswith("visit/") for key in walk.state) == 3


def test_a_shift_whose_only_visit_went_on_with_another_card_is_none_of_those_kept() -> None:
    walk = Walk(plan=PLANNED)
    walk.begin(T0)
    t_ns = walk.walk("1001", [*[100.0] * 15, 40.0, *[0.0] * 8], T0)  # of the early shift
    t_ns = walk.walk("1002", [100.0] * 15, t_ns)
    t_ns = walk.walk("7001", [100.0] * 15, walk.wait(600, t_ns))  # of the late one
    assert {visit.shift.name for visit in visits(walk)} == {"early", "late"}
    replaced = Act("request", "Zhao", ActKind.CARD_REPLACE, "1002/7001")
    walk.step(Batch(acts=(replaced,)), t_ns + S)
    tomorrow_ns = T0 + 16 * 3600 * S
    walk.step(Batch(), tomorrow_ns)
    walk.walk("1001", [100.0] * 15, tomorrow_ns)
    assert sorted(visit.card for visit in visits(walk)) == ["1001", "1001", "7001"]


def entries(*walks: Walk) -> list[tuple[str, int, int]]:
    """(card, when it came down, when that was told) of each MINE_ENTERED."""
    return [
        (event.card, event.event_t_ns, changes.now_ns)
        for walk in walks
        for changes in walk.all
        for event in changes.events
        if event.kind.name == "MINE_ENTERED"
    ]


@pytest.mark.parametrize("seconds", [1, 5, 9])
@pytest.mark.parametrize("away_s", [1, 60])
def test_who_comes_down_over_a_restart_came_when_they_did(seconds: int, away_s: int) -> None:
    walk = Walk(plan=PLANNED)
    walk.begin(T0)
    t_ns = walk.walk("1001", [100.0] * seconds, T0)
    assert [key for key in walk.state if key.startswith("coming/")] == ["coming/1001"]
    back_ns = t_ns + away_s * S
    again = Walk(walk.state, 100, plan=PLANNED)
    again.begin(back_ns)
    again.walk("1001", [100.0] * 15, back_ns)
    ((card, since_ns, told_ns),) = entries(walk, again)
    assert (card, since_ns) == ("1001", T0 + S)
    # Once they were heard for ten seconds; the time of which nothing is known counts for none.
    assert T0 + (11 + away_s) * S <= told_ns <= back_ns + 11 * S
    (visit,) = visits(walk, again)
    assert (visit.in_ns, visit.shift.name) == (T0 + S, "early")
    assert not [key for key in again.state if key.startswith("coming/")]


def test_who_turns_back_at_the_wellhead_over_a_restart_has_not_come_down() -> None:
    walk = Walk(plan=PLANNED)
    walk.begin(T0)
    t_ns = walk.walk("1001", [100.0] * 2, T0)
    again = Walk(walk.state, 100, plan=PLANNED)
    again.begin(t_ns + S)
    again.walk("1001", [0.0] * 20, t_ns + S)
    assert entries(again) == []
    assert not [key for key in again.state if key.startswith("coming/")]


def test_a_clock_that_was_set_back_over_a_restart_makes_nobody_come_late() -> None:
    walk = Walk(plan=PLANNED)
    walk.begin(T0)
    walk.walk("1001", [100.0] * 5, T0)
    again = Walk(walk.state, 100, plan=PLANNED)
    again.begin(T0 - 3600 * S)
    again.walk("1001", [100.0] * 15, T0 - 3600 * S)
    ((card, since_ns, told_ns),) = entries(again)
    assert (card, since_ns) == ("1001", T0 - 3600 * S)
    assert told_ns <= since_ns + 11 * S
