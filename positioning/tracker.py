"""Where each card is, from ranges: the filter's shell, which owns the state of all cards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning import kernel
from positioning.observation import FIX, RANGE, Records

#: Room for cards at the start; doubled when it is used up.
_FIRST_CAPACITY: Final = 256
_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """The filter's parameters. The defaults suit people and vehicles in a mine.

    range_sigma_m: standard deviation of a range's noise.
    acceleration_q_m2_s3: spectral density of the acceleration: how briskly cards turn.
    bias_sigma_m, bias_tau_s: size and life of the slowly varying error of each anchor.
    gate: normalised innovation from which a too long range loses weight; beyond 2·gate + 1 it is
        dropped.
    gate_short: the same for a too short range, which is rarer and tells more.
    rejects_max: net drops after which the place is searched anew.
    speed_max_m_s: no card moves faster (25 km/h and some).
    start_speed_m_s: how fast a card may move when its filter starts (one sigma, per axis).
    range_max_m: no radio reaches further; a longer range is refused.
    """

    range_sigma_m: float = 0.3
    acceleration_q_m2_s3: float = 1.0
    bias_sigma_m: float = 0.1
    bias_tau_s: float = 30.0
    gate: float = 1.5
    gate_short: float = 3.0
    rejects_max: int = 12
    speed_max_m_s: float = 8.0
    start_speed_m_s: float = 1.5
    range_max_m: float = 2000.0
    bend_max_m: float = 0.0
    ambiguous_cost: float = 3.0
    late_max_s: float = 0.25
    jump_s: float = 10.0
    extrapolated_s: float = 2.0
    used_s: float = 1.0
    start_window_s: float = 1.5
    start_wait_s: float = 1.5
    reacquire_window_s: float = 0.6
    check_s: float = 1.0
    card_count_max: int = 1 << 17


def _ns(seconds: float) -> int:
    return round(seconds * _NS_PER_S)


def _for_kernel(s: TrackerSettings) -> kernel.Settings:
    return kernel.Settings(
        range_var_m2=s.range_sigma_m**2,
        acceleration_q=s.acceleration_q_m2_s3,
        bias_var_m2=s.bias_sigma_m**2,
        bias_tau_s=s.bias_tau_s,
        gate=s.gate,
        gate_short=s.gate_short,
        rejects_max=s.rejects_max,
        speed_max_m_s=s.speed_max_m_s,
        start_speed_m_s=s.start_speed_m_s,
        bend_max_m=s.bend_max_m,
        ambiguous_cost=s.ambiguous_cost,
        range_max_m=s.range_max_m,
        late_max_ns=_ns(s.late_max_s),
        jump_ns=_ns(s.jump_s),
        extrapolated_ns=_ns(s.extrapolated_s),
        used_ns=_ns(s.used_s),
        start_window_ns=_ns(s.start_window_s),
        start_wait_ns=_ns(s.start_wait_s),
        reacquire_window_ns=_ns(s.reacquire_window_s),
        check_ns=_ns(s.check_s),
        card_count_max=s.card_count_max,
    )


class Tracker:
    def __init__(
        self,
        anchors_m: NDArray[np.float64],
        card_z_m: NDArray[np.float64],
        settings: TrackerSettings | None = None,
    ) -> None:
        self._settings = settings or TrackerSettings()
        self._kernel_settings = _for_kernel(self._settings)
        self._anchors_m = np.array(anchors_m, np.float64, order="C").reshape(-1, 3)
        self._card_z_m = np.array(card_z_m, np.float64, order="C").reshape(-1)
        self._capacity = _FIRST_CAPACITY
        self._cards = kernel.new_cards(self._capacity)
        self._counts = np.zeros(kernel.REASONS, np.int64)

    def update(self, ranges: Records) -> Records:
        owned = np.require(ranges, RANGE, ["C", "W"])
        fixes = np.zeros(len(owned), FIX)
        filled = kernel.run(owned, self._cards, self._anchors_m, self._card_z_m, fixes, self._counts, self._kernel_settings)
        return fixes[:filled]
