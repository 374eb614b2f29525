"""Residuals of anchors that are displaced, biased, blocked or dead: what is said of each."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from positioning.anchor_health import (
    HEARD_LEAST,
    HEARD_MOST,
    NEVER_NS,
    SILENT_AFTER_S,
    Verdict,
    advice,
    assess,
    faded,
)
from positioning.anchor_stats import ANCHOR_STATS
from positioning.observation import Records

Floats = NDArray[np.float64]

COUNT = 3000
SIGMA_M = 0.3


def stats_of(u: Floats, residual_m: Floats, rejected: float = 0.0) -> Records:
    """(1,) ANCHOR_STATS of ranges in directions u (n, 2), as the filter would sum them."""
    var_m2 = SIGMA_M**2
    w = np.minimum(1.0, 3.0 * SIGMA_M / np.maximum(np.abs(residual_m), 1e-9)) / var_m2
    stats = np.zeros(1, ANCHOR_STATS)
    stats["heard"], stats["rejected"] = len(u), round(rejected * len(u))
    stats["heard_t_ns"] = stats["used_t_ns"] = 5
    ux, uy = u.T
    sums = {"weight": w, "r": w * residual_m, "rr": w * residual_m**2}
    sums |= {"x": w * ux, "y": w * uy, "xx": w * ux**2, "xy": w * ux * uy, "yy": w * uy**2}
    sums |= {"rx": w * residual_m * ux, "ry": w * residual_m * uy}
    for name, values in sums.items():
        stats[name] = values.sum()
    stats["reach_m"] = 80.0
    return stats


def directions(where: str, count: int = COUNT, seed: int = 1) -> Floats:
    """Unit vectors to cards all around, in a roadway on both sides, or on its east side only."""
    chance = np.random.default_rng(seed)
    if where == "around":
        angle = chance.uniform(0.0, 2.0 * np.pi, count)
    else:
        angle = chance.normal(0.0, 0.03, count)
        if where == "roadway":
            angle += np.pi * chance.integers(0, 2, count)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def noise(count: int = COUNT, seed: int = 2) -> Floats:
    return np.random.default_rng(seed).normal(0.0, SIGMA_M, count)


def judged(stats: Records) -> tuple[Verdict, np.void, str]:
    (health,) = assess(stats)
    return Verdict(int(health["verdict"])), health, advice("A017", health)


@pytest.mark.parametrize("where", ["around", "roadway", "end"])
@pytest.mark.parametrize("bias_m", [0.0, 0.3])
def test_an_anchor_on_its_place_is_good(where: str, bias_m: float) -> None:
    verdict, _, text = judged(stats_of(directions(where), bias_m + noise()))
    assert (verdict, text) == (Verdict.GOOD, "A017 is fine")


@pytest.mark.parametrize("where", ["around", "roadway", "end"])
@pytest.mark.parametrize("east_m", [-6.0, -1.0, 1.0, 4.1])
def test_a_displaced_anchor_is_found_as_far_as_cards_can_tell(where: str, east_m: float) -> None:
    u = directions(where)
    verdict, health, text = judged(stats_of(u, 0.1 - u @ [east_m, 0.0] + noise()))
    if where == "end" and abs(east_m) < 2.0:
        # On one side only, a bias explains a metre as well.
        assert verdict is Verdict.BIASED
        return
    assert verdict is Verdict.MISPLACED
    assert abs(health["dx_m"] - east_m) < max(3.0 * health["sigma_along_m"], 0.15)
    side = "east" if east_m > 0 else "west"
    assert f"seems to stand {math.hypot(health['dx_m'], health['dy_m']):.1f} m {side} of" in text
    assert text.endswith("survey it")
    assert ("across it nothing is known" in text) == (where != "around")


def test_a_displacement_has_a_direction_and_an_error() -> None:
    u = directions("around")
    _, health, text = judged(stats_of(u, -u @ [3.0, -3.0] + noise()))
    assert (health["dx_m"], health["dy_m"]) == pytest.approx((3.0, -3.0), abs=0.1)
    assert 0.0 < health["sigma_along_m"] < 0.2
    error = f"± {health['sigma_along_m']:.1f} m; x +3.0 m, y -3.0 m"
    assert (
        text == f"A017 seems to stand 4.2 m south-east of where the map says ({error}): survey it"
    )


@pytest.mark.parametrize("where", ["around", "roadway", "end"])
@pytest.mark.parametrize(("bias_m", "word"), [(0.9, "long"), (-0.8, "short")])
def test_a_bias_is_no_displacement(where: str, bias_m: float, word: str) -> None:
    verdict, _, text = judged(stats_of(directions(where), bias_m + noise()))
    assert verdict is Verdict.BIASED
    assert f"m too {word}" in text


@pytest.mark.parametrize("where", ["around", "roadway", "end"])
@pytest.mark.parametrize("share", [0.35, 0.6])
def test_blocked_paths_are_no_displacement(where: str, share: float) -> None:
    chance = np.random.default_rng(3)
    blocked = np.where(chance.random(COUNT) < share, chance.exponential(2.0, COUNT), 0.0)
    verdict, _, text = judged(stats_of(directions(where), blocked + noise(), rejected=share))
    assert verdict is Verdict.OFTEN_BLOCKED
    assert f"{share:.0%} of A017's ranges" in text


@pytest.mark.parametrize("where", ["around", "roadway"])
def test_a_wall_on_one_side_is_no_displacement(where: str) -> None:
    u = directions(where)
    verdict, _, _ = judged(stats_of(u, np.where(u[:, 0] > 0.0, 2.0, 0.0) + noise(), rejected=0.2))
    assert verdict not in (Verdict.MISPLACED, Verdict.GOOD)


def test_little_is_not_judged() -> None:
    few = HEARD_LEAST - 1
    u = directions("around", few)
    verdict, _, text = judged(stats_of(u, -u @ [4.0, 0.0] + noise(few)))
    assert verdict is Verdict.TOO_FEW
    assert text == f"A017 gave {few} ranges of located cards: {HEARD_LEAST} are needed to judge"


def test_who_is_not_heard_is_silent_or_was_never_heard() -> None:
    stats = np.concatenate([stats_of(directions("around"), noise()), np.zeros(2, ANCHOR_STATS)])
    heard_ns = np.array([7, NEVER_NS, NEVER_NS])
    health = assess(stats, heard_ns, np.array([SILENT_AFTER_S, SILENT_AFTER_S, 5.0]))
    assert health["verdict"].tolist() == [
        Verdict.SILENT,
        Verdict.NEVER_HEARD,
        Verdict.NEVER_HEARD,
    ]
    silent, dead, unvisited = (advice(name, one) for name, one in zip("ABC", health, strict=True))
    assert silent.startswith("A has not been heard while located cards were near it for 120 s")
    assert dead.startswith("B was never heard, though located cards were near it for 120 s")
    assert unvisited == "C was never heard; no located card was near it for long enough to judge"
    assert np.isnan(health["mean_m"]).tolist() == [False, True, True]
    assert assess(stats, heard_ns, np.array([SILENT_AFTER_S - 1, 0, 0]))["verdict"][0] == 1


def test_who_was_misplaced_stays_so_until_it_is_clearly_back() -> None:
    u = directions("around")
    stats = stats_of(u, -u @ [0.45, 0.0] + 0.3 * noise())
    assert assess(stats)["verdict"] == Verdict.GOOD
    assert assess(stats, was_misplaced=np.array([True]))["verdict"] == Verdict.MISPLACED
    back = stats_of(u, -u @ [0.3, 0.0] + 0.3 * noise())
    assert assess(back, was_misplaced=np.array([True]))["verdict"] == Verdict.GOOD


def test_sums_fade_and_what_they_say_stays() -> None:
    u = directions("around")
    stats = np.repeat(stats_of(u, -u @ [2.0, 1.0] + noise()), 2)
    stats["heard"] = [HEARD_MOST + 2, HEARD_MOST]
    less = faded(stats)
    assert less["heard"].tolist() == [HEARD_MOST // 2 + 1, HEARD_MOST]
    assert less["weight"][0] == stats["weight"][0] / 2
    assert less[1] == stats[1]
    assert less["reach_m"].tolist() == [80.0, 80.0]
    assert assess(less)["dx_m"] == pytest.approx(assess(stats)["dx_m"], abs=1e-3)


def test_nothing_gives_nothing() -> None:
    assert len(assess(np.zeros(0, ANCHOR_STATS))) == 0


@settings(deadline=None)
@given(
    st.floats(0.0, 2.0 * math.pi),
    st.sampled_from(["around", "roadway", "end"]),
    st.floats(-8.0, 8.0),
    st.floats(-1.0, 1.0),
)
def test_turning_the_mine_turns_the_answer(
    angle: float, where: str, along_m: float, bias_m: float
) -> None:
    u = directions(where, 600)
    residual_m = bias_m - along_m * u[:, 0] + noise(600)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    (one,), (other,) = assess(stats_of(u, residual_m)), assess(stats_of(u @ turn, residual_m))
    d = np.array([one["dx_m"], one["dy_m"]]) @ turn
    assert (other["dx_m"], other["dy_m"]) == pytest.approx(tuple(d), abs=1e-5)
    assert other["significance"] == pytest.approx(one["significance"], rel=1e-5, abs=1e-5)
    if np.hypot(*d) > 1e-3:
        for name in ("sigma_along_m", "sigma_across_m"):
            assert other[name] == pytest.approx(one[name], rel=1e-4)


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 400), st.floats(0.001, 50.0))
def test_errors_are_positive_whatever_was_heard(seed: int, count: int, size_m: float) -> None:
    chance = np.random.default_rng(seed)
    u = directions("around", count, seed)[chance.integers(0, count, count)]
    (health,) = assess(stats_of(u, chance.normal(0.0, size_m, count)))
    for name in ("sigma_along_m", "sigma_across_m"):
        assert 0.0 < health[name] <= 20.0 + 1e-9
    assert health["significance"] >= 0.0
    assert health["spread_m"] >= 0.0
