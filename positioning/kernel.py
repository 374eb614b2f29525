"""The filter of all cards: compiled, one pass over the measurements, a record of state per card.

A card's record depends on nothing but that card's own measurements, in their order: so the result
is the same however the input is cut into batches. Times enter only as differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from positioning.answer import answer
from positioning.area_quick import NOT_ORDINARY, take_no_area, take_quickly
from positioning.area_sighting import sight_in_area
from positioning.area_track import begin_in_area, hold_in_area, take_in_area
from positioning.cards import CLONES, GATED, IN_AREA, UNKNOWN_CARD, UNPLACED, Card, by_model
from positioning.intake import SOUND, refusal, remember
from positioning.jit import by_fields, njit, njit_cached, njit_within, sources_stamp
from positioning.observation import Kind, Records
from positioning.passing import begin_on_map, sight_on_map, take_on_map
from positioning.restoring import restore_card
from positioning.roadway_sighting import sight_on_roadway
from positioning.roadway_track import begin_on_roadway, take_on_roadway
from positioning.sighting import is_ranged
from positioning.site import Site
from positioning.smoothing import smooth

#: Beside `SOUND` and the reasons of `positioning.cards`: a measurement that was used without a fix.
_NO_FIX: Final = -2
_SIGHTING: Final = int(Kind.SIGHTING)


@njit
def _hold_on_roadway(card: Card, site: Site, t_ns: int) -> None:
    """The uncertainty of places on the roadways grows by itself, as a walk's does."""


@njit
def _hold_on_map(card: Card, site: Site, t_ns: int) -> None:
    if card["model"] == IN_AREA:
        hold_in_area(card, site, t_ns)


@njit
def _sight_nothing(card: Card, site: Site, m: Any) -> float:
    """Without readers there are no sightings."""
    return 0.0


def _sight_of(names: Collection[str]) -> Callable[[Card, Site, Any], float]:
    if "heard_next" not in names:
        return _sight_nothing
    return by_model(sight_in_area, sight_on_roadway, sight_on_map)(names)


_begin = by_fields(by_model(begin_in_area, begin_on_roadway, begin_on_map))
_measure = by_fields(by_model(take_in_area, take_on_roadway, take_on_map))
_sight = by_fields(_sight_of)
_take_quickly = by_fields(by_model(take_quickly, take_no_area, take_no_area))
_hold = by_fields(by_model(hold_in_area, _hold_on_roadway, _hold_on_map))


@njit_within
def _is_jump(card: Card, site: Site, t_ns: int) -> bool:
    """Is this far after the filter's time, and not confirmed by a second measurement?

    One wrong time stamp must not make all that follows too old. When it is confirmed, the card is
    where it was, or as far from there as one walks, until a new place is found.
    """
    s = site
    if t_ns - card["t_ns"] <= s["jump_ns"]:
        card["jumping"] = 0
        return False
    confirmed = card["jumping"] != 0 and abs(t_ns - card["jump_ns"]) <= s["jump_ns"]
    card["jumping"] = int(not confirmed)
    card["jump_ns"] = t_ns
    if not confirmed:
        return True
    card["first_ns"] = t_ns
    _hold(card, site, t_ns)
    return False


@njit_within
def _coasts(card: Card, site: Site, m: Any) -> bool:
    """After a long silence: is the place still being searched? If not, the filter goes on."""
    if not card["coasting"]:
        return False
    card["t_ns"] = max(card["t_ns"], m["t_ns"])
    if not _begin(card, site, m):
        searching = m["t_ns"] - card["first_ns"] < site["start_wait_ns"]
        card["coasting"] = int(searching)
        return bool(searching)
    return True


@njit_within
def _take(card: Card, site: Site, m: Any) -> tuple[int, float]:
    """One sound measurement into its card's filter: why it was not used or `SOUND`, and NIS."""
    accepted, nis = True, math.nan
    if card["model"] == UNPLACED:
        if not _begin(card, site, m):
            return _NO_FIX, nis
    elif _is_jump(card, site, m["t_ns"]):
        return _NO_FIX, nis
    elif not _coasts(card, site, m):
        accepted, nis = _measure(card, site, m)
    return SOUND if accepted else GATED, nis


@njit_within
def _note_first(card: Card, site: Site, m: Any) -> None:
    """When a card is heard first, or anew after a silence, its search for a place begins."""
    if card["model"] == UNPLACED:
        silence_ns = abs(m["t_ns"] - card["newest_ns"])
        if card["ring_next"] == 0 or silence_ns > site["jump_ns"]:
            card["first_ns"] = m["t_ns"]
    remember(m, card)


@njit
def _sighted(card: Card, site: Site, m: Any) -> tuple[int, float]:
    """A sighting: (`SOUND` or `_NO_FIX`, how far off the card is in a conflict, else 0).

    It takes no card back to where it was before.
    """
    ranged = is_ranged(card, site, m["t_ns"])
    if card["model"] != UNPLACED and not ranged and m["t_ns"] < card["t_ns"]:
        return _NO_FIX, 0.0
    off_m = _sight(card, site, m)
    return (_NO_FIX if ranged else SOUND), off_m


# What the entry points call takes records only: an array that is handed to a function that is taken
# in costs two counts of its references at every turn of the loop.


@njit_within
def _take_one(card: Card, site: Site, m: Any) -> tuple[int, float, float]:
    """One measurement: why it was not used or `SOUND`, NIS, and how far off in a conflict."""
    reason, nis, off_m = refusal(m, card, site), math.nan, 0.0
    if reason == SOUND:
        _note_first(card, site, m)
        if m["kind"] == _SIGHTING:
            reason, off_m = _sighted(card, site, m)
        else:
            reason, nis = _take(card, site, m)
    return reason, nis, off_m


@njit_within
def _row_of(card: Card, batch: int, filled: int) -> int:
    """The row of the card's fix in this batch: a new one, where the answer is `filled`."""
    if card["batch"] > batch:
        return int(card["batch"]) - batch - 1
    card["batch"] = batch + filled + 1
    return filled


Counts = NDArray[np.int64]
Outputs = tuple[Records, Records, Records]
Run = Callable[
    [Records, Records, Counts, Records, Outputs, bool, tuple[int, int]],
    tuple[int, int, int, int],
]
Restore = Callable[[Records, Records, Records], None]


def _entries(  # noqa: C901 the loop in parts would hand on arrays, which costs at every turn
    stamp: str,
) -> tuple[Run, Restore]:
    """What Python calls; `stamp` makes numba notice changes in the files beside this one."""

    @njit_cached
    def run_stamped(
        cards: Records,
        sites: Records,
        rejected: Counts,
        measured: Records,
        outputs: Outputs,
        latest: bool,
        begin: tuple[int, int],
    ) -> tuple[int, int, int, int]:
        _ = stamp
        (fixes, lagged, conflicts), site, (i, batch) = outputs, sites[0], begin
        filled, smoothed, told = 0, 0, 0
        while i < len(measured) and (smoothed + 2 * CLONES <= len(lagged) or not len(lagged)):
            m = measured[i]
            i += 1
            if m["card"] >= len(cards):
                rejected[UNKNOWN_CARD] += 1
                continue
            card = cards[m["card"]]
            reason, nis = _take_quickly(card, site, m)
            off_m = 0.0
            if reason == NOT_ORDINARY:
                reason, nis, off_m = _take_one(card, site, m)
            if off_m > 0.0 and told < len(conflicts):
                conflict = conflicts[told]
                conflict["card"], conflict["reader"] = m["card"], m["source"]
                conflict["t_ns"], conflict["apart_m"] = m["t_ns"], off_m
                told += 1
            if reason >= 0:
                rejected[reason] += 1
            if reason not in (SOUND, GATED):
                continue
            row = _row_of(card, batch, filled) if latest else filled
            filled = max(filled, row + 1)
            fix = fixes[row]
            fix["card"], fix["nis"], fix["t_ns"] = m["card"], nis, max(m["t_ns"], card["t_ns"])
            if not latest or len(lagged):
                answer(card, site, fix)
            if len(lagged):
                smoothed = smooth(card, site, fix, lagged, smoothed)
        if latest and not len(lagged):
            for row in range(filled):
                answer(cards[fixes[row]["card"]], site, fixes[row])
        return i, filled, smoothed, told

    @njit_cached
    def restore_stamped(cards: Records, sites: Records, fixes: Records) -> None:
        _ = stamp
        for i in range(len(fixes)):
            restore_card(cards[fixes[i]["card"]], sites[0], fixes[i])

    return run_stamped, restore_stamped


#: `run(cards, sites, rejected, measured, (fixes, lagged, conflicts), latest, (first, batch))` takes
#: `measured` (n,) MEASUREMENT in order from row `first`, fills `fixes`, `lagged` and `conflicts`
#: from the front, and gives where it stopped (before the end where `lagged` is full) and how many
#: of each. `sites`: (1,) SITE. `latest`: one fix for each card, the last; `batch` is then a number
#: that has grown by more than the rows of `fixes` since the call before. `restore(cards, sites,
#: fixes)` puts cards where sound `fixes` say; what is not newer is refused from then on.
run, restore = _entries(
    sources_stamp(*(str(path) for path in sorted(Path(__file__).parent.glob("*.py"))))
)
