"""Kept positions in files: what was written is found, whatever happens between."""

from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from gateway.journal.tracks.blocks import BLOCK_CARDS
from gateway.journal.tracks.compaction import compact
from gateway.journal.tracks.places import HOUR_MS, LIVE, places_in
from gateway.journal.tracks.reader import TracksReader
from gateway.journal.tracks.track_file import BLOCK_MS, Gap
from gateway.journal.tracks.verification import verify
from gateway.journal.tracks.writer import Writer
from positioning.observation import FixClass
from tests.gateway.tracks_rig import (
    T0_MS,
    Book,
    all_rows,
    at,
    compact_all,
    is_in,
    only_file,
    walk,
)

KINDS = pytest.mark.parametrize("is_compacted", [False, True], ids=["live", "compacted"])


@KINDS
def test_every_row_is_found_in_the_order_of_time(tmp_path: Path, *, is_compacted: bool) -> None:
    book = Book(tmp_path, 100)
    book.walk(range(95))
    if is_compacted:
        compact_all(tmp_path)
    rows, gaps = all_rows(tmp_path)
    assert sorted(rows) == sorted(book.rows)
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    assert not gaps


@KINDS
def test_one_cards_rows_are_those_of_all(tmp_path: Path, *, is_compacted: bool) -> None:
    book = Book(tmp_path, 170)
    book.walk(range(50))
    if is_compacted:
        compact_all(tmp_path)
    for card in ("1001", "1080", "1081", "1170"):
        rows, _ = all_rows(tmp_path, card)
        assert rows == [row for row in book.rows if row[0] == card]
    assert all_rows(tmp_path, "nobody") == ([], [])


@KINDS
def test_everyone_at_an_instant_is_the_last_row_of_each(
    tmp_path: Path, *, is_compacted: bool
) -> None:
    book = Book(tmp_path, 90)
    book.walk(range(100))
    if is_compacted:
        compact_all(tmp_path)
    for t_ms in (T0_MS + 500, T0_MS + 39_999, T0_MS + 41_300, T0_MS + 80_001, T0_MS + 1_000_000):
        found, gaps = at(tmp_path, t_ms)
        assert found == book.last_at(t_ms)
        assert not gaps


@KINDS
def test_who_has_been_silent_for_days_is_found_in_every_later_file(
    tmp_path: Path, *, is_compacted: bool
) -> None:
    book = Book(tmp_path, 5)
    book.walk(range(3))
    for day in range(1, 4):
        t_ms = T0_MS + day * 24 * HOUR_MS
        book.write(walk(2, 0, t_ms), t_ms + 1000)
    for place in places_in(tmp_path)[:3]:
        place.path.unlink()
    if is_compacted:
        compact_all(tmp_path)
    found, _ = at(tmp_path, T0_MS + 80 * HOUR_MS)
    assert found == book.last_at(T0_MS + 80 * HOUR_MS)


@KINDS
def test_of_a_second_the_newest_is_kept(tmp_path: Path, *, is_compacted: bool) -> None:
    book = Book(tmp_path, 1)
    fixes = np.concatenate([walk(1, second=0) for _ in range(4)])
    fixes["t_ns"] = (T0_MS + np.array([100, 700, 300, 1200])) * 1_000_000
    book.write(fixes[:3], T0_MS + 800)
    book.write(fixes[3:], T0_MS + 1300)
    if is_compacted:
        compact_all(tmp_path)
    rows, _ = all_rows(tmp_path)
    assert [row[1] - T0_MS for row in rows] == [700, 1200]


@KINDS
def test_late_rows_are_found_where_they_belong(tmp_path: Path, *, is_compacted: bool) -> None:
    """A ring that is read again tells of an hour whose file is over."""
    book = Book(tmp_path, 3)
    book.walk(range(3500, 3600))
    late = walk(1, 200)
    book.write(late, T0_MS + HOUR_MS + 5000)
    book.walk(range(3605, 3660))
    if is_compacted:
        compact_all(tmp_path)
    assert len(places_in(tmp_path)) == 2
    t_ms = int(late["t_ns"][0]) // 1_000_000
    rows, _ = all_rows(tmp_path, "1001", T0_MS, T0_MS + 300_000)
    assert [row[1] for row in rows] == [t_ms]
    found, _ = at(tmp_path, T0_MS + 3_550_000)
    assert found == book.last_at(T0_MS + 3_550_000)
    found, _ = at(tmp_path, t_ms)
    assert found == book.last_at(t_ms)
    assert sorted(all_rows(tmp_path)[0]) == sorted(book.rows)


def test_a_card_that_falls_silent_is_lost_from_then_on_with_its_age(tmp_path: Path) -> None:
    book = Book(tmp_path, 1)
    book.walk(range(3))
    lost = walk(1, 2)
    lost["fix_class"] = FixClass.LOST
    book.write(lost, T0_MS + 23_000)
    with closing(TracksReader(tmp_path)) as reader:
        before, after = (reader.at(T0_MS + ms).rows for ms in (22_000, 24_000))
    assert before["fix_class"][0] == FixClass.ROADWAY
    assert (after["fix_class"][0], after["t_ms"][0]) == (FixClass.LOST, T0_MS + 23_000)
    heard_ms = int(lost["t_ns"][0]) // 1_000_000
    assert after["age_ds"][0] == -(-(T0_MS + 23_000 - heard_ms) // 100)


def test_files_are_begun_each_hour_and_by_each_run(tmp_path: Path) -> None:
    book = Book(tmp_path, 4)
    book.walk(range(3590, 3610))
    book.begun_anew(T0_MS + 3_611_000)
    book.walk(range(3611, 3620))
    assert [place.hour_ms - T0_MS for place in places_in(tmp_path)] == [0, HOUR_MS, HOUR_MS]
    rows, gaps = all_rows(tmp_path)
    assert sorted(rows) == sorted(book.rows)
    assert not gaps


def test_blocks_are_made_with_pauses_between_them(tmp_path: Path) -> None:
    pauses: list[None] = []
    book = Book(tmp_path, 3 * BLOCK_CARDS - 1)
    book.writer = Writer(tmp_path, lambda: pauses.append(None))
    book.walk(range(BLOCK_MS // 1000 + 2))
    assert len(pauses) == 3
    assert sorted(all_rows(tmp_path)[0]) == sorted(book.rows)


def test_that_the_gateway_did_not_run_is_a_gap(tmp_path: Path) -> None:
    book = Book(tmp_path, 4)
    book.walk(range(10))
    book.begun_anew(T0_MS + 100_000)
    book.walk(range(100, 110))
    _, gaps = all_rows(tmp_path)
    why = "not recorded: the gateway did not run"
    assert gaps == [Gap(T0_MS + 10_000, T0_MS + 101_000, why)]
    found, gaps = at(tmp_path, T0_MS + 50_000)
    assert found == book.last_at(T0_MS + 50_000)
    assert [gap.reason for gap in gaps] == [why]


def test_what_is_no_longer_kept_is_a_gap(tmp_path: Path) -> None:
    book = Book(tmp_path, 2)
    book.walk(range(3590, 3610))
    places_in(tmp_path)[0].path.unlink()
    rows, gaps = all_rows(tmp_path)
    assert rows
    assert is_in(gaps, T0_MS + 3_595_000)
    assert {gap.reason for gap in gaps} == {"no longer kept"}


def test_a_hole_that_was_written_down_is_a_gap_for_ever(tmp_path: Path) -> None:
    book = Book(tmp_path, 2)
    book.walk(range(5))
    hole = Gap(T0_MS + 5000, T0_MS + 9000, "not recorded: the disk was full")
    book.writer.note(hole, T0_MS + 9000)
    book.walk(range(9, 50))
    assert all_rows(tmp_path)[1] == [hole]
    compact_all(tmp_path)
    assert all_rows(tmp_path)[1] == [hole]
    assert at(tmp_path, T0_MS + 6000)[1] == [Gap(T0_MS + 6000, T0_MS + 6001, hole.reason)]


def test_a_compaction_broken_off_at_any_place_loses_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path, 30)
    book.walk(range(50))
    live = only_file(tmp_path)

    class StopError(Exception):
        pass

    for pieces in range(30):
        left = iter(range(pieces))

        def pause(left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]  # an iterator
                raise StopError

        with suppress(StopError):
            compact(live, pause)
            break
        assert [path.suffix for path in tmp_path.iterdir()] == [LIVE]
        assert sorted(all_rows(tmp_path)[0]) == sorted(book.rows)
    assert not only_file(tmp_path).is_live
    assert sorted(all_rows(tmp_path)[0]) == sorted(book.rows)


def test_between_the_new_file_and_the_end_of_the_old_one_rows_are_found_once(
    tmp_path: Path,
) -> None:
    book = Book(tmp_path, 3)
    book.walk(range(50))
    live = only_file(tmp_path)
    bytes_before = live.path.read_bytes()
    compact_all(tmp_path)
    live.path.write_bytes(bytes_before)
    assert sorted(all_rows(tmp_path)[0]) == sorted(book.rows)


def test_a_reader_goes_on_while_files_are_written_and_compacted(tmp_path: Path) -> None:
    book = Book(tmp_path, 3)
    with closing(TracksReader(tmp_path)) as reader:
        for second in range(60):
            book.walk([second])
            assert len(reader.between(0, 1 << 42).rows) == 3 * (second + 1)
        compact_all(tmp_path)
        assert len(reader.between(0, 1 << 42).rows) == 180


def test_rows_after_a_clock_was_set_back_are_found(tmp_path: Path) -> None:
    book = Book(tmp_path, 2)
    ahead_ms = T0_MS + 70 * 365 * 24 * HOUR_MS
    book.walk(range(5), ahead_ms)
    book.begun_anew(T0_MS)
    book.walk(range(50))
    found, _ = at(tmp_path, T0_MS + 49_999)
    assert {row[1] // 1000 for row in found.values()} == {T0_MS // 1000 + 49}


def test_verify_counts_rows_and_names_what_is_damaged(tmp_path: Path) -> None:
    book = Book(tmp_path, 3)
    book.walk(range(100))
    compact_all(tmp_path)
    place = only_file(tmp_path)
    (checked,) = verify(tmp_path)
    assert (checked.rows, checked.gaps) == (300, ())
    data = bytearray(place.path.read_bytes())
    data[len(data) // 2] ^= 4
    place.path.write_bytes(data)
    (checked,) = verify(tmp_path)
    assert len(checked.gaps) == 1
    assert place.path.name in checked.gaps[0].reason
