"""Places by signal strength on roadways: which, how far along, and whether another is likely."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from positioning import roadway_strength as roads
from positioning.graph import Graph, build_graph
from positioning.mine_map import Roadway
from positioning.strength import HEARD_MAX, ROW_COLUMNS

Floats = NDArray[np.float64]

REACH_M = 40.0


def graph_of(*lines: list[tuple[float, float]]) -> Graph:
    """A graph of level roadways."""
    return build_graph(
        [
            Roadway(str(i), str(i), 5.0, np.array([(x, y, 0.0) for x, y in line]))
            for i, line in enumerate(lines)
        ]
    )


def readers_at(graph: Graph, *places: tuple[float, float]) -> roads.ReaderPlaces:
    readers_m = np.array([(x, y, 2.0) for x, y in places])
    return roads.reader_places(graph, readers_m, np.full(len(places), REACH_M))


def placed(
    graph: Graph, readers: roads.ReaderPlaces, heard: NDArray[np.int64], rssi_dbm: Floats
) -> tuple[int, Floats]:
    out = np.full(roads.ROADWAY_FIGURES, np.nan)
    work = (
        np.full((32, ROW_COLUMNS), np.nan),
        np.full((HEARD_MAX, 2), np.nan),
        np.full((roads.SAMPLES, roads.SAMPLE_COLUMNS), np.nan),
    )
    around = (tuple(graph), (readers.edge, readers.at))
    sightings = (heard, np.zeros(len(heard)), rssi_dbm)
    return roads.roadway_strength_place(around, len(heard), sightings, work, out), out


def strengths(
    graph: Graph, readers: roads.ReaderPlaces, edge: int, s_m: float, exponent: float = 2.2
) -> Floats:
    """What the readers would hear, without noise, of a card at (edge, s)."""
    ways_m = np.array(
        [
            roads.signed_way_m(tuple(graph), edge, s_m, int(home), float(at[0]))
            for home, at in zip(readers.edge, readers.at, strict=True)
        ]
    )
    rssi: Floats = -55.0 - 10.0 * exponent * np.log10(np.hypot(ways_m, readers.at[:, 1]))
    return rssi


def test_a_readers_place_is_the_nearest_of_the_graph() -> None:
    graph = graph_of([(0.0, 0.0), (100.0, 0.0), (100.0, 50.0)])
    edge, at = readers_at(graph, (30.0, 2.0), (101.0, 20.0))
    assert edge.tolist() == [0, 0]
    assert at[0] == pytest.approx([30.0, math.hypot(2.0, 2.0), REACH_M])
    assert at[1] == pytest.approx([120.0, math.hypot(1.0, 2.0), REACH_M])


@pytest.mark.parametrize(
    ("edge", "s_m", "other", "other_s_m", "expected_m"),
    [
        (0, 20.0, 0, 50.0, 30.0),
        (0, 50.0, 0, 20.0, -30.0),
        (0, 90.0, 2, 5.0, 15.0),
        (2, 5.0, 0, 90.0, -15.0),
    ],
)
def test_ways_have_the_sign_of_their_direction(
    edge: int, s_m: float, other: int, other_s_m: float, expected_m: float
) -> None:
    graph = graph_of(
        [(0.0, 0.0), (100.0, 0.0)], [(100.0, 0.0), (200.0, 0.0)], [(100.0, 0.0), (100.0, 80.0)]
    )
    assert roads.signed_way_m(tuple(graph), edge, s_m, other, other_s_m) == expected_m


@pytest.mark.parametrize("s_m", [30.0, 75.0, 100.0, 160.0])
def test_between_readers_the_strengths_tell_how_far_along(s_m: float) -> None:
    graph = graph_of([(0.0, 0.0), (120.0, 0.0), (120.0, 80.0)])
    readers = readers_at(graph, (5.0, 1.0), (50.0, 1.0), (100.0, 1.0), (121.0, 40.0))
    found, out = placed(graph, readers, np.arange(4), strengths(graph, readers, 0, s_m))
    assert found == 4
    assert out[roads.OUT_EDGE] == 0
    assert out[roads.OUT_PIECE] == (s_m > 120.0)
    assert out[roads.OUT_S] == pytest.approx(s_m, abs=8.0)
    assert abs(out[roads.OUT_S] - s_m) < 2.5 * math.sqrt(out[roads.OUT_VAR_S])


def test_rock_is_between_parallel_roadways() -> None:
    """Their readers are as near in a straight line, but not along the roadways."""
    graph = graph_of(
        [(0.0, 0.0), (400.0, 0.0)], [(0.0, 12.0), (400.0, 12.0)], [(0.0, 0.0), (0.0, 12.0)]
    )
    readers = readers_at(graph, (150.0, 1.0), (210.0, 1.0), (180.0, 13.0))
    rssi_dbm = np.array([-75.0, -76.0])
    for heard, edge in ((np.array([0, 1]), 0), (np.array([2, 2]), 1)):
        _, out = placed(graph, readers, heard, rssi_dbm)
        assert out[roads.OUT_EDGE] == edge
        assert out[roads.OUT_S] == pytest.approx(180.0, abs=35.0)


def test_a_single_reader_leaves_both_of_its_sides() -> None:
    """The place is at the reader, where the card is not, but its variance holds both sides."""
    graph = graph_of([(0.0, 0.0), (400.0, 0.0)])
    readers = readers_at(graph, (200.0, 1.0))
    deviations_m = []
    for rssi_dbm in (-60.0, -105.0):
        _, out = placed(graph, readers, np.zeros(1, np.int64), np.array([rssi_dbm]))
        assert out[roads.OUT_S] == pytest.approx(200.0, abs=5.0)
        assert (out[roads.OUT_SHARE], out[roads.OUT_OTHER_EDGE]) == (1.0, -1.0)
        deviations_m.append(math.sqrt(out[roads.OUT_VAR_S]))
    assert 10.0 < deviations_m[0] < deviations_m[1]


def test_two_readers_far_apart_leave_two_places() -> None:
    graph = graph_of([(0.0, 0.0), (1000.0, 0.0)])
    readers = readers_at(graph, (200.0, 1.0), (800.0, 1.0))
    _, out = placed(graph, readers, np.arange(2), np.array([-66.0, -70.0]))
    assert out[roads.OUT_S] == pytest.approx(200.0, abs=40.0)
    assert out[roads.OUT_OTHER_EDGE] == 0
    assert out[roads.OUT_OTHER_S] == pytest.approx(800.0, abs=40.0)
    assert 0.1 < out[roads.OUT_OTHER_SHARE] < 0.5
    assert out[roads.OUT_SHARE] + out[roads.OUT_OTHER_SHARE] == pytest.approx(1.0)


def test_a_second_reader_tells_the_side() -> None:
    graph = graph_of([(0.0, 0.0), (400.0, 0.0)])
    readers = readers_at(graph, (200.0, 1.0), (260.0, 1.0))
    rssi_dbm = strengths(graph, readers, 0, 225.0)
    _, out = placed(graph, readers, np.arange(2), rssi_dbm)
    assert 200.0 < out[roads.OUT_S] < 250.0


def test_a_slope_that_goes_on_behind_a_junction_is_no_second_place() -> None:
    graph = graph_of([(0.0, 0.0), (100.0, 0.0)], [(100.0, 0.0), (200.0, 0.0)])
    readers = readers_at(graph, (70.0, 1.0), (130.0, 1.0), (40.0, 1.0))
    rssi_dbm = strengths(graph, readers, 0, 70.0)
    _, out = placed(graph, readers, np.arange(3), rssi_dbm)
    assert out[roads.OUT_EDGE] == 0
    assert out[roads.OUT_S] == pytest.approx(70.0, abs=8.0)
    assert out[roads.OUT_OTHER_SHARE] < 0.2


def test_readers_without_a_way_between_them_give_one_place() -> None:
    graph = graph_of([(0.0, 0.0), (100.0, 0.0)], [(0.0, 300.0), (100.0, 300.0)])
    readers = readers_at(graph, (50.0, 1.0), (50.0, 301.0), (70.0, 1.0))
    _, out = placed(graph, readers, np.arange(3), np.array([-60.0, -90.0, -65.0]))
    assert out[roads.OUT_EDGE] == 0
    assert np.isfinite(out[: roads.OUT_OTHER_EDGE]).all()


def test_nothing_heard_gives_no_place() -> None:
    graph = graph_of([(0.0, 0.0), (100.0, 0.0)])
    readers = readers_at(graph, (50.0, 1.0))
    found, out = placed(graph, readers, np.zeros(1, np.int64), np.array([math.nan]))
    assert found == 0
    assert np.isnan(out).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_order_and_impossible_strengths_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = graph_of(
        [(0.0, 0.0), (100.0, 0.0)], [(100.0, 0.0), (200.0, 30.0)], [(100.0, 0.0), (100.0, 80.0)]
    )
    readers = readers_at(graph, (40.0, 1.0), (98.0, 1.0), (150.0, 16.0), (101.0, 50.0))
    heard = rng.integers(0, 4, 12)
    rssi_dbm = rng.uniform(-95.0, -55.0, 12)
    _, out = placed(graph, readers, heard, rssi_dbm)
    assert 0.0 <= out[roads.OUT_S] <= graph.length_m[int(out[roads.OUT_EDGE])]
    assert out[roads.OUT_VAR_S] > 0.0
    assert out[roads.OUT_SHARE] + out[roads.OUT_OTHER_SHARE] == pytest.approx(1.0)
    order = rng.permutation(12)
    more = np.append(rssi_dbm[order], math.nan)
    _, mixed = placed(graph, readers, np.append(heard[order], 1), more)
    assert mixed == pytest.approx(out, rel=1e-6, nan_ok=True)
