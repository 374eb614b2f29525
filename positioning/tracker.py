"""Where each card is, from ranges: the shell of the filter, which owns the state of all cards."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning import kernel
from positioning.cards import (
    NOT_FINITE,
    OUT_OF_SCALE,
    SETTINGS,
    UNKNOWN_CARD,
    Rejections,
    grown_cards,
    new_cards,
)
from positioning.intake import T_LIMIT_NS
from positioning.observation import FIX, RANGE, Records

#: Room for cards at first; doubled when it is used up.
_FIRST_CAPACITY: Final = 64
_NS_PER_S: Final = 1_000_000_000

#: The sagitta's correction ends here: were it unbounded, a wide covariance would silence the very
#: ranges that make it narrow.
_BEND_MAX_M: Final = 0.1
#: A second place that fits nearly as well as the best (odds above 1 : 20) makes a card ambiguous.
_AMBIGUOUS_COST: Final = 3.0
#: Ranges of several anchors come through several devices: this much out of order is taken in.
_LATE_MAX_S: Final = 0.25
#: After such a silence, or such a leap of a clock, the place is searched anew.
_JUMP_S: Final = 10.0
#: A place that no range has confirmed for so long is called extrapolated.
_EXTRAPOLATED_S: Final = 2.0
#: An anchor counts as used for so long after its last accepted range.
_USED_S: Final = 1.0
#: Ranges so far back are searched for a place: one round of slowly ranging anchors. Older ranges
#: weigh less, by the way that the card may have gone since.
_START_WINDOW_S: Final = 4.0
#: With two anchors only, or with two places that fit, more ranges are awaited for so long.
_START_WAIT_S: Final = 1.5
#: Re-acquisition looks at ranges of this window first.
_REACQUIRE_WINDOW_S: Final = 0.6
#: A place that has been uncertain (this wide, or ambiguous) for so long is reviewed.
_REVIEW_S: Final = 1.0
_REVIEW_SIGMA_M: Final = 1.0
#: However long a card was silent, its uncertainty grows no further than a large mine's size.
_HOLD_MAX_M: Final = 5000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """The filter's parameters. The defaults are meant for people and vehicles alike.

    range_sigma_m: standard deviation of a range's noise.
    acceleration_q_m2_s3: spectral density of the acceleration: how briskly cards turn.
    bias_sigma_m, bias_tau_s: size and life of the slowly varying error of each anchor.
    gate_long: normalised innovation beyond which a too long range loses weight; beyond
        2·gate + 1 it is dropped.
    gate_short: the same for a too short range, which no obstacle can cause.
    rejects_max: dropped less accepted ranges, after which the place is searched anew.
    speed_max_m_s: no card moves faster (25 km/h and some).
    start_speed_m_s: a card's speed where nothing is known of it (one sigma, per axis).
    range_max_m: no radio reaches further; a longer range is refused.
    lag_s: delay of the smoothed output, 0.5 to 1; 0 leaves it out.
    cards_max: handles from this on are refused: bounds the memory, about 2 kB a card.
    """

    range_sigma_m: float = 0.3
    acceleration_q_m2_s3: float = 1.0
    bias_sigma_m: float = 0.1
    bias_tau_s: float = 30.0
    gate_long: float = 0.7
    gate_short: float = 1.75
    rejects_max: int = 12
    speed_max_m_s: float = 8.0
    start_speed_m_s: float = 1.5
    range_max_m: float = 2000.0
    lag_s: float = 0.0
    cards_max: int = 1 << 17


#: What of a fix the filter goes on from.
_RESTORED: Final = ("x_m", "y_m", "z_m", "vx_m_s", "vy_m_s", "var_x_m2", "cov_xy_m2", "var_y_m2")

_DEFAULTS: Final = TrackerSettings()


class Tracker:
    """Positions of all cards from their ranges.

    The same ranges in the same order give the same fixes, bit for bit, however they are cut into
    batches and whatever other cards do. Adding a constant to all times changes nothing but times.
    """

    def __init__(
        self,
        anchors_m: NDArray[np.float64],
        card_z_m: NDArray[np.float64],
        settings: TrackerSettings = _DEFAULTS,
    ) -> None:
        """Takes the anchors by handle, and how high a card stands that is near each of them.

        `anchors_m`: (n, 3) float64, metres. `card_z_m`: (n,) float64, metres, in the same frame.

        Raises:
            ValueError: the shapes do not fit, or a coordinate is not finite.
        """
        anchors = np.array(anchors_m, np.float64, order="C", ndmin=2)
        heights = np.array(card_z_m, np.float64, order="C", ndmin=1)
        if anchors.shape != (len(heights), 3):
            shapes = f"{anchors.shape} and {heights.shape}"
            msg = f"anchors_m and card_z_m must be (n, 3) and (n,), not {shapes}"
            raise ValueError(msg)
        if not (np.isfinite(anchors).all() and np.isfinite(heights).all()):
            msg = "anchors_m and card_z_m must be finite"
            raise ValueError(msg)
        self._around = (np.column_stack([anchors, heights]), _for_kernel(settings))
        self._cards_max = settings.cards_max
        self._cards = new_cards(min(_FIRST_CAPACITY, settings.cards_max))
        self._rejected = np.zeros(len(fields(Rejections)), np.int64)

    @property
    def rejections(self) -> Rejections:
        """The ranges not used so far."""
        return Rejections(*(int(count) for count in self._rejected))

    def update(self, ranges: Records) -> Records:
        """The fixes that come of `ranges` (n,) RANGE: at most one for each, in their order.

        A card whose filter has started gets one for each range that is sound in form, also where
        the range was gated away. A range up to 0.25 s older than the card's newest enters at its
        own time and its fix is at the newest. Refused ranges are counted and give no fix.
        """
        if len(ranges) == 0:
            return np.empty(0, FIX)
        owned = np.require(ranges, RANGE, ["C", "A", "W"])  # one type, so one compilation
        self._make_room(int(owned["card"].max()))
        fixes = np.zeros(len(owned), FIX)
        filled = kernel.run(self._cards, self._around, self._rejected, owned, fixes)
        return fixes[:filled]

    def restore(self, fixes: Records) -> None:
        """Puts the cards where they were known last: (n,) FIX, at most one a card.

        Velocity and covariance go on from the fix, and a range not newer than it is refused as too
        old. A row that is not finite, or has no positive variance, is counted and left out.
        """
        if len(fixes) == 0:
            return
        owned = np.require(fixes, FIX, ["C", "A", "W"])
        self._make_room(int(owned["card"].max()))
        known = owned["card"] < self._cards_max
        finite = np.all([np.isfinite(owned[name]) for name in _RESTORED], axis=0)
        scaled = np.abs(owned["t_ns"]) <= T_LIMIT_NS
        scaled &= (owned["var_x_m2"] > 0.0) & (owned["var_y_m2"] > 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled &= owned["cov_xy_m2"] ** 2 < owned["var_x_m2"] * owned["var_y_m2"]
        rejected = self._rejected
        rejected[UNKNOWN_CARD] += (~known).sum()
        rejected[NOT_FINITE] += (known & ~finite).sum()
        rejected[OUT_OF_SCALE] += (known & finite & ~scaled).sum()
        kernel.restore(self._cards, self._around, owned[known & finite & scaled])

    def _make_room(self, card: int) -> None:
        """Makes room for `card` by doubling, unless it is beyond the limit."""
        capacity = len(self._cards)
        needed = min(card + 1, self._cards_max)
        if needed > capacity:
            while capacity < needed:
                capacity = min(capacity * 2, self._cards_max)
            self._cards = grown_cards(self._cards, capacity)


def _ns(seconds: float) -> int:
    return round(seconds * _NS_PER_S)


def _for_kernel(s: TrackerSettings) -> Records:
    """(1,) SETTINGS."""
    values: dict[str, float] = {
        "range_var_m2": s.range_sigma_m**2,
        "acceleration_q": s.acceleration_q_m2_s3,
        "bias_var_m2": s.bias_sigma_m**2,
        "bias_tau_s": s.bias_tau_s,
        "gate_long": s.gate_long,
        "gate_short": s.gate_short,
        "rejects_max": s.rejects_max,
        "speed_max_m_s": s.speed_max_m_s,
        "start_speed_m_s": s.start_speed_m_s,
        "range_max_m": s.range_max_m,
        "cards_max": s.cards_max,
        "bend_max_m": _BEND_MAX_M,
        "ambiguous_cost": _AMBIGUOUS_COST,
        "late_max_ns": _ns(_LATE_MAX_S),
        "jump_ns": _ns(_JUMP_S),
        "extrapolated_ns": _ns(_EXTRAPOLATED_S),
        "used_ns": _ns(_USED_S),
        "start_window_ns": _ns(_START_WINDOW_S),
        "start_wait_ns": _ns(_START_WAIT_S),
        "reacquire_window_ns": _ns(_REACQUIRE_WINDOW_S),
        "review_ns": _ns(_REVIEW_S),
        "review_var_m2": _REVIEW_SIGMA_M**2,
        "hold_max_m": _HOLD_MAX_M,
    }
    settings = np.zeros(1, SETTINGS)
    for name in SETTINGS.names or ():
        settings[name] = values[name]
    return settings
