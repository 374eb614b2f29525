"""The laws of what is counted: exposure is the sum of dwell times, and in = out + below."""

from collections import Counter
from dataclasses import replace
from datetime import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.mine.change import Batch, EventKind
from gateway.mine.people.shift_exposure import Share, ShiftExposure
from gateway.mine.people.shifts import ShiftTime
from gateway.mine.plan import AttendancePlan, Holder
from positioning.observation import PLACE, measurements
from tests.gateway.small_mine import PLAN, T0, S, Walk

#: Shifts so short that a test crosses their borders: T0 is 08:00:00 in UTC.
SHIFTS = tuple(
    ShiftTime(f"s{n}", time(n // 60, n % 60), time((n + 1) // 60 % 24, (n + 1) % 60))
    for n in range(470, 494)
)
PEOPLE = {
    "1001": Holder("Wang", "A"),
    "1002": Holder("Li", "B"),
    "1003": Holder("robot", "B", is_person=False),
    "1004": Holder("truck", "B", is_person=False, is_vehicle=True),
}
MINE = replace(PLAN, holders=PEOPLE, shifts=SHIFTS, attendance=AttendancePlan(shifts_kept=24))
INTO = (EventKind.ZONE_ENTERED, EventKind.MINE_ENTERED)
OUT = (EventKind.ZONE_LEFT, EventKind.MINE_LEFT)


class Watched:
    """A mine that may die at any time, and what its events and figures say of it."""

    def __init__(self) -> None:
        self.walk = Walk(plan=MINE)
        self.walk.begin(T0)
        self.now_ns = T0
        self.shifts: dict[int, ShiftExposure] = {}
        self.dwells: dict[tuple[str, str], int] = {}  # zone and card: sum of what is over
        self.since: dict[tuple[str, str], int] = {}
        self.flows = Counter[tuple[str, str]]()
        self._take()

    def place(self, where: dict[str, float], late_ns: int = 0) -> None:
        self.now_ns += S
        table = self.walk.table
        rows = [
            (table.handle(card), self.now_ns - late_ns, x_m, 0.0, 0.01, 0.0, 0.01)
            for card, x_m in where.items()
        ]
        self.walk.step(Batch(measurements(np.array(rows, PLACE))), self.now_ns)
        self._take()

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_ns += S
            self.walk.step(Batch(), self.now_ns)
            self._take()

    def stand_still(self, seconds: int) -> None:
        """The gateway itself: one step after so long."""
        self.now_ns += seconds * S
        self.walk.step(Batch(), self.now_ns)
        self._take()

    def crash(self, away_s: int) -> None:
        last = self.walk.all[-1]
        numbers = [event.sequence for one in self.walk.all for event in one.events]
        self.now_ns += away_s * S
        self.walk = Walk(self.walk.state, max([*numbers, 0, self._last_sequence]) + 1, plan=MINE)
        assert last.now_ns <= self.now_ns
        self.walk.begin(self.now_ns)
        self._take()

    def _take(self) -> None:
        changes = self.walk.all[-1]
        for one in changes.exposure:
            assert (one.spent_ns >= 0).all()
            self.shifts[one.shift.start_ns] = one
        for event in changes.events:
            self._last_sequence = event.sequence
            key = event.zone, event.card
            if event.kind in INTO:
                self.since[key] = event.event_t_ns
                self.flows["in", event.zone] += 1
            elif event.kind in OUT:
                dwell_ns = event.event_t_ns - self.since.pop(key)
                self.dwells[key] = self.dwells.get(key, 0) + dwell_ns
                self.flows["out", event.zone] += 1

    def expected(self, until_ns: int, cards: set[str]) -> dict[str, int]:
        """Time of these cards by zone, by their events alone."""
        total = Counter[str]()
        for (zone, card), spent_ns in self.dwells.items():
            total[zone] += spent_ns if card in cards else 0
        for (zone, card), since_ns in self.since.items():
            total[zone] += until_ns - since_ns if card in cards else 0
        return {zone: spent_ns for zone, spent_ns in total.items() if spent_ns}

    def found(self, shares: tuple[Share, ...]) -> dict[str, int]:
        total = Counter[str]()
        for one in self.shifts.values():
            for zone, spent in zip(one.zones, one.spent_ns, strict=True):
                total[zone] += int(spent[:, shares].sum())
        return {zone: spent_ns for zone, spent_ns in total.items() if spent_ns}

    def check(self) -> None:
        """Both laws."""
        until_ns = max(one.t_ns for one in self.shifts.values())
        assert until_ns == self.now_ns
        people = (Share.BESIDE_ROBOT, Share.ALONE, Share.SILENT)
        assert self.found(people) == self.expected(until_ns, {"1001", "1002"})
        robots = (Share.ROBOT, Share.ROBOT_SILENT)
        assert self.found(robots) == self.expected(until_ns, {"1003"})
        count = self.walk.all[-1].headcount
        flows = count.flows
        below = {**count.by_zone, "": count.attending}
        for zone, inside in below.items():
            flow = flows.get(zone)
            entered, left = (flow.entered, flow.left) if flow else (0, 0)
            assert entered == left + inside
            assert (entered, left) == (self.flows["in", zone], self.flows["out", zone])


MOVES = st.one_of(
    st.tuples(
        st.just("place"),
        st.dictionaries(
            st.sampled_from(sorted(PEOPLE)), st.sampled_from([0.0, 40.0, 55.0, 75.0, 100.0])
        ),
        st.sampled_from([0, 300_000_000, 900_000_000]),
    ),
    st.tuples(st.just("wait"), st.integers(1, 50), st.just(0)),
    st.tuples(st.just("stand still"), st.integers(2, 200), st.just(0)),
    st.tuples(st.just("crash"), st.integers(0, 200), st.just(0)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves=st.lists(MOVES, min_size=1, max_size=14))
def test_exposure_is_the_sum_of_dwell_times(moves: list[tuple[str, Any, int]]) -> None:
    mine = Watched()
    for kind, given_, late_ns in moves:
        if kind == "place":
            mine.place(given_, late_ns)
            mine.place(given_)
        elif kind == "wait":
            mine.wait(given_)
        elif kind == "stand still":
            mine.stand_still(given_)
        else:
            mine.crash(given_)
        mine.check()
    mine.wait(1)
    mine.check()


def minutes(mine: Watched, zone: str, team: str) -> dict[Share, float]:
    total = np.zeros(len(Share))
    for one in mine.shifts.values():
        if team in one.teams:
            total += one.spent_ns[one.zones.index(zone), one.teams.index(team)]
    return {share: total[share] / S for share in Share if total[share]}


def stand(mine: Watched, where: dict[str, float], seconds: int) -> None:
    for _ in range(seconds):
        mine.place(where)


def test_people_beside_a_robot_and_without_one() -> None:
    mine = Watched()
    stand(mine, {"1001": 100.0}, 30)
    stand(mine, {"1001": 100.0, "1003": 100.0}, 20)
    found = minutes(mine, "face", "A")
    assert found[Share.ALONE] == pytest.approx(30, abs=2)
    assert found[Share.BESIDE_ROBOT] == pytest.approx(20, abs=2)
    robots = minutes(mine, "face", "B")
    assert set(robots) == {Share.ROBOT}
    mine.check()


def test_a_vehicle_is_neither() -> None:
    mine = Watched()
    stand(mine, {"1004": 100.0, "1001": 100.0}, 10)
    assert minutes(mine, "face", "B") == {}
    assert set(minutes(mine, "face", "A")) == {Share.ALONE}


def test_who_is_silent_counts_at_the_last_place_apart_from_others() -> None:
    mine = Watched()
    stand(mine, {"1001": 100.0}, 10)
    mine.wait(60)
    found = minutes(mine, "face", "A")
    assert found[Share.SILENT] == pytest.approx(31, abs=1)
    assert found[Share.ALONE] == pytest.approx(39, abs=1)
    mine.check()


def test_while_the_gateway_is_down_people_count_as_silent() -> None:
    mine = Watched()
    stand(mine, {"1001": 100.0}, 10)
    mine.crash(300)
    # What was counted last was kept some seconds before.
    assert 300 <= minutes(mine, "face", "A")[Share.SILENT] <= 310
    mine.check()


def test_shifts_that_end_while_the_gateway_stands_still_are_kept_to_their_ends() -> None:
    mine = Watched()
    stand(mine, {"1001": 100.0}, 50)
    mine.stand_still(100)  # over the ends of two shifts, and long into the third
    mine.crash(10)
    mine.check()
    assert sum(minutes(mine, "face", "A").values()) == pytest.approx(160, abs=1)


def test_time_is_split_at_the_borders_of_shifts() -> None:
    mine = Watched()
    stand(mine, {"1001": 100.0}, 150)
    spent = {
        one.shift.name: one.spent_ns[one.zones.index("face")].sum() / S
        for one in mine.shifts.values()
        if one.spent_ns.any()
    }
    assert spent["s481"] == 60.0
    assert spent["s480"] + spent["s481"] + spent["s482"] == pytest.approx(150, abs=1)


def test_only_the_last_shifts_are_kept() -> None:
    plan = replace(MINE, attendance=AttendancePlan(shifts_kept=2))
    walk = Walk(plan=plan)
    walk.begin(T0)
    t_ns = T0
    for _ in range(5):
        t_ns = walk.walk("1001", [100.0] * 10, t_ns)
        t_ns = walk.wait(50, t_ns)
    kept = {key.split("/")[1] for key in walk.state if key.startswith("exposure/")}
    assert len(kept) == 2
    assert str(max(map(int, kept))) in kept


def test_an_older_journal_begins_its_counts_with_who_is_there() -> None:
    walk = Walk(plan=MINE)
    walk.begin(T0)
    t_ns = walk.walk("1001", [100.0] * 12, T0)
    old = {
        key: value
        for key, value in walk.state.items()
        if not key.startswith(("exposure/", "visit/")) and key != "flows"
    }
    later = Walk(old, 1000, plan=MINE)
    changes = later.begin(t_ns + S)
    flows = changes.headcount.flows
    assert (flows["face"].entered, flows["face"].left) == (1, 0)
    assert (flows[""].entered, changes.headcount.attending) == (1, 1)
    (visit,) = changes.visits.values()
    assert visit
    assert (visit.card, visit.name, visit.out_ns) == ("1001", "Wang", None)
