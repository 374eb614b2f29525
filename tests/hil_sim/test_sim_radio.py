"""What a scenario says of the radio is what its ranges are like, by their statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hil_sim.people import Whereabouts
from hil_sim.radio import HEARD_M, Radio, RadioSettings, Span
from hil_sim.roadgraph import RoadGraph
from positioning.mine_map import Anchor, MineMap, Roadway
from positioning.observation import Records

#: A straight roadway with one anchor in its middle.
LINE_M = np.array([(0.0, 0.0, 0.0), (100.0, 0.0, 0.0)])
MINE = MineMap(
    roadways=(Roadway("way", "way", 5.0, LINE_M),),
    anchors=(Anchor("A1", 50.0, 2.0, 2.0),),
    readers=(),
    zones=(),
)


def ranges_of(cards: int, seconds: int, **settings: Any) -> Records:
    """What cards give that stand near the anchor."""
    radio = Radio(MINE, RoadGraph(MINE.roadways), cards, (1, 2), settings=RadioSettings(**settings))
    place_m = np.column_stack((np.full(cards, 50.0), np.zeros(cards), np.ones(cards)))
    edge, s_m = np.zeros(cards, np.int64), np.full(cards, 50.0)
    now = Whereabouts(place_m, edge, s_m, np.ones(cards, np.bool_))
    steps = (Span(0.1 * n, 0.1 * (n + 1), 0) for n in range(10 * seconds))
    return np.concatenate([radio.ranges(span, place_m, now) for span in steps])


def hidden_of(ranges: Records) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which have a weak first path, as without line of sight."""
    return np.asarray(ranges["rssi_dbm"] - ranges["first_path_dbm"] > 4)


@pytest.mark.parametrize(("burst_s", "share"), [(4.0, 0.2), (15.0, 0.3)])
def test_bursts_without_line_of_sight_last_as_long_and_cover_as_much_as_asked(
    burst_s: float, share: float
) -> None:
    ranges = ranges_of(400, 400, nlos_share=share, burst_s=burst_s)
    assert hidden_of(ranges).mean() == pytest.approx(share, abs=0.03)
    bursts, hidden = 0, 0
    for card in range(400):
        one = hidden_of(ranges[ranges["card"] == card]).astype(np.int8)
        bursts += int((np.diff(one) == 1).sum())
        hidden += int(one[1:].sum())
    # Seen once a second: what begins and ends between two ranges is not seen, which makes those
    # that are seen longer by about half a period.
    assert hidden / bursts == pytest.approx(burst_s, rel=0.2, abs=0.5)


def test_ranges_without_line_of_sight_are_longer_by_the_excess() -> None:
    ranges = ranges_of(300, 60, nlos_share=0.3, burst_excess_m=5.0)
    hidden = hidden_of(ranges)
    gap_m = ranges["range_m"][hidden].mean() - ranges["range_m"][~hidden].mean()
    assert gap_m == pytest.approx(5.0, rel=0.1)


def test_noise_is_as_strong_as_asked() -> None:
    quiet, loud = (ranges_of(200, 60, noise_m=noise_m)["range_m"].std() for noise_m in (0.05, 0.5))
    assert quiet < 0.1
    assert loud == pytest.approx(0.5, rel=0.1)


def test_a_share_of_ranges_is_lost() -> None:
    kept = len(ranges_of(200, 60, loss=0.25)) / len(ranges_of(200, 60))
    assert kept == pytest.approx(0.75, abs=0.02)


def test_more_ranges_collide_where_more_cards_are_in_range() -> None:
    kept = []
    for cards in (1, 50, 200, 800):
        share = len(ranges_of(cards, 20, airtime_ms=0.2)) / len(ranges_of(cards, 20))
        # Pure ALOHA: four ranges a second of each other card, twice the airtime.
        assert share == pytest.approx(np.exp(-2 * 0.0002 * 4 * (cards - 1)), abs=0.05)
        kept.append(share)
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == 1.0


def test_settings_that_say_nothing_change_nothing() -> None:
    radio = Radio(MINE, RoadGraph(MINE.roadways), 5, (1, 2))
    place_m = np.tile((50.0, 0.0, 1.0), (5, 1))
    now = Whereabouts(place_m, np.zeros(5, np.int64), np.full(5, 50.0), np.ones(5, np.bool_))
    one = np.concatenate(
        [radio.ranges(Span(0.1 * n, 0.1 * n + 0.1, 0), place_m, now) for n in range(50)]
    )
    assert one.tobytes() == ranges_of(5, 5).tobytes()
    assert one["range_m"].max() < HEARD_M
