"""What the filter asks of the system: room for all cards, memory for those heard, nothing after."""

import importlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from positioning import kernel
from positioning.observation import FIX, Records, measurements
from positioning.tracker import Tracker
from tests.positioning.scenes import (
    INTO_SIDE,
    SMOOTHED,
    S,
    heard_on,
    mine_locator,
    mixed,
    room_tracker,
    same,
    walks,
)

# numba tells no types of these.
runtime: Any = importlib.import_module("numba.core.runtime")

MB = 1_000_000
STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not STATM.exists(), reason="needs Linux's /proc")
def test_room_for_all_cards_takes_no_memory_before_they_are_heard() -> None:
    room_tracker().update(walks(cards=1, rounds=2))  # compiled by now
    before = resident_bytes()
    tracked = room_tracker()
    assert tracked._cards.nbytes > 200 * MB
    assert len(tracked._cards) == 131_072
    assert resident_bytes() - before < 50 * MB
    tracked.update(walks())
    assert resident_bytes() - before < 50 * MB


def test_a_card_with_a_high_handle_works_at_once() -> None:
    measured = walks(cards=1)
    far = measured.copy()
    far["card"] = 100_000
    expected, found = room_tracker().update(measured), room_tracker().update(far)
    assert set(found["card"].tolist()) == {100_000}
    found["card"] = 0
    assert same(expected, found)
    last = measured[-1:].copy()
    last["card"] = 131_072
    tracked = room_tracker()
    assert len(tracked.update(last)) == 0
    assert tracked.rejections.unknown_card == 1


@pytest.fixture
def counting() -> Iterator[None]:
    """Numba counts its allocations."""
    was_on = runtime._nrt_python.memsys_stats_enabled()
    runtime._nrt_python.memsys_enable_stats()
    yield
    if not was_on:
        runtime._nrt_python.memsys_disable_stats()


def allocated(tracked: Tracker, measured: Records, *, latest: bool) -> tuple[int, int]:
    """What one call of the kernel allocates and frees, with numba's own counters."""
    outputs = (np.empty(len(measured), FIX), tracked._lagged, tracked._conflicts)
    batch = tracked._batch
    tracked._batch += len(measured) + 1
    before = runtime.rtsys.get_allocation_stats()
    kernel.run(
        tracked._cards, tracked._sites, tracked._rejected, measured, outputs, latest, (0, batch)
    )
    after = runtime.rtsys.get_allocation_stats()
    return after.alloc - before.alloc, after.mi_alloc - before.mi_alloc


@pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="counts what compiled code allocates"
)
@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("latest", [False, True])
@pytest.mark.parametrize("kind", ["room", "smoothed room", "roadways", "smoothed roadways"])
def test_in_steady_state_nothing_is_allocated(kind: str, *, latest: bool) -> None:
    """A call itself has its handles of the arrays; measurements add none."""
    if "roadways" in kind:
        smoothed = kind.startswith("smoothed")
        tracked = (mine_locator(settings=SMOOTHED) if smoothed else mine_locator())._tracker
        measured = measurements(heard_on(INTO_SIDE, hz=4.0))
    else:
        tracked = room_tracker(SMOOTHED) if kind.startswith("smoothed") else room_tracker()
        measured = mixed(rounds=100)
        measured = measured[measured["kind"] != 2]
    first, second, third = np.split(measured[:600].copy(), [200, 210])
    tracked.update(first)
    few = allocated(tracked, second, latest=latest)
    many = allocated(tracked, third, latest=latest)
    assert len(third) > 30 * len(second)
    assert tracked._cards["t_ns"].max() > 2 * S
    assert many == few


@pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="counts what compiled code allocates"
)
@pytest.mark.usefixtures("counting")
def test_the_counters_count() -> None:
    """So that the test above is of any worth."""
    tracked = room_tracker()
    assert allocated(tracked, walks(cards=1), latest=False)[1] > 0
