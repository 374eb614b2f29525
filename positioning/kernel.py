"""The range filter for all cards: compiled, one pass over the ranges, a row of state per card.

Model of an open area: x, y, vx, vy with white-noise acceleration (Bar-Shalom, Li & Kirubarajan
2001, section 6.3.2) and one Gauss–Markov bias (ibid., 8.2) for each anchor heard lately. Ranges
enter one by one as scalar updates (Bierman 1977), linearised to second order. A range without line
of sight is too long, never too short: the gate is tighter on that side, with Huber's weight (Huber
1964) inside it. A place is acquired from the recent ranges by Gauss–Newton with a Cauchy loss
(Holland & Welsch 1977) from many starting points, because the mirror behind the anchors fits almost
as well.

A card's row depends on nothing but that card's own ranges, in their order: so the result is the
same however the input is cut into batches. Times enter only as differences.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from positioning.jit import njit
from positioning.observation import FIX, RANGE, FixClass, Records

#: Anchors with a bias state of their own for each card; the one heard longest ago makes room.
SLOTS: Final = 8
#: x, y, vx, vy, then the biases.
STATES: Final = 4 + SLOTS
#: Ranges kept for each card to (re-)acquire from: 0.6 s of four anchors at 13 Hz.
RING: Final = 32
#: Directions from which the multi-start search sets out.
DIRECTIONS: Final = 8

# Why a range was refused; the indices of `Rejections`.
NOT_FINITE: Final = 0
OUT_OF_SCALE: Final = 1
UNKNOWN_ANCHOR: Final = 2
UNKNOWN_CARD: Final = 3
REPEATED: Final = 4
TOO_OLD: Final = 5
GATED: Final = 6
REASONS: Final = 7

_PRECISE: Final = int(FixClass.PRECISE)
_EXTRAPOLATED: Final = int(FixClass.EXTRAPOLATED)
_AMBIGUOUS: Final = int(FixClass.AMBIGUOUS)

_S_PER_NS: Final = 1e-9
#: No card and no clock is outside these times: the difference of two of them never overflows.
_T_LIMIT_NS: Final = 1 << 62
#: A variance is never below this (1 mm)², so that a sum of roundings cannot make it negative.
_VARIANCE_FLOOR: Final = 1e-6


class Settings(NamedTuple):
    """The filter's parameters, as the kernel takes them; `TrackerSettings` explains them."""

    range_var_m2: float
    acceleration_q: float
    bias_var_m2: float
    bias_tau_s: float
    gate: float
    gate_short: float
    rejects_max: int
    speed_max_m_s: float
    start_speed_m_s: float
    bend_max_m: float
    ambiguous_cost: float
    range_max_m: float
    late_max_ns: int
    jump_ns: int
    extrapolated_ns: int
    used_ns: int
    start_window_ns: int
    start_wait_ns: int
    reacquire_window_ns: int
    check_ns: int
    card_count_max: int


class Cards(NamedTuple):
    """The state of all cards; the first axis of each array is the card's handle."""

    running: NDArray[np.bool_]
    ambiguous: NDArray[np.bool_]
    t_ns: NDArray[np.int64]
    floor_t_ns: NDArray[np.int64]
    accepted_t_ns: NDArray[np.int64]
    first_t_ns: NDArray[np.int64]
    checked_t_ns: NDArray[np.int64]
    jump_t_ns: NDArray[np.int64]
    jumping: NDArray[np.bool_]
    rejects: NDArray[np.int64]
    mean: NDArray[np.float64]
    cov: NDArray[np.float64]
    slot_anchor: NDArray[np.int64]
    slot_heard_ns: NDArray[np.int64]
    slot_used: NDArray[np.bool_]
    slot_used_ns: NDArray[np.int64]
    ring_anchor: NDArray[np.int64]
    ring_t_ns: NDArray[np.int64]
    ring_range_m: NDArray[np.float64]
    ring_next: NDArray[np.int64]


def new_cards(count: int) -> Cards:
    """State for `count` cards of which nothing has been heard."""

    def times() -> NDArray[np.int64]:
        return np.zeros(count, np.int64)

    def flags() -> NDArray[np.bool_]:
        return np.zeros(count, np.bool_)

    return Cards(
        running=flags(),
        ambiguous=flags(),
        t_ns=times(),
        floor_t_ns=np.full(count, np.iinfo(np.int64).min, np.int64),
        accepted_t_ns=times(),
        first_t_ns=times(),
        checked_t_ns=times(),
        jump_t_ns=times(),
        jumping=flags(),
        rejects=times(),
        mean=np.zeros((count, STATES)),
        cov=np.zeros((count, STATES, STATES)),
        slot_anchor=np.full((count, SLOTS), -1, np.int64),
        slot_heard_ns=np.zeros((count, SLOTS), np.int64),
        slot_used=np.zeros((count, SLOTS), np.bool_),
        slot_used_ns=np.zeros((count, SLOTS), np.int64),
        ring_anchor=np.full((count, RING), -1, np.int64),
        ring_t_ns=np.zeros((count, RING), np.int64),
        ring_range_m=np.zeros((count, RING)),
        ring_next=times(),
    )


@njit
def _predict(mean, cov, dt_s, s):
    """Moves a card's state on by `dt_s`."""
    mean[0] += mean[2] * dt_s
    mean[1] += mean[3] * dt_s
    for j in range(STATES):
        cov[0, j] += dt_s * cov[2, j]
        cov[1, j] += dt_s * cov[3, j]
    for j in range(STATES):
        cov[j, 0] += dt_s * cov[j, 2]
        cov[j, 1] += dt_s * cov[j, 3]
    cov[1, 0] = cov[0, 1]  # the one pair whose roundings may differ
    q = s.acceleration_q
    for k in range(2):
        cov[k, k] += q * dt_s * dt_s * dt_s / 3.0
        cov[k, k + 2] += q * dt_s * dt_s / 2.0
        cov[k + 2, k] += q * dt_s * dt_s / 2.0
        cov[k + 2, k + 2] += q * dt_s
    keep = math.exp(-dt_s / s.bias_tau_s)
    for b in range(4, STATES):
        mean[b] *= keep
        for j in range(STATES):
            cov[b, j] *= keep
            cov[j, b] *= keep
        cov[b, b] += s.bias_var_m2 * (1.0 - keep * keep)


@njit
def _update(mean, cov, slot, lag_s, range_m, anchor, dz, s):
    """One range into a card's state; gives (accepted, normalised innovation squared).

    `lag_s`: how much older than the state the range is.
    """
    dx = mean[0] - lag_s * mean[2] - anchor[0]
    dy = mean[1] - lag_s * mean[3] - anchor[1]
    slant_m = max(math.sqrt(dx * dx + dy * dy + dz * dz), 0.05)
    ux, uy = dx / slant_m, dy / slant_m
    b = 4 + slot
    ph = np.empty(STATES)
    for i in range(STATES):
        at_now = cov[i, 0] * ux + cov[i, 1] * uy
        ph[i] = at_now - lag_s * (cov[i, 2] * ux + cov[i, 3] * uy) + cov[i, b]
    spread = ux * ph[0] + uy * ph[1] - lag_s * (ux * ph[2] + uy * ph[3]) + ph[b]
    # Half the trace of (Hessian of the range × covariance): the circle's sagitta.
    bend = 0.5 * (
        cov[0, 0] * (1.0 - ux * ux) - 2.0 * cov[0, 1] * ux * uy + cov[1, 1] * (1.0 - uy * uy)
    )
    bend = max(bend / slant_m, 0.0)
    innovation = range_m - slant_m - mean[b] - min(bend, s.bend_max_m)
    noise = s.range_var_m2 + 2.0 * bend * bend
    nis = innovation * innovation / (spread + noise)
    score = math.sqrt(nis)
    gate = s.gate if innovation > 0.0 else s.gate_short
    if score > 2.0 * gate + 1.0:
        return False, nis
    if score > gate:
        noise *= score / gate
    total = spread + noise
    for i in range(STATES):
        mean[i] += ph[i] / total * innovation
    for i in range(STATES):
        for j in range(i, STATES):
            cov[i, j] -= ph[i] * ph[j] / total
            cov[j, i] = cov[i, j]
        cov[i, i] = max(cov[i, i], _VARIANCE_FLOOR)
    return True, nis


@njit
def _gather(c, cards, anchors_m, card_z_m, t_ns, window_ns, near, s):
    """The card's ranges of the last `window_ns` before `t_ns` into `near` (RING, 5): anchor x, y,
    height difference squared, range, variance. Gives (ranges, distinct anchors).
    """
    count = 0
    distinct = 0
    for k in range(RING):
        anchor = cards.ring_anchor[c, k]
        age_ns = t_ns - cards.ring_t_ns[c, k]
        if anchor < 0 or age_ns < -s.late_max_ns or age_ns > window_ns:
            continue
        new = True
        for j in range(count):
            if near[j, 5] == anchor:
                new = False
        distinct += int(new)
        dz = anchors_m[anchor, 2] - card_z_m[anchor]
        walked_m = s.start_speed_m_s * age_ns * _S_PER_NS
        near[count, 0] = anchors_m[anchor, 0]
        near[count, 1] = anchors_m[anchor, 1]
        near[count, 2] = dz * dz
        near[count, 3] = cards.ring_range_m[c, k]
        near[count, 4] = s.range_var_m2 + walked_m * walked_m
        near[count, 5] = anchor
        count += 1
    return count, distinct


@njit
def _cost(x, y, near, count):
    """Cauchy loss of a place over the ranges gathered."""
    total = 0.0
    for i in range(count):
        dx, dy = x - near[i, 0], y - near[i, 1]
        error = near[i, 3] - math.sqrt(dx * dx + dy * dy + near[i, 2])
        total += 0.5 * math.log(1.0 + error * error / near[i, 4])
    return total


@njit
def _descend(place, near, count, step_max_m):
    """Damped Gauss–Newton with Cauchy weights from `place` (6,): x, y, cost, covariance xx, xy, yy,
    in place.
    """
    for _ in range(15):
        xx, xy, yy, gx, gy = 1e-4, 0.0, 1e-4, 0.0, 0.0
        for i in range(count):
            dx, dy = place[0] - near[i, 0], place[1] - near[i, 1]
            slant_m = max(math.sqrt(dx * dx + dy * dy + near[i, 2]), 0.05)
            ux, uy = dx / slant_m, dy / slant_m
            error = near[i, 3] - slant_m
            weight = 1.0 / (near[i, 4] + error * error)
            xx += weight * ux * ux
            xy += weight * ux * uy
            yy += weight * uy * uy
            gx += weight * ux * error
            gy += weight * uy * error
        damp = 1e-3 * (xx + yy)
        det = (xx + damp) * (yy + damp) - xy * xy
        sx = ((yy + damp) * gx - xy * gy) / det
        sy = ((xx + damp) * gy - xy * gx) / det
        step_m = math.hypot(sx, sy)
        shrink = min(1.0, step_max_m / (step_m + 1e-9))
        place[0] += shrink * sx
        place[1] += shrink * sy
        if step_m < 1e-3:
            break
    det = xx * yy - xy * xy
    place[2] = _cost(place[0], place[1], near, count)
    place[3], place[4], place[5] = yy / det, -xy / det, xx / det


@njit
def _search(near, count, distinct, best, other):
    """The place that fits best, and the best that is elsewhere: each (6,) as in `_descend`.

    Costs and covariances are scaled to one range per anchor, as the errors of one anchor's ranges
    within a second are nearly the same error. Gives the cost by which `other` is worse.
    """
    cx, cy, reach_m = 0.0, 0.0, 0.0
    for i in range(count):
        cx += near[i, 0] / count
        cy += near[i, 1] / count
        reach_m += near[i, 3] / count
    trial = np.empty((DIRECTIONS, 6))
    found = 0
    for k in range(DIRECTIONS):
        angle = 2.0 * math.pi * k / DIRECTIONS + 0.2
        trial[k, 0] = cx + reach_m * math.cos(angle)
        trial[k, 1] = cy + reach_m * math.sin(angle)
        _descend(trial[k], near, count, 0.5 * reach_m + 1.0)
        if trial[k, 2] < trial[found, 2]:
            found = k
    best[:] = trial[found]
    other[:] = best
    other[2] = math.inf
    for k in range(DIRECTIONS):
        apart_m = math.hypot(trial[k, 0] - best[0], trial[k, 1] - best[1])
        if apart_m > 1.0 and trial[k, 2] < other[2]:
            other[:] = trial[k]
    share = distinct / count
    best[2] *= share
    other[2] *= share
    for j in range(3, 6):
        best[j] /= share
        other[j] /= share
    return other[2] - best[2]


@njit
def _settle(c, cards, t_ns, best, other, behind, s):
    """Puts the card's filter at `best`; `behind` is the cost by which `other` is worse."""
    mean, cov = cards.mean[c], cards.cov[c]
    mean[:] = 0.0
    cov[:, :] = 0.0
    mean[0], mean[1] = best[0], best[1]
    cov[0, 0], cov[0, 1], cov[1, 0], cov[1, 1] = best[3], best[4], best[4], best[5]
    if behind < s.ambiguous_cost:  # what stands against `best` belongs to its uncertainty
        odds = 1.0 / (1.0 + math.exp(behind))
        dx, dy = other[0] - best[0], other[1] - best[1]
        cov[0, 0] += odds * dx * dx
        cov[0, 1] += odds * dx * dy
        cov[1, 0] += odds * dx * dy
        cov[1, 1] += odds * dy * dy
    for k in range(2):
        cov[k, k] += s.bias_var_m2
        cov[k + 2, k + 2] = s.start_speed_m_s * s.start_speed_m_s
    for b in range(4, STATES):
        cov[b, b] = s.bias_var_m2
    cards.running[c] = True
    cards.ambiguous[c] = behind < s.ambiguous_cost
    cards.rejects[c] = 0
    cards.t_ns[c] = t_ns
    cards.accepted_t_ns[c] = t_ns
    cards.checked_t_ns[c] = t_ns


@njit
def _start(c, cards, anchors_m, card_z_m, t_ns, s):
    """Starts the card's filter if its recent ranges tell where it is."""
    near = np.empty((RING, 6))
    best, other = np.empty(6), np.empty(6)
    count, distinct = _gather(c, cards, anchors_m, card_z_m, t_ns, s.start_window_ns, near, s)
    waited = t_ns - cards.first_t_ns[c] >= s.start_wait_ns
    if distinct < 2 or (distinct < 3 and not waited):
        return False
    behind = _search(near, count, distinct, best, other)
    if behind < s.ambiguous_cost and not waited:
        return False
    _settle(c, cards, t_ns, best, other, behind, s)
    return True


@njit
def _reacquire(c, cards, anchors_m, card_z_m, s):
    """After many rejects: elsewhere, if the recent ranges fit clearly better there."""
    near = np.empty((RING, 6))
    best, other = np.empty(6), np.empty(6)
    t_ns = cards.t_ns[c]
    mean, cov = cards.mean[c], cards.cov[c]
    count, distinct = _gather(c, cards, anchors_m, card_z_m, t_ns, s.reacquire_window_ns, near, s)
    if distinct < 3:
        count, distinct = _gather(c, cards, anchors_m, card_z_m, t_ns, s.start_window_ns, near, s)
    cards.rejects[c] = 0
    if distinct >= 3:
        behind = _search(near, count, distinct, best, other)
        here = _cost(mean[0], mean[1], near, count) * distinct / count
        if behind < s.ambiguous_cost and (
            math.hypot(other[0] - mean[0], other[1] - mean[1])
            < math.hypot(best[0] - mean[0], best[1] - mean[1])
        ):
            best, other, behind = other, best, -behind
        if best[2] + 1.0 < here:
            _settle(c, cards, t_ns, best, other, behind, s)
            return
    for k in range(2):
        cov[k, k] += 1.0


@njit
def _resolve(c, cards, anchors_m, card_z_m, s):
    """While two places fit: have the ranges of the last seconds decided?"""
    near = np.empty((RING, 6))
    best, other = np.empty(6), np.empty(6)
    t_ns = cards.t_ns[c]
    mean, cov = cards.mean[c], cards.cov[c]
    cards.checked_t_ns[c] = t_ns
    count, distinct = _gather(c, cards, anchors_m, card_z_m, t_ns, s.start_window_ns, near, s)
    if distinct < 3:
        return
    behind = _search(near, count, distinct, best, other)
    if behind < s.ambiguous_cost:
        return
    cards.ambiguous[c] = False
    apart_m = math.hypot(best[0] - mean[0], best[1] - mean[1])
    if apart_m > 1.0 + 2.0 * math.sqrt(cov[0, 0] + cov[1, 1]):
        _settle(c, cards, t_ns, best, other, behind, s)


@njit
def _slot(c, cards, anchor, t_ns, s):
    """The bias state of `anchor`, made now if it has none."""
    oldest = 0
    for k in range(SLOTS):
        if cards.slot_anchor[c, k] == anchor:
            cards.slot_heard_ns[c, k] = t_ns
            return k
        if cards.slot_anchor[c, oldest] >= 0 and (
            cards.slot_anchor[c, k] < 0
            or cards.slot_heard_ns[c, k] < cards.slot_heard_ns[c, oldest]
        ):
            oldest = k
    b = 4 + oldest
    cards.slot_anchor[c, oldest] = anchor
    cards.slot_heard_ns[c, oldest] = t_ns
    cards.slot_used[c, oldest] = False
    cards.mean[c, b] = 0.0
    cards.cov[c, b, :] = 0.0
    cards.cov[c, :, b] = 0.0
    cards.cov[c, b, b] = s.bias_var_m2
    return oldest


@njit
def _refusal(r, cards, anchor_count, s):
    """Why a range cannot be used, or -1."""
    card, anchor, t_ns = int(r["card"]), int(r["anchor"]), r["t_ns"]
    range_m = r["range_m"]
    if not math.isfinite(range_m):
        return NOT_FINITE
    if range_m < 0.0 or range_m > s.range_max_m or t_ns > _T_LIMIT_NS or t_ns < -_T_LIMIT_NS:
        return OUT_OF_SCALE
    if anchor >= anchor_count:
        return UNKNOWN_ANCHOR
    if card >= s.card_count_max:
        return UNKNOWN_CARD
    for k in range(RING):
        if cards.ring_anchor[card, k] == anchor and cards.ring_t_ns[card, k] == t_ns:
            return REPEATED
    if t_ns <= cards.floor_t_ns[card]:
        return TOO_OLD
    if cards.running[card] and cards.t_ns[card] - t_ns > s.late_max_ns:
        return TOO_OLD
    return -1


@njit
def _is_jump(c, cards, t_ns, s):
    """Is this far after the filter's time, and not yet confirmed by a second range?"""
    if t_ns - cards.t_ns[c] <= s.jump_ns:
        cards.jumping[c] = False
        return False
    confirmed = cards.jumping[c] and abs(t_ns - cards.jump_t_ns[c]) <= s.jump_ns
    cards.jumping[c] = not confirmed
    cards.jump_t_ns[c] = t_ns
    if confirmed:
        cards.rejects[c] = s.rejects_max
    return not confirmed


@njit
def _limit_speed(mean, s):
    """No card is faster than the limit: the filter has followed an error."""
    speed_m_s = math.hypot(mean[2], mean[3])
    if speed_m_s > s.speed_max_m_s:
        mean[2] *= s.speed_max_m_s / speed_m_s
        mean[3] *= s.speed_max_m_s / speed_m_s


@njit
def _measure(c, cards, anchors_m, card_z_m, anchor, t_ns, range_m, counts, s):
    """Brings the filter to the range's time and the range into the filter; gives its NIS."""
    dt_ns = t_ns - cards.t_ns[c]
    mean, cov = cards.mean[c], cards.cov[c]
    if dt_ns > 0:
        _predict(mean, cov, dt_ns * _S_PER_NS, s)
        cards.t_ns[c] = t_ns
    slot = _slot(c, cards, anchor, cards.t_ns[c], s)
    lag_s = max(-dt_ns, 0) * _S_PER_NS
    dz = anchors_m[anchor, 2] - card_z_m[anchor]
    accepted, nis = _update(mean, cov, slot, lag_s, range_m, anchors_m[anchor], dz, s)
    if accepted:
        cards.rejects[c] = max(cards.rejects[c] - 1, 0)
        cards.accepted_t_ns[c] = cards.t_ns[c]
        cards.slot_used[c, slot] = True
        cards.slot_used_ns[c, slot] = cards.t_ns[c]
    else:
        counts[GATED] += 1
        cards.rejects[c] += 1
    _limit_speed(mean, s)
    if cards.rejects[c] >= s.rejects_max:
        _reacquire(c, cards, anchors_m, card_z_m, s)
    elif cards.ambiguous[c] and cards.t_ns[c] - cards.checked_t_ns[c] >= s.check_ns:
        _resolve(c, cards, anchors_m, card_z_m, s)
    return nis


@njit
def _emit(c, cards, anchors_m, card_z_m, t_ns, nis, fix, s):
    """Writes the card's state, moved on to `t_ns`, as a fix."""
    mean, cov = cards.mean[c], cards.cov[c]
    dt_s = (t_ns - cards.t_ns[c]) * _S_PER_NS
    used = 0
    nearest, nearest_m2, nearest_used = -1, math.inf, False
    for k in range(SLOTS):
        anchor = cards.slot_anchor[c, k]
        if anchor < 0:
            continue
        recent = cards.slot_used[c, k] and t_ns - cards.slot_used_ns[c, k] <= s.used_ns
        used += int(recent)
        dx, dy = anchors_m[anchor, 0] - mean[0], anchors_m[anchor, 1] - mean[1]
        apart_m2 = dx * dx + dy * dy
        if (recent and not nearest_used) or (recent == nearest_used and apart_m2 < nearest_m2):
            nearest, nearest_m2, nearest_used = anchor, apart_m2, recent
    fix["card"] = c
    fix["t_ns"] = t_ns
    fix["x_m"] = mean[0] + dt_s * mean[2]
    fix["y_m"] = mean[1] + dt_s * mean[3]
    fix["z_m"] = card_z_m[nearest] if nearest >= 0 else 0.0
    fix["vx_m_s"], fix["vy_m_s"] = mean[2], mean[3]
    fix["var_x_m2"] = cov[0, 0]
    fix["cov_xy_m2"] = cov[0, 1]
    fix["var_y_m2"] = cov[1, 1]
    fix["fix_class"] = _PRECISE
    if cards.ambiguous[c]:
        fix["fix_class"] = _AMBIGUOUS
    if t_ns - cards.accepted_t_ns[c] > s.extrapolated_ns:
        fix["fix_class"] = _EXTRAPOLATED
    fix["anchors_used"] = used
    fix["nis"] = nis


@njit
def run(ranges, cards, anchors_m, card_z_m, fixes, counts, s):
    """Takes all `ranges` in order; fills `fixes` from the front and gives how many.

    `ranges` (n,) RANGE, `fixes` (n,) FIX, `anchors_m` (a, 3), `card_z_m` (a,), `counts` (REASONS,)
    int64 of refusals, added to. Cards must have room for every card below `s.card_count_max`.
    """
    filled = 0
    for i in range(len(ranges)):
        r = ranges[i]
        reason = _refusal(r, cards, len(anchors_m), s)
        if reason >= 0:
            counts[reason] += 1
            continue
        c, anchor, t_ns, range_m = int(r["card"]), int(r["anchor"]), r["t_ns"], r["range_m"]
        k = cards.ring_next[c]
        cards.ring_anchor[c, k] = anchor
        cards.ring_t_ns[c, k] = t_ns
        cards.ring_range_m[c, k] = range_m
        cards.ring_next[c] = (k + 1) % RING
        nis = math.nan
        if cards.running[c]:
            if _is_jump(c, cards, t_ns, s):
                _emit(c, cards, anchors_m, card_z_m, t_ns, nis, fixes[filled], s)
                filled += 1
                continue
            nis = _measure(c, cards, anchors_m, card_z_m, anchor, t_ns, range_m, counts, s)
        else:
            last = cards.ring_t_ns[c, k - 1]
            if cards.ring_anchor[c, k - 1] < 0 or abs(t_ns - last) > s.jump_ns:
                cards.first_t_ns[c] = t_ns
            if not _start(c, cards, anchors_m, card_z_m, t_ns, s):
                continue
        _emit(c, cards, anchors_m, card_z_m, cards.t_ns[c], nis, fixes[filled], s)
        filled += 1
    return filled
