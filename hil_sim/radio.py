"""What the radio hears: ranges between cards and anchors, and cards seen by readers. Seeded.

A range is the true distance, plus a slowly varying bias (never too short on average: signals take
detours), plus noise; in bursts without line of sight it is longer by metres, as is usual of
two-way ranging with ultra-wideband.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from equipment.strict import Strict
from hil_sim.people import Whereabouts
from hil_sim.roadgraph import Floats, Ints, RoadGraph
from positioning.mine_map import MineMap
from positioning.observation import RANGE, SIGHTING, Records, rows_of

#: How often a card ranges, and how many anchors answer, the nearest first.
RANGE_PERIOD_S: Final = 1.0
ANCHORS_PER_ROUND: Final = 4

#: A card's clock is off by up to this share, so that cards don't range in step for ever.
PERIOD_SPREAD: Final = 0.02

#: Between two ranges of one round.
SLOT_S: Final = 0.002

#: How far an anchor is heard.
HEARD_M: Final = 80.0

#: Anchors that are kept for each place: more than are ever used in one round.
KEPT_ANCHORS: Final = 8

#: How finely the roadways are looked at for which anchors are in sight, and a line of sight.
CELL_M: Final = 2.0
SIGHT_STEP_M: Final = 2.0

#: A line of sight may pass this far into a wall (corners are round), and between levels.
SIGHT_MARGIN_M: Final = 0.4
LEVEL_M: Final = 4.0

#: Error of a range: noise, and a Gauss-Markov bias for each card and anchor.
NOISE_M: Final = 0.07
BIAS_M: Final = 0.06
BIAS_SPREAD_M: Final = 0.04
BIAS_TIME_S: Final = 30.0

#: Bursts without line of sight: how long, and how much longer the ranges are then, on average.
BURST_S: Final = 4.0
BURST_EXCESS_M: Final = 2.0
NLOS_SHARE_MAX: Final = 0.9

#: Signal strength at 1 m, loss by distance (dB for each factor of 10), noise, and how much weaker
#: the first path is with and without line of sight.
STRENGTH_DBM: Final = -62.0
LOSS_DB: Final = 14.0
STRENGTH_NOISE_DB: Final = 1.2
FIRST_PATH_DB: Final = (1.2, 8.0)

#: A reader's scan: how often, and how many cards it misses.
SCAN_PERIOD_S: Final = 1.0
SCAN_MISSED: Final = 0.02


class RadioSettings(Strict):
    """`[radio]` of a scenario."""

    #: Of the ranges, how many lack line of sight; how long that lasts, and how much longer the
    #: ranges are then, on average.
    nlos_share: Annotated[float, Field(ge=0, le=NLOS_SHARE_MAX)] = 0.0
    burst_s: Annotated[float, Field(ge=0.1, le=3600)] = BURST_S
    burst_excess_m: Annotated[float, Field(ge=0, le=50)] = BURST_EXCESS_M
    #: One sigma of a range's noise.
    noise_m: Annotated[float, Field(ge=0, le=10)] = NOISE_M
    #: Of the ranges, how many are lost however few cards there are.
    loss: Annotated[float, Field(ge=0, le=0.95)] = 0.0
    #: How long one range keeps the channel busy. Two at once are both lost, as in pure ALOHA, so
    #: that more are lost where more cards are in an anchor's range; 0: none are.
    airtime_ms: Annotated[float, Field(ge=0, le=20)] = 0.0


#: The radio of a mine that says nothing of it.
AS_USUAL: Final = RadioSettings()


@dataclass(frozen=True, slots=True)
class Span:
    """A step of the world, in its own seconds; `base_t_ns` is the time at 0 s."""

    start_s: float
    end_s: float
    base_t_ns: int

    def t_ns(self, t_s: Floats) -> Ints:
        """Times as nanoseconds since the Unix epoch, in whole microseconds."""
        return self.base_t_ns + np.round(t_s * 1e6).astype(np.int64) * 1000


class Radio:
    """Ranges and sightings of the cards of one mine; handles are positions in the map's lists."""

    def __init__(
        self,
        mine: MineMap,
        graph: RoadGraph,
        cards: int,
        seed: Sequence[int],
        *,
        nlos_share: float | None = None,
        settings: RadioSettings = AS_USUAL,
    ) -> None:
        """Looks for which anchors are in sight from where.

        `nlos_share`: of the ranges without line of sight, at most NLOS_SHARE_MAX; None: what
        `settings` say.
        """
        nlos_share = settings.nlos_share if nlos_share is None else nlos_share
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._graph = graph
        self._anchors_m = np.array([(a.x_m, a.y_m, a.z_m) for a in mine.anchors]).reshape(-1, 3)
        self._readers_m = np.array([(r.x_m, r.y_m, r.z_m) for r in mine.readers]).reshape(-1, 3)
        self._radius_m = np.array([reader.radius_m for reader in mine.readers])
        self._first_cell, self._in_sight = self._look_around()
        self._period_s = RANGE_PERIOD_S * (1 + self._rng.uniform(-1, 1, cards) * PERIOD_SPREAD)
        self._next_range_s = self._rng.uniform(0, RANGE_PERIOD_S, cards)
        self._next_scan_s = self._rng.uniform(0, SCAN_PERIOD_S, (cards, len(mine.readers)))
        shape = (cards, len(mine.anchors))
        self._bias_m = self._rng.normal(0.0, BIAS_SPREAD_M, shape)
        self._bias_t_s = np.zeros(shape)
        self._hidden = self._rng.random(shape) < nlos_share
        self._nlos_share = nlos_share

    def anchors_heard(self, edge: Ints, s_m: Floats) -> Ints:
        """The anchors in sight of places on the roadways: (n, KEPT_ANCHORS), -1 for none."""
        cell = np.round(s_m / CELL_M).astype(np.int64)
        heard: Ints = self._in_sight[self._first_cell[edge] + cell]
        return heard

    def ranges(self, span: Span, before_m: Floats, now: Whereabouts) -> Records:
        """The ranges measured in `span`, as RANGE, by time; at most one round for a card.

        `before_m`: (n, 3), where the cards were at the span's start; `now`: at its end.
        """
        t0_s, t1_s = span.start_s, span.end_s
        due = np.flatnonzero(self._next_range_s <= t1_s)
        end_s = np.maximum(self._next_range_s[due], t0_s)
        self._next_range_s[due] = end_s + self._period_s[due]
        due, end_s = due[now.below[due]], end_s[now.below[due]]
        if not len(due) or not len(self._anchors_m):
            return np.empty(0, RANGE)
        share = ((end_s - t0_s) / (t1_s - t0_s))[:, None]
        place_m = before_m[due] + (now.place_m[due] - before_m[due]) * share
        anchor = self.anchors_heard(now.edge[due], now.s_m[due])
        away_m = np.linalg.norm(self._anchors_m[anchor] - place_m[:, None], axis=2)
        away_m[(anchor < 0) | (away_m > HEARD_M)] = np.inf
        nearest = np.argsort(away_m, axis=1, kind="stable")[:, :ANCHORS_PER_ROUND]
        away_m = np.take_along_axis(away_m, nearest, axis=1)
        row, slot = np.nonzero(np.isfinite(away_m))
        anchor = np.take_along_axis(anchor, nearest, axis=1)[row, slot]
        t_s = end_s[row] - (ANCHORS_PER_ROUND - 1 - slot) * SLOT_S
        if self._settings.loss or self._settings.airtime_ms:
            come = self._rng.random(len(row)) < self._arriving(anchor, now)
            row, slot, anchor, t_s = row[come], slot[come], anchor[come], t_s[come]
        found = np.empty(len(row), RANGE)
        found["card"], found["anchor"] = due[row], anchor
        found["t_ns"] = span.t_ns(t_s)
        self._measure(found, away_m[row, slot], t_s)
        return rows_of(found, np.argsort(found["t_ns"], kind="stable"))

    def _arriving(self, anchor: Ints, now: Whereabouts) -> Floats:
        """The chance of each range to these anchors to be neither lost nor to collide."""
        arrives = np.full(len(anchor), 1.0 - self._settings.loss)
        airtime_s = self._settings.airtime_ms / 1000
        if airtime_s:
            heard = self.anchors_heard(now.edge[now.below], now.s_m[now.below])
            cards = np.bincount(heard[heard >= 0], minlength=len(self._anchors_m))[anchor]
            # Whatever begins within one airtime before or after it is in its way.
            rate_hz = ANCHORS_PER_ROUND / RANGE_PERIOD_S * np.maximum(cards - 1, 0)
            arrives *= np.exp(-2.0 * airtime_s * rate_hz)
        return arrives

    def _measure(self, found: Records, true_m: Floats, t_s: Floats) -> None:
        """Fills in what is measured of the true distances."""
        # One index into what is known of each pair: two take twice as long.
        at = np.ravel_multi_index((found["card"], found["anchor"]), self._bias_m.shape)
        pairs_m, pairs_t_s = self._bias_m.reshape(-1), self._bias_t_s.reshape(-1)
        pairs_hidden = self._hidden.reshape(-1)
        passed_s = np.maximum(t_s - pairs_t_s[at], 0.0)
        keeps = np.exp(-passed_s / BIAS_TIME_S)
        fresh = self._rng.normal(0.0, BIAS_SPREAD_M, len(true_m)) * np.sqrt(1 - keeps**2)
        pairs_m[at] = drift_m = pairs_m[at] * keeps + fresh
        pairs_t_s[at] = t_s
        # A Markov chain of two states: bursts last BURST_S on average, and cover their share.
        remembers = np.exp(-passed_s / (self._settings.burst_s * (1 - self._nlos_share)))
        chance = self._nlos_share + (pairs_hidden[at] - self._nlos_share) * remembers
        hidden = self._rng.random(len(true_m)) < chance
        pairs_hidden[at] = hidden
        longer_m = self._rng.exponential(self._settings.burst_excess_m, len(true_m))
        excess_m = np.where(hidden, longer_m, 0.0)
        bias_m = np.maximum(BIAS_M + drift_m, 0.0)
        noise_m = self._rng.normal(0.0, self._settings.noise_m, len(true_m))
        found["range_m"] = np.maximum(true_m + bias_m + excess_m + noise_m, 0.0)
        strength_dbm = self._strength_dbm(true_m)
        found["rssi_dbm"] = strength_dbm
        found["first_path_dbm"] = strength_dbm - np.where(
            hidden, FIRST_PATH_DB[1], FIRST_PATH_DB[0]
        )

    def sightings(self, span: Span, now: Whereabouts) -> Records:
        """The cards that readers saw in `span`, as SIGHTING, by time."""
        card, reader = np.nonzero(self._next_scan_s <= span.end_s)
        t_s = np.maximum(self._next_scan_s[card, reader], span.start_s)
        self._next_scan_s[card, reader] = t_s + SCAN_PERIOD_S
        seen = now.below[card] & (self._rng.random(len(card)) >= SCAN_MISSED)
        card, reader, t_s = card[seen], reader[seen], t_s[seen]
        away_m = np.linalg.norm(now.place_m[card] - self._readers_m[reader], axis=1)
        near = away_m <= self._radius_m[reader]
        found = np.zeros(int(near.sum()), SIGHTING)
        found["card"], found["reader"] = card[near], reader[near]
        found["t_ns"] = span.t_ns(t_s[near])
        found["rssi_dbm"] = self._strength_dbm(away_m[near])
        return rows_of(found, np.argsort(found["t_ns"], kind="stable"))

    def _strength_dbm(self, away_m: Floats) -> Floats:
        noise_db = self._rng.normal(0.0, STRENGTH_NOISE_DB, len(away_m))
        return STRENGTH_DBM - LOSS_DB * np.log10(np.maximum(away_m, 1.0)) + noise_db

    def _look_around(self) -> tuple[Ints, Ints]:
        """For each cell of each edge the anchors in sight, nearest first; and each edge's first."""
        graph = self._graph
        cells = np.round(graph.length_m / CELL_M).astype(np.int64) + 1
        first = np.concatenate(([0], np.cumsum(cells)[:-1]))
        in_sight = np.full((int(cells.sum()), KEPT_ANCHORS), -1, np.int64)
        for edge in range(len(cells)):
            s_m = np.minimum(np.arange(cells[edge]) * CELL_M, graph.length_m[edge])
            line_m = graph.start_m[edge] + graph.along[edge] * s_m[:, None]
            away_m = np.linalg.norm(line_m[:, None] - self._anchors_m[None], axis=2)
            row, anchor = np.nonzero(away_m < HEARD_M)
            clear = self._line_of_sight(line_m[row], self._anchors_m[anchor])
            away_m[row[~clear], anchor[~clear]] = np.inf
            away_m[away_m >= HEARD_M] = np.inf
            nearest = np.argsort(away_m, axis=1, kind="stable")[:, :KEPT_ANCHORS]
            heard = np.where(np.isfinite(np.take_along_axis(away_m, nearest, 1)), nearest, -1)
            in_sight[first[edge] : first[edge] + cells[edge], : heard.shape[1]] = heard
        return first, in_sight

    def _edges_near(self, points_m: Floats) -> Ints:
        """The edges that can hold one of (.., 3) points, seen from above, by their rectangles."""
        if not points_m.size:
            return np.empty(0, np.int64)
        graph = self._graph
        flat_m = points_m.reshape(-1, 3)[:, :2]
        ends_m = graph.vertex_m[graph.ends][:, :, :2]
        wide_m = graph.width_m[:, None] / 2 + SIGHT_MARGIN_M + SIGHT_STEP_M
        over = ends_m.max(axis=1) + wide_m >= flat_m.min(axis=0)
        under = ends_m.min(axis=1) - wide_m <= flat_m.max(axis=0)
        return np.flatnonzero((over & under).all(axis=1))

    def _line_of_sight(self, from_m: Floats, to_m: Floats) -> NDArray[np.bool_]:
        """Whether the straight lines between two (n, 3) lie wholly in roadways, seen from above."""
        graph = self._graph
        steps = int(HEARD_M / SIGHT_STEP_M) + 1
        share = np.linspace(0.0, 1.0, steps)[None, :, None]
        points = from_m[:, None] + (to_m - from_m)[:, None] * share
        clear = np.zeros(points.shape[:2], np.bool_)
        for edge in self._edges_near(points):
            rel = points - graph.start_m[edge]
            s_m = np.clip(rel @ graph.along[edge], 0.0, graph.length_m[edge])
            off = rel - s_m[..., None] * graph.along[edge]
            near = np.hypot(off[..., 0], off[..., 1]) <= graph.width_m[edge] / 2 + SIGHT_MARGIN_M
            clear |= near & (np.abs(off[..., 2]) <= LEVEL_M)
        return np.asarray(clear.all(axis=1))
