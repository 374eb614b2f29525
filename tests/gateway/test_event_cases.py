"""What the core tells in every family of alarms, against texts that were read by eye.

Each folder of `tests/cases/events` but `base` is a mine and a day of it; README.md there says how
they are written. `GOLDEN_WRITE=1` writes the expected texts anew: read the difference.
"""

import difflib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.mine.alarms.families import FAMILIES
from gateway.mine.change import Batch, EventKind
from tests.gateway.event_case import CASES, NAMES, S
from tests.gateway.event_play import Play, play

#: Cases whose events depend on how the input is cut, and why.
CUT_MATTERS = {
    "duplicate_card": "of each batch some cards are looked at by turns",
    "dual_card": "pairs are looked at every 5 s, new ones every 15 s",
    "dual_card_restart": "so here",
}


def events_of(played: Play) -> list[str]:
    """Every event with all its fields."""
    return [repr(event) for changes in played.told for event in changes.events]


def one_by_one(batch: Batch) -> Iterable[Batch]:
    """The same in the same order, each thing in a step of its own."""
    yield replace(batch, measurements=batch.measurements[:0], samples=(), acts=())
    yield from (Batch(samples=(sample,)) for sample in batch.samples)
    for row in range(len(batch.measurements)):
        yield Batch(measurements=batch.measurements[row : row + 1])
    yield from (Batch(acts=(act,)) for act in batch.acts)


def then_nothing(batch: Batch) -> Iterable[Batch]:
    """Two more steps without anything: the gateway steps when it likes."""
    return (batch, Batch(), Batch())


@pytest.mark.parametrize("case", NAMES)
def test_a_case_tells_what_is_expected(case: str, tmp_path: Path) -> None:
    expected = CASES / case / "expected.txt"
    text = "\n".join(play(case, tmp_path / "mine").lines) + "\n"
    if os.environ.get("GOLDEN_WRITE"):
        expected.write_text(text, encoding="utf-8")
    before = expected.read_text(encoding="utf-8") if expected.exists() else ""
    lines = before.splitlines(), text.splitlines()
    changed = list(difflib.unified_diff(*lines, "expected.txt", "what it tells now", "", "", 3, ""))
    assert not changed, "\n" + "\n".join(changed)


def test_every_family_is_raised_and_cleared_by_a_case() -> None:
    told = [(CASES / case / "expected.txt").read_text(encoding="utf-8") for case in NAMES]
    lines = [line for text in told for line in text.splitlines()]
    for family in FAMILIES:
        for kind in (EventKind.ALARM_RAISED, EventKind.ALARM_CLEARED):
            assert any(f" {kind.name} {family} " in line for line in lines), (family, kind)


@pytest.mark.parametrize("case", NAMES)
def test_the_same_input_tells_the_same_to_the_last_bit(case: str, tmp_path: Path) -> None:
    one, other = (play(case, tmp_path / name / "mine") for name in ("one", "other"))
    assert events_of(one) == events_of(other)
    assert one.state == other.state
    for changes, again in zip(one.told, other.told, strict=True):
        for field in changes.fixes.dtype.names or ():  # between fields there is room
            assert changes.fixes[field].tobytes() == again.fixes[field].tobytes(), field


@pytest.mark.parametrize("case", [case for case in NAMES if case != "duplicate_card"])
def test_steps_without_anything_change_nothing(case: str, tmp_path: Path) -> None:
    one = play(case, tmp_path / "one" / "mine")
    other = play(case, tmp_path / "other" / "mine", then_nothing)
    assert told_of(other) == told_of(one)


@pytest.mark.parametrize("case", [case for case in NAMES if case not in CUT_MATTERS])
def test_how_the_input_is_cut_does_not_matter(case: str, tmp_path: Path) -> None:
    """The same events about the same; what takes two looks, one a second, is so much later."""
    one = play(case, tmp_path / "one" / "mine")
    other = play(case, tmp_path / "other" / "mine", one_by_one)
    told, again = sorted(told_of(one)), sorted(told_of(other))
    assert [what for what, *_ in again] == [what for what, *_ in told]
    for (what, record_ns, event_ns), (_, *times_ns) in zip(told, again, strict=True):
        assert abs(record_ns - times_ns[0]) <= 2 * S, what
        assert abs(event_ns - times_ns[1]) <= 2 * S, what


def told_of(played: Play) -> list[tuple[tuple[str, ...], int, int]]:
    """Of each event what it is about, when it was told and when it was."""
    found = []
    for event in (event for changes in played.told for event in changes.events):
        alarm = event.alarm
        about = (alarm.rule, alarm.card, alarm.machine, alarm.limit) if alarm else (event.card,)
        what = (event.kind.name, event.zone, event.device, event.shift, *about)
        found.append((what, event.record_t_ns, event.event_t_ns))
    return found
