"""Cards that are issued, returned and replaced: what carries on, what ends, what is refused."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mine.change import Act, ActKind, Answer, Batch, Changes
from gateway.mine.machines.plan import NearRule
from gateway.mine.muster.card import MusterCall
from gateway.mine.people.issue import persons_of
from gateway.mine.plan import AttendancePlan, Holder
from gateway.mine.zones.flows import MINE
from tests.gateway.machine_mine import MATE, PERSON, RIG, SHEARER, TRUCK, Site, plan_of
from tests.gateway.small_mine import MAP, PLAN, T0, S, Walk, batch_of, ranges_at

PEOPLE = {
    "1001": Holder("Wang", "A"),
    "1002": Holder("Li", "B", leader=True),
    "1003": Holder("robot", "R", is_person=False),
}
CREW = replace(PLAN, holders=PEOPLE, attendance=AttendancePlan(shifts_kept=9))
numbers = itertools.count(1)


def begun() -> Walk:
    walk = Walk(plan=CREW)
    walk.begin(T0)
    return walk


def act(walk: Walk, t_ns: int, kind: ActKind, subject: str, request: str = "") -> Answer:
    name = request or f"request-{next(numbers)}"
    changes = walk.step(Batch(acts=(Act(name, "Zhao", kind, subject),)), t_ns)
    (answer,) = changes.answers
    return answer


def told(walk: Walk, since: int = 0) -> list[tuple[str, str]]:
    return [(kind, f"{card}/{zone}") for kind, card, zone in walk.events()[since:]]


def last(walk: Walk) -> Changes:
    return walk.all[-1]


def visit_of(walk: Walk) -> dict[str, tuple[int, int | None, str]]:
    """By card: in, out and person of the visits that are there now."""
    visits = {key: visit for one in walk.all for key, visit in one.visits.items()}
    found = [one for one in visits.values() if one]
    return {one.card: (one.in_ns, one.out_ns, one.person) for one in found}


def law_holds(walk: Walk) -> bool:
    count = last(walk).headcount
    below = {**count.by_zone, MINE: count.attending}
    return all(flow.entered == flow.left + below[zone] for zone, flow in count.flows.items())


@given(
    listed=st.sets(st.sampled_from("abcdef")),
    issued=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["", *"abcdefxy"])),
)
def test_nobody_has_two_cards_and_no_card_two_holders(
    listed: set[str], issued: dict[str, str]
) -> None:
    taken = [card for card in issued.values() if card]
    if len(set(taken)) < len(taken):
        return  # a card is given to one person at a time
    held = persons_of(sorted(listed), issued)
    assert len(set(held.values())) == len(held)
    assert set(held.values()) <= listed
    for person in listed:
        card = issued.get(person, person)
        if person in issued:
            assert held.get(card) == person if card else person not in held.values()
        elif card not in taken:
            assert held[card] == person


def test_a_card_is_issued_and_returned_and_that_is_kept() -> None:
    walk = begun()
    assert act(walk, T0 + S, ActKind.CARD_RETURN, "1001").refusal == ""
    assert last(walk).issued == {"1002": "1002", "1003": "1003"}
    assert act(walk, T0 + 2 * S, ActKind.CARD_ISSUE, "7001/1001").refusal == ""
    assert last(walk).issued == {"1002": "1002", "1003": "1003", "7001": "1001"}
    kinds = [event.kind.name for one in walk.all for event in one.events]
    assert kinds == ["GATEWAY_STARTED", "CARD_RETURNED", "CARD_ISSUED"]
    again = Walk(walk.state, 100, plan=CREW)
    assert again.begin(T0 + 5 * S).issued == last(walk).issued
    again.walk("7001", [100.0] * 12, T0 + 5 * S)
    assert ("ALARM_RAISED", "7001", "unknown_card") not in again.events()
    assert visit_of(again)["7001"][2] == "1001"


def test_the_same_request_is_done_once() -> None:
    walk = begun()
    first = act(walk, T0 + S, ActKind.CARD_RETURN, "1001", "request-same")
    second = act(walk, T0 + 2 * S, ActKind.CARD_RETURN, "1001", "request-same")
    assert (first.refusal, second.refusal, second.again) == ("", "", True)


@pytest.mark.parametrize(
    ("kind", "subject", "refusal"),
    [
        (ActKind.CARD_ISSUE, "7001/9999", "people.csv lists nobody under card 9999"),
        (ActKind.CARD_ISSUE, "1002/1001", "card 1002 is issued to Li: have it returned first"),
        (ActKind.CARD_ISSUE, "7001/1001", "Wang has card 1001: return it, or replace it by 7001"),
        (ActKind.CARD_ISSUE, "1001/1001", "card 1001 is Wang's already"),
        (ActKind.CARD_RETURN, "7001", "card 7001 is issued to nobody"),
        (ActKind.CARD_REPLACE, "7001/7002", "card 7001 is issued to nobody"),
        (ActKind.CARD_REPLACE, "1001/1002", "card 1002 is issued to Li"),
    ],
)
def test_what_can_not_be_is_refused(kind: ActKind, subject: str, refusal: str) -> None:
    walk = begun()
    assert act(walk, T0 + S, kind, subject).refusal.startswith(refusal)
    assert [event.kind.name for event in last(walk).events] == []
    assert last(walk).issued is None


def test_without_people_csv_nothing_can_be_issued() -> None:
    walk = Walk()
    walk.begin(T0)
    assert act(walk, T0 + S, ActKind.CARD_ISSUE, "7001/1001").refusal.startswith("there is no")


def test_a_card_that_is_heard_below_can_not_have_been_returned() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [100.0] * 15, T0)
    assert "is heard below" in act(walk, t_ns + S, ActKind.CARD_RETURN, "1001").refusal


def test_a_silent_card_that_is_returned_is_below_no_more() -> None:
    walk = begun()
    t_ns = walk.wait(40, walk.walk("1001", [75.0] * 15, T0))
    assert last(walk).headcount.silent == 1
    before = len(walk.events())
    assert act(walk, t_ns + S, ActKind.CARD_RETURN, "1001").refusal == ""
    count = last(walk).headcount
    assert (count.underground, count.silent, count.attending) == (0, 0, 0)
    assert set(count.by_zone.values()) == {0}
    assert law_holds(walk)
    events = walk.events()[before:]
    assert ("MINE_LEFT", "1001", "") in events
    assert {zone for kind, _, zone in events if kind == "ZONE_LEFT"} == {"sealed", "face"}
    cleared = {zone for kind, _, zone in events if kind == "ALARM_CLEARED"}
    assert cleared == {"sealed", "signal_lost"}  # where it was, and that it was silent
    again = Walk(walk.state, 500, plan=CREW)
    count = again.begin(t_ns + 60 * S).headcount
    assert (count.underground, count.attending) == (0, 0)
    assert not [alarm for alarm in again.all[0].alarms.values() if alarm.end_t_ns is None]


def test_a_card_that_is_issued_to_nobody_and_below_is_told() -> None:
    walk = begun()
    act(walk, T0 + S, ActKind.CARD_RETURN, "1001")
    t_ns = walk.walk("1001", [0.0] * 15, T0 + S)  # in the rack of the lamp room
    assert ("ALARM_RAISED", "1001", "unknown_card") not in walk.events()
    t_ns = walk.walk("1001", [20.0, 40.0, *[100.0] * 12], t_ns)
    assert walk.events().count(("ALARM_RAISED", "1001", "unknown_card")) == 1
    act(walk, t_ns + S, ActKind.CARD_ISSUE, "1001/1001")
    assert ("ALARM_CLEARED", "1001", "unknown_card") in walk.events()


@pytest.mark.parametrize("seconds", range(8, 13))  # after 10 s it is told that they are below
def test_who_gets_another_card_as_they_come_down_leaves_none_below(seconds: int) -> None:
    walk = begun()
    t_ns = walk.walk("1001", [100.0] * seconds, T0) + S
    batch = batch_of(ranges_at(walk.table.handle("1001"), 100.0, t_ns))
    replaced = Act("request", "Zhao", ActKind.CARD_REPLACE, "1001/7001")
    walk.step(replace(batch, acts=(replaced,)), t_ns)
    assert [key for key in walk.mine._alarms if key.rule == "unknown_card"] == []


def test_who_gets_another_card_below_stays_below_with_zones_and_alarms() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [100.0] * 15 + [75.0] * 5, T0)
    entered = visit_of(walk)["1001"][0]
    before = len(walk.events())
    assert act(walk, t_ns + S, ActKind.CARD_REPLACE, "1001/7001").refusal == ""
    count = last(walk).headcount
    assert (count.underground, count.attending, count.by_zone["sealed"]) == (1, 1, 1)
    assert walk.events()[before:] == [
        ("ALARM_CHANGED", "7001", "sealed"),
        ("CARD_REPLACED", "7001", ""),
    ]
    assert visit_of(walk) == {"7001": (entered, None, "1001")}
    old, new = walk.table.handle("1001"), walk.table.handle("7001")
    assert last(walk).zones == {old: (), new: ("face", "sealed")}
    assert last(walk).fixes["card"].tolist() == [new]
    assert law_holds(walk)
    t_ns = walk.walk("7001", [75.0, 100.0, 100.0, 100.0], t_ns + S)
    assert ("ALARM_CLEARED", "7001", "sealed") in walk.events()
    assert law_holds(walk)


def test_a_replaced_card_outlives_a_restart() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [75.0] * 15, T0)
    act(walk, t_ns + S, ActKind.CARD_REPLACE, "1001/7001")
    again = Walk(walk.state, 500, plan=CREW)
    changes = again.begin(t_ns + 2 * S)
    assert (changes.headcount.underground, changes.headcount.attending) == (1, 1)
    open_ = {(one.rule, one.card) for one in changes.alarms.values() if one.end_t_ns is None}
    assert open_ == {("restricted_entry", "7001")}
    assert changes.issued == {"7001": "1001", "1002": "1002", "1003": "1003"}


@pytest.mark.parametrize("others", range(60, 66))
def test_a_card_that_was_never_heard_is_replaced_however_many_there_are(others: int) -> None:
    walk = begun()
    for n in range(others):  # room is made for 64 cards at first
        walk.table.handle(f"other-{n}")
    assert act(walk, T0 + S, ActKind.CARD_REPLACE, "1001/2001").refusal == ""
    walk.step(Batch(), T0 + 2 * S)
    assert last(walk).headcount.underground == 0


def test_a_new_card_that_is_heard_below_already_is_where_it_is() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [75.0] * 15, T0)
    entered = visit_of(walk)["1001"][0]
    for x_m in [100.0] * 15:  # both are heard: the new card is in the holder's hand
        t_ns += S
        handles = walk.table.handle("1001"), walk.table.handle("7001")
        both = (ranges_at(handles[0], 75.0, t_ns), ranges_at(handles[1], x_m, t_ns))
        walk.step(batch_of(*both), t_ns)
    assert act(walk, t_ns + S, ActKind.CARD_REPLACE, "1001/7001").refusal == ""
    count = last(walk).headcount
    assert (count.underground, count.attending) == (1, 1)
    assert (count.by_zone["sealed"], count.by_zone["face"]) == (0, 1)
    assert visit_of(walk) == {"7001": (entered, None, "1001")}
    assert law_holds(walk)
    t_ns = walk.walk("1001", [75.0] * 12, t_ns + S)  # the old one speaks again
    assert ("ALARM_RAISED", "1001", "unknown_card") in walk.events()


def both(walk: Walk, t_ns: int, xs: dict[str, float], seconds: int) -> int:
    """All of these cards stand a while."""
    for _ in range(seconds):
        t_ns += S
        walk.step(
            batch_of(*(ranges_at(walk.table.handle(c), x, t_ns) for c, x in xs.items())), t_ns
        )
    return t_ns


def test_alarms_about_a_place_are_not_those_of_a_card_that_is_elsewhere() -> None:
    walk = begun()
    t_ns = both(walk, T0, {"1001": 75.0, "7001": 100.0}, 15)
    assert act(walk, t_ns + S, ActKind.CARD_REPLACE, "1001/7001").refusal == ""
    open_ = [key for key in walk.mine._alarms if key.rule != "unknown_card"]
    assert open_ == []  # the new card is not in the sealed zone, where the old one is
    silent = begun()
    t_ns = silent.wait(35, silent.walk("1001", [100.0] * 15, T0))
    t_ns = silent.walk("7001", [100.0] * 15, t_ns)
    assert ("ALARM_RAISED", "1001", "signal_lost") in silent.events()
    assert act(silent, t_ns + S, ActKind.CARD_REPLACE, "1001/7001").refusal == ""
    assert list(silent.mine._alarms) == []  # it is heard


def test_who_leaves_a_zone_with_a_new_card_ends_the_alarms_of_the_old_one() -> None:
    zones = tuple(replace(z, stay_limit_min=0.1) if z.id == "sealed" else z for z in MAP.zones)
    walk = Walk(plan=replace(CREW, map=replace(MAP, zones=zones)))
    walk.begin(T0)
    t_ns = walk.walk("1001", [75.0] * 15, T0)
    assert ("ALARM_RAISED", "1001", "sealed") in walk.events()
    rules = {key.rule for key in walk.mine._alarms}
    assert rules == {"restricted_entry", "overtime"}
    act(walk, t_ns + S // 10, ActKind.CARD_REPLACE, "1001/7001")
    walk.walk("7001", [80.0, 85.0, 90.0, 95.0, 100.0, 105.0, 105.0], t_ns + S // 10)
    assert list(walk.mine._alarms) == []


def test_who_is_below_for_too_long_is_told_with_the_new_card_alone() -> None:
    walk = Walk(plan=replace(CREW, below_most_s=20.0))
    walk.begin(T0)
    t_ns = walk.walk("1001", [100.0] * 40, T0)
    act(walk, t_ns + S // 10, ActKind.CARD_REPLACE, "1001/7001")
    walk.step(Batch(), t_ns + S // 5)  # in the same second
    assert [key.card for key in walk.mine._alarms if key.rule == "overtime"] == ["7001"]


def test_who_came_out_safe_may_hand_in_the_card_while_a_muster_is_open() -> None:
    walk = begun()
    t_ns = both(walk, T0, {"1001": 100.0, "1002": 100.0}, 15)
    name = Act("request-muster", "Zhao", ActKind.MUSTER_OPEN, MusterCall(()).text, "smoke")
    walk.step(Batch(acts=(name,)), t_ns + S)
    t_ns = walk.walk("1001", [100.0 - 3 * n for n in range(34)] + [0.0] * 4, t_ns + S)
    assert act(walk, t_ns + S, ActKind.CARD_RETURN, "1001").refusal == ""
    again = Walk(walk.state, 500, plan=CREW)
    for one in (walk, again):
        if one is again:
            one.begin(t_ns + 2 * S)
        muster = one.mine._muster.muster
        assert muster
        end = Act("request-close", "Zhao", ActKind.MUSTER_CLOSE, muster.id, "over")
        change = one.step(Batch(acts=(end,)), t_ns + 3 * S).muster
        assert change
        states = {card.card: card.state.name for card in change.cards}
        assert states["1001"] == "SAFE"


def test_a_fence_and_a_pair_know_who_has_another_card() -> None:
    site = Site(plan_of(SHEARER, near=NearRule(person_vehicle_m=25.0)))
    for n in range(4):
        site.second({PERSON: 48.0, TRUCK: 30.0 + 3 * n}, ("position", 47.0))
    assert {key.machine for key in site.mine._alarms if key.card == PERSON} == {"shearer", TRUCK}
    site.t_ns += S
    swap = Act("request-swap", "Zhao", ActKind.CARD_REPLACE, f"{PERSON}/7001")
    (answer,) = site.step(Batch(acts=(swap,)), site.t_ns).answers
    assert answer.refusal == ""
    assert {key.machine for key in site.mine._alarms if key.card == "7001"} == {"shearer", TRUCK}
    for n in range(9):  # away from the one, and the other stands
        site.second({"7001": 48.0 + 2 * n, TRUCK: 39.0}, ("position", 47.0))
    assert {key.rule for key in site.mine._alarms} <= {"restricted_entry"}
    assert not site.mine._machines._fences._fenced[0].within


def test_a_card_that_is_handed_in_is_in_no_fence() -> None:
    site = Site(plan_of(RIG))
    for _ in range(3):
        site.second({PERSON: 48.0})
    for _ in range(35):
        site.second()
    site.t_ns += S
    back = Act("request-back", "Zhao", ActKind.CARD_RETURN, PERSON)
    (answer,) = site.step(Batch(acts=(back,)), site.t_ns).answers
    assert answer.refusal == ""
    site.second()
    assert not list(site.mine._alarms)
    assert not site.mine._machines._fences._fenced[0].within


def test_who_is_crew_stays_crew_with_another_card() -> None:
    machine = replace(RIG, crew=frozenset({PERSON}))
    site = Site(plan_of(machine))
    swap = Act("request-swap", "Zhao", ActKind.CARD_REPLACE, f"{PERSON}/7001")
    site.step(Batch(acts=(swap,)), site.t_ns + S // 2)
    for _ in range(3):
        site.second({"7001": 48.0})
    assert site.told("danger_proximity") == []
    home = Act("request-back", "Zhao", ActKind.CARD_REPLACE, f"{MATE}/{PERSON}")
    site.step(Batch(acts=(home,)), site.t_ns + S // 2)


def test_a_muster_is_ended_before_who_is_missing_gets_another_card() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [75.0] * 15, T0)
    name = Act("request-muster", "Zhao", ActKind.MUSTER_OPEN, MusterCall(()).text, "smoke")
    walk.step(Batch(acts=(name,)), t_ns + S)
    answer = act(walk, t_ns + 2 * S, ActKind.CARD_REPLACE, "1001/7001")
    assert answer.refusal == "the muster that is open concerns card 1001 or 7001: close it first"


def test_time_in_zones_goes_on_under_the_holders_team() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [100.0] * 20, T0)
    act(walk, t_ns + S, ActKind.CARD_REPLACE, "1001/7001")
    walk.walk("7001", [100.0] * 20, t_ns + S)
    one = [told for changes in walk.all for told in changes.exposure][-1]
    spent = one.spent_ns[one.zones.index("face")].sum(axis=1)
    by_team = {team: spent_ns / S for team, spent_ns in zip(one.teams, spent, strict=True)}
    assert by_team["A"] == pytest.approx(40, abs=2)
    assert {team for team, spent_s in by_team.items() if spent_s} == {"A"}
