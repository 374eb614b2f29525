"""The range filter for all cards: compiled, one pass over the ranges, a row of state per card.

A card's row depends on nothing but that card's own ranges, in their order: so the result is the
same however the input is cut into batches. Times enter only as differences.

In what follows `f` holds all state and settings and `c` is a card's handle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from positioning import cards as cards_module
from positioning import range_update
from positioning import search as search_module
from positioning.cards import Filters, Floats, Integers
from positioning.jit import njit, njit_cached, sources_stamp
from positioning.observation import FixClass, Records
from positioning.range_update import VARIANCE_FLOOR, describe, predict, update
from positioning.search import cost, gather, search

# Why a range was not used: the indices of `Filters.rejected`, in the order of `Rejections`.
NOT_FINITE: Final = 0
OUT_OF_SCALE: Final = 1
UNKNOWN_ANCHOR: Final = 2
UNKNOWN_CARD: Final = 3
REPEATED: Final = 4
TOO_OLD: Final = 5
GATED: Final = 6
_SOUND: Final = -1

#: Within these times the difference of two never overflows.
T_LIMIT_NS: Final = 1 << 62

_PRECISE: Final = int(FixClass.PRECISE)
_EXTRAPOLATED: Final = int(FixClass.EXTRAPOLATED)
_AMBIGUOUS: Final = int(FixClass.AMBIGUOUS)
_S_PER_NS: Final = 1e-9
#: A card leaps to a place only if that fits: one anchor in three may be blocked.
_MISFIT_MAX: Final = 0.7
#: And only if it fits better than where the card is, by odds of about 1 : 3.
_BETTER_COST: Final = 1.0


@njit
def _reset(f: Filters, c: int, x: float, y: float) -> None:
    """A card's state at rest at (x, y); the covariance of its place is left to the caller."""
    mean, cov, s = f.cards.mean[c], f.cards.cov[c], f.settings
    mean[:] = 0.0
    cov[:, :] = 0.0
    mean[0], mean[1] = x, y
    for k in range(2):
        cov[k + 2, k + 2] = s.start_speed_m_s * s.start_speed_m_s
    for b in range(4, len(mean)):
        cov[b, b] = s.bias_var_m2


@njit
def _settle(f: Filters, c: int, t_ns: int, best: Floats, other: Floats) -> None:
    """Puts the card's filter at `best`; `other` is the place that stands against it."""
    cards, cov, s = f.cards, f.cards.cov[c], f.settings
    _reset(f, c, best[0], best[1])
    behind = other[2] - best[2]
    odds, dx, dy = 0.0, 0.0, 0.0
    if behind < s.ambiguous_cost:  # the other place belongs to the uncertainty of this one
        odds = 1.0 / (1.0 + math.exp(behind))
        dx, dy = other[0] - best[0], other[1] - best[1]
    cov[0, 0] = best[3] + s.bias_var_m2 + odds * dx * dx
    cov[0, 1] = best[4] + odds * dx * dy
    cov[1, 0] = cov[0, 1]
    cov[1, 1] = best[5] + s.bias_var_m2 + odds * dy * dy
    cards.running[c] = True
    cards.coasting[c] = False
    cards.ambiguous[c] = behind < s.ambiguous_cost
    cards.rejects[c] = 0
    cards.t_ns[c] = t_ns
    cards.accepted_t_ns[c] = t_ns
    cards.reviewed_t_ns[c] = t_ns


@njit
def _start(f: Filters, c: int, t_ns: int) -> bool:
    """Starts the card's filter if its recent ranges tell where it is."""
    near = np.empty((f.cards.ring_anchor.shape[1], 6))
    best, other = np.empty(6), np.empty(6)
    count, distinct = gather(f, c, t_ns, f.settings.start_window_ns, near)
    waited = t_ns - f.cards.first_t_ns[c] >= f.settings.start_wait_ns
    if distinct < 2 or (distinct < 3 and not waited):
        return False
    behind = search(near, count, distinct, best, other)
    if behind < f.settings.ambiguous_cost and not waited:
        return False
    _settle(f, c, t_ns, best, other)
    return True


@njit
def _reacquire(f: Filters, c: int) -> None:
    """After many rejects: goes elsewhere, if the recent ranges fit clearly better there."""
    mean, cov, t_ns, s = f.cards.mean[c], f.cards.cov[c], f.cards.t_ns[c], f.settings
    near = np.empty((f.cards.ring_anchor.shape[1], 6))
    best, other = np.empty(6), np.empty(6)
    count, distinct = gather(f, c, t_ns, s.reacquire_window_ns, near)
    if distinct < 3:
        count, distinct = gather(f, c, t_ns, s.start_window_ns, near)
    f.cards.rejects[c] = 0
    if distinct >= 3:
        behind = search(near, count, distinct, best, other)
        from_best_m = math.hypot(best[0] - mean[0], best[1] - mean[1])
        from_other_m = math.hypot(other[0] - mean[0], other[1] - mean[1])
        if behind < s.ambiguous_cost and from_other_m < from_best_m:
            best, other = other, best
        here = cost(mean[0], mean[1], near, count, distinct)
        if best[2] < _MISFIT_MAX * distinct and best[2] + _BETTER_COST < here:
            _settle(f, c, t_ns, best, other)
            return
    for k in range(2):
        cov[k, k] += 1.0


@njit
def _review(f: Filters, c: int) -> None:
    """While a card's place is uncertain: do the ranges of the last seconds tell of another?"""
    mean, cov, t_ns, s = f.cards.mean[c], f.cards.cov[c], f.cards.t_ns[c], f.settings
    near = np.empty((f.cards.ring_anchor.shape[1], 6))
    best, other = np.empty(6), np.empty(6)
    f.cards.reviewed_t_ns[c] = t_ns
    count, distinct = gather(f, c, t_ns, s.start_window_ns, near)
    if distinct < 3:
        return
    behind = search(near, count, distinct, best, other)
    reach_m = 1.0 + 3.0 * math.sqrt(cov[0, 0] + cov[1, 1])
    if math.hypot(best[0] - mean[0], best[1] - mean[1]) < reach_m:
        if behind > s.ambiguous_cost:
            f.cards.ambiguous[c] = False
        return
    here = cost(mean[0], mean[1], near, count, distinct)
    if best[2] < _MISFIT_MAX * distinct and best[2] + s.ambiguous_cost < here:
        _settle(f, c, t_ns, best, other)


@njit
def _slot(f: Filters, c: int, anchor: int, t_ns: int) -> int:
    """The bias state of `anchor`, made now if it has none."""
    cards = f.cards
    oldest = 0
    for k in range(cards.slot_anchor.shape[1]):
        if cards.slot_anchor[c, k] == anchor:
            cards.slot_heard_ns[c, k] = t_ns
            return k
        if cards.slot_anchor[c, oldest] >= 0 and (
            cards.slot_anchor[c, k] < 0
            or cards.slot_heard_ns[c, k] < cards.slot_heard_ns[c, oldest]
        ):
            oldest = k
    cards.slot_anchor[c, oldest] = anchor
    cards.slot_heard_ns[c, oldest] = t_ns
    cards.slot_used[c, oldest] = False
    cards.mean[c, 4 + oldest] = 0.0
    cards.cov[c, 4 + oldest, :] = 0.0
    cards.cov[c, :, 4 + oldest] = 0.0
    cards.cov[c, 4 + oldest, 4 + oldest] = f.settings.bias_var_m2
    return oldest


@njit
def _measure(f: Filters, c: int, anchor: int, t_ns: int, range_m: float) -> float:
    """Brings the filter to the range's time and the range into the filter: its NIS."""
    cards, s = f.cards, f.settings
    mean, cov = cards.mean[c], cards.cov[c]
    dt_ns = t_ns - cards.t_ns[c]
    if dt_ns > 0:
        predict(mean, cov, dt_ns * _S_PER_NS, s)
        cards.t_ns[c] = t_ns
    now_ns = cards.t_ns[c]
    slot = _slot(f, c, anchor, now_ns)
    near = np.empty(6)
    describe(f, near, anchor, range_m)
    accepted, nis = update(f, c, slot, max(-dt_ns, 0) * _S_PER_NS, near)
    if accepted:
        cards.rejects[c] = max(cards.rejects[c] - 1, 0)
        cards.accepted_t_ns[c] = now_ns
        cards.slot_used[c, slot] = True
        cards.slot_used_ns[c, slot] = now_ns
    else:
        f.rejected[GATED] += 1
        cards.rejects[c] += 1
    if cards.rejects[c] >= s.rejects_max:
        _reacquire(f, c)
    elif now_ns - cards.reviewed_t_ns[c] >= s.review_ns and (
        cards.ambiguous[c] or cov[0, 0] + cov[1, 1] > s.review_var_m2
    ):
        _review(f, c)
    return nis


@njit
def _is_jump(f: Filters, c: int, t_ns: int) -> bool:
    """Is this far after the filter's time, and not confirmed by a second range?

    One wrong time stamp must not make all that follows too old. When it is confirmed, the card is
    where it was, or as far from there as one walks, until a new place is found.
    """
    cards, cov, s = f.cards, f.cards.cov[c], f.settings
    silence_ns = t_ns - cards.t_ns[c]
    if silence_ns <= s.jump_ns:
        cards.jumping[c] = False
        return False
    confirmed = cards.jumping[c] and abs(t_ns - cards.jump_t_ns[c]) <= s.jump_ns
    cards.jumping[c] = not confirmed
    cards.jump_t_ns[c] = t_ns
    if not confirmed:
        return True
    xx, xy, yy = cov[0, 0], cov[0, 1], cov[1, 1]
    walked_m = min(s.start_speed_m_s * silence_ns * _S_PER_NS, s.hold_max_m)
    _reset(f, c, cards.mean[c, 0], cards.mean[c, 1])
    cov[0, 0], cov[1, 1] = xx + walked_m * walked_m, yy + walked_m * walked_m
    cov[0, 1], cov[1, 0] = xy, xy
    cards.t_ns[c] = t_ns
    cards.first_t_ns[c] = t_ns
    cards.coasting[c] = True
    return False


@njit
def _coasts(f: Filters, c: int, t_ns: int) -> bool:
    """After a long silence: is the place still being searched? If not, the filter goes on."""
    if not f.cards.coasting[c]:
        return False
    f.cards.t_ns[c] = max(f.cards.t_ns[c], t_ns)
    if not _start(f, c, f.cards.t_ns[c]):
        f.cards.coasting[c] = t_ns - f.cards.first_t_ns[c] < f.settings.start_wait_ns
        return bool(f.cards.coasting[c])
    return True


@njit
def _emit(f: Filters, c: int, t_ns: int, nis: float, fix: np.void) -> None:
    """Writes the card's state, moved on to `t_ns`, as a fix."""
    cards, mean, cov, s = f.cards, f.cards.mean[c], f.cards.cov[c], f.settings
    used, nearest, nearest_m2, nearest_used = 0, -1, math.inf, False
    for k in range(cards.slot_anchor.shape[1]):
        anchor = cards.slot_anchor[c, k]
        if anchor < 0:
            continue
        recent = cards.slot_used[c, k] and t_ns - cards.slot_used_ns[c, k] <= s.used_ns
        used += int(recent)
        dx, dy = f.anchors_m[anchor, 0] - mean[0], f.anchors_m[anchor, 1] - mean[1]
        apart_m2 = dx * dx + dy * dy
        if (recent and not nearest_used) or (recent == nearest_used and apart_m2 < nearest_m2):
            nearest, nearest_m2, nearest_used = anchor, apart_m2, recent
    dt_s = (t_ns - cards.t_ns[c]) * _S_PER_NS
    moved_s = min(dt_s, s.extrapolated_ns * _S_PER_NS)
    walked_m = min(s.start_speed_m_s * dt_s, s.hold_max_m)
    var_x_m2, var_y_m2 = cov[0, 0] + walked_m * walked_m, cov[1, 1] + walked_m * walked_m
    most_m2 = 0.9999 * math.sqrt(var_x_m2 * var_y_m2)  # so that the ellipse has a width
    fix["card"] = c
    fix["t_ns"] = t_ns
    fix["x_m"], fix["y_m"] = mean[0] + moved_s * mean[2], mean[1] + moved_s * mean[3]
    fix["z_m"] = f.card_z_m[nearest] if nearest >= 0 else 0.0
    fix["vx_m_s"], fix["vy_m_s"] = mean[2], mean[3]
    fix["var_x_m2"], fix["var_y_m2"] = var_x_m2, var_y_m2
    fix["cov_xy_m2"] = min(max(cov[0, 1], -most_m2), most_m2)
    fix["fix_class"] = _AMBIGUOUS if cards.ambiguous[c] else _PRECISE
    if t_ns - cards.accepted_t_ns[c] > s.extrapolated_ns:
        fix["fix_class"] = _EXTRAPOLATED
    fix["anchors_used"] = used
    fix["nis"] = nis


@njit
def _refusal(f: Filters, r: np.void) -> int:
    """Why a range cannot be used at all, or `_SOUND`."""
    cards, s = f.cards, f.settings
    card, anchor, t_ns, range_m = int(r["card"]), int(r["anchor"]), r["t_ns"], r["range_m"]
    if not math.isfinite(range_m):
        return NOT_FINITE
    if range_m < 0.0 or range_m > s.range_max_m or t_ns > T_LIMIT_NS or t_ns < -T_LIMIT_NS:
        return OUT_OF_SCALE
    if anchor >= len(f.anchors_m):
        return UNKNOWN_ANCHOR
    if card >= s.cards_max:
        return UNKNOWN_CARD
    for k in range(cards.ring_anchor.shape[1]):
        if cards.ring_anchor[card, k] == anchor and cards.ring_t_ns[card, k] == t_ns:
            return REPEATED
    if t_ns <= cards.floor_t_ns[card]:
        return TOO_OLD
    if cards.running[card] and cards.t_ns[card] - t_ns > s.late_max_ns:
        return TOO_OLD
    return _SOUND


@njit
def _remember(f: Filters, c: int, anchor: int, t_ns: int, range_m: float) -> None:
    """Puts a range into the card's ring; notes when the card was heard first, or anew."""
    cards = f.cards
    k = cards.ring_next[c]
    before = k - 1 if k > 0 else cards.ring_anchor.shape[1] - 1
    silence_ns = abs(t_ns - cards.ring_t_ns[c, before])
    if not cards.running[c] and (
        cards.ring_anchor[c, before] < 0 or silence_ns > f.settings.jump_ns
    ):
        cards.first_t_ns[c] = t_ns
    cards.ring_anchor[c, k] = anchor
    cards.ring_t_ns[c, k] = t_ns
    cards.ring_range_m[c, k] = range_m
    cards.ring_next[c] = (k + 1) % cards.ring_anchor.shape[1]


@njit
def _run(f: Filters, ranges: Records, fixes: Records) -> int:
    """As `run` below."""
    filled = 0
    for i in range(len(ranges)):
        r = ranges[i]
        reason = _refusal(f, r)
        if reason != _SOUND:
            f.rejected[reason] += 1
            continue
        c, anchor, t_ns, range_m = int(r["card"]), int(r["anchor"]), r["t_ns"], r["range_m"]
        _remember(f, c, anchor, t_ns, range_m)
        nis = math.nan
        if f.cards.running[c]:
            if _is_jump(f, c, t_ns):
                _emit(f, c, t_ns, nis, fixes[filled])
                filled += 1
                continue
            if not _coasts(f, c, t_ns):
                nis = _measure(f, c, anchor, t_ns, range_m)
        elif not _start(f, c, t_ns):
            continue
        _emit(f, c, f.cards.t_ns[c], nis, fixes[filled])
        filled += 1
    return filled


@njit
def _restore(f: Filters, fix: np.void) -> None:
    """As `restore` below."""
    c, cards = int(fix["card"]), f.cards
    _reset(f, c, fix["x_m"], fix["y_m"])
    mean, cov = cards.mean[c], cards.cov[c]
    mean[2], mean[3] = fix["vx_m_s"], fix["vy_m_s"]
    cov[0, 0] = max(fix["var_x_m2"], VARIANCE_FLOOR)
    cov[1, 1] = max(fix["var_y_m2"], VARIANCE_FLOOR)
    cov[0, 1], cov[1, 0] = fix["cov_xy_m2"], fix["cov_xy_m2"]
    times: tuple[Integers, ...] = (
        cards.t_ns,
        cards.floor_t_ns,
        cards.first_t_ns,
        cards.accepted_t_ns,
        cards.reviewed_t_ns,
    )
    for t_ns in times:
        t_ns[c] = fix["t_ns"]
    cards.running[c] = True
    cards.coasting[c] = False
    cards.jumping[c] = False
    cards.ambiguous[c] = fix["fix_class"] == _AMBIGUOUS
    cards.rejects[c] = 0
    cards.slot_anchor[c, :] = -1
    cards.ring_anchor[c, :] = -1


def _entries(
    stamp: str,
) -> tuple[Callable[[Filters, Records, Records], int], Callable[[Filters, Records], None]]:
    """What Python calls; `stamp` makes numba notice changes in the files beside this one."""

    @njit_cached
    def run_stamped(f: Filters, ranges: Records, fixes: Records) -> int:
        _ = stamp
        return _run(f, ranges, fixes)

    @njit_cached
    def restore_stamped(f: Filters, fixes: Records) -> None:
        _ = stamp
        for i in range(len(fixes)):
            _restore(f, fixes[i])

    return run_stamped, restore_stamped


#: `run(f, ranges, fixes)` takes all `ranges` (n,) RANGE in order, fills `fixes` (n,) FIX from the
#: front and gives how many. The cards need room for every handle that is below `cards_max`.
#: `restore(f, fixes)` puts cards where sound `fixes` say; not newer ranges will be refused.
run, restore = _entries(
    sources_stamp(cards_module.__file__, range_update.__file__, search_module.__file__)
)
