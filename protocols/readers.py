"""Records of readers as ranges, sightings and places; what can't be used is refused aloud. Pure.

A reader's profile gives the columns: `t_us` (the reader's clock, microseconds since the Unix
epoch; where it has none there is `age_us`, see `with_times`), `card`, and for a UWB reader `anchor`
and `range_m`; `rssi_dbm` and `first_path_dbm` where it has them. `flags` are what the card says of
itself. A directional reader has `side`: 0 unknown, 1 ahead, 2 behind. A positioning engine has
`x_m` and `y_m`, maybe `z_m` and `sigma_m`. A card is heard also where its distance or its place is
none (NaN).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from equipment.report import RecordBatch
from positioning.observation import (
    KNOWN_FLAGS,
    PLACE,
    RANGE,
    SIGHTING,
    IdTable,
    Records,
    TableFullError,
)

#: Letters of a card's id at most.
CARD_LETTERS_MOST: Final = 18

#: Names that a refusal shows; the count tells how many there are.
NAMES_SHOWN: Final = 5

#: Times beyond what 64 bits of nanoseconds hold (the year 2262) are no times; 0 is "no clock".
T_US_MOST: Final = (1 << 63) // 1000 - 1

#: What cards say of themselves, (n,) uint8: bits of `positioning.observation.CardFlag`.
Flags = NDArray[np.uint8]

#: What was refused and why, in words, and how many records.
Refusals = list[tuple[str, int]]

#: The column of a reader without a clock: how long ago, when they are handed in, its records came.
AGE_US: Final = "age_us"

#: No radio reaches further in a roadway, in metres; the tracker would take none of these.
RANGE_MOST_M: Final = 2000.0

#: An engine's place farther than this from the map is in another frame, in metres: surveyors' or
#: geographic coordinates, or millimetres.
FAR_MOST_M: Final = 1000.0
#: No mine lies higher or deeper, in metres.
HEIGHT_MOST_M: Final = 10_000.0

#: What the standard deviation of an engine's place is taken for, along x as along y, where it
#: tells none (or 0), in metres: what UWB engines reach in a roadway, where anchors are in a line.
SIGMA_ASSUMED_M: Final = 2.0
#: What an engine that is surer of itself is not believed, and what tells of no place, in metres.
SIGMA_LEAST_M: Final = 0.05
SIGMA_MOST_M: Final = 1000.0

#: Sides by the numbers of the column: unknown, ahead, behind.
_SIDES: Final = np.array([0, 1, -1], np.int8)

_REFUSED: Final = -1


def with_times(batch: RecordBatch, now_ns: int) -> RecordBatch:
    """`batch` with times; where the reader has none, those of arrival by the gateway's clock."""
    if AGE_US not in batch.columns:
        return batch
    columns = dict(batch.columns)
    age_us = cast("NDArray[np.int64]", columns.pop(AGE_US))
    columns["t_us"] = now_ns // 1000 - age_us
    return replace(batch, columns=columns)


def ranges_of(
    batch: RecordBatch, cards: IdTable, anchors: IdTable
) -> tuple[Records, Refusals, Flags]:
    """The ranges of a UWB reader's records, in their order.

    Args:
        batch: columns `t_us` int64, `card` and `anchor` str, `range_m` float64, metres.
        cards: gives a new card its handle.
        anchors: the anchors of the map; others are refused.

    Returns:
        (n,) RANGE, and what was refused: bad card ids, unknown anchors, impossible times, and
        impossible distances, which are NaN in the range: their card was heard. Last what the
        cards say of themselves, one for each range.
    """
    refused = _Refused(batch)
    anchor = refused.handles(batch.columns["anchor"], _AnchorNames(anchors))
    card = refused.handles(batch.columns["card"], _CardNames(cards))
    good = refused.good
    ranges = np.empty(int(good.sum()), RANGE)
    ranges["card"], ranges["anchor"] = card[good], anchor[good]
    ranges["t_ns"] = _t_us(batch)[good] * 1000
    ranges["range_m"] = batch.columns["range_m"][good]
    # A comparison with NaN is false.
    wrong = (ranges["range_m"] < 0.0) | (ranges["range_m"] > RANGE_MOST_M)
    if wrong.any():
        shown_m = ranges["range_m"][wrong][0]
        text = f"no distance that can be true (0 to {RANGE_MOST_M:g} m): {shown_m:g} m"
        refused.refusals.append((text, int(wrong.sum())))
        ranges["range_m"][wrong] = np.nan
    ranges["rssi_dbm"] = _optional(batch, "rssi_dbm")[good]
    ranges["first_path_dbm"] = _optional(batch, "first_path_dbm")[good]
    return ranges, refused.refusals, _flags(batch)[good]


def sightings_of(
    batch: RecordBatch, reader: int, cards: IdTable
) -> tuple[Records, Refusals, Flags]:
    """The sightings of an RFID reader's records, in their order.

    Args:
        batch: columns `t_us` int64, `card` str, maybe `side`.
        reader: the reader's index on the map.
        cards: gives a new card its handle.

    Returns:
        (n,) SIGHTING, and what was refused: bad card ids, impossible times, and sides that there
        are not, which are 0 in the sighting: its card was seen. Last what the cards say of
        themselves, one for each sighting.
    """
    refused = _Refused(batch)
    card = refused.handles(batch.columns["card"], _CardNames(cards))
    good = refused.good
    sightings = np.empty(int(good.sum()), SIGHTING)
    sightings["card"], sightings["reader"] = card[good], reader
    sightings["t_ns"] = _t_us(batch)[good] * 1000
    sightings["rssi_dbm"] = _optional(batch, "rssi_dbm")[good]
    sightings["side"] = refused.sides(good)
    return sightings, refused.refusals, _flags(batch)[good]


class Extent(NamedTuple):
    """How far a map reaches, in metres."""

    x_min_m: float
    y_min_m: float
    x_max_m: float
    y_max_m: float


def places_of(
    batch: RecordBatch, cards: IdTable, extent: Extent
) -> tuple[Records, Refusals, Flags]:
    """The places in a positioning engine's records, in their order.

    Args:
        batch: columns `t_us` int64, `card` str, `x_m` and `y_m` float64, metres in the frame of the
            map; maybe `z_m`, and `sigma_m`, the standard deviation along x as along y.
        cards: gives a new card its handle.
        extent: how far the map reaches.

    Returns:
        (n,) PLACE, and what was refused: bad card ids, impossible times, and places that can't be
        true, which are NaN in the place: their card was heard. Last what the cards say of
        themselves, one for each place. Heights are looked at and not kept: cards are carried so
        high above the floor.
    """
    refused = _Refused(batch)
    card = refused.handles(batch.columns["card"], _CardNames(cards))
    good = refused.good
    places = np.zeros(int(good.sum()), PLACE)
    places["card"] = card[good]
    places["t_ns"] = _t_us(batch)[good] * 1000
    places["x_m"], places["y_m"] = batch.columns["x_m"][good], batch.columns["y_m"][good]
    sigma_m = _optional(batch, "sigma_m")[good].astype(np.float64)
    z_m = _optional(batch, "z_m")[good].astype(np.float64)
    wrong = np.zeros(len(places), np.bool_)
    for text, is_so, of in _doubts(places, z_m, sigma_m, extent):
        fresh = is_so & ~wrong
        if fresh.any():
            shown = ", ".join(f"{column_m[fresh][0]:g} m" for column_m in of)
            refused.refusals.append((f"{text}: {shown}", int(fresh.sum())))
        wrong |= fresh
    places["x_m"][wrong] = places["y_m"][wrong] = np.nan
    sigma_m[np.isnan(sigma_m) | (sigma_m == 0.0) | wrong] = SIGMA_ASSUMED_M
    variance_m2 = np.maximum(sigma_m, SIGMA_LEAST_M) ** 2
    places["var_x_m2"], places["var_y_m2"] = variance_m2, variance_m2
    return places, refused.refusals, _flags(batch)[good]


def _doubts(
    places: Records, z_m: NDArray[np.float64], sigma_m: NDArray[np.float64], extent: Extent
) -> Iterator[tuple[str, NDArray[np.bool_], tuple[NDArray[np.float64], ...]]]:
    """What can't be true of places, of which, and what shows it; NaN is no height, no deviation."""
    x_m, y_m = places["x_m"], places["y_m"]
    yield "x and y are no place", ~(np.isfinite(x_m) & np.isfinite(y_m)), (x_m, y_m)
    # A comparison with NaN is false.
    beside_m = np.maximum(np.maximum(extent.x_min_m - x_m, x_m - extent.x_max_m), 0.0)
    above_m = np.maximum(np.maximum(extent.y_min_m - y_m, y_m - extent.y_max_m), 0.0)
    far = f"no place that can be true (more than {FAR_MOST_M:g} m from all that is on the map)"
    yield far, np.hypot(beside_m, above_m) > FAR_MOST_M, (x_m, y_m)
    high = f"no height that can be true (within ±{HEIGHT_MOST_M:g} m)"
    yield high, np.abs(z_m) > HEIGHT_MOST_M, (z_m,)
    wide = f"no standard deviation that can be true (0 to {SIGMA_MOST_M:g} m)"
    yield wide, (sigma_m < 0.0) | (sigma_m > SIGMA_MOST_M), (sigma_m,)


def is_card_id(text: str) -> bool:
    """Whether `text` can be a card's id: 1 to 18 printable ASCII letters without a blank."""
    return (
        1 <= len(text) <= CARD_LETTERS_MOST
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )


class _CardNames:
    """Handles of cards: any well-formed id is one."""

    def __init__(self, table: IdTable) -> None:
        self._table = table

    def find(self, name: str) -> int | None:
        """The handle of a card that was heard before."""
        return self._table.find(name)

    def handle(self, name: str) -> int | str:
        """The handle of a card, or why it has none."""
        if not is_card_id(name):
            return f"not a card id (1 to {CARD_LETTERS_MOST} letters or digits, no blank)"
        try:
            return self._table.handle(name)
        except TableFullError:
            return "no room for another card in the gateway"


class _AnchorNames:
    """Handles of anchors: those of the map."""

    def __init__(self, table: IdTable) -> None:
        self._table = table

    def find(self, name: str) -> int | None:
        """The handle of an anchor; None where the map has none."""
        return self._table.find(name)

    def handle(self, name: str) -> int | str:
        """As `find`, or why it has none."""
        handle = self._table.find(name)
        return "this anchor is not on the map" if handle is None else handle


class _Refused:
    """Which records of a batch are good, and why the others are not; each is refused once."""

    def __init__(self, batch: RecordBatch) -> None:
        self._batch = batch
        t_us = _t_us(batch)
        self.good = (t_us > 0) & (t_us <= T_US_MOST)
        self.refusals: Refusals = []
        bad = int(len(t_us) - self.good.sum())
        if bad:
            self.refusals.append(("no time that can be true; set the reader's clock", bad))

    def handles(
        self, names: NDArray[np.generic], table: _CardNames | _AnchorNames
    ) -> NDArray[np.int64]:
        """The handles of `names`; records whose name has none are good no more."""
        if self.good.all():
            # As nearly always: every name is known already.
            found = list(map(table.find, names.tolist()))
            if None not in found:
                return np.array(found, np.int64)
        known: dict[str, int | str] = {}
        reasons: dict[str, Counter[str]] = {}
        handles = np.full(len(names), _REFUSED, np.int64)
        for position in np.flatnonzero(self.good).tolist():
            name = cast(str, names[position])
            handle = known.get(name)
            if handle is None:
                handle = known[name] = table.handle(name)
            if isinstance(handle, str):
                reasons.setdefault(handle, Counter())[name] += 1
            else:
                handles[position] = handle
        self.good &= handles != _REFUSED
        for reason, counts in reasons.items():
            self.refusals.append((f"{reason}: {_shown(counts)}", counts.total()))
        return handles

    def sides(self, good: NDArray[np.bool_]) -> NDArray[np.int8]:
        """The sides of the good records; a number that is no side is told, and 0."""
        # What a reader does not say, as a whole column or as `none`, is unknown: 0.
        told = np.nan_to_num(_optional(self._batch, "side")[good].astype(np.float64))
        known = np.isin(told, range(len(_SIDES)))
        if not known.all():
            text = f"no side that there is (0 unknown, 1 ahead, 2 behind): {told[~known][0]:g}"
            self.refusals.append((text, int((~known).sum())))
        return _SIDES[np.where(known, told, 0).astype(np.intp)]


def _shown(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - NAMES_SHOWN
    return ", ".join(map(repr, ordered[:NAMES_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _t_us(batch: RecordBatch) -> NDArray[np.int64]:
    return cast("NDArray[np.int64]", batch.columns["t_us"])


def _flags(batch: RecordBatch) -> Flags:
    """Bits that we know; a reader without the column, or without a value in it, says nothing."""
    told = np.nan_to_num(_optional(batch, "flags").astype(np.float64)).astype(np.int64)
    return (told & KNOWN_FLAGS).astype(np.uint8)


def _optional(batch: RecordBatch, name: str) -> NDArray[np.generic]:
    column = batch.columns.get(name)
    return np.full(len(_t_us(batch)), np.nan) if column is None else column
