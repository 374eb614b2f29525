"""Old events are dropped, a few at a time, and never by a clock that can't be believed."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal import retention, writer
from gateway.journal.gaps import NOT_KEPT, UNSTORED
from gateway.journal.journal import Gap, Journal
from gateway.journal.retention import DAY_NS, Keep, Retention, old_until
from tests.gateway.journal_rig import edit, records
from tests.gateway.journal_writer import act_of, payload_of
from tests.gateway.writer_rig import writing
from tests.support.waiting import until

NOW = 1_796_000_000_000_000_000
YEAR = 365 * DAY_NS


def store(journal: Journal, days: list[float], *, size: int = 0) -> None:
    """Events, each recorded so many days before now."""
    first = journal.last_sequence + 1
    events = [
        (n, NOW - round(ago * DAY_NS), payload_of(n) + bytes(size))
        for n, ago in enumerate(days, first)
    ]
    journal.append(events, {"a": b"1"}, [act_of(journal.last_audit.sequence + 1)])


def drop_all(journal: Journal, keep: Keep, needed: Any = lambda: None, now_ns: int = NOW) -> None:
    found = Retention(journal, keep, needed)
    found.look(now_ns)
    while found.part() < retention.AGAIN_S:
        pass


def test_what_is_older_is_dropped_and_told_as_one_gap_also_after_a_restart(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        store(journal, [float(ago) for ago in range(120, -1, -1)])
        drop_all(journal, Keep(20))
        assert (journal.first_sequence, journal.last_sequence) == (101, 121)
    with closing(Journal.open(tmp_path)) as journal:
        assert (journal.first_sequence, journal.damage) == (101, ())
        assert journal.read(1, 5) == [Gap(1, 100, NOT_KEPT)]
        assert journal.read(100, 5) == [Gap(100, 100, NOT_KEPT)]
        assert journal.read(101, 99) == records(101, 121)
        assert (journal.load_state(), journal.last_audit.sequence) == ({"a": b"1"}, 1)
        store(journal, [0.0])
        assert journal.last_sequence == 122


def test_a_part_is_small_and_the_newest_event_stays(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        store(journal, [2.0] * 200)
        found = Retention(journal, Keep(1), lambda: None)
        found.look(NOW)
        found.part()
        assert journal.first_sequence == 1 + retention.ROWS_MOST
        drop_all(journal, Keep(1))
        assert journal.first_sequence == 200


def test_a_journal_whose_events_are_all_gone_goes_on_at_its_number(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        store(journal, [9.0] * 30)
        drop_all(journal, Keep(1))
    edit(tmp_path, "DELETE FROM event")
    with closing(Journal.open(tmp_path)) as journal:
        assert (journal.first_sequence, journal.last_sequence) == (30, 30)
        assert journal.damage == ("events 30 to 30 were stored and are lost",)


def test_what_a_consumer_has_yet_to_take_stays(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        store(journal, [20.0] * 100 + [0.0])
        drop_all(journal, Keep(1), lambda: 40)
        assert journal.first_sequence == 40
        drop_all(journal, Keep(1, 1), lambda: 60)
        assert journal.first_sequence == 60


def test_a_journal_that_is_too_large_loses_its_oldest_events(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        for _ in range(20):
            store(journal, [0.0] * 100, size=1000)
        before = journal.used_bytes()
        drop_all(journal, Keep(365, before // 2))
        assert before // 4 < journal.used_bytes() <= before // 2
        assert 900 < journal.first_sequence < 1300


def test_the_space_of_dropped_events_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FREE_MOST", 10)
    with closing(Journal.open(tmp_path)) as journal:
        store(journal, [9.0] * 2000, size=1000)
        journal.checkpoint()
        before = journal.file.stat().st_size
        drop_all(journal, Keep(1))
        journal.checkpoint()
        assert journal.file.stat().st_size < before / 4


def test_gaps_that_are_dropped_are_forgotten(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        store(journal, [9.0])
        for first in (5, 9):
            row = (first, NOW - 9 * DAY_NS, payload_of(first))
            journal.append([row], {}, hole=UNSTORED)
        store(journal, [0.0])
        assert journal.read(1, 99)[1] == Gap(2, 4, UNSTORED)
        drop_all(journal, Keep(1))
        assert journal.read(1, 99) == [Gap(1, 9, NOT_KEPT)]
        assert len(journal._gaps) == 1


def test_damage_of_what_says_where_the_journal_begins_is_told(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        store(journal, [9.0] * 30 + [0.0] * 5)
        drop_all(journal, Keep(1))
    edit(tmp_path, "UPDATE gap SET last = 7")
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.damage == ("what says which events are no longer kept is damaged",)
        assert (journal.first_sequence, journal.last_sequence) == (31, 35)
        assert journal.read(31, 9) == records(31, 35)


DAYS = [(n, NOW - (400 - n) * DAY_NS) for n in range(1, 401)]


@pytest.mark.parametrize(
    ("samples", "now_ns", "keep", "until"),
    [
        (DAYS, NOW, 365, 34),
        ([], NOW, 365, 0),
        (DAYS, 0, 1, 0),  # a clock in 1970
        (DAYS, NOW + 10 * YEAR, 365, 0),  # one that is ten years ahead
        ([*DAYS, (401, NOW + 10 * YEAR)], NOW + 10 * YEAR, 365, 0),  # and was so at the last start
        ([*DAYS, (401, NOW + 10 * YEAR)], NOW + 11 * YEAR + DAY_NS, 365, 0),  # a year of silence
        ([(1, DAY_NS), *((n + 1, t) for n, t in DAYS)], NOW, 365, 35),  # begun in 1970, long ago
        (
            [(1, NOW + 9 * YEAR), *((n + 1, t) for n, t in DAYS)],
            NOW,
            365,
            35,
        ),  # begun in the future
        ([*DAYS[:390], (391, 0), *DAYS[391:]], NOW, 365, 0),  # 1970 nine days ago
    ],
)
def test_a_clock_that_cannot_be_believed_drops_nothing(
    samples: list[tuple[int, int]], now_ns: int, keep: int, until: int
) -> None:
    assert old_until(samples, now_ns, keep * DAY_NS) == until


@given(
    st.lists(st.floats(-4000, 4000), max_size=30),
    st.floats(-4000, 4000),
    st.integers(31, 400),
)
def test_whatever_the_clock_was_nothing_is_dropped_that_may_be_young(
    times: list[float], now: float, keep: int
) -> None:
    """True time never goes back: what is dropped has steady records of `keep` days after it."""
    samples = [(n, round(t * DAY_NS)) for n, t in enumerate(times, 1)]
    until = old_until(samples, round(now * DAY_NS), keep * DAY_NS)
    if until:
        steady = [*times[until - 1 :], now]
        steps = [b - a for a, b in pairwise(steady)]
        assert all(-1.01 <= step <= 30.01 for step in steps)
        assert sum(steps) > keep


async def test_old_events_go_beside_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(retention, "PACE_S", 0.001)
    with closing(Journal.open(tmp_path)) as journal:
        store(journal, [9.0] * 500)
    async with writing(tmp_path, keep=Keep(1)) as rig:
        rig.put(3)
        await until(lambda: rig.writer.status().first_sequence == 501)
        rig.put(3)
        await rig.stored()
        assert rig.told.events == [*range(501, 507)]
        assert rig.told.healths == []
