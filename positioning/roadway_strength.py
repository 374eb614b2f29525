"""Where on the roadways a card is by how strongly several readers hear it: compiled.

The likelihood is that of `positioning.strength`, with distances along the roadways: radio goes
through rock hardly at all, and around a bend worse than straight on. A reader's reach says how far
from it cards are at all that it hears.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from positioning.graph import AnyGraph, Floats, Graph, Integers
from positioning.jit import njit
from positioning.strength import (
    READER,
    STRENGTH_DB,
    WEIGHT,
    Heard,
    Sightings,
    hear,
    level_db,
    log_evidence,
    totals,
)

#: No place further than so many times its reach from each reader that heard the card is looked at.
REACHES: Final = 3.0
#: No way counts for longer, in the reader's reach: where there is none at all it is infinite.
FAR_REACHES: Final = 10.0
#: Samples along the roadways: their number, and no two are nearer to each other.
SAMPLES: Final = 128
STEP_MIN_M: Final = 0.5
#: The place is that with the least mean square of the way to the card, none counting for longer.
MISS_MAX_M: Final = 50.0
#: So many candidates for it are tried before the neighbours of the best.
_CANDIDATES: Final = 32
#: A second place is a peak that is further from the first, and so many deviations of it at least.
APART_M: Final = 10.0
APART_SIGMAS: Final = 2.0

#: Rows of `samples`: edge, s, length that it stands for, probability per metre, way to the first
#: place and to the second.
_EDGE, _S, _LENGTH, _P, _FIRST, _SECOND = 0, 1, 2, 3, 4, 5
SAMPLE_COLUMNS: Final = 6
#: What `roadway_strength_place` fills.
OUT_EDGE: Final = 0
OUT_PIECE: Final = 1
OUT_S: Final = 2
OUT_VAR_S: Final = 3
OUT_SHARE: Final = 4
OUT_OTHER_EDGE: Final = 5
OUT_OTHER_S: Final = 6
OUT_OTHER_SHARE: Final = 7
ROADWAY_FIGURES: Final = 8


class ReaderPlaces(NamedTuple):
    """Readers on the roadways, for the kernel.

    `edge` (n,): the nearest edge. `at` (n, 3): s there, how far beside the centreline the reader
    is, and its reach; metres.
    """

    edge: Integers
    at: Floats


def reader_places(graph: Graph, readers_m: Floats, reach_m: Floats) -> ReaderPlaces:
    """The places of readers, (n, 3) metres, with their reach, (n,), on a graph with an edge."""
    edge = np.zeros(len(readers_m), np.int64)
    at = np.zeros((len(readers_m), 3))
    for i, reader_m in enumerate(readers_m):
        s_m = ((reader_m - graph.piece_m) * graph.along).sum(axis=1)
        s_m = np.clip(s_m, 0.0, graph.piece_length_m)
        off_m = np.linalg.norm(reader_m - graph.piece_m - s_m[:, None] * graph.along, axis=1)
        piece = int(np.argmin(off_m))
        edge[i] = graph.piece_edge[piece]
        at[i] = graph.piece_s_m[piece] + s_m[piece], off_m[piece], reach_m[i]
    return ReaderPlaces(edge, at)


#: A `Graph` and `ReaderPlaces`, both as plain tuples too.
Roads = tuple[AnyGraph, tuple[Integers, Floats]]


@njit
def _way_from_end(graph: AnyGraph, node: int, edge: int, s_m: float) -> float:
    """The shortest way from a node to a place on an edge."""
    ends, apart_m = graph[10], graph[14]
    via_0 = apart_m[node, ends[edge, 0]] + s_m
    via_1 = apart_m[node, ends[edge, 1]] + graph[6][edge] - s_m
    return float(min(via_0, via_1))


@njit
def signed_way_m(graph: AnyGraph, edge: int, s_m: float, other: int, other_s_m: float) -> float:
    """The shortest way from a place to another one, negative if it sets out to smaller s."""
    if edge == other:
        return other_s_m - s_m
    ends = graph[10]
    back_m = s_m + _way_from_end(graph, ends[edge, 0], other, other_s_m)
    on_m = graph[6][edge] - s_m + _way_from_end(graph, ends[edge, 1], other, other_s_m)
    return -back_m if back_m < on_m else on_m


@njit
def _stretch(
    roads: Roads, edge: int, rows: Floats, heard: int, ways: Floats
) -> tuple[float, float]:
    """The stretch of an edge that is within reach of a reader heard: none if it has no length.

    `ways` (HEARD_MAX, 2): the ways from both ends of the edge to each reader, filled.
    """
    graph, places = roads
    length_m, ends = graph[6][edge], graph[10]
    low_m, high_m = length_m, 0.0
    for k in range(heard):
        reader = int(rows[k, READER])
        home, s_m = places[0][reader], places[1][reader, 0]
        far_m = REACHES * places[1][reader, 2]
        for end in range(2):
            ways[k, end] = _way_from_end(graph, ends[edge, end], home, s_m)
        if home == edge:
            low_m, high_m = min(low_m, s_m - far_m), max(high_m, s_m + far_m)
        if ways[k, 0] < far_m:
            low_m, high_m = 0.0, max(high_m, far_m - ways[k, 0])
        if ways[k, 1] < far_m:
            low_m, high_m = min(low_m, length_m - far_m + ways[k, 1]), length_m
    return max(low_m, 0.0), min(high_m, length_m)


@njit
def _log_posterior(roads: Roads, edge: int, s_m: float, heard: Heard, ways: Floats) -> float:
    """Log probability per metre of a card's being on an edge at s, up to a constant.

    `ways` as of `_stretch`.
    """
    graph, places = roads
    rows, count, total = heard
    length_m = graph[6][edge]
    wl, wll, wyl, beyond = 0.0, 0.0, 0.0, math.inf
    for k in range(count):
        reader = int(rows[k, READER])
        way_m = min(ways[k, 0] + s_m, ways[k, 1] + length_m - s_m)
        if places[0][reader] == edge:
            way_m = min(way_m, abs(s_m - places[1][reader, 0]))
        off_m, reach_m = places[1][reader, 1], places[1][reader, 2]
        way_m = min(way_m, FAR_REACHES * reach_m)
        level = level_db(way_m * way_m + off_m * off_m)
        weighted = rows[k, WEIGHT] * level
        wl += weighted
        wll += weighted * level
        wyl += weighted * rows[k, STRENGTH_DB]
        beyond = min(beyond, (way_m / reach_m) * (way_m / reach_m))

    return float(log_evidence(total, wl, wll, wyl) - 0.5 * beyond)


@njit
def _lay_samples(roads: Roads, heard: Heard, ways: Floats, samples: Floats) -> int:
    """Samples of the posterior along all stretches within reach: how many."""
    rows, count, _ = heard
    edges = len(roads[0][6])
    total_m, touched = 0.0, 0
    for edge in range(edges):
        low_m, high_m = _stretch(roads, edge, rows, count, ways)
        if high_m > low_m:
            total_m += high_m - low_m
            touched += 1
    # Each stretch rounds its number up: so many places fewer are left to share.
    step_m = max(STEP_MIN_M, total_m / max(len(samples) - touched, 1))
    laid = 0
    best = -math.inf
    for edge in range(edges):
        low_m, high_m = _stretch(roads, edge, rows, count, ways)
        if high_m <= low_m:
            continue
        parts = min(math.ceil((high_m - low_m) / step_m), len(samples) - laid)
        for i in range(parts):
            sample = samples[laid]
            sample[_EDGE] = edge
            sample[_LENGTH] = (high_m - low_m) / parts
            sample[_S] = low_m + (i + 0.5) * sample[_LENGTH]
            sample[_P] = _log_posterior(roads, edge, sample[_S], heard, ways)
            best = max(best, sample[_P])
            laid += 1
    for i in range(laid):
        samples[i, _P] = math.exp(samples[i, _P] - best)
    return laid


@njit
def _is_peak(graph: AnyGraph, samples: Floats, laid: int, i: int) -> bool:
    """Whether no neighbour of a sample is more probable, across junctions too."""
    edge, p = samples[i, _EDGE], samples[i, _P]
    first = i == 0 or samples[i - 1, _EDGE] != edge
    last = i == laid - 1 or samples[i + 1, _EDGE] != edge
    if (not first and samples[i - 1, _P] > p) or (not last and samples[i + 1, _P] >= p):
        return False
    if first or last:
        for j in range(laid):
            if samples[j, _EDGE] != edge and samples[j, _P] > p:
                way_m = signed_way_m(
                    graph, int(edge), samples[i, _S], int(samples[j, _EDGE]), samples[j, _S]
                )
                if abs(way_m) < 1.5 * (samples[i, _LENGTH] + samples[j, _LENGTH]):
                    return False
    return True


@njit
def _mean_miss_m2(graph: AnyGraph, samples: Floats, laid: int, i: int) -> float:
    """How far, squared, a card is from sample `i` on average; too far is `MISS_MAX_M`."""
    edge, s_m = int(samples[i, _EDGE]), samples[i, _S]
    miss, mass = 0.0, 0.0
    for j in range(laid):
        p = samples[j, _P] * samples[j, _LENGTH]
        way_m = signed_way_m(graph, edge, s_m, int(samples[j, _EDGE]), samples[j, _S])
        miss += p * min(abs(way_m), MISS_MAX_M) ** 2
        mass += p
    return miss / mass


@njit
def _first(graph: AnyGraph, samples: Floats, laid: int) -> int:
    """The sample with the least mean miss: the mean on the roadways, deaf to what is far off.

    The most probable place misses by more: strengths leave both sides of a reader open, and the
    reader is nearer to each of them than they are to each other.
    """
    stride = (laid + _CANDIDATES - 1) // _CANDIDATES
    best, best_m2 = 0, math.inf
    for i in range(stride // 2, laid, stride):
        miss_m2 = _mean_miss_m2(graph, samples, laid, i)
        if miss_m2 < best_m2:
            best, best_m2 = i, miss_m2
    for i in range(max(best - stride + 1, 0), min(best + stride, laid)):
        miss_m2 = _mean_miss_m2(graph, samples, laid, i)
        if miss_m2 < best_m2:
            best, best_m2 = i, miss_m2
    return best


@njit
def _fill_ways(graph: AnyGraph, samples: Floats, laid: int, to: int, column: int) -> None:
    """Writes the length of the way from each sample to sample `to` into a column."""
    edge, s_m = int(samples[to, _EDGE]), samples[to, _S]
    for i in range(laid):
        way_m = signed_way_m(graph, edge, s_m, int(samples[i, _EDGE]), samples[i, _S])
        samples[i, column] = abs(way_m)


@njit
def _second(graph: AnyGraph, samples: Floats, laid: int) -> int:
    """The most probable peak apart from the first place, -1 if there is none."""
    mass, square = 0.0, 0.0
    for i in range(laid):
        p = samples[i, _P] * samples[i, _LENGTH]
        mass += p
        square += p * min(samples[i, _FIRST], MISS_MAX_M) ** 2
    apart_m = max(APART_M, APART_SIGMAS * math.sqrt(square / mass))
    second = -1
    for i in range(laid):
        better = second < 0 or samples[i, _P] > samples[second, _P]
        if better and samples[i, _FIRST] > apart_m and _is_peak(graph, samples, laid, i):
            second = i
    return second


@njit
def _conclude(graph: AnyGraph, samples: Floats, laid: int, out: Floats) -> None:
    """The place, and the second one: each with the samples that are nearer to it."""
    first = _first(graph, samples, laid)
    _fill_ways(graph, samples, laid, first, _FIRST)
    second = _second(graph, samples, laid)
    samples[:laid, _SECOND] = math.inf
    if second >= 0:
        _fill_ways(graph, samples, laid, second, _SECOND)
    mass, near, square = 0.0, 0.0, 0.0
    for i in range(laid):
        p = samples[i, _P] * samples[i, _LENGTH]
        mass += p
        if samples[i, _FIRST] <= samples[i, _SECOND] and samples[i, _FIRST] < math.inf:
            near += p
            square += p * samples[i, _FIRST] ** 2
    edge, s_m = int(samples[first, _EDGE]), samples[first, _S]
    piece = graph[5][edge]
    while piece + 1 < graph[5][edge + 1] and graph[3][piece + 1] <= s_m:
        piece += 1
    out[OUT_EDGE], out[OUT_PIECE], out[OUT_S] = edge, piece, s_m
    # A sample's own extent is part of the variance, so that it cannot vanish.
    out[OUT_VAR_S] = square / near + samples[first, _LENGTH] ** 2 / 12.0
    out[OUT_SHARE], out[OUT_OTHER_SHARE] = near / mass, 1.0 - near / mass
    out[OUT_OTHER_EDGE], out[OUT_OTHER_S] = -1.0, math.nan
    if second >= 0:
        out[OUT_OTHER_EDGE], out[OUT_OTHER_S] = samples[second, _EDGE], samples[second, _S]


@njit
def roadway_strength_place(
    roads: Roads,
    count: int,
    sightings: Sightings,
    work: tuple[Floats, Floats, Floats],
    out: Floats,
) -> int:
    """Where on the roadways a card is by the first `count` sightings: readers in support, or 0.

    `work`: the rows of `positioning.strength.hear`, the ways (HEARD_MAX, 2), and the samples
    (SAMPLES, SAMPLE_COLUMNS); overwritten. `out` (ROADWAY_FIGURES,) by the `OUT_` names: edge,
    piece and s of the place, the variance along, the probability of being nearer to it than to
    the second place; that place's edge (-1 if there is none) and s, and its probability.
    """
    rows, ways, samples = work
    kept = hear(count, sightings, rows)
    if kept == 0:
        return 0
    laid = _lay_samples(roads, (rows, kept, totals(rows, kept)), ways, samples)
    if laid == 0:
        return 0
    _conclude(roads[0], samples, laid, out)
    return kept
