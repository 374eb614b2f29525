"""The attendance list: for which shift someone came, and what is kept of it."""

from dataclasses import replace
from datetime import time

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
