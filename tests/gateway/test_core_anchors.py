"""Anchors through the core: what is told of them, once, and kept over restarts."""

from dataclasses import replace

import numpy as np
import pytest

from equipment.report import LinkChange, LinkState
from gateway.mine.change import Batch, Event, EventKind
from gateway.mine.devices import anchors as book
from positioning.anchor_health import HEARD_MOST, NEVER_NS, SILENT_AFTER_S, Verdict
from positioning.anchor_stats import ANCHOR_STATS
from positioning.locator import Locator
from positioning.mine_map import Anchor
from positioning.observation import Records
from tests.gateway.small_mine import MAP, PLAN, T0, S, Walk, batch_of, ranges_at

CARD = "15062200000100007"
SUSPECT, CLEARED = EventKind.ANCHOR_SUSPECT, EventKind.ANCHOR_CLEARED


@pytest.fixture
def stats(monkeypatch: pytest.MonkeyPatch) -> Records:
    """The sums that the core's locator has: those that the test writes."""
    sums = np.zeros(len(MAP.anchors), ANCHOR_STATS)
    sums["heard"], sums["reach_m"] = 1000, 60.0

    def restore(_: Locator, kept: Records) -> None:
        # At the start of a mine there is nothing to go on from.
        if kept["heard"].any():
            sums[:] = kept

    monkeypatch.setattr(Locator, "anchor_stats", lambda _: sums.copy())
    monkeypatch.setattr(Locator, "restore_anchor_stats", restore)
    return sums


def displaced(sums: Records, anchor: int, east_m: float) -> None:
    """Writes what 1,000 ranges in all directions say of an anchor that stands elsewhere."""
    for name, value in {"weight": 1000.0, "xx": 500.0, "yy": 500.0}.items():
        sums[name][anchor] = value
    sums["rr"][anchor] = 500.0 * east_m**2 + 1000.0 * 0.1**2
    sums["rx"][anchor] = -500.0 * east_m


def pace(mine: Walk, seconds: float, t_ns: int, without: int | None = None) -> int:
    """Walks to and fro in the middle; the ranges of one anchor do not come."""
    for _ in range(round(seconds)):
        t_ns += S
        ranges = ranges_at(mine.table.handle(CARD), 60 + 10 * np.sin(t_ns / S / 10), t_ns)
        mine.step(batch_of(ranges[ranges["anchor"] != without]), t_ns)
    return t_ns


def told(mine: Walk) -> list[tuple[EventKind, str]]:
    return [(event.kind, event.anchor) for event in events(mine)]


def events(mine: Walk) -> list[Event]:
    return [event for changes in mine.all for event in changes.events if event.anchor]


@pytest.mark.usefixtures("stats")
def test_a_dead_anchor_is_told_once_and_when_it_is_back() -> None:
    mine = Walk()
    mine.begin()
    t_ns = pace(mine, 10, T0)
    t_ns = pace(mine, SILENT_AFTER_S - 5, t_ns, without=2)
    assert told(mine) == []
    t_ns = pace(mine, 200, t_ns, without=2)
    assert told(mine) == [(SUSPECT, "A2")]
    (event,) = events(mine)
    assert event.text.startswith("anchor A2 has not been heard while located cards were near it")
    health = next(c.anchors for c in reversed(mine.all) if c.anchors is not None)
    assert health["verdict"][2] == Verdict.SILENT
    pace(mine, 11, t_ns)
    assert told(mine) == [(SUSPECT, "A2"), (CLEARED, "A2")]
    assert events(mine)[1].text == "anchor A2 is heard again"


@pytest.mark.usefixtures("stats")
def test_nobody_near_is_no_silence() -> None:
    mine = Walk()
    mine.begin()
    # Nothing at all comes for an hour; then a card is at the far end.
    t_ns = mine.wait(3600, pace(mine, 10, T0))
    for _ in range(200):
        t_ns += S
        ranges = ranges_at(mine.table.handle(CARD), -5.0, t_ns)
        mine.step(batch_of(ranges[ranges["anchor"] < 2]), t_ns)
    assert told(mine) == []


@pytest.mark.usefixtures("stats")
def test_an_anchor_is_not_called_silent_while_a_reader_is_down() -> None:
    mine = Walk(plan=replace(PLAN, uwb_readers=frozenset({"uwb-1"})))
    mine.begin()
    t_ns = pace(mine, 10, T0)
    mine.step(Batch(links=(LinkChange("uwb-1", LinkState.DOWN, "no route", t_ns),)), t_ns)
    t_ns = pace(mine, 200, t_ns, without=2)
    assert told(mine) == []
    # A machine's link has nothing to do with anchors.
    links = (
        LinkChange("uwb-1", LinkState.UP, "", t_ns),
        LinkChange("shearer", LinkState.DOWN, "no route", t_ns),
    )
    mine.step(Batch(links=links), t_ns)
    pace(mine, 200, t_ns, without=2)
    assert told(mine) == [(SUSPECT, "A2")]


def test_a_misplaced_anchor_is_told_once_over_restarts(stats: Records) -> None:
    mine = Walk()
    mine.begin()
    displaced(stats, 3, 4.0)
    t_ns = pace(mine, 30, T0)
    assert told(mine) == [(SUSPECT, "A3")]
    assert "anchor A3 seems to stand 4.0 m east of where the map says" in events(mine)[0].text
    mine._note(mine.mine.end(t_ns))
    stats[:] = 0
    again = Walk(mine.state, 100)
    first = again.begin(t_ns)
    assert stats["weight"][3] == 1000.0
    assert first.anchors is not None
    assert first.anchors["verdict"][3] == Verdict.MISPLACED
    t_ns = pace(again, 30, t_ns)
    assert told(again) == []
    displaced(stats, 3, 0.1)
    pace(again, 11, t_ns)
    assert told(again) == [(CLEARED, "A3")]
    assert events(again)[0].text == "anchor A3 stands where the map says"


def test_what_was_told_is_kept_with_the_event(stats: Records) -> None:
    mine = Walk()
    mine.begin()
    displaced(stats, 3, 4.0)
    pace(mine, 30, T0)
    (step,) = [changes for changes in mine.all if any(e.anchor for e in changes.events)]
    assert book.STATE_PREFIX + "A3" in step.state


def test_an_anchor_that_was_surveyed_starts_anew(stats: Records) -> None:
    mine = Walk()
    mine.begin()
    displaced(stats, 3, 4.0)
    displaced(stats, 1, -3.0)
    t_ns = pace(mine, 30, T0)
    mine._note(mine.mine.end(t_ns))
    stats[:] = 0
    moved = list(MAP.anchors)
    moved[3] = replace(moved[3], x_m=moved[3].x_m + 4.0)
    moved[1] = Anchor("B1", 33.0, -3.0, -5.0)
    plan = replace(PLAN, map=replace(MAP, anchors=tuple(moved)))
    again = Walk(mine.state, 100, plan=plan)
    first = again.begin(t_ns)
    assert told(again) == [(CLEARED, "A1"), (CLEARED, "A3")]
    assert events(again)[0].text.startswith("anchor A1 is no longer on the map")
    assert events(again)[1].text.startswith("anchor A3 has another place on the map now")
    assert stats["weight"].tolist() == [0.0] * 5
    assert stats["heard"].tolist() == [1000, 0, 1000, 0, 1000]
    assert first.state[book.STATE_PREFIX + "A1"] is None


def test_sums_fade_while_the_gateway_runs(stats: Records) -> None:
    mine = Walk()
    mine.begin()
    stats["heard"] = HEARD_MOST + 2
    pace(mine, 11, T0)
    assert stats["heard"].tolist() == [HEARD_MOST // 2 + 1] * 5


@pytest.mark.usefixtures("stats")
def test_anchors_are_kept_within_a_minute_and_not_in_every_step() -> None:
    mine = Walk()
    mine.begin()
    pace(mine, 60, T0)
    saved = [
        key for changes in mine.all for key in changes.state if key.startswith(book.STATE_PREFIX)
    ]
    assert sorted(saved) == [f"{book.STATE_PREFIX}A{n}" for n in range(5)]


def test_at_the_start_every_anchor_is_judged() -> None:
    first = Walk().begin()
    assert first.anchors is not None
    assert first.anchors["verdict"].tolist() == [Verdict.NEVER_HEARD] * 5
    assert first.anchors["heard_t_ns"].tolist() == [NEVER_NS] * 5
