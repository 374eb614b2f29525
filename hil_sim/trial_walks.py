"""Walks of the roadway trial: who is where at any time. Seeded; time is an argument.

A walk is a row of legs, each at constant speed along one edge, so that the place at any time is
exact. A walker changes speed every now and then, pauses, turns round, turns back at a dead end and
takes any branch at a junction. Some walk in a group: one behind the other, along the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hil_sim.people import CARD_HEIGHT_M, WALL_GAP_M
from hil_sim.roadgraph import Floats, Ints, RoadGraph

#: Metres per second; one's own pace, and by how much each stretch differs from it.
PACE_M_S: Final = (0.85, 1.4)
PACE_SPREAD: Final = 0.07

#: Seconds until a walker changes speed, pauses or turns round.
STRETCH_S: Final = (8.0, 40.0)

#: How probable a pause is after a stretch, how long it is in seconds, and a turn.
PAUSE_CHANCE: Final = 0.15
PAUSE_S: Final = (5.0, 40.0)
TURN_CHANCE: Final = 0.08

#: Of each so many walkers, this many walk as one group, so many seconds apart.
GROUP_EVERY: Final = 10
GROUP_SIZE: Final = 3
GROUP_GAP_S: Final = (1.0, 3.0)

#: Seconds between two places across the roadway; between them a walker drifts evenly.
SIDE_PERIOD_S: Final = 15.0

#: Times and places are found for at most this many seconds beyond the end of a walk.
SLACK_S: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where cards are, (n,) each; `place_m` is (n, 3).

    `edge`, `s_m`: on the graph of straight edges; `roadway`, `chainage_m`: on the map's.
    """

    place_m: Floats
    edge: Ints
    s_m: Floats
    roadway: Ints
    chainage_m: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """Legs by their `start_s`; on each the walker goes from `from_m` by `speed_m_s` along `edge`.

    `sides`: share of the room beside the centreline, every SIDE_PERIOD_S, -1 to 1.
    """

    start_s: Floats
    edge: Ints
    from_m: Floats
    speed_m_s: Floats
    sides: Floats


class Walks:
    """The walks of all cards for `duration_s` seconds from 0 s on."""

    def __init__(self, graph: RoadGraph, cards: int, duration_s: float, seed: list[int]) -> None:
        """Lets everyone walk, from anywhere on the roadways."""
        self._graph = graph
        rng = np.random.default_rng(seed)
        self._walks: list[_Walk] = []
        for card in range(cards):
            behind = card % GROUP_EVERY
            if 0 < behind < GROUP_SIZE:
                leader = self._walks[card - behind]
                gap_s = behind * rng.uniform(*GROUP_GAP_S)
                self._walks.append(_behind(leader, gap_s, _sides(rng, duration_s)))
            else:
                self._walks.append(_walk(graph, rng, duration_s))
        roadway = np.array(graph.roadway)
        starts_m = np.cumsum(graph.length_m) - graph.length_m
        self._roadway = roadway
        self._chainage_m = starts_m - starts_m[np.searchsorted(roadway, roadway)]

    def __len__(self) -> int:
        return len(self._walks)

    def at(self, card: NDArray[np.integer], t_s: Floats) -> Places:
        """The places of `card` at `t_s`, (n,) each."""
        edge = np.zeros(len(card), np.int64)
        s_m, side = np.zeros(len(card)), np.zeros(len(card))
        for number, walk in enumerate(self._walks):
            rows = np.flatnonzero(card == number)
            times_s = t_s[rows]
            leg = np.searchsorted(walk.start_s, times_s, "right") - 1
            edge[rows] = walk.edge[leg]
            s_m[rows] = walk.from_m[leg] + walk.speed_m_s[leg] * (times_s - walk.start_s[leg])
            knots_s = SIDE_PERIOD_S * np.arange(len(walk.sides))
            side[rows] = np.interp(times_s, knots_s, walk.sides)
        graph = self._graph
        s_m = np.clip(s_m, 0.0, graph.length_m[edge])
        offset_m = side * (graph.width_m[edge] / 2 - WALL_GAP_M)
        return Places(
            place_m=graph.place_m(edge, s_m, offset_m, CARD_HEIGHT_M),
            edge=edge,
            s_m=s_m,
            roadway=self._roadway[edge],
            chainage_m=self._chainage_m[edge] + s_m,
        )


def _sides(rng: np.random.Generator, duration_s: float) -> Floats:
    return rng.uniform(-1.0, 1.0, int((duration_s + SLACK_S) / SIDE_PERIOD_S) + 2)


def _behind(leader: _Walk, gap_s: float, sides: Floats) -> _Walk:
    """The same way `gap_s` later, standing until then."""
    return _Walk(
        np.concatenate([[0.0], leader.start_s + gap_s]),
        np.concatenate([leader.edge[:1], leader.edge]),
        np.concatenate([leader.from_m[:1], leader.from_m]),
        np.concatenate([[0.0], leader.speed_m_s]),
        sides,
    )


def _walk(graph: RoadGraph, rng: np.random.Generator, duration_s: float) -> _Walk:
    legs: list[tuple[float, int, float, float]] = []
    lengths_m = graph.length_m
    edge = int(rng.choice(len(lengths_m), p=lengths_m / lengths_m.sum()))
    s_m = float(rng.uniform(0.0, lengths_m[edge]))
    ahead = bool(rng.random() < 0.5)
    pace_m_s = rng.uniform(*PACE_M_S)
    t_s = 0.0
    while t_s < duration_s + SLACK_S:
        speed_m_s = pace_m_s * (1 + rng.uniform(-PACE_SPREAD, PACE_SPREAD))
        left_s = rng.uniform(*STRETCH_S)
        while left_s > 0:
            legs.append((t_s, edge, s_m, speed_m_s if ahead else -speed_m_s))
            rest_m = float(lengths_m[edge]) - s_m if ahead else s_m
            walked_s = min(left_s, rest_m / speed_m_s)
            t_s += walked_s
            if walked_s < left_s:
                edge, s_m, ahead = _next_edge(graph, rng, edge, ahead=ahead)
            else:
                s_m += walked_s * (speed_m_s if ahead else -speed_m_s)
            left_s -= walked_s
        if rng.random() < PAUSE_CHANCE:
            legs.append((t_s, edge, s_m, 0.0))
            t_s += rng.uniform(*PAUSE_S)
        ahead ^= bool(rng.random() < TURN_CHANCE)
    start_s, edges, from_m, speeds_m_s = (np.array(column) for column in zip(*legs, strict=True))
    return _Walk(start_s, edges, from_m, speeds_m_s, _sides(rng, duration_s))


def _next_edge(
    graph: RoadGraph, rng: np.random.Generator, edge: int, *, ahead: bool
) -> tuple[int, float, bool]:
    """Where one goes on from an end of `edge`: edge, metres along it, and whether ahead on it."""
    vertex = int(graph.ends[edge, 1 if ahead else 0])
    others = [out for out in graph.edges_at[vertex] if out != edge]
    edge = int(rng.choice(others)) if others else edge
    at_start = bool(graph.ends[edge, 0] == vertex)
    return edge, 0.0 if at_start else float(graph.length_m[edge]), at_start
