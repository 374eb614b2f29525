"""The muster in the core: states, ways, silence, late comers, drills, restarts."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.mine.change import Act, ActKind, Batch
from gateway.mine.muster.card import MusterCall
from positioning.mine_map import Zone
from tests.gateway.muster_walk import (
    HEADING,
    LI,
    MUST_LEAVE,
    ON_THE_WAY,
    PIT_TOP,
    SAFE,
    SHELTER,
    TRUCK,
    UNACCOUNTED,
    WANG,
    Drill,
    begun,
    plan_of,
)
from tests.gateway.small_mine import T0, S, batch_of, ranges_at, rectangle


def test_the_way_of_someone_from_danger_to_safety() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0, c8=30.0)
    assert mine.open(t_ns, "heading") == ""
    assert mine.states() == {LI: MUST_LEAVE}
    card = mine.cards[LI]
    assert (card.number, card.is_person, card.roadway, card.zones) == (
        1,
        True,
        "main",
        ("heading",),
    )
    assert card.chainage_m == pytest.approx(90.0, abs=1.0)
    assert card.way is not None
    assert (card.way.zone, card.way.roadways) == ("shelter", ("main",))
    assert card.way.length_m == pytest.approx(30.0, abs=1.0)
    assert card.way.points_m[-1] == pytest.approx((100.0, 0.0, -7.0))
    t_ns = mine.walk(LI, range(72, 95, 2), t_ns)
    assert mine.states() == {LI: ON_THE_WAY}
    card = mine.cards[LI]
    assert card.way is not None
    assert card.way.length_m < 20.0
    t_ns = mine.walk(LI, [98, 101, 104, 107, 107, 107], t_ns)
    card = mine.cards[LI]
    assert (card.state, card.way, card.cut_off) == (SAFE, None, "")
    assert [state for state, _ in card.changes] == [MUST_LEAVE, ON_THE_WAY, SAFE]
    times = [at_ns for _, at_ns in card.changes]
    assert times == sorted(times)
    opened, safe = mine.told()
    assert (opened.kind.name, opened.zone, opened.count) == ("MUSTER_OPENED", "heading", 1)
    assert opened.text == (
        "muster muster-3 was opened by Zhao for zones heading: smoke; "
        "people concerned: 1, machines: 0"
    )
    assert (safe.kind.name, safe.card, safe.zone, safe.drill) == (
        "MUSTER_SAFE",
        LI,
        "shelter",
        False,
    )
    assert safe.text == f"card {LI} is safe in refuge zone shelter (Shelter)"
    assert safe.place is not None


def test_the_whole_mine_must_be_left_by_all_but_who_is_safe() -> None:
    mine = begun()
    t_ns = mine.stand(12, T0, c9=30.0, c7=70.0, c8=107.0)
    assert mine.open(t_ns) == ""
    assert mine.states() == {LI: MUST_LEAVE, WANG: SAFE, TRUCK: MUST_LEAVE}
    assert [(card.card, card.is_person) for card in mine.cards.values()] == [
        (LI, True),
        (WANG, True),
        (TRUCK, False),
    ]
    assert mine.muster is not None
    assert dict(mine.muster.counts) == {MUST_LEAVE: 2, SAFE: 1}
    assert dict(mine.muster.people) == {MUST_LEAVE: 1, SAFE: 1}
    t_ns = mine.walk(TRUCK, range(28, -2, -2), t_ns)
    assert mine.states()[TRUCK] is SAFE
    assert [event.card for event in mine.told()[1:]] == [TRUCK]


def test_who_comes_into_the_danger_later_is_concerned_from_then_on() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0, c8=30.0)
    mine.open(t_ns, "heading")
    t_ns = mine.walk(WANG, range(32, 60, 2), t_ns)
    assert mine.states() == {LI: MUST_LEAVE, WANG: MUST_LEAVE}
    assert mine.cards[WANG].number == 2


def test_who_is_first_heard_later_is_concerned_where_the_whole_mine_is() -> None:
    mine = begun()
    mine.open(T0)
    assert mine.states() == {}
    t_ns = mine.stand(8, T0, c7=70.0)
    assert mine.states() == {}  # it may yet turn out to be at the wellhead
    mine.stand(8, t_ns, c7=70.0)
    assert mine.states() == {LI: MUST_LEAVE}


def test_silence_is_not_safety_not_even_in_a_refuge() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0, c8=107.0)
    mine.open(t_ns)
    heard_ns = t_ns
    t_ns = mine.wait(40, t_ns)
    assert mine.states() == {LI: UNACCOUNTED, WANG: UNACCOUNTED}
    card = mine.cards[WANG]
    assert card.zones == ("shelter",)
    assert card.place is not None
    assert card.place.x_m == pytest.approx(107.0, abs=1.0)
    assert abs(card.place.t_ns - heard_ns) < S
    assert abs(card.heard_ns - heard_ns) < S
    t_ns = mine.stand(8, t_ns, c8=107.0)
    assert mine.states() == {LI: UNACCOUNTED, WANG: SAFE}


def test_who_is_heard_again_is_not_safe_before_it_is_located_again() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c8=107.0)
    mine.open(t_ns)
    t_ns = mine.wait(40, t_ns)
    card = mine.table.handle(WANG)
    stray = ranges_at(card, 107.0, t_ns)[:1]
    stray["range_m"], stray["anchor"] = np.nan, 0  # heard, and no place comes of it
    for _ in range(3):
        t_ns += S
        stray["t_ns"] = t_ns
        mine.step(batch_of(stray), t_ns)
    assert not mine.mine._cards.silent[card]
    assert mine.states() == {WANG: UNACCOUNTED}
    mine.stand(8, t_ns, c8=107.0)
    assert mine.states() == {WANG: SAFE}


def test_who_was_silent_before_is_unaccounted_for_from_the_beginning() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0)
    t_ns = mine.wait(40, t_ns)
    mine.open(t_ns, "heading")
    card = mine.cards[LI]
    assert (card.state, card.since_ns) == (UNACCOUNTED, t_ns)
    assert card.way is not None  # for those who look for them


def test_the_way_is_told_anew_as_someone_walks() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=20.0)
    t_ns = mine.stand(8, t_ns, c7=40.0)
    mine.open(t_ns)
    first = mine.cards[LI].way
    t_ns = mine.walk(LI, range(42, 90, 2), t_ns)
    second = mine.cards[LI].way
    assert first is not None
    assert second is not None
    assert (first.zone, second.zone) == ("pit-top", "shelter")
    assert mine.cards[LI].state is MUST_LEAVE


def test_a_danger_on_the_only_way_cuts_off() -> None:
    mine = begun(plan=plan_of(PIT_TOP, HEADING))
    t_ns = mine.stand(5, T0, c7=70.0)
    t_ns = mine.walk(LI, range(70, 92, 2), t_ns)
    mine.open(t_ns)
    assert mine.cards[LI].cut_off == ""
    mine.close(t_ns)
    t_ns = mine.walk(LI, range(90, 69, -2), t_ns)
    mine.open(t_ns, "heading")
    way = mine.cards[LI].way
    assert way is not None
    assert way.zone == "pit-top"
    mine.walk(LI, range(70, 100, 2), t_ns)
    card = mine.cards[LI]
    assert (card.state, card.way) == (ON_THE_WAY, None)
    assert card.cut_off == "every way from there leads through what is dangerous: heading"


@pytest.mark.parametrize(
    ("zones", "named", "said"),
    [
        ((HEADING,), ("heading",), "the map has no refuge and no wellhead"),
        ((PIT_TOP, HEADING), ("heading", "pit-top"), "the map has no refuge and no wellhead"),
        (
            (HEADING, replace(SHELTER, rings_m=rectangle(900, 910))),
            ("heading",),
            "the map shows no way",
        ),
    ],
)
def test_why_someone_is_cut_off(zones: tuple[Zone, ...], named: tuple[str, ...], said: str) -> None:
    mine = begun(plan=plan_of(*zones))
    t_ns = mine.stand(5, T0, c7=70.0)
    mine.open(t_ns, *named)
    assert mine.cards[LI].cut_off.startswith(said)


def test_who_was_only_heard_must_leave_from_nobody_knows_where() -> None:
    mine = begun()
    heard = ranges_at(mine.table.handle(LI), 70.0, T0)[:1]
    heard["range_m"] = np.nan
    mine.step(batch_of(heard), T0 + S)
    mine.open(T0 + S)
    card = mine.cards[LI]
    assert (card.state, card.place) == (MUST_LEAVE, None)
    assert card.cut_off == "it was heard, but its place is not known"
    mine.stand(3, T0 + S, c7=70.0)
    assert mine.cards[LI].place is not None
    assert mine.cards[LI].way is not None


def test_a_refuge_that_must_be_left_is_not_safe() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=107.0)
    mine.open(t_ns, "shelter")
    assert mine.states() == {LI: MUST_LEAVE}
    way = mine.cards[LI].way
    assert way is not None
    assert way.zone == "pit-top"


def test_a_drill_says_so_in_all_that_is_told() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=90.0)
    mine.open(t_ns, drill=True)
    t_ns = mine.walk(LI, [95, 100, 105, 107, 107, 107], t_ns)
    mine.close(t_ns, "all well")
    told = mine.told()
    assert [event.kind.name for event in told] == ["MUSTER_OPENED", "MUSTER_SAFE", "MUSTER_CLOSED"]
    assert all(event.drill and event.text.startswith("DRILL: ") for event in told)
    assert mine.muster is not None
    assert mine.muster.drill


def test_the_end_says_who_is_missing_and_is_kept() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0, c8=107.0)
    mine.open(t_ns)
    t_ns = mine.walk(WANG, [107] * 36, t_ns)
    assert mine.close(t_ns, "over") == ""
    closed = mine.told()[-1]
    assert (closed.kind.name, closed.count) == ("MUSTER_CLOSED", 1)
    assert closed.text == (
        f"muster {mine.muster and mine.muster.id} was closed by Zhao: over; 1 safe, "
        "1 unaccounted for, 1 not safe in all"
    )
    last, cards = mine.muster, dict(mine.cards)
    mine.stand(5, t_ns, c7=107.0)
    assert mine.states()[LI] is UNACCOUNTED  # what is closed changes no more
    after = Drill(mine.state, first_sequence=100)
    after.begin(t_ns + 5 * S)
    assert after.muster == last
    assert after.cards == {name: replace(card, way=None) for name, card in cards.items()}
    assert after.close(t_ns + 6 * S) == "no muster is open"


def test_another_one_forgets_the_last() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0, c8=30.0)
    mine.open(t_ns)
    mine.close(t_ns)
    first = mine.muster
    mine.open(t_ns, "heading")
    assert mine.states() == {LI: MUST_LEAVE}
    assert {key for key in mine.state if key.startswith("muster/card/")} == {f"muster/card/{LI}"}
    assert mine.muster is not None
    assert first is not None
    assert mine.muster.id != first.id


def test_a_restart_in_the_middle_goes_on() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0, c8=107.0, c9=60.0)
    mine.open(t_ns)
    t_ns = mine.walk(TRUCK, range(58, 28, -2), t_ns)
    t_ns = mine.stand(20, t_ns, c8=107.0, c9=30.0)
    before = mine.states()
    assert before == {LI: UNACCOUNTED, WANG: SAFE, TRUCK: MUST_LEAVE}
    after = Drill(mine.state, first_sequence=100)
    begin = after.begin(t_ns + 60 * S)
    assert begin.muster is not None
    assert begin.muster.fresh
    assert after.states() == before
    assert {name: card.changes for name, card in after.cards.items()} == {
        name: card.changes for name, card in mine.cards.items()
    }
    assert after.cards[TRUCK].way is not None
    assert not [event for event in begin.events if event.kind.name.startswith("MUSTER")]
    t_ns = after.stand(8, t_ns + 60 * S, c7=107.0, c8=107.0)
    assert after.states() == {LI: SAFE, WANG: SAFE, TRUCK: MUST_LEAVE}
    t_ns = after.wait(40, t_ns)
    assert set(after.states().values()) == {UNACCOUNTED}
    assert LI in [event.card for event in after.told()]


def test_a_card_of_which_the_gateway_has_lost_all_else_is_unaccounted_for() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=107.0)
    mine.open(t_ns)
    lost = (f"card/{LI}", "places/")
    state = {key: value for key, value in mine.state.items() if not key.startswith(lost)}
    after = Drill(state, first_sequence=100)
    after.begin(t_ns + S)
    assert after.states() == {LI: UNACCOUNTED}
    t_ns = after.stand(3, t_ns + S, c7=107.0)
    assert after.states() == {LI: SAFE}


def test_a_card_of_which_the_muster_is_lost_comes_in_again_with_a_number_of_its_own() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0, c8=107.0)
    mine.open(t_ns)
    del mine.state[f"muster/card/{LI}"]
    after = Drill(mine.state, first_sequence=100)
    after.begin(t_ns + S)
    assert {name: card.number for name, card in after.cards.items()} == {WANG: 2, LI: 3}


def test_what_is_left_of_a_muster_that_was_lost_comes_into_no_other() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0, c8=107.0)
    mine.open(t_ns)
    del mine.state["muster/now"]
    after = Drill(mine.state, first_sequence=100)
    assert after.begin(t_ns + S).muster is None
    assert after.open(t_ns + 2 * S, "heading") == ""
    again = Drill(after.state, first_sequence=200)
    again.begin(t_ns + 3 * S)
    assert again.cards.keys() == after.cards.keys() == {LI}


def test_a_clock_that_was_set_back_keeps_nobody_unaccounted_for() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=107.0)
    mine.open(t_ns)
    mine.wait(40, t_ns)
    after = Drill(mine.state, first_sequence=100)
    after.begin(T0 - 3600 * S)
    after.stand(3, T0 - 3600 * S, c7=107.0)
    assert after.states() == {LI: SAFE}


def test_a_zone_that_is_gone_from_the_map_makes_nobody_safe() -> None:
    mine = begun()
    t_ns = mine.stand(5, T0, c7=70.0)
    mine.open(t_ns, "heading")
    after = Drill(mine.state, first_sequence=100, plan=plan_of(PIT_TOP, SHELTER))
    after.begin(t_ns + S)
    assert after.states() == {LI: ON_THE_WAY}


def test_why_a_muster_is_refused() -> None:
    mine = begun()
    assert mine.open(T0, "nowhere") == "there is no zone 'nowhere' on the map"
    assert mine.open(T0, note=" ") == "say in the note why people are mustered"
    said = mine.act(ActKind.MUSTER_OPEN, "perhaps", T0, "x").refusal
    assert said == "'perhaps' says not who is to be mustered"
    assert mine.act(ActKind.MUSTER_CLOSE, "muster-1", T0).refusal == "no muster is open"
    assert mine.open(T0) == ""
    assert mine.muster is not None
    assert mine.open(T0) == f"muster {mine.muster.id} of Zhao is open: close it first"
    assert mine.open(T0, drill=True) == f"muster {mine.muster.id} of Zhao is open: close it first"
    said = mine.act(ActKind.MUSTER_CLOSE, "muster-99", T0).refusal
    assert said == f"muster muster-99 is not open; {mine.muster.id} is"


def test_what_is_in_earnest_ends_a_drill_and_no_drill_ends_another() -> None:
    mine = begun()
    assert mine.open(T0, drill=True) == ""
    assert mine.muster is not None
    drill = mine.muster
    assert mine.open(T0, drill=True) == f"drill {drill.id} of Zhao is open: close it first"
    assert mine.open(T0, "heading") == ""
    assert not mine.muster.drill
    assert [(event.kind.name, event.drill) for event in mine.told()] == [
        ("MUSTER_OPENED", True),
        ("MUSTER_CLOSED", True),
        ("MUSTER_OPENED", False),
    ]


def test_the_same_request_opens_once() -> None:
    mine = begun()
    act = Act("a-random-uuid", "Zhao", ActKind.MUSTER_OPEN, MusterCall().text, "smoke")
    for again in (False, True):
        (answer,) = mine.step(Batch(acts=(act,)), T0).answers
        assert (answer.refusal, answer.again) == ("", again)
    assert len(mine.told()) == 1
