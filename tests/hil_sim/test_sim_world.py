from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hil_sim.folder import MineFolder
from hil_sim.machines.shearer import Shearer
from hil_sim.people import CARD_HEIGHT_M, Doing, People
from hil_sim.radio import HEARD_M
from hil_sim.roadgraph import RoadGraph, contains
from hil_sim.world import STEP_S, Heard, World
from positioning.mine_map import ZoneKind

START_NS = 1_700_000_000_000_000_000


def world_of(sample: MineFolder, seed: int = 1, nlos_share: float = 0.0) -> World:
    machines = {"shearer_3101": Shearer("SIM-1", (seed,))}
    return World(
        sample.map,
        sample.people,
        machines,
        seed=seed,
        start_t_ns=START_NS,
        nlos_share=nlos_share,
    )


def walks(sample: MineFolder) -> NDArray[np.bool_]:
    return np.array([not person.drives for person in sample.people])


def run(world: World, seconds: float) -> Heard:
    heard = [step for _ in range(round(seconds / STEP_S)) for step in world.advance(STEP_S)]
    ranges = np.concatenate([step.ranges for step in heard])
    sightings = np.concatenate([step.sightings for step in heard])
    return replace(heard[-1], ranges=ranges, sightings=sightings)


def test_the_same_seed_gives_the_same_mine(sample: MineFolder) -> None:
    first, second, other = (world_of(sample, seed) for seed in (1, 1, 2))
    heard = [run(world, 20) for world in (first, second, other)]
    assert heard[0].ranges.tobytes() == heard[1].ranges.tobytes() != heard[2].ranges.tobytes()
    assert heard[0].sightings.tobytes() == heard[1].sightings.tobytes()
    assert first.place_m.tobytes() == second.place_m.tobytes()
    assert first.machine_values() == second.machine_values()


def test_steps_taken_late_and_at_once_give_the_same_mine(sample: MineFolder) -> None:
    steady, delayed = world_of(sample), world_of(sample)
    in_time = run(steady, 2)
    late = [step for count in (1, 3, 7, 9) for step in delayed.advance(count * STEP_S)]
    assert in_time.ranges.tobytes() == np.concatenate([step.ranges for step in late]).tobytes()
    assert steady.place_m.tobytes() == delayed.place_m.tobytes()


def test_people_stay_in_the_roadways_and_walk_at_a_walking_pace(sample: MineFolder) -> None:
    world = world_of(sample)
    graph = RoadGraph(sample.map.roadways)
    before, moved_m = world.place_m, 0.0
    for _ in range(6000):
        world.advance(STEP_S)
        now, below = world.place_m, world.below
        rel = now[:, None] - graph.start_m
        s_m = np.clip((rel * graph.along).sum(axis=2), 0, graph.length_m)
        off = rel - s_m[..., None] * graph.along
        inside = np.hypot(off[..., 0], off[..., 1]) <= graph.width_m / 2
        assert (inside & (np.abs(off[..., 2] - CARD_HEIGHT_M) < 0.1)).any(axis=1)[below].all()
        step_m = np.linalg.norm(now - before, axis=1)
        assert step_m[below & walks(sample)].max() <= 2.0 * STEP_S
        assert step_m[~walks(sample)].max() <= 3.2 * STEP_S
        moved_m += step_m[below].sum()
        before = now
    assert moved_m / 600 / len(sample.people) > 0.1


def test_someone_enters_a_restricted_zone_within_ten_seconds(sample: MineFolder) -> None:
    (restricted,) = (zone for zone in sample.map.zones if zone.kind is ZoneKind.RESTRICTED)
    for seed in range(5):
        world = world_of(sample, seed)
        assert not contains(restricted, world.place_m[world.below][:, :2]).any()
        run(world, 10)
        assert contains(restricted, world.place_m[world.below][:, :2]).any()


def test_most_are_below_at_the_start_and_in_a_day_everyone_comes_and_goes(
    sample: MineFolder,
) -> None:
    graph = RoadGraph(sample.map.roadways)
    people = People(sample.people, sample.map, graph, (1, 1))
    assert people.below.mean() > 0.8
    (wellhead,) = (zone for zone in sample.map.zones if zone.kind is ZoneKind.WELLHEAD)
    was_away = np.zeros(len(people.below), np.bool_)
    was_below = people.below.copy()
    visits = 0
    for second in range(1, 10 * 3600):
        before = people.whereabouts()
        people.advance(float(second), 1.0)
        left = before.below & ~people.below
        if left.any():
            assert contains(wellhead, before.place_m[left][:, :2]).all()
        was_away |= ~people.below
        was_below |= people.below
        visits += sum(people.doing(i) is Doing.VISITING for i in range(5))
    assert was_away[walks(sample)].all()
    assert not was_away[~walks(sample)].any()
    assert was_below.all()
    assert people.below.mean() > 0.8
    assert visits


def test_ranges_are_near_the_truth_once_a_second_and_a_little_long(sample: MineFolder) -> None:
    world = world_of(sample)
    anchors_m = np.array([(a.x_m, a.y_m, a.z_m) for a in sample.map.anchors])
    errors, seen = [], []
    for _ in range(600):
        (heard,) = world.advance(STEP_S)
        ranges = heard.ranges
        true_m = np.linalg.norm(world.place_m[ranges["card"]] - anchors_m[ranges["anchor"]], axis=1)
        errors.append(ranges["range_m"] - true_m)
        seen.append(ranges)
    error_m = np.concatenate(errors)
    # The card has moved on by up to a step since it ranged, so a little is added to the noise.
    assert 0.02 < error_m.mean() < 0.12
    assert 0.05 < error_m.std() < 0.12
    ranges = np.concatenate(seen)
    assert (np.diff(ranges["t_ns"]) >= -20_000_000).all()
    assert ranges["range_m"].max() < HEARD_M + 1
    assert (ranges["t_ns"] % 1000 == 0).all()
    rounds, per_round = np.unique(
        np.column_stack((ranges["card"], ranges["t_ns"] // 900_000_000)), axis=0, return_counts=True
    )
    assert per_round.max() <= 8
    assert 3.0 < len(ranges) / 60 / world.below.sum() <= 4.1
    assert len(rounds)
    assert np.isfinite(ranges["rssi_dbm"]).all()
    assert (ranges["first_path_dbm"] < ranges["rssi_dbm"]).all()


def test_without_line_of_sight_a_share_of_ranges_is_metres_too_long(sample: MineFolder) -> None:
    world = world_of(sample, nlos_share=0.2)
    ranges = run(world, 120).ranges
    hidden = ranges["rssi_dbm"] - ranges["first_path_dbm"] > 4
    assert hidden.mean() == pytest.approx(0.2, abs=0.03)


def test_a_wall_is_not_heard_through(sample: MineFolder) -> None:
    ranges = run(world_of(sample), 30).ranges
    names = [anchor.id for anchor in sample.map.anchors]
    places = {anchor.id: (anchor.x_m, anchor.y_m) for anchor in sample.map.anchors}
    # The two airways are 60 m apart: nearer than anchors are heard in one roadway.
    for card in np.unique(ranges["card"]):
        heard = {names[i] for i in ranges["anchor"][ranges["card"] == card][:4]}
        rows = {y for x, y in (places[name] for name in heard) if 310 < x < 390}
        assert max(rows, default=0) - min(rows, default=0) < 50


def test_readers_see_only_who_is_near(sample: MineFolder) -> None:
    world = world_of(sample)
    readers_m = np.array([(r.x_m, r.y_m, r.z_m) for r in sample.map.readers])
    radius_m = np.array([r.radius_m for r in sample.map.readers])
    seen = 0
    for _ in range(3000):
        (heard,) = world.advance(STEP_S)
        found = heard.sightings
        away_m = np.linalg.norm(world.place_m[found["card"]] - readers_m[found["reader"]], axis=1)
        assert (away_m <= radius_m[found["reader"]]).all()
        seen += len(found)
    assert seen


def test_who_is_above_ground_is_not_heard(sample: MineFolder) -> None:
    world = world_of(sample)
    away = np.flatnonzero(~world.below)
    assert len(away)
    ranges = run(world, 5).ranges
    still_away = away[~world.below[away]]
    assert not np.isin(ranges["card"], still_away).any()


def test_a_long_stop_moves_the_clock_but_not_the_people_across_the_mine(
    sample: MineFolder,
) -> None:
    world = world_of(sample)
    before = world.place_m
    heard = world.advance(3600.0)
    assert world.t_ns == START_NS + 3600 * 10**9
    assert np.linalg.norm(world.place_m - before, axis=1)[world.below & walks(sample)].max() < 25
    assert len(heard) == 100
