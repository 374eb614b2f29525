"""Conflicts of readers with ranges, smoothed fixes and speed limits: what the core makes of them.

The locator's part is played by the test.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from gateway.mine.change import Batch, Event, EventKind
from gateway.mine.people import conflicts as book
from positioning.locator import Locator
from positioning.observation import CONFLICT, FIX, FixClass, Records, new_fixes
from tests.gateway.small_mine import PLAN, T0, S, Walk, batch_of, ranges_at

CARD = "15062200000100007"


class Given:
    """What the locator gives at the next step."""

    def __init__(self) -> None:
        self.conflicts = np.empty(0, CONFLICT)
        self.lagged = np.empty(0, FIX)

    def take(self, name: str) -> Records:
        given: Records = getattr(self, name)
        setattr(self, name, given[:0])
        return given


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    given = Given()
    monkeypatch.setattr(Locator, "take_conflicts", lambda _: given.take("conflicts"))
    monkeypatch.setattr(Locator, "take_lagged", lambda _: given.take("lagged"))
    return given


def conflict(t_ns: int, card: int = 0, reader: int = 1, apart_m: float = 41.6) -> Records:
    return np.array([(card, reader, t_ns, apart_m)], CONFLICT)


def told(mine: Walk) -> list[Event]:
    return [
        event
        for changes in mine.all
        for event in changes.events
        if event.kind is EventKind.POSITION_CONFLICT
    ]


def test_a_conflict_is_told_with_where_and_how_far(given: Given) -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(80, 85), T0)
    given.conflicts = conflict(t_ns + 5)
    mine.step(Batch(), t_ns + S)
    (event,) = told(mine)
    assert (event.card, event.device, event.event_t_ns) == (CARD, "bend", t_ns + 5)
    assert event.text == f"reader bend saw card {CARD}, which its ranges place 42 m from there"
    assert event.place
    assert event.place.x_m == pytest.approx(84, abs=1)
    assert event.count == 1


def test_a_conflict_that_goes_on_is_told_once_a_minute_with_its_count(given: Given) -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(80, 85), T0)
    for second in range(130):
        # The other reader's and the other card's are conflicts of their own.
        rows = [conflict(t_ns), conflict(t_ns)]
        if second == 7:
            rows += [conflict(t_ns, reader=0, apart_m=np.inf), conflict(t_ns, card=1)]
            mine.table.handle(CARD), mine.table.handle("2")
        given.conflicts = np.concatenate(rows)
        t_ns += S
        mine.step(Batch(), t_ns)
    assert [(event.card, event.device, event.count) for event in told(mine)] == [
        (CARD, "bend", 1),
        (CARD, "gate", 1),
        ("2", "bend", 1),
        (CARD, "bend", 120),
        (CARD, "bend", 120),
    ]
    assert told(mine)[1].text.endswith("which its ranges place elsewhere")


def test_what_is_remembered_of_conflicts_is_bounded(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "PAIRS_MOST", 10)
    mine = Walk()
    mine.begin()
    for card in range(50):
        mine.table.handle(f"{card:09d}")
    for second in range(3):
        given.conflicts = np.concatenate([conflict(T0, card=card) for card in range(50)])
        mine.step(Batch(), T0 + second * S)
    assert len(mine.mine._conflicts._told) == 10
    assert len(told(mine)) == 150


def lagged(t_ns: int, x_m: float = 1.0) -> Records:
    fixes = new_fixes(1)
    fixes["t_ns"], fixes["x_m"], fixes["fix_class"] = t_ns, x_m, FixClass.PRECISE
    return fixes


def test_smoothed_fixes_are_beside_the_others_and_change_no_zone(given: Given) -> None:
    mine = Walk(plan=replace(PLAN, lag_s=1.0))
    assert len(mine.begin().lagged) == 0
    t_ns = mine.walk(CARD, range(30, 35), T0)
    # In the sealed stub, where the card is not by its own fixes.
    given.lagged = lagged(t_ns - S, 75.0)
    changes = mine.step(batch_of(ranges_at(0, 35, t_ns + S)), t_ns + S)
    assert changes.lagged["x_m"].tolist() == [75.0]
    assert 75.0 not in changes.fixes["x_m"].tolist()
    assert mine.events() == [("GATEWAY_STARTED", "", "")]


def test_silence_is_in_the_smoothed_stream_and_what_is_before_it_is_told_no_more(
    given: Given,
) -> None:
    mine = Walk(plan=replace(PLAN, lag_s=1.0))
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 35), T0)
    last_ns = int(mine.all[-1].fixes["t_ns"][-1])
    mine.wait(31, t_ns)
    (lost,) = [changes.lagged for changes in mine.all if len(changes.lagged)]
    assert lost["fix_class"].tolist() == [FixClass.LOST]
    # What was smoothed when the silence began comes with the first range after it.
    later_ns = t_ns + 40 * S
    given.lagged = np.concatenate([lagged(last_ns - S // 2), lagged(later_ns)])
    changes = mine.step(batch_of(ranges_at(0, 36, later_ns)), later_ns)
    assert changes.lagged["t_ns"].tolist() == [later_ns]
    mine._note(mine.mine.end(later_ns))
    again = Walk(mine.state, 100, plan=replace(PLAN, lag_s=1.0))
    assert len(again.begin(later_ns).lagged) == 1


def test_without_a_lag_there_is_nothing_smoothed(given: Given) -> None:
    mine = Walk()
    mine.begin()
    given.lagged = lagged(T0)
    mine.walk(CARD, range(30, 35), T0)
    assert {len(changes.lagged) for changes in mine.all} == {0}


def test_cards_of_the_roster_get_their_speed_limits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, float]] = []
    monkeypatch.setattr(Locator, "set_speed_max", lambda _, card, v: limits.append((card, v)))
    plan = replace(PLAN, speeds_max_m_s={CARD: 8.0, "2": 12.0})
    mine = Walk(plan=plan)
    mine.begin()
    mine.walk("stranger", range(30, 32), T0)
    t_ns = mine.walk("2", range(30, 32), T0 + 10 * S)
    mine.walk(CARD, range(30, 32), t_ns)
    assert limits == [(1, 12.0), (2, 8.0)]
    mine._note(mine.mine.end(t_ns))
    limits.clear()
    again = Walk(mine.state, 100, plan=plan)
    again.begin(t_ns)
    assert sorted(limits) == sorted(
        [(again.table.handle(CARD), 8.0), (again.table.handle("2"), 12.0)]
    )


def test_a_roadway_is_kept_by_its_name() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 35), T0)
    mine.mine._cards.last["roadway"][0] = 0
    mine.mine._cards.last["chainage_m"][0] = 54.0
    mine._note(mine.mine.end(t_ns))
    shown = Walk(mine.state, 100).begin(t_ns).fixes
    assert (shown["roadway"].tolist(), shown["chainage_m"].tolist()) == ([0], [54.0])
    main = PLAN.map.roadways[0]
    for roadways, index in (((replace(main, id="new"), main), 1), ((replace(main, id="x"),), -1)):
        plan = replace(PLAN, map=replace(PLAN.map, roadways=roadways))
        shown = Walk(mine.state, 100, plan=plan).begin(t_ns).fixes
        assert shown["roadway"].tolist() == [index]
        assert np.isnan(shown["chainage_m"]).tolist() == [index < 0]


def test_the_state_of_an_older_gateway_is_taken_up() -> None:
    mine = Walk()
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 35), T0)
    mine._note(mine.mine.end(t_ns))
    key = f"card/{CARD}"
    kept = json.loads(mine.state[key])
    del kept["roadway"]
    for name in ("chainage_m", "hdop", "protection_m", "age_s", "anchors_rejected"):
        del kept["fix"][name]
    mine.state = {key: json.dumps(kept).encode()}
    (shown,) = Walk(mine.state, 100).begin(t_ns).fixes
    assert (shown["x_m"], shown["roadway"]) == (pytest.approx(kept["fix"]["x_m"]), -1)
    assert np.isnan(shown["hdop"])
