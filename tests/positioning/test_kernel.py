"""The kernel against a textbook filter in NumPy matrices, and its search for a place."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from positioning import cards, kernel
from positioning import search as search_module
from positioning.cards import Rejections
from positioning.jit import sources_stamp
from positioning.observation import FIX, RANGE, Records
from positioning.search import search
from positioning.tracker import Tracker, TrackerSettings

ANCHORS_M = np.array([[0.0, 0.0, 3.0], [40.0, 0.0, 2.0], [35.0, 30.0, 3.0], [-5.0, 28.0, 2.5]])
CARD_Z_M = 1.0
OPEN_GATE = TrackerSettings(gate_long=1e6, gate_short=1e6, speed_max_m_s=1e6)
S = 1_000_000_000


def start_fix() -> Records:
    fix = np.zeros(1, FIX)
    fix["t_ns"] = S
    fix["x_m"], fix["y_m"], fix["vx_m_s"], fix["vy_m_s"] = 12.0, 9.0, 0.5, -0.25
    fix["var_x_m2"], fix["cov_xy_m2"], fix["var_y_m2"] = 0.5, 0.1, 0.8
    return fix


def some_ranges(count: int) -> Records:
    rng = np.random.default_rng(11)
    ranges = np.zeros(count, RANGE)
    ranges["anchor"] = rng.integers(0, 4, count)
    ranges["t_ns"] = S + np.cumsum(rng.integers(1_000_000, 200_000_000, count))
    t_s = (ranges["t_ns"] - S) * 1e-9
    offset_m = ANCHORS_M[ranges["anchor"]] - [0.0, 0.0, CARD_Z_M]
    offset_m[:, 0] -= 12.0 + 0.5 * t_s
    offset_m[:, 1] -= 9.0 - 0.25 * t_s
    ranges["range_m"] = np.linalg.norm(offset_m, axis=1) + rng.normal(0.0, 0.1, count)
    return ranges


class TextbookFilter:
    """An extended Kalman filter with whole matrices and Joseph's form; one bias for each anchor."""

    def __init__(self, fix: Records, settings: TrackerSettings) -> None:
        self.settings = settings
        self.t_ns = int(fix["t_ns"][0])
        self.x = np.zeros(8)
        self.x[:4] = [fix[name][0] for name in ("x_m", "y_m", "vx_m_s", "vy_m_s")]
        self.p = np.diag(
            [0.0] * 2 + [settings.start_speed_m_s**2] * 2 + [settings.bias_sigma_m**2] * 4
        )
        xx, xy, yy = (fix[name][0] for name in ("var_x_m2", "cov_xy_m2", "var_y_m2"))
        self.p[:2, :2] = [[xx, xy], [xy, yy]]

    def predict(self, t_ns: int) -> None:
        dt = (t_ns - self.t_ns) * 1e-9
        keep = math.exp(-dt / self.settings.bias_tau_s)
        f = np.diag([1.0] * 4 + [keep] * 4)
        f[0, 2] = f[1, 3] = dt
        one = self.settings.acceleration_q_m2_s3 * np.array(
            [[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]
        )
        q = np.zeros((8, 8))
        q[:4, :4] = np.kron(one, np.eye(2))
        q[4:, 4:] = np.eye(4) * self.settings.bias_sigma_m**2 * (1 - keep**2)
        self.x, self.p, self.t_ns = f @ self.x, f @ self.p @ f.T + q, t_ns

    def update(self, anchor: int, range_m: float) -> float:
        offset = np.array([*self.x[:2], CARD_Z_M]) - ANCHORS_M[anchor]
        slant = np.linalg.norm(offset)
        h = np.zeros(8)
        h[:2], h[4 + anchor] = offset[:2] / slant, 1.0
        r = self.settings.range_sigma_m**2
        innovation = range_m - slant - self.x[4 + anchor]
        s = h @ self.p @ h + r
        gain = self.p @ h / s
        self.x = self.x + gain * innovation
        a = np.eye(8) - np.outer(gain, h)
        self.p = a @ self.p @ a.T + np.outer(gain, gain) * r
        return float(innovation**2 / s)


def test_with_open_gates_it_is_the_textbook_filter() -> None:
    tracked = Tracker(ANCHORS_M, np.full(4, CARD_Z_M), OPEN_GATE)
    settings = tracked._around[1]
    settings["bend_max_m"], settings["review_var_m2"] = 0.0, math.inf
    tracked.restore(start_fix())
    book = TextbookFilter(start_fix(), OPEN_GATE)
    for fix, r in zip(tracked.update(some_ranges(200)), some_ranges(200), strict=True):
        book.predict(int(r["t_ns"]))
        nis = book.update(int(r["anchor"]), float(r["range_m"]))
        found = [fix[name] for name in ("x_m", "y_m", "vx_m_s", "vy_m_s")]
        assert found == pytest.approx(book.x[:4], abs=1e-9)
        found = [fix[name] for name in ("var_x_m2", "cov_xy_m2", "var_y_m2")]
        assert found == pytest.approx(book.p[[0, 0, 1], [0, 1, 1]], abs=1e-9)
        assert fix["nis"] == pytest.approx(nis, rel=1e-5)


def test_a_late_range_counts_for_where_the_card_was() -> None:
    """To first order, an update by an older range is one of the place at its time."""
    ranges = some_ranges(40)
    late = ranges[[*range(38), 39, 38]]
    in_order = Tracker(ANCHORS_M, np.full(4, CARD_Z_M))
    mixed = Tracker(ANCHORS_M, np.full(4, CARD_Z_M))
    for tracked in (in_order, mixed):
        tracked.restore(start_fix())
    expected, found = in_order.update(ranges)[-1], mixed.update(late)[-1]
    assert found["t_ns"] == expected["t_ns"]
    assert (found["x_m"], found["y_m"]) == pytest.approx(
        (expected["x_m"], expected["y_m"]), abs=0.02
    )


def gathered(place: tuple[float, float], anchors_m: NDArray[np.float64]) -> NDArray[np.float64]:
    near = np.zeros((len(anchors_m), 6))
    near[:, :2] = anchors_m[:, :2]
    near[:, 3] = np.hypot(anchors_m[:, 0] - place[0], anchors_m[:, 1] - place[1])
    near[:, 4] = 0.09
    near[:, 5] = np.arange(len(anchors_m))
    return near


@pytest.mark.parametrize("place", [(3.0, 4.0), (17.0, 29.0), (80.0, -40.0), (-30.0, 10.0)])
def test_search_finds_the_place(place: tuple[float, float]) -> None:
    best, other = np.empty(6), np.empty(6)
    behind = search(gathered(place, ANCHORS_M), 4, 4, best, other)
    assert best[:2] == pytest.approx(place, abs=1e-2)
    assert behind > 3.0
    assert best[3] > 0.0
    assert best[3] * best[5] > best[4] ** 2


def test_search_finds_the_mirror_of_anchors_in_a_line() -> None:
    best, other = np.empty(6), np.empty(6)
    line_m = np.array([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0], [50.0, 0.0, 0.0]])
    behind = search(gathered((15.0, 6.0), line_m), 3, 3, best, other)
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
