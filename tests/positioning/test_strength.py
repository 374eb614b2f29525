"""Places by signal strength in an open area: what must hold whatever is heard."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from positioning import strength

Floats = NDArray[np.float64]

#: Seeds of made-up situations: readers in a hall, and what they hear of a card.
seeds = st.integers(0, 2**32 - 1)


def situation(seed: int) -> tuple[Floats, strength.Sightings]:
    """Sites (n, 4), and sightings."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 8))
    sites_m = np.column_stack(
        [rng.uniform(0.0, 40.0, (count, 2)), rng.uniform(1.0, 3.0, count), np.full(count, 1.0)]
    )
    sightings = int(rng.integers(1, 30))
    readers = rng.integers(0, count, sightings)
    away_m = np.hypot(*(sites_m[readers, :2] - rng.uniform(5.0, 35.0, 2)).T) + 1.0
    rssi_dbm = -55.0 - 22.0 * np.log10(away_m) + rng.normal(0.0, 6.0, sightings)
    return sites_m, (readers, rng.uniform(0.0, 8.0, sightings), rssi_dbm)


def placed(sites_m: Floats, sightings: strength.Sightings) -> tuple[int, Floats]:
    out = np.full(strength.PLACE_FIGURES, np.nan)
    work = (np.full((40, strength.ROW_COLUMNS), np.nan), np.full(strength.SCRATCH, np.nan))
    found = strength.strength_place(sites_m, len(sightings[0]), sightings, work, out)
    return found, out


def covariance(out: Floats) -> Floats:
    return np.array([[out[2], out[3]], [out[3], out[4]]])


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_the_covariance_is_positive_and_the_support_a_probability(seed: int) -> None:
    sites_m, sightings = situation(seed)
    found, out = placed(sites_m, sightings)
    assert found == len(set(sightings[0].tolist()))
    assert np.isfinite(out).all()
    assert np.linalg.eigvalsh(covariance(out)).min() > 0.0
    assert 0.0 <= out[5] <= 1.0 + 1e-12


@given(seeds, st.floats(-math.pi, math.pi), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
@settings(max_examples=40, deadline=None)
def test_moving_and_turning_the_readers_moves_and_turns_the_place(
    seed: int, angle: float, x_m: float, y_m: float
) -> None:
    sites_m, sightings = situation(seed)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved_m = sites_m.copy()
    moved_m[:, :2] = sites_m[:, :2] @ turn.T + [x_m, y_m]
    _, out = placed(sites_m, sightings)
    _, moved = placed(moved_m, sightings)
    sigma_m = math.sqrt(np.linalg.eigvalsh(covariance(out)).max())
    assert moved[:2] == pytest.approx(turn @ out[:2] + [x_m, y_m], abs=0.03 * sigma_m)
    turned = turn @ covariance(out) @ turn.T
    assert covariance(moved) == pytest.approx(turned, abs=0.05 * sigma_m**2)


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_the_order_of_sightings_does_not_matter(seed: int) -> None:
    sites_m, sightings = situation(seed)
    order = np.random.default_rng(seed + 1).permutation(len(sightings[0]))
    _, out = placed(sites_m, sightings)
    readers, ages_s, rssi_dbm = sightings
    _, mixed = placed(sites_m, (readers[order], ages_s[order], rssi_dbm[order]))
    assert mixed == pytest.approx(out, abs=1e-6)


@given(
    seeds,
    st.sampled_from([math.nan, math.inf, -math.inf, 42.0, -200.0]),
    st.sampled_from([0.0, 3.0]),
)
@settings(max_examples=40, deadline=None)
def test_impossible_strengths_are_ignored(seed: int, rssi_dbm: float, age_s: float) -> None:
    sites_m, sightings = situation(seed)
    readers, ages_s, strengths = sightings
    expected = placed(sites_m, sightings)
    more = (np.append(readers, 0), np.append(ages_s, age_s), np.append(strengths, rssi_dbm))
    found = placed(sites_m, more)
    assert found[0] == expected[0]
    assert found[1].tolist() == expected[1].tolist()


@pytest.mark.parametrize("strengths", [[], [math.nan, math.nan]])
def test_nothing_heard_gives_no_place(strengths: list[float]) -> None:
    sites_m = situation(1)[0]
    readers = np.zeros(len(strengths), np.int64)
    found, out = placed(sites_m, (readers, np.zeros(len(strengths)), np.array(strengths)))
    assert found == 0
    assert np.isnan(out).all()


def test_old_sightings_and_ages_that_are_not_known_are_ignored() -> None:
    sites_m = situation(1)[0]
    ages_s = np.array([strength.WINDOW_S + 0.1, math.nan])
    assert placed(sites_m, (np.zeros(2, np.int64), ages_s, np.full(2, -60.0)))[0] == 0


def test_a_single_reader_gives_its_own_place_and_a_wide_covariance() -> None:
    sites_m = np.array([[30.0, -20.0, 2.0, 1.0]])
    for rssi_dbm in (-90.0, -60.0):
        found, out = placed(sites_m, (np.zeros(1, np.int64), np.zeros(1), np.array([rssi_dbm])))
        assert found == 1
        assert out[:2] == pytest.approx([30.0, -20.0], abs=1e-6)
        assert out[3] == pytest.approx(0.0, abs=1e-6)
        assert min(out[2], out[4]) > 5.0**2


def test_a_stronger_reader_draws_the_place_to_itself() -> None:
    sites_m = np.array([[0.0, 0.0, 2.0, 1.0], [20.0, 0.0, 2.0, 1.0], [10.0, 15.0, 2.0, 1.0]])
    readers = np.arange(3)
    for strong in range(3):
        rssi_dbm = np.where(readers == strong, -55.0, -80.0)
        _, out = placed(sites_m, (readers, np.zeros(3), rssi_dbm))
        away_m = np.hypot(*(sites_m[:, :2] - out[:2]).T)
        assert away_m.argmin() == strong
        assert away_m[strong] < 5.0


@pytest.mark.parametrize("louder_db", [-15.0, 15.0])
def test_the_power_of_the_card_need_not_be_known(louder_db: float) -> None:
    sites_m = np.array([[0.0, 0.0, 2.0, 1.0], [20.0, 0.0, 2.0, 1.0], [10.0, 15.0, 2.0, 1.0]])
    rssi_dbm = np.array([-62.0, -75.0, -70.0])
    _, out = placed(sites_m, (np.arange(3), np.zeros(3), rssi_dbm))
    _, louder = placed(sites_m, (np.arange(3), np.zeros(3), rssi_dbm + louder_db))
    assert louder[:2] == pytest.approx(out[:2], abs=2.0)


def test_packets_within_a_second_are_one_look() -> None:
    """Twenty packets at once weigh as one; spread over the seconds they weigh more."""
    rows = np.zeros((4, strength.ROW_COLUMNS))
    weights = []
    for ages_s in (np.zeros(1), np.zeros(20), np.linspace(0.0, 4.0, 20)):
        looks = (np.zeros(len(ages_s), np.int64), ages_s, np.full(len(ages_s), -70.0))
        assert strength.hear(len(ages_s), looks, rows) == 1
        weights.append(rows[0, strength.WEIGHT])
    assert weights[1] == pytest.approx(weights[0])
    assert weights[2] > weights[0]


def test_of_many_readers_the_strongest_are_used() -> None:
    readers = np.arange(30)
    rows = np.zeros((40, strength.ROW_COLUMNS))
    rssi_dbm = -50.0 - np.random.default_rng(3).permutation(30).astype(np.float64)
    kept = strength.hear(30, (readers, np.zeros(30), rssi_dbm), rows)
    assert kept == strength.HEARD_MAX
    strongest = readers[np.argsort(-rssi_dbm)[:kept]]
    assert rows[:kept, strength.READER].tolist() == strongest.tolist()


def test_readers_beyond_the_rows_are_left_out() -> None:
    rows = np.zeros((2, strength.ROW_COLUMNS))
    looks = (np.array([5, 3, 4, 5]), np.zeros(4), np.array([-70.0, -60.0, -50.0, -72.0]))
    assert strength.hear(4, looks, rows) == 2
    assert rows[:, strength.READER].tolist() == [3.0, 5.0]


def test_the_evidence_is_that_of_the_regression() -> None:
    """Against the density of a Gaussian whose covariance has (P, n) integrated out."""
    rng = np.random.default_rng(5)
    rows = np.zeros((5, strength.ROW_COLUMNS))
    rows[:, strength.STRENGTH_DB] = rng.normal(-20.0, 8.0, 5)
    rows[:, strength.WEIGHT] = rng.uniform(0.01, 0.05, 5)
    y, w = rows[:, strength.STRENGTH_DB], rows[:, strength.WEIGHT]
    found, expected = [], []
    for _ in range(4):
        level = rng.uniform(0.0, 15.0, 5)
        sums = ((w * level).sum(), (w * level**2).sum(), (w * y * level).sum())
        found.append(strength.log_evidence(strength.totals(rows, 5), *sums))
        design = np.column_stack([np.ones(5), -level])
        prior = np.diag([strength.POWER_SIGMA_DB**2, strength.EXPONENT_SIGMA**2])
        whole = np.diag(1.0 / w) + design @ prior @ design.T
        error = y + strength.EXPONENT * level
        expected.append(
            -0.5 * (error @ np.linalg.solve(whole, error) + np.linalg.slogdet(whole)[1])
        )
    assert np.diff(found) == pytest.approx(np.diff(expected), abs=1e-9)
