"""The roadway trial: cards that walk through a mine with few anchors, and what the radio hears.

Seeded and pure: the same arguments give the same arrays. A card ranges once a second with the two
nearest anchors that hear it. Radio follows the roadways and not the rock: an anchor hears a card
where the way along the roadways is hardly longer than the straight line, so round a slight bend but
not round a corner, and never from one roadway to the next through rock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hil_sim.radio import (
    BURST_EXCESS_M,
    BURST_S,
    FIRST_PATH_DB,
    LOSS_DB,
    NLOS_SHARE_MAX,
    PERIOD_SPREAD,
    RANGE_PERIOD_S,
    SCAN_MISSED,
    SCAN_PERIOD_S,
    SLOT_S,
    STRENGTH_DBM,
    STRENGTH_NOISE_DB,
)
from hil_sim.roadgraph import Floats, Ints, RoadGraph
from hil_sim.trial_mine import trial_mine
from hil_sim.trial_walks import Places, Walks
from positioning.mine_map import MineMap
from positioning.observation import RANGE, SIGHTING, Records, measurements

#: How many anchors answer in a round, the nearest first, and the share of ranges that are lost.
ANCHORS_PER_ROUND: Final = 2
LOST: Final = 0.05

#: How far an anchor is heard, and how much longer than the straight line the way to it may be:
#: by this factor and so many metres.
HEARD_M: Final = 230.0
DETOUR: Final = 1.15
DETOUR_M: Final = 5.0

#: Standard deviation of a range's error, and of what a burst's excess varies by.
NOISE_M: Final = 0.1
EXCESS_JITTER_M: Final = 0.1

#: Seconds between two truths of a card.
TRUTH_PERIOD_S: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A trial: the map, what was measured, and the walks, which know the truth of any time.

    `ranges`: (n,) RANGE, `sightings`: (m,) SIGHTING, both by time; handles are positions in the
    map's lists. `hidden`: (n,) bool, ranges without line of sight. Cards are `tags`, by handle.
    """

    mine: MineMap
    tags: tuple[str, ...]
    ranges: Records
    hidden: NDArray[np.bool_]
    sightings: Records
    walks: Walks
    duration_s: float

    @property
    def measurements(self) -> Records:
        """Ranges and sightings together, (n,) MEASUREMENT, by time."""
        merged = measurements(self.ranges, self.sightings)
        return merged[np.argsort(merged["t_ns"], kind="stable")]

    def truth_of(self, observed: Records) -> Places:
        """Where the cards of records with `card` and `t_ns` were at those times."""
        return self.walks.at(observed["card"], observed["t_ns"] * 1e-9)


def roadway_trial(
    seed: int,
    *,
    nlos_share: float = 0.2,
    cards: int = 30,
    duration_s: float = 600.0,
    readers: bool = True,
    anchor_bias_m: float = 0.0,
) -> Trial:
    """Walks and measurements of `cards` cards for `duration_s` seconds from 0 s on.

    `nlos_share`: of the ranges without line of sight. `anchor_bias_m`: standard deviation of a
    lasting error of each anchor's ranges. `readers`: whether a directional reader is at each
    junction; walks and ranges are the same with and without.

    Raises:
        ValueError: `nlos_share` is not from 0 to NLOS_SHARE_MAX.
    """
    if not 0 <= nlos_share <= NLOS_SHARE_MAX:
        msg = f"the share without line of sight must be 0 to {NLOS_SHARE_MAX}, not {nlos_share}"
        raise ValueError(msg)
    mine = trial_mine(readers=readers)
    graph = RoadGraph(mine.roadways)
    walks = Walks(graph, cards, duration_s, [seed, 0])
    ranges = _asked(mine, graph, walks, duration_s, np.random.default_rng([seed, 1]))
    away_m = ranges["range_m"].copy()
    excess_m = _excess_m(ranges, nlos_share, duration_s, np.random.default_rng([seed, 2]))
    hidden = excess_m > 0
    rng = np.random.default_rng([seed, 3])
    noise_m = rng.normal(0.0, NOISE_M, len(ranges))
    excess_m[hidden] += rng.normal(0.0, EXCESS_JITTER_M, len(ranges))[hidden]
    bias_m = rng.normal(0.0, 1.0, len(mine.anchors)) * anchor_bias_m
    ranges["range_m"] = away_m + noise_m + np.maximum(excess_m, 0.0) + bias_m[ranges["anchor"]]
    ranges["range_m"] = np.maximum(ranges["range_m"], 0.0)
    ranges["rssi_dbm"] = _strength_dbm(away_m, rng)
    weaker_db = np.where(hidden, FIRST_PATH_DB[1], FIRST_PATH_DB[0])
    weaker_db += np.abs(rng.normal(0.0, STRENGTH_NOISE_DB, len(ranges)))
    ranges["first_path_dbm"] = ranges["rssi_dbm"] - weaker_db
    sightings = _sightings(mine, walks, duration_s, np.random.default_rng([seed, 4]))
    tags = tuple(f"T{card:02d}" for card in range(1, cards + 1))
    return Trial(mine, tags, ranges, hidden, sightings, walks, duration_s)


def _t_ns(t_s: Floats) -> Ints:
    """Nanoseconds in whole microseconds, as a recording holds them."""
    return np.round(t_s * 1e6).astype(np.int64) * 1000


def _strength_dbm(away_m: Floats, rng: np.random.Generator) -> Floats:
    noise_db = rng.normal(0.0, STRENGTH_NOISE_DB, len(away_m))
    return STRENGTH_DBM - LOSS_DB * np.log10(np.maximum(away_m, 1.0)) + noise_db


def _rounds(
    cards: int, period_s: float, duration_s: float, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Card and time of each round; a card's clock is off by up to PERIOD_SPREAD."""
    card, t_s = [], []
    for number in range(cards):
        own_s = period_s * (1 + rng.uniform(-1, 1) * PERIOD_SPREAD)
        times_s = np.arange(rng.uniform(0, own_s), duration_s, own_s)
        card.append(np.full(len(times_s), number))
        t_s.append(times_s)
    return np.concatenate(card), np.concatenate(t_s)


def _asked(
    mine: MineMap, graph: RoadGraph, walks: Walks, duration_s: float, rng: np.random.Generator
) -> Records:
    """The ranges of all rounds that arrive, by time; `range_m` is the true distance."""
    card, t_s = _rounds(len(walks), RANGE_PERIOD_S, duration_s, rng)
    at = walks.at(card, t_s)
    anchors_m = np.array([(a.x_m, a.y_m, a.z_m) for a in mine.anchors])
    away_m = np.linalg.norm(at.place_m[:, None] - anchors_m, axis=2)
    ways_m = _ways_m(graph, at, anchors_m)
    heard = (away_m <= HEARD_M) & (ways_m <= DETOUR * away_m + DETOUR_M)
    away_m[~heard] = np.inf
    nearest = np.argsort(away_m, axis=1, kind="stable")[:, :ANCHORS_PER_ROUND]
    arrives = np.isfinite(np.take_along_axis(away_m, nearest, axis=1))
    arrives &= rng.random(arrives.shape) >= LOST
    row, slot = np.nonzero(arrives)
    ranges = np.zeros(len(row), RANGE)
    ranges["card"], ranges["anchor"] = card[row], nearest[row, slot]
    ranges["t_ns"] = _t_ns(t_s[row] + slot * SLOT_S)
    place_m = walks.at(ranges["card"], ranges["t_ns"] * 1e-9).place_m
    ranges["range_m"] = np.linalg.norm(place_m - anchors_m[ranges["anchor"]], axis=1)
    return ranges[np.argsort(ranges["t_ns"], kind="stable")]


def _ways_m(graph: RoadGraph, at: Places, anchors_m: Floats) -> Floats:
    """How far anchors are along the centrelines, (n, anchors)."""
    apart_m = _apart_m(graph)
    rel_m = anchors_m[:, None] - graph.start_m
    s_m = np.clip((rel_m * graph.along).sum(axis=2), 0.0, graph.length_m)
    off_m = np.linalg.norm(rel_m - s_m[..., None] * graph.along, axis=2)
    edge = np.argmin(off_m, axis=1)
    s_m = s_m[np.arange(len(edge)), edge]
    ways_m = np.where(at.edge[:, None] == edge, np.abs(at.s_m[:, None] - s_m), np.inf)
    from_m = (at.s_m, graph.length_m[at.edge] - at.s_m)
    to_m = (s_m, graph.length_m[edge] - s_m)
    for i in (0, 1):
        for j in (0, 1):
            between_m = apart_m[graph.ends[at.edge, i][:, None], graph.ends[edge, j]]
            ways_m = np.minimum(ways_m, from_m[i][:, None] + between_m + to_m[j])
    return ways_m


def _apart_m(graph: RoadGraph) -> Floats:
    """Shortest ways between all vertices (Floyd and Warshall)."""
    count = len(graph.vertex_m)
    apart_m = np.full((count, count), np.inf)
    np.fill_diagonal(apart_m, 0.0)
    for (a, b), length_m in zip(graph.ends, graph.length_m, strict=True):
        apart_m[a, b] = apart_m[b, a] = min(apart_m[a, b], length_m)
    for via in range(count):
        apart_m = np.minimum(apart_m, apart_m[:, via : via + 1] + apart_m[via])
    return apart_m


def _excess_m(
    ranges: Records, nlos_share: float, duration_s: float, rng: np.random.Generator
) -> Floats:
    """How much longer each range is for want of line of sight; 0 with it.

    Each pair of card and anchor is hidden for a time, clear for a time, and so on, both
    exponential; a burst has one excess.
    """
    excess_m = np.zeros(len(ranges))
    if nlos_share == 0:
        return excess_m
    clear_s = BURST_S * (1 - nlos_share) / nlos_share
    t_s = ranges["t_ns"] * 1e-9
    pair = np.column_stack([ranges["card"], ranges["anchor"]])
    _, which = np.unique(pair, axis=0, return_inverse=True)
    periods = int(8 * duration_s / BURST_S) + 16
    for number in range(int(which.max(initial=-1)) + 1):
        rows = np.flatnonzero(which.ravel() == number)
        starts_hidden = int(rng.random() < nlos_share)
        is_hidden = (np.arange(periods) + starts_hidden) % 2 == 1
        ends_s = np.cumsum(rng.exponential(np.where(is_hidden, BURST_S, clear_s)))
        of_burst_m = np.where(is_hidden, rng.exponential(BURST_EXCESS_M, periods), 0.0)
        excess_m[rows] = of_burst_m[np.searchsorted(ends_s, t_s[rows], "right")]
    return excess_m


def _sightings(mine: MineMap, walks: Walks, duration_s: float, rng: np.random.Generator) -> Records:
    """Cards that readers see, by time; each reader scans each card by a beat of its own."""
    found = []
    for number, reader in enumerate(mine.readers):
        card, t_s = _rounds(len(walks), SCAN_PERIOD_S, duration_s, rng)
        from_m = walks.at(card, t_s).place_m - (reader.x_m, reader.y_m, reader.z_m)
        away_m = np.linalg.norm(from_m, axis=1)
        strength_dbm = _strength_dbm(away_m, rng)
        seen = (away_m <= reader.radius_m) & (rng.random(len(card)) >= SCAN_MISSED)
        rows = np.zeros(int(seen.sum()), SIGHTING)
        rows["card"], rows["reader"] = card[seen], number
        rows["t_ns"], rows["rssi_dbm"] = _t_ns(t_s[seen]), strength_dbm[seen]
        if reader.heading_deg is not None:
            heading = np.radians(reader.heading_deg)
            ahead_m = from_m[seen, :2] @ np.array([np.cos(heading), np.sin(heading)])
            rows["side"] = np.sign(ahead_m)
        found.append(rows)
    joined = np.concatenate([np.empty(0, SIGHTING), *found])
    return joined[np.argsort(joined["t_ns"], kind="stable")]
