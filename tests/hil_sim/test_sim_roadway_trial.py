import dataclasses

import numpy as np
import pytest

from hil_sim.roadgraph import RoadGraph
from hil_sim.roadway_trial import DETOUR, DETOUR_M, HEARD_M, Trial, roadway_trial
from hil_sim.trial_mine import ROADWAYS, trial_mine
from positioning.graph import build_graph
from positioning.observation import Records


@pytest.fixture(scope="module")
def trial() -> Trial:
    return roadway_trial(7, nlos_share=0.2)


def errors_m(trial: Trial) -> np.ndarray:
    anchors_m = np.array([(a.x_m, a.y_m, a.z_m) for a in trial.mine.anchors])
    away_m = trial.truth_of(trial.ranges).place_m - anchors_m[trial.ranges["anchor"]]
    errors: np.ndarray = trial.ranges["range_m"] - np.linalg.norm(away_m, axis=1)
    return errors


def same(a: Records, b: Records) -> bool:
    return a.tobytes() == b.tobytes()


def test_five_edges_a_loop_and_2400_metres() -> None:
    graph = build_graph(trial_mine().roadways)
    assert len(graph.length_m) == 5 == len(ROADWAYS)
    assert graph.length_m.sum() == pytest.approx(2400, abs=10)
    ends = [tuple(sorted(pair)) for pair in graph.ends.tolist()]
    assert len(set(ends)) == 4  # two of them join the same two nodes
    assert np.isfinite(graph.apart_m).all()


def test_anchors_hang_on_both_walls_at_most_200_m_apart() -> None:
    mine = trial_mine()
    anchors_m = np.array([(a.x_m, a.y_m, a.z_m) for a in mine.anchors])
    for roadway in mine.roadways:
        line_m = roadway.centreline_m
        starts, steps = line_m[:-1], np.diff(line_m, axis=0)
        lengths = np.linalg.norm(steps, axis=1)
        along = steps / lengths[:, None]
        before = np.cumsum(lengths) - lengths
        chainages, sides = [], []
        for anchor_m in anchors_m:
            rel = anchor_m - (0, 0, 2.2) - starts
            s_m = np.clip((rel * along).sum(axis=1), 0, lengths)
            off = rel - s_m[:, None] * along
            piece = int(np.argmin(np.linalg.norm(off, axis=1)))
            if np.linalg.norm(off[piece]) < 3.0:  # an anchor of a junction serves all that meet
                chainages.append(before[piece] + s_m[piece])
                cross = along[piece, 0] * off[piece, 1] - along[piece, 1] * off[piece, 0]
                sides.append(np.sign(cross))
        gaps = np.diff(np.sort(chainages))
        assert gaps.max() <= 201
        assert min(chainages) < 5
        assert max(chainages) > lengths.sum() - 5
        assert {-1, 1} <= set(sides)


def test_the_same_seed_gives_the_same_trial() -> None:
    a, b = (roadway_trial(3, cards=6, duration_s=60.0) for _ in range(2))
    assert same(a.ranges, b.ranges)
    assert same(a.sightings, b.sightings)
    assert not same(a.ranges, roadway_trial(4, cards=6, duration_s=60.0).ranges)


def test_readers_change_neither_walks_nor_ranges() -> None:
    a, b = (roadway_trial(3, cards=6, duration_s=60.0, readers=r) for r in (True, False))
    assert same(a.ranges, b.ranges)
    assert len(b.sightings) == 0


def test_rate_errors_and_bursts_are_as_documented(trial: Trial) -> None:
    per_second = len(trial.ranges) / (30 * 600)
    assert per_second == pytest.approx(1.9, abs=0.03)
    assert trial.hidden.mean() == pytest.approx(0.2, abs=0.03)
    errors = errors_m(trial)
    assert errors[~trial.hidden].std() == pytest.approx(0.1, rel=0.05)
    assert errors[~trial.hidden].mean() == pytest.approx(0.0, abs=0.01)
    assert errors[trial.hidden].mean() == pytest.approx(2.0, rel=0.15)
    weaker_db = trial.ranges["rssi_dbm"] - trial.ranges["first_path_dbm"]
    assert weaker_db[trial.hidden].min() > weaker_db[~trial.hidden].mean() + 4


def test_a_burst_lasts_four_seconds_and_keeps_its_excess() -> None:
    trial = roadway_trial(11, nlos_share=0.5, duration_s=1200.0)
    errors, t_s = errors_m(trial), trial.ranges["t_ns"] * 1e-9
    kept, stays = [], []
    pair = trial.ranges["card"] * 100 + trial.ranges["anchor"]
    for key in np.unique(pair):
        rows = np.flatnonzero(pair == key)
        near = np.diff(t_s[rows]) < 1.1
        was, becomes = trial.hidden[rows[:-1]][near], trial.hidden[rows[1:]][near]
        stays.append((was.sum(), (was & becomes).sum()))
        both = was & becomes
        kept.append((errors[rows[1:]] - errors[rows[:-1]])[near][both])
    hidden, still = np.sum(stays, axis=0)
    # Over a second, of a chain with 4 s in each state: (1 + exp(-2 / 4)) / 2.
    assert still / hidden == pytest.approx((1 + np.exp(-0.5)) / 2, abs=0.02)
    assert np.median(np.abs(np.concatenate(kept))) < 0.25


def test_all_in_line_of_sight_has_no_long_range() -> None:
    trial = roadway_trial(5, nlos_share=0.0)
    assert not trial.hidden.any()
    assert np.abs(errors_m(trial)).max() < 0.6


def test_anchors_have_a_lasting_error_where_asked_for() -> None:
    trial = roadway_trial(5, nlos_share=0.0, anchor_bias_m=0.5)
    errors = errors_m(trial)
    means = [errors[trial.ranges["anchor"] == i].mean() for i in range(len(trial.mine.anchors))]
    assert np.std(means) == pytest.approx(0.5, abs=0.25)


def test_no_anchor_is_heard_through_rock_or_round_a_corner(trial: Trial) -> None:
    graph = build_graph(trial.mine.roadways)
    at = trial.truth_of(trial.ranges)
    anchors_m = np.array([(a.x_m, a.y_m, a.z_m) for a in trial.mine.anchors])
    anchor_m = anchors_m[trial.ranges["anchor"]]
    away_m = np.linalg.norm(at.place_m - anchor_m, axis=1)
    assert away_m.max() <= HEARD_M + 0.1
    # The return airway leaves the first junction by a corner: past it, the anchor of the junction
    # and those of the haulage are not heard.
    of_return = at.roadway == 2
    inside = of_return & (at.chainage_m > 150) & (at.chainage_m < 560)
    on_haulage = np.abs(anchor_m[:, 1]) < 30
    assert inside.sum() > 100
    assert not (inside & on_haulage & (anchor_m[:, 0] < 900)).any()
    assert graph.roadway.tolist() == [0, 1, 2, 3, 4]
    assert DETOUR * 100 + DETOUR_M < 123 + 5  # the way of 123 m round that corner is too long


def test_people_walk_as_people_do(trial: Trial) -> None:
    graph = RoadGraph(trial.mine.roadways)
    t_s = np.arange(0.0, 600.0, 0.1)
    speeds, sides, turned = [], [], 0
    for card in range(len(trial.tags)):
        at = trial.walks.at(np.full(len(t_s), card), t_s)
        speeds.append(np.linalg.norm(np.diff(at.place_m, axis=0), axis=1) / 0.1)
        centre_m = graph.start_m[at.edge] + graph.along[at.edge] * at.s_m[:, None]
        off_m = np.linalg.norm((at.place_m - centre_m)[:, :2], axis=1)
        sides.append((off_m / (graph.width_m[at.edge] / 2)).max())
        steps_m = np.diff(at.chainage_m)[np.diff(at.edge) == 0]
        signs = np.sign(steps_m[np.abs(steps_m) > 1e-6])
        turned += int((np.diff(signs) != 0).sum())
    every = np.concatenate(speeds)
    assert every.max() < 2.0
    moving = every[every > 0.3]
    assert 0.7 < np.percentile(moving, 1) < np.percentile(moving, 99) < 1.6
    assert 0.02 < (every < 0.3).mean() < 0.4
    assert max(sides) < 1
    assert turned > 30
    assert set(trial.truth_of(trial.ranges).roadway.tolist()) == {0, 1, 2, 3, 4}


def test_a_group_stays_together(trial: Trial) -> None:
    t_s = np.arange(20.0, 600.0, 1.0)
    first, second = (trial.walks.at(np.full(len(t_s), card), t_s).place_m for card in (0, 1))
    assert np.linalg.norm(first - second, axis=1).max() < 10
    assert np.linalg.norm(first - second, axis=1).max() > 0.5


def test_a_reader_tells_on_which_side_a_card_is(trial: Trial) -> None:
    at = trial.truth_of(trial.sightings)
    for number, reader in enumerate(trial.mine.readers):
        seen = trial.sightings["reader"] == number
        assert seen.sum() > 20
        from_m = at.place_m[seen] - (reader.x_m, reader.y_m, reader.z_m)
        assert np.linalg.norm(from_m, axis=1).max() <= reader.radius_m + 0.01
        assert reader.heading_deg is not None
        heading = np.radians(reader.heading_deg)
        ahead = from_m[:, 0] * np.cos(heading) + from_m[:, 1] * np.sin(heading)
        clear = np.abs(ahead) > 0.01
        assert (trial.sightings["side"][seen][clear] == np.sign(ahead[clear])).all()
    assert {-1, 1} <= set(trial.sightings["side"].tolist())


def test_a_share_out_of_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="without line of sight"):
        roadway_trial(1, nlos_share=0.95)


def test_a_trial_of_nobody_is_empty() -> None:
    trial = roadway_trial(1, cards=1, duration_s=0.0)
    assert len(trial.ranges) == len(trial.sightings) == 0
    assert dataclasses.asdict(trial.mine)["zones"] == ()
