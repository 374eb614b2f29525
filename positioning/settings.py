"""The filter's parameters: for people who set them, and in the kernel's own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from positioning.observation import Records

_NS_PER_S: Final = 1_000_000_000

#: The sagitta's correction ends here: were it unbounded, a wide covariance would silence the very
#: ranges that make it narrow.
_BEND_MAX_M: Final = 0.1
#: A second place that fits nearly as well as the best (odds above 1 : 20) makes a card ambiguous.
_AMBIGUOUS_COST: Final = 3.0
#: Measurements of several devices: this much out of order is taken in.
_LATE_MAX_S: Final = 0.25
#: After such a silence, or such a leap of a clock, the place is searched anew.
_JUMP_S: Final = 10.0
#: A place that nothing has confirmed for so long is called extrapolated.
_EXTRAPOLATED_S: Final = 2.0
#: An anchor counts as used, or rejected, for so long after its last range.
_USED_S: Final = 1.0
#: Measurements so far back are searched for a place: one round of slowly ranging anchors. Older
#: ones weigh less, by the way that the card may have gone since.
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
#: A sighting places a card only when nothing better has done so for this long: a reader's
#: neighbourhood says far less than a range.
_PRESENCE_AFTER_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """The filter's parameters. The defaults are meant for people and vehicles alike.

    range_sigma_m: standard deviation of a range's noise in an open area.
    acceleration_q_m2_s3: spectral density of the acceleration: how briskly cards turn.
    bias_sigma_m, bias_tau_s: size and life of the slowly varying error of each anchor. With 0 the
        filter has no states for it, and is several times as fast.
    gate_long: normalised innovation beyond which a too long range loses weight; beyond
        2·gate + 1 it is dropped.
    gate_short: the same for a too short range, which no obstacle can cause.
    difference_sigma_m, gate_difference: of a difference of two distances.
    gate_place: of a place that another engine has found.
    rejects_max: dropped less accepted ranges, after which the place is searched anew.
    speed_max_m_s: no card moves faster (25 km/h and some), unless its own limit is set.
    start_speed_m_s: a card's speed where nothing is known of it (one sigma, per axis).
    range_max_m: no radio reaches further; a longer range is refused.
    roadway_sigma_m: standard deviation of a range's noise in a roadway.
    walk_sigma_m_s, walk_tau_s: size of a card's speed along a roadway, and how long it lasts.
    blocked_share, blocked_mean_m, blocked_tau_s: how many ranges lack a line of sight, how much too
        long they are on average, and how long that lasts.
    lag_s: delay of the smoothed output, 0.5 to 1; 0 leaves it out.
    stamp_sigma_s: how well the time of a measurement is known. A smoothed place is so sure that
        this counts: it is uncertain by so much of the card's way.
    cards_max: handles from this on are refused. Memory is taken only for cards that are heard.
    """

    range_sigma_m: float = 0.3
    acceleration_q_m2_s3: float = 1.0
    bias_sigma_m: float = 0.1
    bias_tau_s: float = 30.0
    gate_long: float = 0.7
    gate_short: float = 1.75
    difference_sigma_m: float = 0.4
    gate_difference: float = 1.75
    gate_place: float = 2.0
    rejects_max: int = 12
    speed_max_m_s: float = 8.0
    start_speed_m_s: float = 1.5
    range_max_m: float = 2000.0
    roadway_sigma_m: float = 0.15
    walk_sigma_m_s: float = 1.2
    walk_tau_s: float = 10.0
    blocked_share: float = 0.15
    blocked_mean_m: float = 2.0
    blocked_tau_s: float = 2.5
    lag_s: float = 0.0
    stamp_sigma_s: float = 0.1
    cards_max: int = 1 << 17


#: In the kernel's units.
SETTINGS: Final = np.dtype(
    [
        ("range_var_m2", np.float64),
        ("acceleration_q", np.float64),
        ("bias_var_m2", np.float64),
        ("bias_tau_s", np.float64),
        ("gate_long", np.float64),
        ("gate_short", np.float64),
        ("difference_var_m2", np.float64),
        ("gate_difference", np.float64),
        ("gate_place", np.float64),
        ("rejects_max", np.int64),
        ("speed_max_m_s", np.float64),
        ("start_speed_m_s", np.float64),
        ("range_max_m", np.float64),
        ("roadway_var_m2", np.float64),
        ("walk_var_m2_s2", np.float64),
        ("walk_tau_s", np.float64),
        ("blocked_share", np.float64),
        ("blocked_mean_m", np.float64),
        ("blocked_tau_s", np.float64),
        ("lag_ns", np.int64),
        ("stamp_var_s2", np.float64),
        ("cards_max", np.int64),
        ("bend_max_m", np.float64),
        ("ambiguous_cost", np.float64),
        ("late_max_ns", np.int64),
        ("jump_ns", np.int64),
        ("extrapolated_ns", np.int64),
        ("used_ns", np.int64),
        ("start_window_ns", np.int64),
        ("start_wait_ns", np.int64),
        ("reacquire_window_ns", np.int64),
        ("review_ns", np.int64),
        ("review_var_m2", np.float64),
        ("hold_max_m", np.float64),
        ("presence_after_ns", np.int64),
    ]
)


def _ns(seconds: float) -> int:
    return round(seconds * _NS_PER_S)


def for_kernel(s: TrackerSettings) -> Records:
    """(1,) SETTINGS."""
    values: dict[str, float] = {
        "range_var_m2": s.range_sigma_m**2,
        "acceleration_q": s.acceleration_q_m2_s3,
        "bias_var_m2": s.bias_sigma_m**2,
        "bias_tau_s": s.bias_tau_s,
        "gate_long": s.gate_long,
        "gate_short": s.gate_short,
        "difference_var_m2": s.difference_sigma_m**2,
        "gate_difference": s.gate_difference,
        "gate_place": s.gate_place,
        "rejects_max": s.rejects_max,
        "speed_max_m_s": s.speed_max_m_s,
        "start_speed_m_s": s.start_speed_m_s,
        "range_max_m": s.range_max_m,
        "roadway_var_m2": s.roadway_sigma_m**2,
        "walk_var_m2_s2": s.walk_sigma_m_s**2,
        "walk_tau_s": s.walk_tau_s,
        "blocked_share": s.blocked_share,
        "blocked_mean_m": s.blocked_mean_m,
        "blocked_tau_s": s.blocked_tau_s,
        "lag_ns": _ns(s.lag_s),
        "stamp_var_s2": s.stamp_sigma_s**2,
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
        "presence_after_ns": _ns(_PRESENCE_AFTER_S),
    }
    settings = np.zeros(1, SETTINGS)
    for name in SETTINGS.names or ():
        settings[name] = values[name]
    return settings
