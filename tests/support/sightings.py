"""Recordings of signal strengths, real and made, and how well a method places their cards."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from positioning import strength
from positioning.jit import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CARD_Z_M = 1.3
#: So long at the start of a run nothing is scored.
START_S = 3.0
#: The 95 % quantile of chi² with two degrees of freedom.
CHI2_95 = 5.991


@dataclass(frozen=True, eq=False)
class StrengthRun:
    """Sightings of one card in the order of time, (n,) each, with its true places, (n, 2)."""

    name: str
    sites_m: Floats
    t_s: Floats
    readers: Integers
    rssi_dbm: Floats
    truth_m: Floats


def read_strengths(folder: Path) -> list[StrengthRun]:
    """All runs of a recording: `sensors.csv` and `rssi.csv`."""
    with (folder / "sensors.csv").open() as stream:
        sensors = list(csv.DictReader(stream))
    handles = {row["sensor"]: i for i, row in enumerate(sensors)}
    sites = [[float(row[c]) for c in ("x_m", "y_m", "z_m")] + [CARD_Z_M] for row in sensors]
    columns = ("t_s", "rssi_dbm", "truth_x_m", "truth_y_m")
    runs: dict[str, list[list[float]]] = {}
    with (folder / "rssi.csv").open() as stream:
        for row in csv.DictReader(stream):
            figures = [float(row[c]) for c in columns]
            runs.setdefault(row["run"], []).append([handles[row["sensor"]], *figures])
    tables = {name: np.array(rows) for name, rows in runs.items()}
    return [
        StrengthRun(
            name,
            np.array(sites),
            table[:, 1].copy(),
            table[:, 0].astype(np.int64),
            table[:, 2].copy(),
            table[:, 3:].copy(),
        )
        for name, table in tables.items()
    ]


@dataclass(frozen=True)
class Room:
    """A room to be simulated. `noise_db` is split between shadowing and fading; gains and the body
    of the bearer come on top of it."""

    width_m: float
    depth_m: float
    readers: int
    power_dbm: float
    exponent: float
    noise_db: float
    speed_m_s: float = 0.8
    packets_s: float = 2.0
    duration_s: float = 120.0


def _spread(rng: np.random.Generator, room: Room) -> Floats:
    """Readers well apart: each is that of 20 random places that is furthest from the others."""
    size = (room.width_m, room.depth_m)
    places = [rng.uniform((0.0, 0.0), size)]
    while len(places) < room.readers:
        tried = rng.uniform((0.0, 0.0), size, (20, 2))
        gaps = np.linalg.norm(tried[:, None] - np.array(places), axis=2).min(axis=1)
        places.append(tried[gaps.argmax()])
    heights = rng.uniform(1.5, 3.0, room.readers)
    return np.column_stack([places, heights, np.full(room.readers, CARD_Z_M)])


def _walk(rng: np.random.Generator, room: Room, step_s: float) -> Floats:
    """x, y, heading at each step: straight to one random place after the other."""
    size = (room.width_m, room.depth_m)
    here, goal, heading = rng.uniform((0.0, 0.0), size), rng.uniform((0.0, 0.0), size), 0.0
    path = np.empty((round(room.duration_s / step_s) + 1, 3))
    for i in range(len(path)):
        way = goal - here
        left_m = float(np.hypot(*way))
        if left_m < room.speed_m_s * step_s:
            goal = rng.uniform((0.0, 0.0), size)
        else:
            here = here + way / left_m * room.speed_m_s * step_s
            heading = math.atan2(way[1], way[0])
        path[i] = *here, heading
    return path


def simulated(room: Room, seed: int, *, threshold_dbm: float = -98.0) -> StrengthRun:
    """A walk in a room. Shadowing is a random field of each reader, correlated over 3 m."""
    rng = np.random.default_rng(seed)
    sites_m, step_s = _spread(rng, room), 0.05
    path = _walk(rng, room, step_s)
    waves = 24
    rows = []
    for reader, site in enumerate(sites_m):
        count = rng.poisson(room.packets_s * room.duration_s)
        t_s = np.sort(rng.uniform(0.0, room.duration_s, count))
        x, y, heading = path[(t_s / step_s).astype(int)].T
        away_m = np.sqrt((x - site[0]) ** 2 + (y - site[1]) ** 2 + (site[2] - site[3]) ** 2)
        k, phase = rng.normal(0.0, 1.0 / 3.0, (waves, 2)), rng.uniform(0.0, 2 * np.pi, waves)
        field = np.sqrt(2.0 / waves) * np.cos(np.outer(x, k[:, 0]) + np.outer(y, k[:, 1]) + phase)
        seen_at = np.arctan2(site[1] - y, site[0] - x)
        rssi = room.power_dbm - 10.0 * room.exponent * np.log10(away_m) + rng.normal(0.0, 2.5)
        rssi += 0.6 * room.noise_db * field.sum(axis=1) + 3.0 * np.cos(seen_at - heading)
        rssi = np.round(rssi + 0.8 * room.noise_db * rng.normal(size=count))
        heard = (rssi > threshold_dbm) & (rng.random(count) < 0.85)
        table = np.column_stack([t_s, np.full(count, reader), rssi, x, y])
        rows.append(table[heard])
    table = np.concatenate(rows)
    table = table[np.argsort(table[:, 0], kind="stable")]
    columns = [np.ascontiguousarray(column) for column in table.T]
    return StrengthRun(
        str(room), sites_m, columns[0], columns[1].astype(np.int64), columns[2], table[:, 3:]
    )


@njit
def _located(sites_m: Floats, t_s: Floats, readers: Integers, rssi_dbm: Floats) -> Floats:
    places = np.full((len(t_s), strength.PLACE_FIGURES), np.nan)
    work = (np.empty((len(sites_m), strength.ROW_COLUMNS)), np.empty(strength.SCRATCH))
    first = 0
    for i in range(len(t_s)):
        while t_s[i] - t_s[first] > strength.WINDOW_S:
            first += 1
        recent = (readers[first : i + 1], t_s[i] - t_s[first : i + 1], rssi_dbm[first : i + 1])
        strength.strength_place(sites_m, i + 1 - first, recent, work, places[i])
    return places


Method = Callable[[StrengthRun], Floats]


def bayes(run: StrengthRun) -> Floats:
    """The product's places at each sighting, (n, 6): see `strength_place`."""
    return _located(run.sites_m, run.t_s, run.readers, run.rssi_dbm)


def _means_dbm(run: StrengthRun, i: int) -> Floats:
    """Mean strength of each reader over the last two seconds, -inf where it heard nothing."""
    first = int(np.searchsorted(run.t_s, run.t_s[i] - 2.0))
    readers = run.readers[first : i + 1]
    looks = np.bincount(readers, minlength=len(run.sites_m))
    sums = np.bincount(readers, run.rssi_dbm[first : i + 1], len(run.sites_m))
    return np.where(looks > 0, sums / np.maximum(looks, 1), -np.inf)


def nearest(run: StrengthRun) -> Floats:
    """At the reader that hears the card best."""
    return np.array([run.sites_m[_means_dbm(run, i).argmax(), :2] for i in range(len(run.t_s))])


def centroid(run: StrengthRun) -> Floats:
    """The mean of the readers, weighted by the square root of the power that they hear."""
    weights = np.array([10.0 ** (_means_dbm(run, i) / 20.0) for i in range(len(run.t_s))])
    places: Floats = weights @ run.sites_m[:, :2] / weights.sum(axis=1)[:, None]
    return places


def errors_m(run: StrengthRun, places: Floats) -> Floats:
    """Horizontal errors after the start, (k,)."""
    scored = run.t_s >= run.t_s[0] + START_S
    away: Floats = np.hypot(*(places[scored, :2] - run.truth_m[scored]).T)
    return away


def covered(run: StrengthRun, places: Floats) -> NDArray[np.bool_]:
    """Whether the 95 % ellipse holds the truth, (k,) after the start."""
    scored = run.t_s >= run.t_s[0] + START_S
    dx, dy = (places[scored, :2] - run.truth_m[scored]).T
    xx, xy, yy = places[scored, 2:5].T
    nees = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
    inside: NDArray[np.bool_] = nees <= CHI2_95
    return inside
