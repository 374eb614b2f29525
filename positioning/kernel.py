"""The range filter for all cards: compiled, one pass over the ranges, a row of state per card.

A card's row depends on nothing but that card's own ranges, in their order: so the result is the
same however the input is cut into batches. Times enter only as differences.

`card` is one record of `CARD`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from positioning import cards as cards_module
from positioning import intake, range_update
from positioning import search as search_module
from positioning.cards import GATED, RING, SLOTS, Card, Floats, Integers, Site
from positioning.intake import SOUND, refusal
from positioning.jit import njit, njit_cached, sources_stamp
from positioning.observation import FixClass, Records
from positioning.range_update import VARIANCE_FLOOR, describe, predict, update
from positioning.search import cost, gather, search

#: Beside `SOUND` and the reasons of `positioning.cards`: a range that was used without a fix.
_NO_FIX: Final = -2

_PRECISE: Final = int(FixClass.PRECISE)
_EXTRAPOLATED: Final = int(FixClass.EXTRAPOLATED)
_AMBIGUOUS: Final = int(FixClass.AMBIGUOUS)
_S_PER_NS: Final = 1e-9
#: A card leaps to a place only if that fits: one anchor in three may be blocked.
_MISFIT_MAX: Final = 0.7
#: And only if it fits better than where the card is, by odds of about 1 : 3.
_BETTER_COST: Final = 1.0


@njit
def _reset(card: Card, site: Site, x: float, y: float) -> None:
    """A card's state at rest at (x, y); the covariance of its place is left to the caller."""
    mean, cov, s = card["mean"], card["cov"], site.settings
    mean[:] = 0.0
    cov[:, :] = 0.0
    mean[0], mean[1] = x, y
    cov[2, 2] = cov[3, 3] = s["start_speed_m_s"] * s["start_speed_m_s"]
    for b in range(4, 4 + card["slots"]):
        cov[b, b] = s["bias_var_m2"]


@njit
def _settle(card: Card, site: Site, t_ns: int, best: Floats, other: Floats) -> None:
    """Puts the card's filter at `best`; `other` is the place that stands against it."""
    cov, s = card["cov"], site.settings
    _reset(card, site, best[0], best[1])
    behind = other[2] - best[2]
    odds, dx, dy = 0.0, 0.0, 0.0
    if behind < s["ambiguous_cost"]:  # the other place belongs to the uncertainty of this one
        odds = 1.0 / (1.0 + math.exp(behind))
        dx, dy = other[0] - best[0], other[1] - best[1]
    cov[0, 0] = best[3] + s["bias_var_m2"] + odds * dx * dx
    cov[0, 1] = best[4] + odds * dx * dy
    cov[1, 0] = cov[0, 1]
    cov[1, 1] = best[5] + s["bias_var_m2"] + odds * dy * dy
    card["running"] = 1
    card["coasting"] = 0
    card["ambiguous"] = int(behind < s["ambiguous_cost"])
    card["rejects"] = 0
    card["t_ns"] = card["accepted_t_ns"] = card["reviewed_t_ns"] = t_ns


@njit
def _slot(card: Card, site: Site, anchor: int, t_ns: int) -> int:
    """The bias state of `anchor`, made now if it has none."""
    slot_anchor, heard_ns = card["slot_anchor"], card["slot_heard_ns"]
    slots = card["slots"]
    slot = 0
    for k in range(slots):
        if slot_anchor[k] == anchor:
            heard_ns[k] = t_ns
            return k
        if heard_ns[k] < heard_ns[slot]:
            slot = k
    if slots < SLOTS:
        slot = slots
        card["slots"] = slots + 1
    slot_anchor[slot] = anchor
    heard_ns[slot] = t_ns
    card["slot_used"][slot] = 0
    b = 4 + slot
    card["mean"][b] = 0.0
    card["cov"][b, :] = 0.0
    card["cov"][:, b] = 0.0
    card["cov"][b, b] = site.settings["bias_var_m2"]
    return slot


@njit
def _start(card: Card, site: Site, t_ns: int) -> bool:
    """Starts the card's filter if its recent ranges tell where it is."""
    s = site.settings
    near = np.empty((RING, 6))
    best, other = np.empty(6), np.empty(6)
    count, distinct = gather(card, site, t_ns, s["start_window_ns"], near)
    waited = t_ns - card["first_t_ns"] >= s["start_wait_ns"]
    if distinct < 2 or (distinct < 3 and not waited):
        return False
    behind = search(near, count, distinct, best, other)
    if behind < s["ambiguous_cost"] and not waited:
        return False
    _settle(card, site, t_ns, best, other)
    for k in range(RING):
        age_ns = t_ns - card["ring_t_ns"][k]
        if card["ring_anchor"][k] >= 0 and -s["late_max_ns"] <= age_ns <= s["start_window_ns"]:
            slot = _slot(card, site, card["ring_anchor"][k], t_ns)
            card["slot_used"][slot] = 1
            card["slot_used_ns"][slot] = card["ring_t_ns"][k]
    return True


@njit
def _reacquire(card: Card, site: Site) -> None:
    """After many rejects: goes elsewhere, if the recent ranges fit clearly better there."""
    mean, cov, t_ns, s = card["mean"], card["cov"], card["t_ns"], site.settings
    near = np.empty((RING, 6))
    best, other = np.empty(6), np.empty(6)
    count, distinct = gather(card, site, t_ns, s["reacquire_window_ns"], near)
    if distinct < 3:
        count, distinct = gather(card, site, t_ns, s["start_window_ns"], near)
    card["rejects"] = 0
    if distinct >= 3:
        behind = search(near, count, distinct, best, other)
        from_best_m = math.hypot(best[0] - mean[0], best[1] - mean[1])
        from_other_m = math.hypot(other[0] - mean[0], other[1] - mean[1])
        if behind < s["ambiguous_cost"] and from_other_m < from_best_m:
            best, other = other, best
        here = cost(mean[0], mean[1], near, count, distinct)
        if best[2] < _MISFIT_MAX * distinct and best[2] + _BETTER_COST < here:
            _settle(card, site, t_ns, best, other)
            return
    cov[0, 0] += 1.0
    cov[1, 1] += 1.0


@njit
def _review(card: Card, site: Site) -> None:
    """Where a place stays uncertain: do the ranges of the last seconds tell of another?"""
    mean, cov, t_ns, s = card["mean"], card["cov"], card["t_ns"], site.settings
    near = np.empty((RING, 6))
    best, other = np.empty(6), np.empty(6)
    card["reviewed_t_ns"] = t_ns
    count, distinct = gather(card, site, t_ns, s["start_window_ns"], near)
    if distinct < 3:
        return
    behind = search(near, count, distinct, best, other)
    reach_m = 1.0 + 3.0 * math.sqrt(cov[0, 0] + cov[1, 1])
    if math.hypot(best[0] - mean[0], best[1] - mean[1]) < reach_m:
        if behind > s["ambiguous_cost"]:
            card["ambiguous"] = 0
        return
    here = cost(mean[0], mean[1], near, count, distinct)
    if best[2] < _MISFIT_MAX * distinct and best[2] + s["ambiguous_cost"] < here:
        _settle(card, site, t_ns, best, other)


@njit
def _measure(card: Card, site: Site, anchor: int, t_ns: int, range_m: float) -> tuple[bool, float]:
    """Brings the filter to the range's time and the range into the filter: (accepted, NIS)."""
    cov, s = card["cov"], site.settings
    dt_ns = t_ns - card["t_ns"]
    if dt_ns > 0:
        predict(card, site, dt_ns * _S_PER_NS)
        card["t_ns"] = t_ns
    now_ns = card["t_ns"]
    slot = _slot(card, site, anchor, now_ns)
    near = np.empty(6)
    describe(site, near, anchor, range_m)
    accepted, nis = update(card, site, slot, max(-dt_ns, 0) * _S_PER_NS, near)
    if accepted:
        card["rejects"] = max(card["rejects"] - 1, 0)
        card["accepted_t_ns"] = now_ns
        card["slot_used"][slot] = 1
        card["slot_used_ns"][slot] = now_ns
    else:
        card["rejects"] += 1
    uncertain = card["ambiguous"] != 0 or cov[0, 0] + cov[1, 1] > s["review_var_m2"]
    if card["rejects"] >= s["rejects_max"]:
        _reacquire(card, site)
    elif not uncertain:
        card["reviewed_t_ns"] = now_ns
    elif now_ns - card["reviewed_t_ns"] >= s["review_ns"]:
        _review(card, site)
    return accepted, nis


@njit
def _is_jump(card: Card, site: Site, t_ns: int) -> bool:
    """Is this far after the filter's time, and not confirmed by a second range?

    One wrong time stamp must not make all that follows too old. When it is confirmed, the card is
    where it was, or as far from there as one walks, until a new place is found.
    """
    cov, s = card["cov"], site.settings
    silence_ns = t_ns - card["t_ns"]
    if silence_ns <= s["jump_ns"]:
        card["jumping"] = 0
        return False
    confirmed = card["jumping"] != 0 and abs(t_ns - card["jump_t_ns"]) <= s["jump_ns"]
    card["jumping"] = int(not confirmed)
    card["jump_t_ns"] = t_ns
    if not confirmed:
        return True
    xx, xy, yy = cov[0, 0], cov[0, 1], cov[1, 1]
    walked_m = min(s["start_speed_m_s"] * silence_ns * _S_PER_NS, s["hold_max_m"])
    _reset(card, site, card["mean"][0], card["mean"][1])
    cov[0, 0], cov[1, 1] = xx + walked_m * walked_m, yy + walked_m * walked_m
    cov[0, 1], cov[1, 0] = xy, xy
    card["t_ns"] = card["first_t_ns"] = t_ns
    card["coasting"] = 1
    return False


@njit
def _coasts(card: Card, site: Site, t_ns: int) -> bool:
    """After a long silence: is the place still being searched? If not, the filter goes on."""
    if not card["coasting"]:
        return False
    card["t_ns"] = max(card["t_ns"], t_ns)
    if not _start(card, site, card["t_ns"]):
        searching = t_ns - card["first_t_ns"] < site.settings["start_wait_ns"]
        card["coasting"] = int(searching)
        return bool(searching)
    return True


@njit
def _emit(card: Card, site: Site, t_ns: int, nis: float, fix: np.void) -> None:
    """Writes the card's state, moved on to `t_ns`, as a fix."""
    mean, cov, s = card["mean"], card["cov"], site.settings
    used, nearest, nearest_m2, nearest_used = 0, -1, math.inf, False
    for k in range(card["slots"]):
        anchor = card["slot_anchor"][k]
        recent = card["slot_used"][k] != 0 and t_ns - card["slot_used_ns"][k] <= s["used_ns"]
        used += int(recent)
        dx, dy = site.anchors[anchor, 0] - mean[0], site.anchors[anchor, 1] - mean[1]
        apart_m2 = dx * dx + dy * dy
        if (recent and not nearest_used) or (recent == nearest_used and apart_m2 < nearest_m2):
            nearest, nearest_m2, nearest_used = anchor, apart_m2, recent
    dt_s = (t_ns - card["t_ns"]) * _S_PER_NS
    moved_s = min(dt_s, s["extrapolated_ns"] * _S_PER_NS)
    walked_m = min(s["start_speed_m_s"] * dt_s, s["hold_max_m"])
    var_x_m2, var_y_m2 = cov[0, 0] + walked_m * walked_m, cov[1, 1] + walked_m * walked_m
    most_m2 = 0.9999 * math.sqrt(var_x_m2 * var_y_m2)  # so that the ellipse has a width
    if nearest >= 0:
        card["z_m"] = site.anchors[nearest, 3]
    fix["t_ns"] = t_ns
    fix["x_m"], fix["y_m"] = mean[0] + moved_s * mean[2], mean[1] + moved_s * mean[3]
    fix["z_m"] = card["z_m"]
    fix["vx_m_s"], fix["vy_m_s"] = mean[2], mean[3]
    fix["var_x_m2"], fix["var_y_m2"] = var_x_m2, var_y_m2
    fix["cov_xy_m2"] = min(max(cov[0, 1], -most_m2), most_m2)
    fix["fix_class"] = _AMBIGUOUS if card["ambiguous"] else _PRECISE
    if t_ns - card["accepted_t_ns"] > s["extrapolated_ns"]:
        fix["fix_class"] = _EXTRAPOLATED
    fix["anchors_used"] = used
    fix["nis"] = nis


@njit
def _remember(card: Card, site: Site, anchor: int, t_ns: int, range_m: float) -> None:
    """Puts a range into the card's ring; notes when the card was heard first, or anew."""
    k = card["ring_next"]
    before = k - 1 if k > 0 else RING - 1
    silence_ns = abs(t_ns - card["ring_t_ns"][before])
    if not card["running"] and (
        card["ring_anchor"][before] < 0 or silence_ns > site.settings["jump_ns"]
    ):
        card["first_t_ns"] = t_ns
    card["ring_anchor"][k] = anchor
    card["ring_t_ns"][k] = t_ns
    card["ring_range_m"][k] = range_m
    card["ring_next"] = (k + 1) % RING


@njit
def _take(card: Card, site: Site, r: np.void, fix: np.void) -> int:
    """One sound range into its card's filter and into a fix: `SOUND`, `GATED`, or `_NO_FIX`."""
    anchor, t_ns, range_m = int(r["anchor"]), r["t_ns"], r["range_m"]
    _remember(card, site, anchor, t_ns, range_m)
    accepted, nis = True, math.nan
    fix["card"] = r["card"]
    if not card["running"]:
        if not _start(card, site, t_ns):
            return _NO_FIX
    elif _is_jump(card, site, t_ns):
        _emit(card, site, t_ns, nis, fix)
        return SOUND
    elif not _coasts(card, site, t_ns):
        accepted, nis = _measure(card, site, anchor, t_ns, range_m)
    _emit(card, site, card["t_ns"], nis, fix)
    return SOUND if accepted else GATED


@njit
def _restore(card: Card, site: Site, fix: np.void) -> None:
    """Puts a card where a fix says."""
    card["slots"] = 0
    _reset(card, site, fix["x_m"], fix["y_m"])
    mean, cov = card["mean"], card["cov"]
    mean[2], mean[3] = fix["vx_m_s"], fix["vy_m_s"]
    cov[0, 0] = max(fix["var_x_m2"], VARIANCE_FLOOR)
    cov[1, 1] = max(fix["var_y_m2"], VARIANCE_FLOOR)
    cov[0, 1], cov[1, 0] = fix["cov_xy_m2"], fix["cov_xy_m2"]
    card["z_m"] = fix["z_m"]
    card["t_ns"] = card["floor_t_ns"] = card["first_t_ns"] = fix["t_ns"]
    card["accepted_t_ns"] = card["reviewed_t_ns"] = fix["t_ns"]
    card["rejects"] = 0
    card["running"] = 1
    card["coasting"] = card["jumping"] = 0
    card["ambiguous"] = int(fix["fix_class"] == _AMBIGUOUS)
    card["ring_anchor"][:] = -1


#: Anchors as in `Site`, and (1,) SETTINGS: a plain tuple, because numba keeps the types of what it
#: is called with on disk, and fails where a class of ours there has changed its name since.
Surroundings = tuple[Floats, Records]
Run = Callable[[Records, Surroundings, Integers, Records, Records], int]
Restore = Callable[[Records, Surroundings, Records], None]


def _entries(stamp: str) -> tuple[Run, Restore]:
    """What Python calls; `stamp` makes numba notice changes in the files beside this one."""

    @njit_cached
    def run_stamped(
        cards: Records, around: Surroundings, rejected: Integers, ranges: Records, fixes: Records
    ) -> int:
        _ = stamp
        site = Site(around[0], around[1][0])
        filled = 0
        for i in range(len(ranges)):
            r = ranges[i]
            reason = refusal(r, cards, site)
            if reason == SOUND:
                reason = _take(cards[r["card"]], site, r, fixes[filled])
                filled += int(reason != _NO_FIX)
            if reason >= 0:
                rejected[reason] += 1
        return filled

    @njit_cached
    def restore_stamped(cards: Records, around: Surroundings, fixes: Records) -> None:
        _ = stamp
        site = Site(around[0], around[1][0])
        for i in range(len(fixes)):
            _restore(cards[fixes[i]["card"]], site, fixes[i])

    return run_stamped, restore_stamped


#: `run(cards, around, rejected, ranges, fixes)` takes `ranges` (n,) in order, fills `fixes` (n,)
#: from the front and gives how many; `cards` must hold every handle below `cards_max`.
#: `restore(cards, around, fixes)` puts cards where sound `fixes` say; not newer ranges are refused.
run, restore = _entries(
    sources_stamp(
        cards_module.__file__, intake.__file__, range_update.__file__, search_module.__file__
    )
)
