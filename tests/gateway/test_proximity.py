"""People near vehicles that drive, and vehicles near one another."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mine.change import Batch
from gateway.mine.machines.plan import NearRule
from tests.gateway.machine_mine import FRONT, HEADER, LOCO, MATE, PERSON, TRUCK, Site, plan_of

DANGER, VEHICLES = "danger_proximity", "vehicle_proximity"
NEAR = NearRule(person_vehicle_m=20.0, vehicle_vehicle_m=30.0)
PLAN = plan_of(near=NEAR)
RAISED, CLEARED = ("RAISED", PERSON, TRUCK), ("CLEARED", PERSON, TRUCK)
CONVOY = (TRUCK, LOCO)


def off(n: float) -> float:
    """How far a vehicle is after n seconds: half a metre a second faster each second, to 3 m/s."""
    return 0.25 * min(n, 6) ** 2 + 3.0 * max(n - 6, 0)


def drive(site: Site, seconds: int, **at: Callable[[int], float]) -> None:
    """Second by second, where each of these is: `p` a person, `m` another, `t` and `v` vehicles."""
    names = {"p": PERSON, "m": MATE, "t": TRUCK, "v": LOCO, "f": FRONT}
    for n in range(seconds):
        site.second({names[name]: place(n) for name, place in at.items()})


def test_a_vehicle_that_drives_past_a_person() -> None:
    site = Site(PLAN)
    drive(site, 25, p=lambda _: 80.0, t=lambda n: 20.0 + 5.0 * n)
    assert site.told(DANGER) == [RAISED, CLEARED]
    raised = next(
        event.alarm
        for changes in site.all
        for event in changes.events
        if event.alarm and event.alarm.rule == DANGER
    )
    assert (raised.card, raised.machine, raised.device) == (PERSON, TRUCK, "")
    # 20 m away after 8 s; twice seen, and places lag a little.
    assert 8 <= (raised.start_t_ns - site.all[0].now_ns) / 1e9 <= 12


def test_a_vehicle_that_stands_is_no_danger_and_one_that_stops_is_none_any_more() -> None:
    site = Site(PLAN)
    drive(site, 15, p=lambda _: 62.0, t=lambda _: 50.0)
    assert site.told(DANGER) == []
    drive(site, 20, p=lambda _: 62.0, t=lambda n: min(50.0 + n, 54.0))
    assert site.told(DANGER) == [RAISED, CLEARED]


def test_farther_than_the_distance_is_not_near() -> None:
    site = Site(PLAN)
    drive(site, 30, p=lambda n: 25.0 + 2.0 * n, t=lambda n: 2.0 * n)
    assert site.told(DANGER) == []


def test_who_rides_along_raises_nothing_when_they_got_on_before() -> None:
    site = Site(PLAN)
    drive(site, 12, p=lambda _: 20.0, t=lambda _: 20.5)
    drive(site, 30, p=lambda n: 20.0 + off(n), t=lambda n: 20.5 + off(n))
    assert site.mine.step(Batch(), site.t_ns).headcount.underground == 2
    assert site.told(DANGER) == []


def test_who_got_on_just_now_is_told_once_and_then_rides() -> None:
    site = Site(PLAN)
    drive(site, 2, p=lambda _: 20.0, t=lambda _: 20.5)
    drive(site, 25, p=lambda n: 20.0 + off(n), t=lambda n: 20.5 + off(n))
    assert site.told(DANGER) == [RAISED, CLEARED]
    assert site.texts(DANGER)[-1] == f"{PERSON} moves with vehicle {TRUCK}"


def test_who_gets_off_is_warned_of_the_vehicle_again() -> None:
    site = Site(PLAN)
    drive(site, 14, p=lambda _: 40.0, t=lambda _: 40.5)
    assert site.told(DANGER) == []
    drive(site, 20, p=lambda _: 40.0, t=lambda n: 40.5 + off(n))
    assert site.told(DANGER) == [RAISED, CLEARED]


def test_vehicles_near_one_another_are_one_pair() -> None:
    site = Site(PLAN)
    drive(site, 25, v=lambda _: 110.0, t=lambda n: 20.0 + 4.0 * n)
    told = site.told(VEHICLES)
    assert told[0] == ("RAISED", *CONVOY)
    assert len(told) == 1
    assert site.told(DANGER) == []


def test_a_machine_with_a_fence_is_judged_by_it_alone() -> None:
    """Its card is no vehicle that others are near to, though people.csv says vehicle."""
    site = Site(plan_of(HEADER, near=NEAR))
    drive(site, 20, f=lambda n: 20.0 + 3.0 * n, t=lambda n: 25.0 + 3.0 * n)
    assert site.told(VEHICLES) == []


def test_after_a_restart_nothing_is_told_twice_and_riders_ride_on() -> None:
    site = Site(PLAN)
    at = {"p": lambda _: 20.0, "t": lambda _: 20.5, "m": lambda _: 70.0}
    drive(site, 12, **at)
    driving = {
        "p": lambda n: 20.0 + off(n), "t": lambda n: 20.5 + off(n), "m": lambda _: 70.0
    }  # fmt: skip
    drive(site, 19, **driving)
    assert site.told(DANGER) == [("RAISED", MATE, TRUCK)]
    site = site.again(PLAN, away_s=1.0)
    drive(site, 12, **{name: lambda n, f=f: f(n + 20) for name, f in driving.items()})
    assert site.told(DANGER) == [("CLEARED", MATE, TRUCK)]


def test_a_rule_that_is_gone_ends_its_alarms() -> None:
    site = Site(PLAN)
    drive(site, 12, p=lambda _: 80.0, t=lambda n: 20.0 + 5.0 * n)
    assert site.told(DANGER) == [RAISED]
    site = site.again(plan_of())
    for _ in range(3):
        site.second()
    assert site.told(DANGER) == [CLEARED]


def test_a_vehicle_that_fell_silent_while_it_drove_drives_on() -> None:
    site = Site(PLAN)
    drive(site, 8, t=lambda n: 20.0 + 5.0 * n)
    for n in range(12):
        site.second({PERSON: 100.0 - 4.0 * n})
    assert site.told(DANGER)[0] == RAISED


def test_nothing_is_looked_at_without_a_rule() -> None:
    site = Site(plan_of())
    drive(site, 15, p=lambda _: 60.0, t=lambda n: 20.0 + 5.0 * n)
    assert site.told(DANGER) == site.told(VEHICLES) == []


@pytest.mark.parametrize("distance_m", [19.0, 20.0, 21.0])
def test_a_pair_along_the_border_makes_no_storm(distance_m: float) -> None:
    site = Site(PLAN)
    wobble = (0.4, -0.3, 0.2, -0.4, 0.3)
    drive(
        site,
        40,
        t=lambda n: 2.0 * n,
        p=lambda n: 2.0 * n + distance_m + wobble[n % 5],
    )
    assert len(site.told(DANGER)) <= 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-4, 4)] * 3), min_size=1, max_size=25), st.integers(0, 24))
def test_laws_of_pairs(steps: list[tuple[int, int, int]], cut_at: int) -> None:
    """Beginnings and ends alternate for each pair, over a restart too."""
    site, told = Site(PLAN), []
    places = {PERSON: 60.0, TRUCK: 50.0, LOCO: 80.0}
    for number, step in enumerate(steps):
        if number == cut_at:
            told += site.told(DANGER) + site.told(VEHICLES)
            site = site.again(PLAN)
        for card, by_m in zip(places, step, strict=True):
            places[card] = min(max(places[card] + by_m, 16.0), 130.0)
        site.second(places)
    told += site.told(DANGER) + site.told(VEHICLES)
    for pair in {one[1:] for one in told}:
        kinds = [kind for kind, *of in told if tuple(of) == pair]
        assert kinds == [("RAISED", "CLEARED")[n % 2] for n in range(len(kinds))]
