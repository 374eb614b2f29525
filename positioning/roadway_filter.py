"""The filter of the roadways: places along centrelines, several where several fit. Compiled.

A hypothesis is a place s and a speed v along an edge of the graph (Liao, Fox, Hightower, Kautz &
Schulz 2003; several of them at once: Reid 1979). The speed is an Ornstein–Uhlenbeck process: cards
walk, stand and turn, and the uncertainty of a silent one grows like a walk, not without bounds. The
centreline is inside the filter, not a correction afterwards (Simon 2010). Where a card is between
the walls is unknown: that is part of a range's noise, as far as the range depends on it.

A range is in line of sight, or it is not and too long by an exponential error; how likely that is
for an anchor is remembered from its last range (a Markov chain). Both ways out are weighed, as in
probabilistic data association (Bar-Shalom, Li & Kirubarajan 2001, section 3.4).

`k` is the hypothesis.
"""

from __future__ import annotations

import math
from typing import Final

from positioning.cards import (
    SS,
    SV,
    VV,
    Card,
    S,
    V,
)
from positioning.erfc import scaled_erfc
from positioning.jit import njit, njit_within
from positioning.roadway_places import cross_junctions, edge_of, point_at
from positioning.site import Site

#: No variance along a roadway falls below (5 cm)²: people are not points.
_PLACE_VAR_MIN_M2: Final = 0.0025
_SPEED_VAR_MIN_M2_S2: Final = 1e-4
#: However long a card was silent, its uncertainty grows no further than a large mine's size.
_PLACE_VAR_MAX_M2: Final = 2.5e7
#: Square of how much place and speed may be correlated.
_CORRELATION_MAX2: Final = 0.999**2
#: What neither noise nor obstacles explain, per metre: a wrong place, or a broken range.
_BROKEN: Final = 1e-5
#: Radio follows roadways: where the way along them is longer than a range by this factor and so
#: many metres, the range would have to cross rock.
_DETOUR: Final = 1.3
_DETOUR_M: Final = 15.0
#: How much that speaks against a place, nats.
ROCK: Final = 4.0
#: Beyond this many sigmas per mean excess the exponential's tail is as good as a normal one.
_TAIL_SIGMAS: Final = 8.0
_SQRT_2: Final = math.sqrt(2.0)
_SQRT_2PI: Final = math.sqrt(2.0 * math.pi)


@njit_within
def predict_places(card: Card, site: Site, dt_s: float) -> None:
    """Moves all hypotheses on by `dt_s`; those that come to a junction go all ways."""
    tau_s, var = site["walk_tau_s"], site["walk_var_m2_s2"]
    keep = math.exp(-dt_s / tau_s)
    reach_s = tau_s * (1.0 - keep)
    grown = var * tau_s * tau_s * (2.0 * dt_s / tau_s - 3.0 + 4.0 * keep - keep * keep)
    h = card["hypotheses"]
    for k in range(card["places"]):
        h[k, S] += reach_s * h[k, V]
        h[k, V] *= keep
        ss = h[k, SS] + 2.0 * reach_s * h[k, SV] + reach_s * reach_s * h[k, VV]
        h[k, SS] = min(ss + max(grown, 0.0), _PLACE_VAR_MAX_M2)
        sv = keep * (h[k, SV] + reach_s * h[k, VV])
        h[k, SV] = sv + var * tau_s * (1.0 - keep) * (1.0 - keep)
        h[k, VV] = keep * keep * h[k, VV] + var * (1.0 - keep * keep)
        if site["lag_ns"] > 0:
            trails = card["trails"]
            for j in range(trails.shape[1]):
                trails[k, j, 2] += reach_s * trails[k, j, 3]
                trails[k, j, 3] *= keep
    cross_junctions(card, site)


@njit_within
def expect_on_roadway(
    card: Card, site: Site, k: int, anchor: int, lag_s: float
) -> tuple[float, float, float, float, float]:
    """The expected distance to an anchor: (distance, by s, by the way across, direction x, y).

    The mean over the width is a little longer than from the centreline: the second order.
    """
    h = card["hypotheses"]
    piece = card["pieces"][k]
    x, y, z = point_at(site, piece, h[k, S] - lag_s * h[k, V])
    dx, dy = x - site["anchor_x_m"][anchor], y - site["anchor_y_m"][anchor]
    dz = z - site["anchor_z_m"][anchor]
    tx, ty, tz = site["piece_tx"][piece], site["piece_ty"][piece], site["piece_tz"][piece]
    flat = max(math.sqrt(tx * tx + ty * ty), 1e-6)
    across = (dy * tx - dx * ty) / flat
    var = site["edge_aside_m2"][site["piece_edge"][piece]]
    slant_m2 = dx * dx + dy * dy + dz * dz + var
    slant_m = math.sqrt(slant_m2)
    nearness = slant_m / slant_m2
    by_s = (dx * tx + dy * ty + dz * tz) * nearness
    bend_m = 0.5 * h[k, SS] * (1.0 - by_s * by_s) * nearness
    if 4.0 * bend_m * bend_m > h[k, SS]:
        bend_m = 0.5 * math.sqrt(h[k, SS])
    return slant_m + bend_m, by_s, across * nearness, dx * nearness, dy * nearness


@njit
def abeam(card: Card, site: Site, k: int, anchor: int) -> tuple[float, float]:
    """Where on the edge's line the anchor is abeam, and the square of its distance from there."""
    piece = card["pieces"][k]
    s_m = card["hypotheses"][k, S]
    x, y, z = point_at(site, piece, s_m)
    dx, dy = site["anchor_x_m"][anchor] - x, site["anchor_y_m"][anchor] - y
    dz = site["anchor_z_m"][anchor] - z
    way_m = dx * site["piece_tx"][piece] + dy * site["piece_ty"][piece]
    way_m += dz * site["piece_tz"][piece]
    aside_m2 = site["edge_aside_m2"][site["piece_edge"][piece]]
    return s_m + way_m, dx * dx + dy * dy + dz * dz - way_m * way_m + aside_m2


@njit_within
def noise_on_roadway(
    card: Card, site: Site, k: int, by_s: float, across: float, slant_m: float
) -> float:
    """Variance of a range that the place along the roadway does not explain: all but the noise."""
    var = site["edge_aside_m2"][edge_of(card, site, k)]
    ss, nearness = card["hypotheses"][k, SS], 1.0 / slant_m
    curve = (1.0 - across * across) * var * nearness
    sagitta = (1.0 - by_s * by_s) * ss * nearness
    return float(across * across * var + 0.5 * curve * curve + 0.5 * min(sagitta * sagitta, ss))


@njit
def through_rock(site: Site, anchor: int, edge: int, s_m: float, range_m: float) -> bool:
    """Whether a range is so much shorter than the way along the roadways that it crosses rock."""
    own, at_m = site["anchor_edge"][anchor], site["anchor_s_m"][anchor]
    least_m = math.inf
    if own == edge:
        least_m = abs(at_m - s_m)
    for i in (0, 1):
        to_end_m = s_m if i == 0 else site["edge_length_m"][edge] - s_m
        for j in (0, 1):
            from_end_m = at_m if j == 0 else site["edge_length_m"][own] - at_m
            between_m = site["apart_m"][site["edge_nodes"][edge, i], site["edge_nodes"][own, j]]
            least_m = min(least_m, to_end_m + between_m + from_end_m)
    return bool(least_m > _DETOUR * range_m + _DETOUR_M + site["anchor_off_m"][anchor])


@njit_within
def weigh(
    innovation_m: float, total_m2: float, blocked: float, excess_m: float
) -> tuple[float, float, float]:
    """A range's likelihood, how likely it is in line of sight, and how likely it is blocked.

    In line of sight the innovation is normal; blocked it is that and an exponential excess, never
    shorter (the sum: an exponentially modified normal distribution).
    """
    sigma_m = math.sqrt(total_m2)
    weight = 1.0 / total_m2
    score = innovation_m * sigma_m * weight
    normal = math.exp(-0.5 * score * score)
    clear = (1.0 - blocked) * normal * sigma_m * weight / _SQRT_2PI
    ratio = sigma_m / excess_m
    if ratio < _TAIL_SIGMAS:
        # exp(r²/2 - r·s)·erfc((r - s)/√2) with r the ratio, s the score
        longer = normal * scaled_erfc(abs(ratio - score) / _SQRT_2)
        if score > ratio:
            longer = 2.0 * math.exp(ratio * (0.5 * ratio - score)) - longer
        longer *= 0.5 / excess_m
    else:
        wide = math.sqrt(total_m2 + excess_m * excess_m)
        far = (innovation_m - excess_m) / wide
        longer = math.exp(-0.5 * far * far) / (wide * _SQRT_2PI)
    longer *= blocked
    likely = clear + longer + _BROKEN
    return likely, clear / likely, longer / likely


@njit_within
def absorb_on_roadway(
    card: Card,
    site: Site,
    k: int,
    by_s: float,
    by_v: float,
    innovation_m: float,
    total_m2: float,
    share: float,
) -> None:
    """The scalar update of a hypothesis, which holds with probability `share`.

    The gradient is `by_s` in s and `by_v` in v; `total_m2` is the innovation's variance.
    """
    h = card["hypotheses"]
    weight = 1.0 / total_m2
    gain_s = (h[k, SS] * by_s + h[k, SV] * by_v) * weight
    gain_v = (h[k, SV] * by_s + h[k, VV] * by_v) * weight
    h[k, S] += share * gain_s * innovation_m
    h[k, V] += share * gain_v * innovation_m
    # What is known more if the update holds, and the spread between holding and not.
    more = share * (total_m2 - (1.0 - share) * innovation_m * innovation_m)
    ss = max(h[k, SS] - more * gain_s * gain_s, _PLACE_VAR_MIN_M2)
    sv = h[k, SV] - more * gain_s * gain_v
    vv = max(h[k, VV] - more * gain_v * gain_v, _SPEED_VAR_MIN_M2_S2)
    most2 = _CORRELATION_MAX2 * ss * vv
    if sv * sv > most2:
        sv = math.copysign(math.sqrt(most2), sv)
    h[k, SS], h[k, SV], h[k, VV] = ss, sv, vv
    if site["lag_ns"] > 0:
        trails = card["trails"]
        for j in range(trails.shape[1]):
            gain = (trails[k, j, 2] * by_s + trails[k, j, 3] * by_v) * weight
            trails[k, j, 0] += share * gain * innovation_m
            trails[k, j, 1] -= more * gain * gain
            trails[k, j, 2] -= more * gain * gain_s
            trails[k, j, 3] -= more * gain * gain_v
    _limit_speed(card, site, k)


@njit_within
def _limit_speed(card: Card, site: Site, k: int) -> None:
    most_m_s = card["speed_max_m_s"]
    if most_m_s <= 0.0:
        most_m_s = site["speed_max_m_s"]
    h = card["hypotheses"]
    h[k, V] = min(max(h[k, V], -most_m_s), most_m_s)
