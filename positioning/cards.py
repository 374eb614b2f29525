"""The state of all cards' filters, a record for each.

All zeros is a card of which nothing has been heard. So room for every card that there may be is
asked of the system at the start, which gives memory only where something is written: nothing is
ever copied to make room, and no step waits for it. A measurement touches all of one card's state
and nothing of another's; so the state of one card stands together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from positioning.observation import Records

#: Anchors remembered for each card; the one heard longest ago makes room.
SLOTS: Final = 8
#: Measurements kept for each card to find its place anew: 0.8 s of four anchors at 10 Hz.
RING: Final = 32
RING_MASK: Final = RING - 1
#: Strengths kept for each card: 9 s of a dozen readers at 2 Hz.
HEARD_STRENGTHS: Final = 256
#: Places on the roadways that a card may be at, kept side by side.
HYPOTHESES: Final = 8
#: Past places that are smoothed are made this often in the time of the lag; there is room for two
#: more, because the last are ripe only with the next measurement.
CLONES: Final = 10
_CLONES_MOST: Final = CLONES + 2

F = TypeVar("F")

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


# Why a measurement was not used: the kernel counts by these indices, in the order of `Rejections`.
NOT_FINITE: Final = 0
OUT_OF_SCALE: Final = 1
UNKNOWN_ANCHOR: Final = 2
UNKNOWN_CARD: Final = 3
REPEATED: Final = 4
REPLAYED: Final = 5
TOO_OLD: Final = 6
GATED: Final = 7


@dataclass(frozen=True, slots=True)
class Rejections:
    """How many measurements were not used, by reason, since the start.

    All but `gated` left no trace. `gated` ones were sound in form but too far from what the filter
    expected, mostly for lack of a line of sight. `replayed` ones are not newer than what their card
    was restored with; `too_old` ones came too long after a newer one of their card.
    `unknown_anchor` is also said of a reader.
    """

    not_finite: int
    out_of_scale: int
    unknown_anchor: int
    unknown_card: int
    repeated: int
    replayed: int
    too_old: int
    gated: int


# How a card is followed: `card["model"]`.
UNPLACED: Final = 0
IN_AREA: Final = 1
ON_ROADWAY: Final = 2

# Columns of `hypotheses`: place and speed along an edge, their covariance, weight.
S: Final = 0
V: Final = 1
SS: Final = 2
SV: Final = 3
VV: Final = 4
LOG_WEIGHT: Final = 5

# Columns of `slot_ns` and of `slot_leans`: slope² and direction.
HEARD: Final = 0
USED: Final = 1
REJECTED: Final = 2
SLOPE: Final = 0
UX: Final = 1
UY: Final = 2

# Columns of a clone in an open area: x, y, vx, vy, covariance xx, xy, yy; then its covariance with
# the state of now, x first.
CLONE_CROSS: Final = 7


@dataclass(frozen=True, slots=True)
class Layout:
    """What a card's record must hold: by what a map has, and what is asked of the filter.

    `area`, `roadways`: which models; `biases`: anchors with a state of their own; `smoothed`:
    whether past places are kept to be smoothed; `readers`: whether there are any.
    """

    area: bool
    roadways: bool
    biases: int
    smoothed: bool
    readers: bool = True


_Fields = list[tuple[str, Any] | tuple[str, Any, tuple[int, ...]]]


def _parts(layout: Layout) -> _Fields:
    """The fields that only some cards have."""
    fields: _Fields = []
    k = 4 + layout.biases
    if layout.readers:
        fields += [("heard_next", np.int64)]
    if layout.readers and layout.area:  # the last strengths: when, by which reader, how strong
        fields += [
            ("heard_ns", np.int64, (HEARD_STRENGTHS,)),
            ("heard_reader", np.int64, (HEARD_STRENGTHS,)),
            ("heard_dbm", np.float64, (HEARD_STRENGTHS,)),
        ]
    if layout.roadways:
        fields += [
            # Hypotheses, the piece of the graph that each is on, and how likely each anchor has no
            # line of sight if the card is there.
            ("hypotheses", np.float64, (HYPOTHESES, 6)),
            ("pieces", np.int64, (HYPOTHESES,)),
            ("blocked", np.float64, (HYPOTHESES, SLOTS)),
        ]
    # Past places still being smoothed: when, and of which class (0: none, negative in areas); in
    # areas, and for each hypothesis (piece, -1 for none; s, variance, covariance with s and v,
    # speed).
    clones = _CLONES_MOST if layout.smoothed else 1
    fields += [("clone_ns", np.int64, (clones,)), ("clone_class", np.int64, (clones,))]
    if layout.area:
        fields += [("clones", np.float64, (clones, CLONE_CROSS + 2 * k))]
    if layout.roadways:
        fields += [
            ("trails", np.float64, (HYPOTHESES, clones, 5)),
            ("trail_pieces", np.int64, (HYPOTHESES, clones)),
        ]
    return fields


def card_type(layout: Layout) -> np.dtype[np.void]:
    """The record of a card. The kernel is compiled for what it holds."""
    fields: _Fields = [
        ("model", np.int64),
        ("t_ns", np.int64),  # of the state
        ("newest_ns", np.int64),  # the newest measurement
        ("newest_first", np.int64),  # how many had come before the first of that time
        ("first_ns", np.int64),  # when the present search for a place began
        ("accepted_ns", np.int64),  # the last measurement in accord with the place
        ("ranged_ns", np.int64),  # the last that was better than a sighting
        ("reviewed_ns", np.int64),
        ("glanced_ns", np.int64),  # when better places were looked for at a glance last
        ("branched_ns", np.int64),  # when the ways of a near junction were looked at last
        ("jump_ns", np.int64),
        ("floor_ns", np.int64),  # nothing so old is taken, where `has_floor`
        ("cloned_ns", np.int64),  # when the last clone was made
        ("ripe", np.int64),  # the clone that is being told
        ("batch", np.int64),  # the last batch with news of the card
        ("ring_next", np.int64),
        ("rejects", np.int64),
        ("slots", np.int64),  # anchors heard
        ("places", np.int64),  # hypotheses
        ("has_floor", np.uint8),
        ("seen", np.uint8),  # a reader has placed it
        ("ambiguous", np.uint8),
        ("coasting", np.uint8),  # heard again after a long silence; its place is being searched
        ("jumping", np.uint8),  # one measurement was far ahead in time; the next one tells
        # Height, by the nearest anchor: which, how far and when.
        ("z_m", np.float64),
        ("z_anchor", np.int64),
        ("z_range_m", np.float64),
        ("z_ns", np.int64),
        ("speed_max_m_s", np.float64),  # 0: the usual limit
        # Anchors heard lately: which; when heard, in accord, rejected; and what of them the place
        # leans on. `slot_next`: the one that is expected next.
        ("slot_next", np.int64),
        ("slot_anchor", np.int64, (SLOTS,)),
        ("slot_ns", np.int64, (SLOTS, 4)),
        ("slot_leans", np.float64, (SLOTS, 4)),
        # The last measurements: when, of what (`positioning.intake`), and how much and how strong.
        ("ring_ns", np.int64, (RING, 2)),
        ("ring_value", np.float64, (RING, 2)),
    ]
    if layout.area:  # x, y, vx, vy, then the bias of the anchor in each slot
        k = 4 + layout.biases
        fields += [("mean", np.float64, (k,)), ("cov", np.float64, (k, k))]
    return np.dtype(fields + _parts(layout), align=True)


#: One record of `card_type`.
Card = Any


def new_cards(count: int, layout: Layout) -> Records:
    """(count,) records of cards of which nothing has been heard."""
    return np.zeros(count, card_type(layout))


def by_model(area: F, roadway: F, both: F) -> Callable[[Collection[str]], F]:
    """Which of three functions is for a card's fields: it may be in areas, on roadways, or both."""

    def choose(names: Collection[str]) -> F:
        if "hypotheses" not in names:
            return area
        return both if "mean" in names else roadway

    return choose
