"""One card in two places, two cards as one, and clocks that are off."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from equipment.report import ClockCheck
from gateway.mine.change import Act, ActKind, Batch, EventKind
from gateway.mine.people.twins import _near_pairs
from gateway.mine.plan import AlarmRule, DualCard, DuplicateCard, Holder
from positioning.mine_map import Anchor, MineMap, Roadway
from positioning.observation import PLACE, RANGE, SIGHTING, Records, measurements
from tests.gateway.small_mine import PLAN, T0, S, Walk

LONG = MineMap(
    roadways=(Roadway("main", "M", 5.0, np.array([(-9e3, 0.0, -8.0), (9e3, 0.0, -8.0)])),),
    anchors=tuple(Anchor(f"A{n}", n * 200.0, 3.0, -5.0) for n in range(4)),
    readers=PLAN.map.readers,
    zones=(),
)
MINE = replace(
    PLAN,
    map=LONG,
    holders={
        "1": Holder("a"),
        "2": Holder("b"),
        "3": Holder("truck", is_person=False, is_vehicle=True),
        "4": Holder("c"),
    },
    dual_card=DualCard(near_m=2.0, apart_m=6.0, way_m=200.0, time_s=300.0),
    duplicate_card=DuplicateCard(leaps=6, within_s=60.0),
    rules={**PLAN.rules, "overspeed": AlarmRule(3)},
)


def raised(walk: Walk, rule: str) -> list[tuple[str, str]]:
    """Kind and card of the alarms of a family."""
    return [
        (event.kind.name, event.card)
        for changes in walk.all
        for event in changes.events
        if event.alarm and event.alarm.rule == rule
    ]


def begun(state: dict[str, bytes] | None = None, t_ns: int = T0) -> Walk:
    walk = Walk(state, 1 if state is None else 1000, plan=MINE)
    walk.begin(t_ns)
    return walk


def ranged(walk: Walk, card: str, anchor: int, t_ns: int, range_m: float = 20.0) -> Records:
    row = (walk.table.handle(card), anchor, t_ns, range_m, np.nan, np.nan)
    return np.array([row], RANGE)


def doubled(walk: Walk, t_ns: int, seconds: int, card: str = "1") -> int:
    """Anchors 0 and 3, 600 m apart, hear one card in turn."""
    for _ in range(seconds):
        t_ns += S
        for anchor, at_ns in ((0, t_ns), (3, t_ns + S // 2)):
            walk.step(Batch(measurements(ranged(walk, card, anchor, at_ns))), at_ns)
    return t_ns


def single(walk: Walk, t_ns: int, seconds: int) -> int:
    """Anchor 0 alone hears card 1."""
    for _ in range(seconds):
        t_ns += S
        walk.step(Batch(measurements(ranged(walk, "1", 0, t_ns))), t_ns)
    return t_ns


def is_over_in_a_minute(walk: Walk, t_ns: int) -> None:
    """Heard in one place from now on, the alarm is over after a minute, and not before."""
    t_ns = single(walk, t_ns, 57)
    assert raised(walk, "duplicate_card")[1:] == []
    single(walk, t_ns, 6)
    assert raised(walk, "duplicate_card")[1:] == [("ALARM_CLEARED", "1")]


def test_a_card_in_two_places_is_told_and_when_it_is_in_one_again() -> None:
    walk = begun()
    t_ns = doubled(walk, T0, 3)
    assert raised(walk, "duplicate_card") == []  # five leaps may be three wrong ranges
    t_ns = doubled(walk, t_ns, 8)
    assert raised(walk, "duplicate_card") == [("ALARM_RAISED", "1")]
    is_over_in_a_minute(walk, t_ns)


def test_a_card_that_is_not_heard_is_not_known_to_be_in_one_place() -> None:
    walk = begun()
    is_over_in_a_minute(walk, walk.wait(200, doubled(walk, T0, 18)))


def test_a_card_that_was_replaced_and_is_still_in_two_places_is_told_again() -> None:
    walk = begun()
    t_ns = doubled(walk, T0, 18) + S
    walk.step(Batch(acts=(Act("one", "Zhao", ActKind.CARD_REPLACE, "1/5"),)), t_ns)
    assert raised(walk, "duplicate_card")[1:] == [("ALARM_CLEARED", "1")]
    doubled(walk, t_ns, 8)
    assert raised(walk, "duplicate_card")[2:] == [("ALARM_RAISED", "1")]


def test_while_the_gateway_stands_still_nobody_looks_in_how_many_places_a_card_is() -> None:
    walk = begun()
    t_ns = doubled(walk, T0, 18) + 55 * S
    walk.step(Batch(measurements(ranged(walk, "1", 0, t_ns))), t_ns)
    is_over_in_a_minute(walk, t_ns)


def test_both_places_within_one_step() -> None:
    walk = begun()
    t_ns = T0
    for _ in range(18):
        t_ns += S
        both = (ranged(walk, "1", 0, t_ns - S // 2), ranged(walk, "1", 3, t_ns))
        walk.step(Batch(measurements(*both)), t_ns)
    assert raised(walk, "duplicate_card") == [("ALARM_RAISED", "1")]


@pytest.mark.parametrize(
    ("other", "range_m"), [(1, 150.0), (0, 20.0), (3, 590.0)], ids=["near", "same", "far range"]
)
def test_what_one_card_can_do_is_no_leap(other: int, range_m: float) -> None:
    walk = begun()
    t_ns = T0
    for _ in range(30):
        t_ns += S
        for one in (ranged(walk, "1", 0, t_ns), ranged(walk, "1", other, t_ns, range_m)):
            walk.step(Batch(measurements(one)), t_ns)
    assert raised(walk, "duplicate_card") == []


def test_a_ride_and_late_records_are_no_leaps() -> None:
    walk = begun()
    t_ns = T0
    for n in range(40):  # 7.5 m/s from one end to the other and back
        t_ns += 80 * S
        anchor = (0, 3)[n % 2]
        walk.step(Batch(measurements(ranged(walk, "1", anchor, t_ns))), t_ns)
        late = ranged(walk, "1", (3, 0)[n % 2], t_ns - 79 * S)
        walk.step(Batch(measurements(late)), t_ns)
    assert raised(walk, "duplicate_card") == []


def test_readers_that_see_one_card_far_apart() -> None:
    readers = (*MINE.map.readers[:1], replace(MINE.map.readers[1], x_m=500.0))
    walk = Walk(plan=replace(MINE, map=replace(LONG, readers=readers)))
    walk.begin(T0)
    card = walk.table.handle("1")
    for n in range(36):
        t_ns = T0 + (n + 1) * S
        seen = np.array([(card, n % 2, t_ns, -60.0, 0)], SIGHTING)
        walk.step(Batch(measurements(seen)), t_ns)
    assert raised(walk, "duplicate_card") == [("ALARM_RAISED", "1")]


def test_an_anchor_that_is_known_to_be_misplaced_says_nothing() -> None:
    walk = begun()
    t_ns = T0
    for _ in range(30):
        walk.mine._anchors.misplaced[3] = True  # what they are judged by is another test's
        t_ns = doubled(walk, t_ns, 1)
    assert raised(walk, "duplicate_card") == []


@pytest.mark.parametrize("source", [4, 1000, (1 << 32) - 1])
def test_an_anchor_that_no_map_has_says_nothing(source: int) -> None:
    walk = begun()
    t_ns = T0
    for _ in range(20):
        t_ns = walk_on(walk, t_ns, source)
    assert raised(walk, "duplicate_card") == []


def walk_on(walk: Walk, t_ns: int, source: int) -> int:
    rows = [ranged(walk, "1", anchor, t_ns) for anchor in (0, source)]
    walk.step(Batch(measurements(*rows)), t_ns + S)
    return t_ns + S


def test_a_duplicate_card_is_told_once_over_a_restart() -> None:
    walk = begun()
    t_ns = doubled(walk, T0, 18)
    again = begun(walk.state, t_ns + 30 * S)
    t_ns = doubled(again, t_ns + 30 * S, 18)
    assert raised(again, "duplicate_card") == []
    single(again, t_ns, 70)
    assert raised(again, "duplicate_card") == [("ALARM_CLEARED", "1")]


Way = Callable[[float], dict[str, float]]


def go(walk: Walk, way: Way, seconds: int, t_ns: int = T0, noise_m: float = 0.5) -> int:
    """Everyone goes their way (card to metres, by seconds), located with noise each second."""
    rng = np.random.default_rng(7)
    for second in range(seconds):
        t_ns += S
        rows = [
            (walk.table.handle(card), t_ns, x_m + rng.normal(0, noise_m), 0.0, 0.3, 0.0, 0.3)
            for card, x_m in way(float(second)).items()
        ]
        walk.step(Batch(measurements(np.array(rows, PLACE))), t_ns)
    return t_ns


def test_two_cards_of_one_person_are_told_and_when_they_part() -> None:
    walk = begun()
    t_ns = go(walk, lambda s: {"1": 1.2 * s, "2": 1.2 * s}, 400)
    assert sorted(raised(walk, "dual_card")) == [("ALARM_RAISED", "1"), ("ALARM_RAISED", "2")]
    go(walk, lambda s: {"1": 480 + 1.2 * s, "2": 480.0}, 60, t_ns)
    assert sorted(raised(walk, "dual_card"))[:2] == [("ALARM_CLEARED", "1"), ("ALARM_CLEARED", "2")]


@pytest.mark.parametrize(
    "way",
    [
        lambda s: {"1": 1.2 * s, "2": 1.2 * s if s < 150 else 1.2 * (s - 15)},
        lambda s: {"1": 1.2 * s, "2": 1.2 * s - 4.0},
        lambda _: {"1": 50.0, "2": 50.0},
        lambda s: {"1": 5.0 * s, "2": 5.0 * s},
        lambda s: {"1": 1.2 * s, "2": 1.2 * s, "3": 1.2 * s},
        lambda s: {"1": 1.2 * s, "3": 1.2 * s},
    ],
    ids=["part", "one behind the other", "stand", "ride", "beside a vehicle", "a vehicle"],
)
def test_friends_passengers_and_those_who_stand_are_none(way: Way) -> None:
    walk = begun()
    go(walk, way, 400)
    assert raised(walk, "dual_card") == []


def test_friends_who_walk_together_for_a_while_are_none() -> None:
    walk = begun()
    go(walk, lambda s: {"1": 1.2 * s, "2": 1.2 * s}, 280)  # 330 m, but not for long enough
    assert raised(walk, "dual_card") == []


def test_a_pair_that_is_told_outlives_a_restart() -> None:
    walk = begun()
    t_ns = go(walk, lambda s: {"1": 1.2 * s, "2": 1.2 * s}, 400)
    again = begun(walk.state, t_ns + 30 * S)
    t_ns = go(again, lambda s: {"1": 480 + 1.2 * s, "2": 480 + 1.2 * s}, 60, t_ns + 30 * S)
    assert raised(again, "dual_card") == []
    go(again, lambda s: {"1": 552 + 1.2 * s, "2": 552.0}, 30, t_ns)
    assert sorted(raised(again, "dual_card")) == [("ALARM_CLEARED", "1"), ("ALARM_CLEARED", "2")]


def test_a_pair_that_is_told_stays_while_it_is_not_seen() -> None:
    walk = begun()
    t_ns = go(walk, lambda s: {"1": 1.2 * s, "2": 1.2 * s}, 400)
    t_ns = walk.wait(900, t_ns)
    assert len(raised(walk, "dual_card")) == 2
    go(walk, lambda s: {"1": 480 + 1.2 * s, "2": 480.0}, 60, t_ns)
    assert sorted(raised(walk, "dual_card"))[:2] == [("ALARM_CLEARED", "1"), ("ALARM_CLEARED", "2")]


def test_a_time_in_which_the_gateway_stood_still_is_none_of_a_pair() -> None:
    walk = begun()
    t_ns = go(walk, lambda s: {"1": 1.2 * s, "2": 1.2 * s}, 200) + 100 * S
    go(walk, lambda s: {"1": 240 + 1.2 * s, "2": 240 + 1.2 * s}, 80, t_ns)
    assert raised(walk, "dual_card") == []  # not yet for 300 s


def test_a_pair_is_none_once_one_of_them_was_handed_in() -> None:
    walk = begun()
    t_ns = go(walk, lambda s: {"1": 1.2 * s, "2": 1.2 * s}, 400)
    t_ns = go(walk, lambda _: {"1": 480.0}, 60, t_ns)  # who is heard is below
    assert len(raised(walk, "dual_card")) == 2  # silent is not away
    walk.step(Batch(acts=(Act("one", "Zhao", ActKind.CARD_RETURN, "2", "found"),)), t_ns + S)
    go(walk, lambda _: {"1": 480.0}, 6, t_ns + S)
    assert sorted(raised(walk, "dual_card"))[:2] == [("ALARM_CLEARED", "1"), ("ALARM_CLEARED", "2")]


def test_an_alarm_of_whose_pair_nothing_was_kept_is_over() -> None:
    walk = begun()
    t_ns = go(walk, lambda s: {"1": 1.2 * s, "2": 1.2 * s}, 400)
    state = {key: value for key, value in walk.state.items() if not key.startswith("dual/")}
    again = begun(state, t_ns + S)
    again.wait(6, t_ns + S)
    assert sorted(raised(again, "dual_card")) == [("ALARM_CLEARED", "1"), ("ALARM_CLEARED", "2")]


def test_near_pairs_are_those_of_a_comparison_of_all() -> None:
    rng = np.random.default_rng(1)
    places = rng.uniform(-10, 10, (120, 3))
    cards = np.sort(rng.choice(10_000, 120, replace=False)).astype(np.int64)
    away = np.sqrt(((places[:, None] - places) ** 2).sum(axis=2))
    one, other = np.nonzero(np.triu(away <= 2.5, 1))
    expected = np.sort(cards[one] << 32 | cards[other])
    assert len(expected) > 10
    assert _near_pairs(places, cards, 2.5).tolist() == expected.tolist()


def test_a_clock_that_is_off_is_told_until_it_is_right_also_over_a_restart() -> None:
    walk = begun()
    walk.step(Batch(clocks=(ClockCheck("uwb-1", 0, T0 + S),)), T0 + S)
    walk.step(Batch(clocks=(ClockCheck("uwb-1", -90 * S, T0 + 2 * S),)), T0 + 2 * S)
    walk.step(Batch(clocks=(ClockCheck("uwb-1", -91 * S, T0 + 3 * S),)), T0 + 3 * S)
    (event,) = [one for c in walk.all for one in c.events if one.kind is EventKind.ALARM_RAISED]
    assert event.alarm
    assert (event.alarm.rule, event.device) == ("clock_skew", "uwb-1")
    assert "off by -90.0 s" in event.text
    again = begun(walk.state, T0 + 9 * S)
    again.step(Batch(clocks=(ClockCheck("uwb-1", 0, T0 + 10 * S),)), T0 + 10 * S)
    assert raised(again, "clock_skew") == [("ALARM_CLEARED", "")]
    gone = Walk(walk.state, 1000, plan=replace(MINE, devices=()))
    gone.begin(T0 + 9 * S)
    assert raised(gone, "clock_skew") == [("ALARM_CLEARED", "")]
