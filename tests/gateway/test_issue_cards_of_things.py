"""A card that replaces another has its speed limit, and is on the machine that the other was on."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.mine.change import Act, ActKind, Batch
from gateway.mine.machines.plan import Machine, NearRule, OnCards
from gateway.mine.plan import MinePlan
from gateway.mine.prepared import Reload, prepare
from tests.gateway.machine_mine import FRONT, HEADER, PERSON, REAR, RIG, TRUCK, Site, plan_of
from tests.gateway.small_mine import S

NEW = "7001"
LOADER = Machine("loader", "Loader", OnCards(FRONT), ring_m=HEADER.ring_m, stale_s=5.0)
FAST = {TRUCK: 12.0, FRONT: 5.0, PERSON: 8.0}


def replaced(site: Site, old: str, new: str = NEW) -> None:
    done(site, ActKind.CARD_REPLACE, f"{old}/{new}")


def done(site: Site, kind: ActKind, subject: str) -> None:
    site.t_ns += S // 10
    act = Act(f"request-{site.t_ns}", "Zhao", kind, subject)
    (answer,) = site.step(Batch(acts=(act,)), site.t_ns).answers
    assert answer.refusal == ""
    site.t_ns += S - S // 10


def goes_on(site: Site, _plan: MinePlan) -> Site:
    return site


def starts_anew(site: Site, plan: MinePlan) -> Site:
    return site.again(plan)


def is_read_again(site: Site, plan: MinePlan) -> Site:
    # Another machine, and so all of them are made anew.
    other = replace(plan, machines=(*plan.machines, RIG), configuration="other")
    site.t_ns += S
    site._note(site.mine.reload(Reload("", prepare(plan, other)), site.t_ns))
    return site


After = Callable[[Site, MinePlan], Site]
afters = pytest.mark.parametrize("after", [goes_on, starts_anew, is_read_again])


def limit_of(site: Site, card: str) -> float:
    """What the positions of a card are limited by, and what its leaps are; 0: the usual one."""
    handle = site.table.handle(card)
    site.second({card: 30.0})
    leaps = float(site.mine._room._leaps._speed_m_s[handle])
    limit = float(site.mine._locator._tracker._cards["speed_max_m_s"][handle])
    assert leaps == (limit or 8.0)
    return limit


@afters
def test_the_speed_limit_is_that_of_who_has_the_card(after: After) -> None:
    plan = plan_of(speeds_max_m_s=FAST)
    site = Site(plan)
    site.second({TRUCK: 30.0})
    replaced(site, TRUCK)
    site = after(site, plan)
    assert limit_of(site, NEW) == 12.0
    replaced(site, NEW, TRUCK)
    site = after(site, plan)
    assert limit_of(site, TRUCK) == 12.0
    assert limit_of(site, NEW) == 0.0


def test_a_card_that_goes_to_a_person_has_the_limit_of_a_person() -> None:
    site = Site(plan_of(speeds_max_m_s=FAST))
    for _ in range(3):
        site.second()
    done(site, ActKind.CARD_RETURN, TRUCK)
    replaced(site, PERSON, TRUCK)
    assert limit_of(site, TRUCK) == 8.0


def test_a_limit_that_is_another_after_reading_again_is_that_of_the_new_card() -> None:
    plan = plan_of(speeds_max_m_s=FAST)
    site = Site(plan)
    site.second({TRUCK: 30.0})
    replaced(site, TRUCK)
    slower = replace(plan, speeds_max_m_s={**FAST, TRUCK: 10.0}, configuration="slower")
    site.t_ns += S
    site.mine.reload(Reload("", prepare(plan, slower)), site.t_ns)
    assert limit_of(site, NEW) == 10.0


@afters
def test_a_machine_is_where_the_new_card_on_it_is(after: After) -> None:
    plan = plan_of(LOADER)
    site = Site(plan)
    for _ in range(3):
        site.second({FRONT: 20.0})
    replaced(site, FRONT)
    site = after(site, plan)
    for n in range(8):
        site.second({NEW: 22.0 + 2 * n})
    poses = site.mine._machines._poses
    assert poses.poses["x_m"][0] == pytest.approx(36.0, abs=2.0)
    assert not poses.stale[0]
    site.second({NEW: 38.0, FRONT: 90.0})  # which is a spare card now, in someone's bag
    assert poses.poses["x_m"][0] == pytest.approx(38.0, abs=2.0)


@afters
def test_who_comes_near_the_new_card_is_in_the_machines_fence(after: After) -> None:
    plan = plan_of(LOADER, near=NearRule(person_vehicle_m=10.0))
    site = Site(plan)
    site.second({FRONT: 20.0, PERSON: 60.0})
    replaced(site, FRONT)
    site = after(site, plan)
    for n in range(20):
        site.second({NEW: 22.0 + 2 * n, PERSON: 60.0})
    assert ("RAISED", PERSON, "loader") in site.told("danger_proximity")
    assert {machine for _, _, machine in site.told("danger_proximity")} == {"loader"}


@afters
def test_a_machine_with_two_cards_keeps_its_heading_with_a_new_one(after: After) -> None:
    plan = plan_of(HEADER)
    site = Site(plan)
    for _ in range(3):
        site.second({FRONT: 20.0, REAR: 30.0})
    replaced(site, FRONT)
    site = after(site, plan)
    for _ in range(3):
        site.second({NEW: 24.0, REAR: 34.0})
    pose = site.mine._machines._poses.poses[0]
    assert pose["x_m"] == pytest.approx(29.0, abs=2.0)
    assert abs(pose["heading_deg"]) == pytest.approx(180.0, abs=10.0)


def test_a_machine_whose_card_was_returned_stays_where_it_was_and_is_told() -> None:
    site = Site(plan_of(LOADER))
    for _ in range(3):
        site.second({FRONT: 20.0})
    for _ in range(35):
        site.second()
    done(site, ActKind.CARD_RETURN, FRONT)
    for _ in range(15):
        site.second({FRONT: 90.0})
    poses = site.mine._machines._poses
    assert poses.poses["x_m"][0] == pytest.approx(20.0, abs=2.0)
    assert poses.stale[0]
    assert ("RAISED", "", "loader") in site.told("machine_uncertain")
