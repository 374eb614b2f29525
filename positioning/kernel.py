"""The filter of all cards: compiled, one pass over the measurements, a row of state per card.

A card's row depends on nothing but that card's own measurements, in their order: so the result is
the same however the input is cut into batches. Times enter only as differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from positioning.answer import answer, answer_clone, keep_clone, ripe_clone
from positioning.area_track import (
    advance_in_area,
    hold_in_area,
    look_after_area,
    measure_in_area,
    place_in_area,
    put_in_area,
)
from positioning.cards import (
    ACCEPTED,
    AMBIGUOUS,
    BATCH,
    COASTING,
    FIRST,
    FLOOR,
    GATED,
    HAS_FLOOR,
    IN_AREA,
    JUMP,
    JUMPING,
    MODEL,
    NEWEST,
    ON_ROADWAY,
    PLACES,
    RANGED,
    REJECTS,
    REVIEWED,
    RING_NEXT,
    SEEN,
    UNPLACED,
    USED_SLOTS,
    Cards,
    Scratch,
    Site,
    T,
    V,
)
from positioning.graph import Graph
from positioning.intake import SOUND, refusal, remember
from positioning.jit import njit, njit_cached, sources_stamp
from positioning.observation import FixClass, Kind, Records
from positioning.passing import pass_over, start
from positioning.roadway_track import (
    advance_on_roadway,
    begin_on_roadway,
    look_after_roadway,
    measure_on_roadway,
    place_on_roadway,
    put_on_roadway,
)
from positioning.sighting import sight

#: Beside `SOUND` and the reasons of `positioning.cards`: a measurement that was used without a fix.
_NO_FIX: Final = -2
_S_PER_NS: Final = 1e-9
_SIGHTING: Final = int(Kind.SIGHTING)
_PLACE: Final = int(Kind.PLACE)
_RANGE: Final = int(Kind.RANGE)
_AMBIGUOUS: Final = int(FixClass.AMBIGUOUS)
_ZONE: Final = int(FixClass.ZONE)
#: An outlier of an anchor's statistics weighs less beyond so many sigmas.
_STATS_GATE: Final = 3.0
#: How an anchor's usual reach follows its ranges, metres a range.
_REACH_STEP_M: Final = 0.5
_REACH_SHARE: Final = 0.9


@njit
def _is_jump(cards: Cards, site: Site, c: int, t_ns: int) -> bool:
    """Is this far after the filter's time, and not confirmed by a second measurement?

    One wrong time stamp must not make all that follows too old. When it is confirmed, the card is
    where it was, or as far from there as one walks, until a new place is found.
    """
    marks, s = cards.marks, site.settings[0]
    if t_ns - marks[c, T] <= s["jump_ns"]:
        marks[c, JUMPING] = 0
        return False
    confirmed = marks[c, JUMPING] != 0 and abs(t_ns - marks[c, JUMP]) <= s["jump_ns"]
    marks[c, JUMPING] = int(not confirmed)
    marks[c, JUMP] = t_ns
    if not confirmed:
        return True
    marks[c, FIRST] = t_ns
    if marks[c, MODEL] == IN_AREA:
        hold_in_area(cards, site, c, t_ns)
        marks[c, T] = t_ns
        marks[c, COASTING] = 1
    return False


@njit
def _coasts(cards: Cards, site: Site, c: int, t_ns: int) -> bool:
    """After a long silence: is the place still being searched? If not, the filter goes on."""
    marks = cards.marks
    if not marks[c, COASTING]:
        return False
    marks[c, T] = max(marks[c, T], t_ns)
    if not start(cards, site, c, marks[c, T]):
        searching = t_ns - marks[c, FIRST] < site.settings[0]["start_wait_ns"]
        marks[c, COASTING] = int(searching)
        return bool(searching)
    return True


@njit
def _note_anchor(
    site: Site, m: Any, residual_m: float, var_m2: float, ux: float, uy: float, accepted: bool
) -> None:
    """Adds a range to its anchor's sums."""
    a = site.stats[m["source"]]
    score = abs(residual_m) / math.sqrt(var_m2)
    w = min(1.0, _STATS_GATE / score if score > 0.0 else 1.0) / var_m2
    a["heard"] += 1
    a["rejected"] += int(not accepted)
    a["heard_t_ns"] = m["t_ns"]
    if accepted:
        a["used_t_ns"] = m["t_ns"]
    a["weight"] += w
    a["r"] += w * residual_m
    a["rr"] += w * residual_m * residual_m
    a["x"] += w * ux
    a["y"] += w * uy
    a["xx"] += w * ux * ux
    a["xy"] += w * ux * uy
    a["yy"] += w * uy * uy
    a["rx"] += w * residual_m * ux
    a["ry"] += w * residual_m * uy
    further = m["value_m"] > a["reach_m"]
    a["reach_m"] += _REACH_STEP_M * (_REACH_SHARE - (0.0 if further else 1.0))


@njit
def _range_in_area(cards: Cards, site: Site, m: Any) -> tuple[bool, float]:
    c = m["card"]
    lag_s = advance_in_area(cards, site, c, m["t_ns"])
    if m["kind"] == _PLACE:
        return place_in_area(cards, site, m, lag_s)
    accepted, nis, residual_m, var_m2, ux, uy = measure_in_area(cards, site, m, lag_s)
    if m["kind"] == _RANGE:
        _note_anchor(site, m, residual_m, var_m2, ux, uy, accepted)
    return accepted, nis


@njit
def _range_on_roadway(cards: Cards, site: Site, m: Any) -> tuple[bool, float]:
    c = m["card"]
    lag_s = advance_on_roadway(cards, site, c, m["t_ns"])
    if m["kind"] == _PLACE:
        return place_on_roadway(cards, site, m, lag_s)
    accepted, nis, residual_m, var_m2, ux, uy = measure_on_roadway(cards, site, m, lag_s)
    if m["kind"] == _RANGE:
        _note_anchor(site, m, residual_m, var_m2, ux, uy, accepted)
    return accepted, nis


@njit
def _begin(cards: Cards, site: Site, m: Any) -> bool:
    """A card that has no place yet: does the measurement give it one?"""
    c, t_ns, marks = m["card"], m["t_ns"], cards.marks
    if m["kind"] != _PLACE:
        return start(cards, site, c, t_ns)
    put_in_area(
        cards, site, c, m["value_m"], m["y_m"], m["var_x_m2"], m["cov_xy_m2"], m["var_y_m2"]
    )
    marks[c, T] = marks[c, ACCEPTED] = marks[c, RANGED] = marks[c, REVIEWED] = t_ns
    pass_over(cards, site, c)
    return True


@njit
def _take(cards: Cards, site: Site, m: Any) -> tuple[int, float]:
    """One sound measurement into its card's filter: why it was not used or `SOUND`, and NIS."""
    c, t_ns, marks = m["card"], m["t_ns"], cards.marks
    accepted, nis = True, math.nan
    if marks[c, MODEL] == UNPLACED:
        if not _begin(cards, site, m):
            return _NO_FIX, nis
    elif _is_jump(cards, site, c, t_ns):
        return SOUND, nis
    elif not _coasts(cards, site, c, t_ns):
        if marks[c, MODEL] == IN_AREA:
            accepted, nis = _range_in_area(cards, site, m)
            look_after_area(cards, site, c, accepted)
        else:
            accepted, nis = _range_on_roadway(cards, site, m)
            look_after_roadway(cards, site, c, accepted)
    pass_over(cards, site, c)
    return SOUND if accepted else GATED, nis


@njit
def _note_first(cards: Cards, site: Site, m: Any) -> None:
    """When a card is heard first, or anew after a silence, its search for a place begins."""
    c, t_ns, marks = m["card"], m["t_ns"], cards.marks
    silence_ns = abs(t_ns - marks[c, NEWEST])
    if marks[c, MODEL] == UNPLACED:
        if marks[c, RING_NEXT] == 0 or silence_ns > site.settings[0]["jump_ns"]:
            marks[c, FIRST] = t_ns
    remember(m, cards)


@njit
def _sighted(cards: Cards, site: Site, m: Any, conflicts: Records, filled: int) -> tuple[int, int]:
    """A sighting: (`SOUND` or `_NO_FIX`, conflicts written so far)."""
    c, marks = m["card"], cards.marks
    late = marks[c, MODEL] != UNPLACED and m["t_ns"] < marks[c, T]
    ranged = marks[c, MODEL] != UNPLACED
    ranged = ranged and m["t_ns"] - marks[c, RANGED] <= site.settings[0]["presence_after_ns"]
    if late and not ranged:
        return _NO_FIX, filled
    placed, off_m = sight(cards, site, m)
    if off_m > 0.0 and filled < len(conflicts):
        one = conflicts[filled]
        one["card"], one["reader"], one["t_ns"] = c, m["source"], m["t_ns"]
        one["apart_m"] = off_m
        filled += 1
    return SOUND if placed and not ranged else _NO_FIX, filled


@njit
def _restore(cards: Cards, site: Site, fix: Any) -> None:
    """Puts a card where a fix says."""
    c, marks = fix["card"], cards.marks
    marks[c, USED_SLOTS] = marks[c, PLACES] = marks[c, RING_NEXT] = 0
    x, y, xx, xy, yy = (
        fix["x_m"],
        fix["y_m"],
        fix["var_x_m2"],
        fix["cov_xy_m2"],
        fix["var_y_m2"],
    )
    if fix["roadway"] >= 0 and not _restore_on_roadway(cards, site, fix):
        fix["roadway"] = -1
    if fix["roadway"] < 0:
        put_in_area(cards, site, c, x, y, xx, xy, yy)
        cards.mean[c, 2], cards.mean[c, 3] = fix["vx_m_s"], fix["vy_m_s"]
    cards.z_m[c] = fix["z_m"]
    for mark in (T, FLOOR, FIRST, ACCEPTED, REVIEWED, RANGED):
        marks[c, mark] = fix["t_ns"]
    marks[c, HAS_FLOOR] = 1
    marks[c, REJECTS] = marks[c, COASTING] = marks[c, JUMPING] = 0
    marks[c, AMBIGUOUS] = int(fix["fix_class"] == _AMBIGUOUS)
    marks[c, SEEN] = int(fix["fix_class"] == _ZONE)
    if marks[c, SEEN]:
        marks[c, RANGED] = fix["t_ns"] - site.settings[0]["presence_after_ns"] - 1
    pass_over(cards, site, c)


@njit
def _restore_on_roadway(cards: Cards, site: Site, fix: Any) -> bool:
    """Puts a card at its roadway and chainage; False where the map has them no more."""
    g, c = site.graph, fix["card"]
    for piece in range(len(g.piece_length_m)):
        edge = g.piece_edge[piece]
        s_m = fix["chainage_m"] - g.chainage_m[edge]
        inside = g.piece_s_m[piece] <= s_m <= g.piece_s_m[piece] + g.piece_length_m[piece]
        if g.roadway[edge] == fix["roadway"] and inside:
            tx, ty = g.along[piece, 0], g.along[piece, 1]
            var = tx * tx * fix["var_x_m2"] + 2.0 * tx * ty * fix["cov_xy_m2"]
            k = put_on_roadway(cards, site, c, piece, s_m, var + ty * ty * fix["var_y_m2"], 0.0)
            cards.hypotheses[c, k, V] = tx * fix["vx_m_s"] + ty * fix["vy_m_s"]
            begin_on_roadway(cards, c, fix["t_ns"])
            return True
    return False


#: What the kernel's entry points are called with, as plain tuples, because numba keeps the types of
#: what it is called with on disk, and fails where a class of ours there has changed its name since:
#: the arrays of `Cards`, and those of `Site` (graph and scratch as tuples, (1,) SETTINGS).
AnyCards = tuple[Any, ...]
AnySite = tuple[Any, ...]
Counts = NDArray[np.int64]
Run = Callable[
    [AnyCards, AnySite, Counts, Records, Records, Records, Records, bool, tuple[int, int]],
    tuple[int, int, int, int],
]
Restore = Callable[[AnyCards, AnySite, Records], None]


@njit
def _site(plain: AnySite) -> Site:
    anchors, readers, areas_m, everywhere, graph, settings, stats, scratch = plain
    return Site(
        anchors,
        readers,
        areas_m,
        everywhere,
        Graph(*graph),
        settings,
        stats,
        Scratch(*scratch),
    )


def _entries(stamp: str) -> tuple[Run, Restore]:
    """What Python calls; `stamp` makes numba notice changes in the files beside this one."""

    @njit_cached
    def run_stamped(
        plain_cards: AnyCards,
        plain_site: AnySite,
        rejected: Counts,
        measured: Records,
        fixes: Records,
        lagged: Records,
        conflicts: Records,
        latest: bool,
        begin: tuple[int, int],
    ) -> tuple[int, int, int, int]:
        _ = stamp
        cards, site = Cards(*plain_cards), _site(plain_site)
        i, batch = begin
        filled, smoothed, told = 0, 0, 0
        while i < len(measured):
            if smoothed + len(cards.clones[0]) > len(lagged) > 0:
                break
            m = measured[i]
            i += 1
            reason, nis = refusal(m, cards, site), math.nan
            c = m["card"]
            if reason == SOUND:
                _note_first(cards, site, m)
                if m["kind"] == _SIGHTING:
                    reason, told = _sighted(cards, site, m, conflicts, told)
                else:
                    reason, nis = _take(cards, site, m)
                if reason != _NO_FIX:
                    t_ns = max(m["t_ns"], cards.marks[c, T])
                    row = filled
                    if latest:
                        if cards.marks[c, BATCH] > batch:
                            row = cards.marks[c, BATCH] - batch - 1
                        else:
                            cards.marks[c, BATCH] = batch + filled + 1
                            filled += 1
                        fixes[row]["card"], fixes[row]["nis"] = c, nis
                        fixes[row]["t_ns"] = t_ns
                    else:
                        answer(cards, site, c, t_ns, nis, fixes[row])
                        filled += 1
                    if len(lagged):
                        keep_clone(cards, site, c, fixes[row]["fix_class"])
                        j = ripe_clone(cards, site, c)
                        while j >= 0:
                            smoothed += int(answer_clone(cards, site, c, j, lagged[smoothed]))
                            j = ripe_clone(cards, site, c)
            if reason >= 0:
                rejected[reason] += 1
        if latest:
            for row in range(filled):
                fix = fixes[row]
                answer(cards, site, fix["card"], fix["t_ns"], fix["nis"], fix)
        return i, filled, smoothed, told

    @njit_cached
    def restore_stamped(plain_cards: AnyCards, plain_site: AnySite, fixes: Records) -> None:
        _ = stamp
        cards, site = Cards(*plain_cards), _site(plain_site)
        for i in range(len(fixes)):
            _restore(cards, site, fixes[i])

    return run_stamped, restore_stamped


#: `run(cards, site, rejected, measured, fixes, lagged, conflicts, latest, (first, batch))` takes
#: `measured` (n,) MEASUREMENT in order from row `first`, fills `fixes`, `lagged` and `conflicts`
#: from the front, and gives where it stopped (before the end where `lagged` is full) and how many
#: of each. `latest`: one fix for each card, the last; `batch` is then a number that has grown by
#: more than the rows of `fixes` since the call before. `restore(cards, site, fixes)` puts cards
#: where sound `fixes` say; measurements that are not newer are refused from then on.
run, restore = _entries(
    sources_stamp(*(str(path) for path in sorted(Path(__file__).parent.glob("*.py"))))
)
