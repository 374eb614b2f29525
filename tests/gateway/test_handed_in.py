"""Cards that were handed in: what comes late of them, and who handed them in during a muster."""

from dataclasses import replace

from gateway.mine.change import Act, ActKind, Batch
from gateway.mine.muster.card import MusterCall
from positioning.observation import CardFlag
from tests.gateway.small_mine import T0, S, Walk, batch_of, ranges_at
from tests.gateway.test_issue import CREW, act, begun, last


def test_what_comes_late_of_a_card_that_was_handed_in_says_nothing() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [100.0] * 15, T0)
    late = batch_of(ranges_at(walk.table.handle("1001"), 100.0, t_ns))
    act(walk, t_ns + S, ActKind.CARD_REPLACE, "1001/7001")
    for state in (None, walk.state):  # and after a restart
        one = walk if state is None else Walk(state, 500, plan=CREW)
        if state is not None:
            one.begin(t_ns + 2 * S)
        one.table.handle("1001")
        for second in range(3, 20):
            one.step(late if second == 3 else Batch(), t_ns + second * S)
        count = last(one).headcount
        assert (count.underground, count.attending) == (1, 1)
        assert ("ALARM_RAISED", "1001", "unknown_card") not in one.events()
    walk.walk("1001", [100.0] * 15, t_ns + 20 * S)  # but it may be in use again
    assert last(walk).headcount.underground == 2


def test_a_card_that_is_heard_again_at_once_comes_down_anew() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [100.0] * 15, T0)
    act(walk, t_ns + S, ActKind.CARD_REPLACE, "1001/7001")
    t_ns = walk.walk("1001", [100.0] * 15, t_ns + S)
    came = [
        event.event_t_ns
        for one in walk.all
        for event in one.events
        if event.kind.name == "MINE_ENTERED" and event.card == "1001"
    ]
    assert len(came) == 2
    assert came[1] > T0 + 15 * S


def test_a_refused_replacement_makes_no_card_known() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [75.0] * 15, T0)
    name = Act("request-muster", "Zhao", ActKind.MUSTER_OPEN, MusterCall(()).text, "smoke")
    walk.step(Batch(acts=(name,)), t_ns + S)
    assert act(walk, t_ns + 2 * S, ActKind.CARD_REPLACE, "1001/7001").refusal
    walk.wait(3, t_ns + 2 * S)
    assert ("ALARM_RAISED", "7001", "unknown_card") not in walk.events()


def test_who_hands_in_the_card_during_a_muster_stays_safe() -> None:
    walk = begun()
    t_ns = walk.walk("1001", [100.0] * 15, T0)
    name = Act("request-muster", "Zhao", ActKind.MUSTER_OPEN, MusterCall(()).text, "smoke")
    walk.step(Batch(acts=(name,)), t_ns + S)
    t_ns = walk.walk("1001", [60.0, 30.0, 0.0, 0.0, 0.0, 0.0], t_ns + S)
    assert ("MUSTER_SAFE", "1001", "pit-top") in walk.events()
    assert act(walk, t_ns + S, ActKind.CARD_RETURN, "1001").refusal == ""
    muster = next(one.muster.muster.id for one in reversed(walk.all) if one.muster)
    assert act(walk, t_ns + 2 * S, ActKind.MUSTER_CLOSE, muster).refusal == ""
    change = last(walk).muster
    assert change is not None
    assert {card.card: card.state.name for card in change.cards} == {"1001": "SAFE"}


_LOW = replace(CREW.rules["low_battery"], clear_after_s=60.0)
#: An empty battery is told for a minute more.
PATIENT = replace(CREW, rules={**CREW.rules, "low_battery": _LOW})


def with_low_battery() -> Walk:
    """Card 1001 has said so at `T0 + S`."""
    walk = Walk(plan=PATIENT)
    walk.begin(T0)
    batch = batch_of(ranges_at(walk.table.handle("1001"), 0.0, T0 + S))
    batch.measurements["flags"] = CardFlag.LOW_BATTERY
    walk.step(batch, T0 + S)
    return walk


def test_what_is_about_a_card_itself_stays_with_it_when_it_is_replaced() -> None:
    walk = with_low_battery()
    assert act(walk, T0 + 2 * S, ActKind.CARD_REPLACE, "1001/7001").refusal == ""
    walk.wait(70, T0 + 2 * S)
    told = [event for event in walk.events() if event[2] == "low_battery"]
    assert told == [
        ("ALARM_RAISED", "1001", "low_battery"),
        ("ALARM_CLEARED", "1001", "low_battery"),
    ]


def test_a_card_that_was_handed_in_is_not_below_by_an_alarm_that_ends_late() -> None:
    plan, walk = PATIENT, with_low_battery()
    t_ns = walk.walk("1001", [0.0] * 5, T0 + S)
    assert act(walk, t_ns + S, ActKind.CARD_RETURN, "1001").refusal == ""
    again = Walk(walk.state, 500, plan=plan)
    count = again.begin(t_ns + 2 * S).headcount
    assert (count.underground, count.silent) == (0, 0)
