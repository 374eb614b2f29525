"""Walks for the filter's tests: in a room, and along a small mine's roadways, with what is heard.

Settings and maps are shared, because the filter is compiled for each kind of card's record.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from positioning.locator import Locator
from positioning.mine_map import Anchor, Area, MineMap, Reader, Roadway
from positioning.observation import (
    DIFFERENCE,
    PLACE,
    RANGE,
    SIGHTING,
    Records,
    measurements,
    new_fixes,
)
from positioning.settings import TrackerSettings
from positioning.tracker import Tracker

Floats = NDArray[np.float64]

S = 1_000_000_000
CARD_Z_M = 1.0
SQUARE_M = np.array([[0.0, 0.0, 2.5], [30.0, 0.0, 2.5], [30.0, 30.0, 2.5], [0.0, 30.0, 2.5]])

#: No state for biases: the other of the two kernels for open areas.
PLAIN = TrackerSettings(bias_sigma_m=0.0)
#: The fixed-lag output.
SMOOTHED = TrackerSettings(lag_s=1.0)
DEFAULTS = TrackerSettings()


def room_tracker(settings: TrackerSettings = DEFAULTS, anchors_m: Floats = SQUARE_M) -> Tracker:
    """A tracker of one open area, without readers."""
    return Tracker(anchors_m, np.full(len(anchors_m), CARD_Z_M), settings)


def one_range(card: int, anchor: int, t_ns: int, range_m: float) -> Records:
    """(1,) RANGE."""
    return np.array([(card, anchor, t_ns, range_m, np.nan, np.nan)], RANGE)


def one_sighting(
    card: int, reader: int, t_ns: int, side: int = 0, rssi_dbm: float = math.nan
) -> Records:
    """(1,) SIGHTING."""
    return np.array([(card, reader, t_ns, rssi_dbm, side)], SIGHTING)


def one_place(card: int, t_ns: int, place: tuple[float, float], sigma_m: float) -> Records:
    """(1,) PLACE."""
    return np.array([(card, t_ns, *place, sigma_m**2, 0.0, sigma_m**2)], PLACE)


def distance_m(place: tuple[float, float], anchor_m: Floats) -> float:
    """From a card at its height to an anchor."""
    x, y, z = anchor_m
    return math.sqrt((x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - CARD_Z_M) ** 2)


def walks(
    cards: int = 3,
    rounds: int = 40,
    seed: int = 0,
    step_ns: int = 200_000_000,
    anchors_m: Floats = SQUARE_M,
) -> Records:
    """Ranges of cards that walk in a room, some of them far too long, (n,) MEASUREMENT in order."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(5.0, 25.0, (cards, 2))
    way = rng.uniform(-0.2, 0.2, (cards, 2))
    rows = []
    for k in range(rounds):
        for card in range(cards):
            x, y = place[card] + k * way[card]
            for anchor in range(len(anchors_m)):
                range_m = distance_m((x, y), anchors_m[anchor]) + rng.normal(0.0, 0.1)
                range_m += rng.exponential(3.0) if rng.random() < 0.1 else 0.0
                t_ns = S + k * step_ns + card * 1_000_000 + anchor * 3_000_000
                rows.append((card, anchor, t_ns, max(range_m, 0.0), np.nan, np.nan))
    return measurements(np.array(sorted(rows, key=lambda row: row[2]), RANGE))


def mixed(cards: int = 3, rounds: int = 40, seed: int = 0) -> Records:
    """Ranges, differences, places and sightings of `walks`' cards in one stream, in order of time.

    Sightings are by readers 0 and 1, anywhere.
    """
    rng = np.random.default_rng(seed)
    ranges = walks(cards, rounds, seed)
    kind = rng.choice(4, len(ranges), p=[0.6, 0.2, 0.1, 0.1])
    parts = []
    for row, chosen in zip(ranges, kind, strict=True):
        card, t_ns, range_m = int(row["card"]), int(row["t_ns"]), float(row["value_m"])
        if chosen == 1:
            other = (row["source"] + 1) % 4
            apart_m = rng.uniform(-10.0, 10.0)
            told = np.array([(card, row["source"], other, t_ns, apart_m)], DIFFERENCE)
        elif chosen == 2:
            place = (float(rng.uniform(5.0, 25.0)), float(rng.uniform(5.0, 25.0)))
            told = one_place(card, t_ns, place, 2.0)
        elif chosen == 3:
            told = one_sighting(card, int(rng.integers(2)), t_ns, int(rng.integers(-1, 2)), -70.0)
        else:
            told = one_range(card, int(row["source"]), t_ns, range_m)
        parts.append(told)
    return measurements(*parts)


def same(one: Records, two: Records) -> bool:
    """Bit for bit the same in every field; what lies between fields says nothing."""
    names = one.dtype.names or ()
    return len(one) == len(two) and all(one[n].tobytes() == two[n].tobytes() for n in names)


def apart_m(fixes: Records, places_m: Floats) -> Floats:
    """How far in plan fixes (n,) are from places (n, 2) or (2,)."""
    x_m, y_m = places_m.T
    away_m: Floats = np.hypot(fixes["x_m"] - x_m, fixes["y_m"] - y_m)
    return away_m


# A small mine. The main roadway bends; a side roadway leaves it at chainage 140; a chamber is at
# the end of the main roadway. Anchors hang at the walls.
#
#      (0, 0) ────── 100 ──┐ (100, 0)
#                          │
#                (100, 40) ├──────────── (200, 40)   side
#                          │
#                          │ (100, 120)
#                       ┌──┴──┐
#                       │     │ chamber
#                       └─────┘
WIDTH_M = 5.0
MAIN = Roadway(
    "main", "main", WIDTH_M, np.array([[0.0, 0.0, 0.0], [100.0, 0.0, -2.0], [100.0, 130.0, -4.0]])
)
SIDE = Roadway("side", "side", WIDTH_M, np.array([[100.0, 40.0, -2.6153846], [200.0, 40.0, 0.0]]))
CHAMBER = Area(
    "chamber",
    "chamber",
    (np.array([[80.0, 120.0], [120.0, 120.0], [120.0, 160.0], [80.0, 160.0], [80.0, 120.0]]),),
)
ANCHORS = (
    Anchor("A0", -1.0, 2.0, 2.0),
    Anchor("A1", 50.0, -2.0, 1.5),
    Anchor("A2", 102.0, -2.0, 0.0),
    Anchor("A3", 98.0, 60.0, -0.5),
    Anchor("A4", 102.0, 119.0, -1.5),
    Anchor("A5", 150.0, 42.0, 1.0),
    Anchor("A6", 201.0, 38.0, 2.0),
    Anchor("A7", 81.0, 159.0, -1.0),
    Anchor("A8", 119.0, 159.0, -1.0),
    Anchor("A9", 81.0, 121.0, -1.0),
)
#: Anchors within whose sight a card is: by where it is.
SEEN = {"first": (0, 1, 2), "second": (2, 3, 4), "side": (3, 5, 6), "chamber": (4, 7, 8, 9)}
READERS = (
    Reader("R0", 20.0, 0.0, 1.0, 8.0),
    Reader("R1", 100.0, 20.0, 1.0, 8.0, heading_deg=90.0),
    Reader("R2", 150.0, 40.0, 1.0, 8.0),
    Reader("R3", 100.0, 90.0, 1.0, 8.0),
)
MINE = MineMap((MAIN, SIDE), ANCHORS, READERS, ())
MINE_WITH_CHAMBER = MineMap((MAIN, SIDE), ANCHORS, READERS, (), (CHAMBER,))


def mine_locator(settings: TrackerSettings = DEFAULTS, mine_map: MineMap = MINE) -> Locator:
    """Places cards in the small mine."""
    return Locator(mine_map, CARD_Z_M, settings)


@dataclass(frozen=True, eq=False)
class Walk:
    """Where a card truly is, by time: `t_s` (k,), `place_m` (k, 3) at the floor; and its way."""

    t_s: Floats
    place_m: Floats

    def at(self, t_ns: NDArray[np.int64]) -> Floats:
        """x and y, (n, 2)."""
        t_s = (t_ns - S) / S
        columns = [np.interp(t_s, self.t_s, self.place_m[:, i]) for i in (0, 1)]
        return np.column_stack(columns)


def walk_through(points_m: Floats, speed_m_s: float = 1.2) -> Walk:
    """Along a line (n, 3) at an even speed, from time 1 s on."""
    length_m = np.linalg.norm(np.diff(points_m, axis=0), axis=1)
    return Walk(np.concatenate([[0.0], np.cumsum(length_m)]) / speed_m_s, points_m)


def heard_on(
    walk: Walk,
    *,
    hz: float = 2.0,
    sigma_m: float = 0.1,
    seed: int = 0,
    anchors: tuple[int, ...] = (),
    card: int = 0,
    until_s: float = math.inf,
) -> Records:
    """(n,) RANGE of a walk in the small mine: each anchor within sight `hz` times a second.

    `anchors`: those that are heard whatever the place; else those in `SEEN`.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for k, t_s in enumerate(np.arange(0.0, min(float(walk.t_s[-1]), until_s), 1.0 / hz)):
        x, y, z = (float(np.interp(t_s, walk.t_s, walk.place_m[:, i])) for i in range(3))
        for i, a in enumerate(anchors or SEEN[part_of(x, y)]):
            anchor = ANCHORS[a]
            offset = (x - anchor.x_m, y - anchor.y_m, z + CARD_Z_M - anchor.z_m)
            t_ns = S + round(k * S / hz) + i * 10_000_000
            range_m = math.hypot(*offset) + rng.normal(0.0, sigma_m)
            rows.append((card, a, t_ns, max(range_m, 0.0), np.nan, np.nan))
    return np.array(rows, RANGE)


def part_of(x: float, y: float) -> str:
    """Which part of the small mine a point is in."""
    if y > 120.0:
        return "chamber"
    if x > 103.0:
        return "side"
    return "first" if y < 1.0 and x < 99.0 else "second"


#: The whole main roadway; and from its start into the side roadway.
ALONG_MAIN = walk_through(np.array([*MAIN.centreline_m[:2], [100.0, 118.0, -3.8153846]]))
INTO_SIDE = walk_through(
    np.array([*MAIN.centreline_m[:2], SIDE.centreline_m[0], [190.0, 40.0, -0.26153846]])
)


def fix_at(x_m: float, y_m: float, t_ns: int = S, var_m2: float = 1.0) -> Records:
    """(1,) FIX to be restored."""
    fix = new_fixes(1)
    fix["t_ns"], fix["x_m"], fix["y_m"], fix["z_m"] = t_ns, x_m, y_m, CARD_Z_M
    fix["var_x_m2"] = fix["var_y_m2"] = var_m2
    return fix
