"""The state of all cards' filters, a record for each, and what is the same for all of them.

All zeros is a card of which nothing has been heard. So room for every card that there may be is
asked of the system at the start, which gives memory only where something is written: nothing is
ever copied to make room, and no step waits for it. A measurement touches all of one card's state
and nothing of another's; so the state of one card stands together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

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

# Columns of a clone in an open area: x, y, vx, vy, covariance xx, xy, yy; then its covariance with
# the state of now, x first.
CLONE_CROSS: Final = 7


@dataclass(frozen=True, slots=True)
class Layout:
    """What a card's record must hold: by what a map has, and what is asked of the filter.

    `area`, `roadways`: which models; `biases`: anchors with a state of their own; `smoothed`:
    whether past places are kept to be smoothed.
    """

    area: bool
    roadways: bool
    biases: int
    smoothed: bool


def card_type(layout: Layout) -> np.dtype[np.void]:
    """The record of a card. The kernel is compiled for what it holds."""
    k = 4 + layout.biases
    of_slots, of_ring, of_places = (SLOTS,), (RING,), (HYPOTHESES,)
    fields: list[tuple[str, Any] | tuple[str, Any, tuple[int, ...]]] = [
        ("model", np.int64),
        ("t_ns", np.int64),  # of the state
        ("newest_ns", np.int64),  # the newest measurement
        ("first_ns", np.int64),  # when the present search for a place began
        ("accepted_ns", np.int64),  # the last measurement in accord with the place
        ("ranged_ns", np.int64),  # the last that was better than a sighting
        ("reviewed_ns", np.int64),
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
        ("z_m", np.float64),  # of the last fix
        ("speed_max_m_s", np.float64),  # 0: the usual limit
        # Anchors heard lately: which; when heard, in accord, rejected; how many metres the place
        # moves for a range wrong by one sigma.
        ("slot_anchor", np.int64, of_slots),
        ("slot_heard_ns", np.int64, of_slots),
        ("slot_used_ns", np.int64, of_slots),
        ("slot_rejected_ns", np.int64, of_slots),
        ("slot_slope_m", np.float64, of_slots),
        # The last measurements, as in MEASUREMENT.
        ("ring_t_ns", np.int64, of_ring),
        ("ring_value_m", np.float64, of_ring),
        ("ring_rssi_dbm", np.float32, of_ring),
        ("ring_source", np.int32, of_ring),
        ("ring_other", np.int32, of_ring),
        ("ring_kind", np.uint8, of_ring),
    ]
    if layout.area:  # x, y, vx, vy, then the bias of the anchor in each slot
        fields += [("mean", np.float64, (k,)), ("cov", np.float64, (k, k))]
    if layout.roadways:
        fields += [
            # Hypotheses, the piece of the graph that each is on, and how likely each anchor has no
            # line of sight if the card is there.
            ("hypotheses", np.float64, (HYPOTHESES, 6)),
            ("pieces", np.int64, of_places),
            ("blocked", np.float64, (HYPOTHESES, SLOTS)),
        ]
    # Past places still being smoothed: when, and of which class (0: none, negative in areas); in areas,
    # and for each hypothesis (piece, -1 for none; s, variance, covariance with s and v, speed).
    clones = _CLONES_MOST if layout.smoothed else 1
    fields += [("clone_ns", np.int64, (clones,)), ("clone_class", np.int64, (clones,))]
    if layout.area:
        fields += [("clones", np.float64, (clones, CLONE_CROSS + 2 * k))]
    if layout.roadways:
        fields += [
            ("trails", np.float64, (HYPOTHESES, clones, 5)),
            ("trail_pieces", np.int64, (HYPOTHESES, clones)),
        ]
    return np.dtype(fields, align=True)


#: One record of `card_type`.
Card = Any

#: `card_z_m`: how high a card is that is near this anchor. `edge`, `s_m`, `off_m`: where on the
#: roadways it is, and how far from the centreline; edge -1 where there are no roadways.
ANCHOR: Final = np.dtype(
    [
        ("x_m", np.float64),
        ("y_m", np.float64),
        ("z_m", np.float64),
        ("card_z_m", np.float64),
        ("edge", np.int64),
        ("s_m", np.float64),
        ("off_m", np.float64),
    ]
)
#: `head_x`, `head_y`: unit vector of a directional reader's heading, else 0, 0.
READER: Final = np.dtype(
    [
        ("x_m", np.float64),
        ("y_m", np.float64),
        ("z_m", np.float64),
        ("radius_m", np.float64),
        ("head_x", np.float64),
        ("head_y", np.float64),
    ]
)
#: A straight piece of an edge: its first point, unit vector, length, where on the edge it begins.
PIECE: Final = np.dtype(
    [
        ("x_m", np.float64),
        ("y_m", np.float64),
        ("z_m", np.float64),
        ("tx", np.float64),
        ("ty", np.float64),
        ("tz", np.float64),
        ("length_m", np.float64),
        ("s_m", np.float64),
        ("edge", np.int64),
    ]
)
#: `aside_m2`: variance of where a card is between the walls. The ways on from end 0 and end 1 are
#: `first_way` to `last_way` (not included) of the list of ways, among them the edge itself.
EDGE: Final = np.dtype(
    [
        ("length_m", np.float64),
        ("aside_m2", np.float64),
        ("chainage_m", np.float64),
        ("roadway", np.int64),
        ("first_piece", np.int64),
        ("last_piece", np.int64),
        ("nodes", np.int64, (2,)),
        ("first_way", np.int64, (2,)),
        ("last_way", np.int64, (2,)),
    ]
)
#: An edge that begins at a node with its end 0 or 1.
WAY: Final = np.dtype([("edge", np.int64), ("end", np.int64)])
#: Room to work in, so that nothing is allocated.
SCRATCH: Final = np.dtype(
    [
        ("gain", np.float64, (4 + SLOTS,)),
        ("near", np.float64, (RING, 10)),
        ("trial", np.float64, (2 * HYPOTHESES, 8)),
        ("best", np.float64, (8,)),
        ("other", np.float64, (8,)),
        ("log", np.float64, (HYPOTHESES,)),
    ]
)

#: People keep this far from the walls.
_WALL_GAP_M: Final = 0.4


class Site(NamedTuple):
    """What is the same for all cards: arrays of the types above, and one record each of the last.

    `borders_m` (e, 4): the borders of all open areas as segments, x, y of either end. The pieces
    are at the height of a card. Without pieces, all is one open area. `apart_m` (n, n): the shortest
    way along the roadways between two of their nodes.
    """

    anchors: Records
    readers: Records
    borders_m: Floats
    pieces: Records
    edges: Records
    ways: Records
    apart_m: Floats
    stats: Records
    settings: Any
    scratch: Any


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


def roadway_records(graph: Graph) -> tuple[Records, Records, Records]:
    """The graph for the kernel: (k,) PIECE, (e,) EDGE, (w,) WAY."""
    pieces = np.zeros(len(graph.piece_length_m), PIECE)
    for i, name in enumerate(("x_m", "y_m", "z_m")):
        pieces[name] = graph.piece_m[:, i]
    for i, name in enumerate(("tx", "ty", "tz")):
        pieces[name] = graph.along[:, i]
    pieces["length_m"], pieces["s_m"] = graph.piece_length_m, graph.piece_s_m
    pieces["edge"] = graph.piece_edge
    edges = np.zeros(len(graph.length_m), EDGE)
    edges["length_m"], edges["chainage_m"] = graph.length_m, graph.chainage_m
    edges["roadway"] = graph.roadway
    # An even spread over a width w has the variance w²/12.
    edges["aside_m2"] = np.maximum(graph.width_m - 2.0 * _WALL_GAP_M, 0.5) ** 2 / 12.0
    edges["first_piece"], edges["last_piece"] = graph.first_piece[:-1], graph.first_piece[1:] - 1
    edges["nodes"] = graph.ends
    edges["first_way"] = graph.node_start[graph.ends]
    edges["last_way"] = graph.node_start[graph.ends + 1]
    ways = np.zeros(len(graph.node_edges), WAY)
    ways["edge"], ways["end"] = graph.node_edges, graph.node_ends
    return pieces, edges, ways
