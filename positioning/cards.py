"""The state of all cards' filters, as arrays over cards, and what is the same for all of them.

All zeros is a card of which nothing has been heard. So room for every card that there may be is
asked of the system at the start, which gives memory only where something is written: nothing is
ever copied to make room, and no step waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from positioning.graph import Graph
from positioning.observation import Records

#: Anchors remembered for each card; the one heard longest ago makes room.
SLOTS: Final = 8
#: Measurements kept for each card to find its place anew: 0.8 s of four anchors at 10 Hz.
RING: Final = 32
#: Places on the roadways that a card may be at, kept side by side.
HYPOTHESES: Final = 8
#: Past places that are still being smoothed: this many in the time of the lag.
CLONES: Final = 10

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


# How a card is followed: `marks[c, MODEL]`.
UNPLACED: Final = 0
IN_AREA: Final = 1
ON_ROADWAY: Final = 2

# Columns of `marks`. Times are nanoseconds.
MODEL: Final = 0
T: Final = 1  # of the state
NEWEST: Final = 2  # the newest measurement
FIRST: Final = 3  # when the present search for a place began
ACCEPTED: Final = 4  # the last measurement in accord with the place
RANGED: Final = 5  # the last that was better than a sighting
SEEN: Final = 6  # the newest sighting
REVIEWED: Final = 7
JUMP: Final = 8
FLOOR: Final = 9  # nothing so old is taken, where HAS_FLOOR
HAS_FLOOR: Final = 10
REJECTS: Final = 11
USED_SLOTS: Final = 12
AMBIGUOUS: Final = 13
COASTING: Final = 14  # heard again after a long silence; its place is being searched
JUMPING: Final = 15  # one measurement was far ahead in time; the next one tells
RING_NEXT: Final = 16
PLACES: Final = 17  # how many hypotheses
LAGGED: Final = 18  # when the last clone was made
BATCH: Final = 19  # the last batch with news of the card
MARKS: Final = 20

# Columns of `slot_ns` and `slot_value`.
HEARD: Final = 0
USED: Final = 1
REJECTED: Final = 2
SLOPE: Final = 0  # metres that the place moves for a range wrong by one sigma
BLOCKED: Final = 1  # how likely the anchor has no line of sight now

# Columns of `hypotheses`: place and speed along an edge, their covariance, weight.
S: Final = 0
V: Final = 1
SS: Final = 2
SV: Final = 3
VV: Final = 4
LOG_WEIGHT: Final = 5

# Columns of a clone in an open area: x, y, vx, vy, covariance xx, xy, yy, and the class; then its
# covariance with the state of now, x first.
CLONE_CLASS: Final = 7
CLONE_CROSS: Final = 8

#: One measurement as it is kept; `source` and `other` count from 1, 0 is none.
HEARD_MEASUREMENT: Final = np.dtype(
    [
        ("t_ns", np.int64),
        ("value_m", np.float64),
        ("rssi_dbm", np.float32),
        ("source", np.uint32),
        ("other", np.uint32),
        ("kind", np.uint8),
        ("side", np.int8),
    ],
    align=True,
)


class Cards(NamedTuple):
    """The state of all cards, arrays with a row for each.

    `marks` (n, MARKS) int64. In an open area: `mean` (n, k) is x, y, vx, vy, then the bias of the
    anchor in each slot, and `cov` (n, k, k) belongs to it; k is 4 where biases are left out. On the
    roadways: `hypotheses` (n, HYPOTHESES, 6), and the piece of the graph that each is on. Of both:
    anchors heard lately (`slot_…`, an anchor counts from 1), `ring` (n, RING) HEARD_MEASUREMENT,
    `speed_max_m_s` and the height of the last fix; and clones, past places that are still being
    smoothed: when (`clone_ns`, 0 for none), in areas (`clones`) and for each hypothesis
    (`trails`: s, variance, covariance with s and v, how the edge runs, speed; `trail_pieces`).
    """

    marks: Integers
    mean: Floats
    cov: Floats
    slot_anchor: Integers
    slot_ns: Integers
    slot_value: Floats
    ring: Records
    hypotheses: Floats
    pieces: Integers
    speed_max_m_s: Floats
    z_m: Floats
    clone_ns: Integers
    clones: Floats
    trails: Floats
    trail_pieces: Integers


class Scratch(NamedTuple):
    """Room to work in, so that nothing is allocated: rows of floats, by use."""

    gain: Floats
    near: Floats
    trial: Floats
    best: Floats
    other: Floats
    spare: Floats


class Site(NamedTuple):
    """What is the same for all cards.

    `anchors` (n, 4): x, y, z, and how high a card is that is near this anchor; metres. `readers`
    (n, 6): x, y, z, radius, and the unit vector of its heading (0, 0 where it has none).
    `areas_m` (e, 4): the borders of all open areas as segments, x, y of either end; `everywhere`:
    whether there are no roadways, so that all is one open area. `graph` is at the height of a card.
    `settings`: (1,) SETTINGS. `stats` (n,) ANCHOR_STATS. `conflicts`: room for CONFLICT.
    """

    anchors: Floats
    readers: Floats
    areas_m: Floats
    everywhere: bool
    graph: Graph
    settings: Records
    stats: Records
    scratch: Scratch


def new_cards(count: int, biases: int, clones: int) -> Cards:
    """Room for `count` cards, with states for `biases` anchors each and `clones` past places."""
    states = 4 + biases
    return Cards(
        marks=np.zeros((count, MARKS), np.int64),
        mean=np.zeros((count, states)),
        cov=np.zeros((count, states, states)),
        slot_anchor=np.zeros((count, SLOTS), np.int64),
        slot_ns=np.zeros((count, SLOTS, 3), np.int64),
        slot_value=np.zeros((count, SLOTS, 2)),
        ring=np.zeros((count, RING), HEARD_MEASUREMENT),
        hypotheses=np.zeros((count, HYPOTHESES, 6)),
        pieces=np.zeros((count, HYPOTHESES), np.int64),
        speed_max_m_s=np.zeros(count),
        z_m=np.zeros(count),
        clone_ns=np.zeros((count, clones), np.int64),
        clones=np.zeros((count, clones, CLONE_CROSS + 2 * states)),
        trails=np.zeros((count, HYPOTHESES, clones, 6)),
        trail_pieces=np.zeros((count, HYPOTHESES, clones), np.int64),
    )


def new_scratch() -> Scratch:
    """Room for one kernel call at a time."""
    return Scratch(
        gain=np.zeros(4 + SLOTS),
        near=np.zeros((RING, 10)),
        trial=np.zeros((64, 8)),
        best=np.zeros(8),
        other=np.zeros(8),
        spare=np.zeros((HYPOTHESES + 8, 8)),
    )
