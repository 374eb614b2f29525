"""The kernel against a textbook filter in NumPy matrices, and its search for a place."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from positioning import cards, kernel
from positioning import search as search_module
from positioning.cards import Rejections
from positioning.jit import sources_stamp
from positioning.observation import DIFFERENCE, PLACE, RANGE, Kind, Records, measurements
from positioning.search import search
from positioning.settings import TrackerSettings
from positioning.tracker import Tracker
from tests.positioning.scenes import S, fix_at
from tests.positioning.textbook import TextbookFilter

ANCHORS_M = np.array([[0.0, 0.0, 3.0], [40.0, 0.0, 2.0], [35.0, 30.0, 3.0], [-5.0, 28.0, 2.5]])
CARD_Z_M = 1.0
#: Nothing is robust: no gate, no speed limit.
OPEN_GATE = TrackerSettings(
    gate_long=1e6, gate_short=1e6, gate_difference=1e6, gate_place=1e6, speed_max_m_s=1e6
)
OPEN_PLAIN = replace(OPEN_GATE, bias_sigma_m=0.0)
FIGURES = ("x_m", "y_m", "vx_m_s", "vy_m_s", "var_x_m2", "cov_xy_m2", "var_y_m2")


def tracker(settings: TrackerSettings = OPEN_GATE) -> Tracker:
    return Tracker(ANCHORS_M, np.full(4, CARD_Z_M), settings)


def start_fix() -> Records:
    fix = fix_at(12.0, 9.0)
    fix["vx_m_s"], fix["vy_m_s"] = 0.5, -0.25
    fix["var_x_m2"], fix["cov_xy_m2"], fix["var_y_m2"] = 0.5, 0.1, 0.8
    return fix


def some_measurements(count: int, *, ranges_only: bool = False) -> Records:
    """Ranges, differences and places of a card that walks on from `start_fix`."""
    rng = np.random.default_rng(11)
    parts = []
    t_ns = S
    for kind in rng.choice(3, count, p=[0.6, 0.3, 0.1]):
        t_ns += int(rng.integers(1_000_000, 200_000_000))
        t_s = (t_ns - S) * 1e-9
        place = np.array([12.0 + 0.5 * t_s, 9.0 - 0.25 * t_s, CARD_Z_M])
        one, two = rng.permutation(4)[:2]
        noise_m = rng.normal(0.0, 0.1, 2)
        range_m = np.linalg.norm(place - ANCHORS_M[one]) + noise_m[0]
        other_m = np.linalg.norm(place - ANCHORS_M[two])
        if ranges_only or kind == 0:
            parts.append(np.array([(0, one, t_ns, range_m, np.nan, np.nan)], RANGE))
        elif kind == 1:
            parts.append(np.array([(0, one, two, t_ns, range_m - other_m)], DIFFERENCE))
        else:
            x, y = place[:2] + noise_m
            parts.append(np.array([(0, t_ns, x, y, 0.5, -0.2, 0.4)], PLACE))
    return measurements(*parts)


@pytest.mark.parametrize("settings", [OPEN_PLAIN, OPEN_GATE], ids=["plain", "with biases"])
def test_with_open_gates_it_is_the_textbook_filter(settings: TrackerSettings) -> None:
    """To the first order: the bend of a wide place's circle is left out, which is the second."""
    tracked = tracker(settings)
    tracked._sites["bend_max_m"], tracked._sites["review_var_m2"] = 0.0, math.inf
    tracked.restore(start_fix())
    book = TextbookFilter(start_fix(), settings, ANCHORS_M, CARD_Z_M)
    measured = some_measurements(200)
    assert set(measured["kind"].tolist()) == {Kind.RANGE, Kind.DIFFERENCE, Kind.PLACE}
    for fix, m in zip(tracked.update(measured), measured, strict=True):
        nis = book.take(m)
        expected = book.fix()
        for name in FIGURES:
            assert fix[name] == pytest.approx(expected[name][0], abs=1e-9), name
        assert fix["nis"] == pytest.approx(nis, rel=1e-4)


def test_gates_and_the_second_order_change_little_where_all_is_well() -> None:
    """The robust filter is the textbook's as long as nothing is wrong."""
    tracked = tracker(TrackerSettings(gate_long=3.0, gate_short=3.0, gate_difference=3.0))
    tracked.restore(start_fix())
    book = TextbookFilter(start_fix(), TrackerSettings(), ANCHORS_M, CARD_Z_M)
    measured = some_measurements(100, ranges_only=True)
    for fix, m in zip(tracked.update(measured), measured, strict=True):
        book.take(m)
        assert math.hypot(fix["x_m"] - book.x[0], fix["y_m"] - book.x[1]) < 0.1


def test_a_late_range_counts_for_where_the_card_was() -> None:
    """To first order, an update by an older range is one of the place at its time."""
    ranges = some_measurements(40, ranges_only=True)
    late = ranges[[*range(38), 39, 38]]
    in_order, turned = tracker(TrackerSettings()), tracker(TrackerSettings())
    for tracked in (in_order, turned):
        tracked.restore(start_fix())
    expected, found = in_order.update(ranges)[-1], turned.update(late)[-1]
    assert found["t_ns"] == expected["t_ns"]
    assert (found["x_m"], found["y_m"]) == pytest.approx(
        (expected["x_m"], expected["y_m"]), abs=0.02
    )


def searched(
    place: tuple[float, float], anchors_m: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Odds against the second best place, the best place, the second best."""
    site = tracker()._sites[0]
    near = site["near"]
    for i, anchor_m in enumerate(anchors_m):
        near[i, :3] = anchor_m[0], anchor_m[1], 0.0
        near[i, 3] = math.hypot(anchor_m[0] - place[0], anchor_m[1] - place[1])
        near[i, 4], near[i, 5], near[i, 6] = 0.09, i, 0.0
    behind = search(site, len(anchors_m), len(anchors_m))
    return behind, site["best"], site["other"]


@pytest.mark.parametrize("place", [(3.0, 4.0), (17.0, 29.0), (80.0, -40.0), (-30.0, 10.0)])
def test_search_finds_the_place(place: tuple[float, float]) -> None:
    behind, best, _ = searched(place, ANCHORS_M)
    assert best[:2] == pytest.approx(place, abs=1e-2)
    assert behind > 3.0
    assert best[3] > 0.0
    assert best[3] * best[5] > best[4] ** 2


def test_search_finds_the_mirror_of_anchors_in_a_line() -> None:
    line_m = np.array([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0], [50.0, 0.0, 0.0]])
    behind, best, other = searched((15.0, 6.0), line_m)
    assert behind < 0.1
    assert {round(float(best[1])), round(float(other[1]))} == {6, -6}
    assert (best[0], other[0]) == pytest.approx((15.0, 15.0), abs=0.05)


def test_refusals_are_counted_under_their_own_names() -> None:
    names = [field.upper() for field in Rejections.__dataclass_fields__]
    assert [getattr(cards, name) for name in names] == list(range(len(names)))


def test_the_stamp_of_sources_follows_their_contents() -> None:
    stamp = sources_stamp(kernel.__file__, search_module.__file__)
    assert stamp == sources_stamp(kernel.__file__, search_module.__file__)
    assert stamp != sources_stamp(kernel.__file__)
