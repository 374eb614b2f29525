"""Damaged files of positions: nothing wrong is given, all that is whole is, and gaps say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.journal.tracks.track_file import Gap
from tests.gateway.tracks_rig import (
    T0_MS,
    Book,
    Row,
    all_rows,
    at,
    compact_all,
    is_in,
    only_file,
)

KINDS = pytest.mark.parametrize("is_compacted", [False, True], ids=["live", "compacted"])
#: One bit of so many is flipped; a prime, so that each bit of a byte has its turn.
EVERY_BIT = 211
CARDS, SECONDS = 3, 60
INSTANTS = (T0_MS + 20_000, T0_MS + 50_500)


def kept(
    folder: Path, *, is_compacted: bool, seconds: int = SECONDS, is_ended: bool = True
) -> Book:
    book = Book(folder, CARDS)
    book.walk(range(seconds))
    if is_ended:
        book.writer.end(T0_MS + seconds * 1000)
    else:
        book.writer.give_up()
    if is_compacted:
        compact_all(folder)
    return book


def check(folder: Path, book: Book, *, at_instants: bool = True) -> int:
    """That all that is given was written, and all that is not lies in a gap; how many are not."""
    rows, gaps = all_rows(folder)
    written, given = set(book.rows), set(rows)
    assert len(given) == len(rows)
    assert given <= written
    missing = written - given
    assert not [row for row in missing if not is_in(gaps, row[1])]
    for t_ms in INSTANTS if at_instants else ():
        check_instant(folder, book, t_ms)
    return len(missing)


def check_instant(folder: Path, book: Book, t_ms: int) -> None:
    """That of each card the last row is given, or an older one and a gap that says why."""
    found, gaps = at(folder, t_ms)
    right = book.last_at(t_ms)
    written = set(book.rows)
    assert set(found.values()) <= written
    wrong = [card for card, row in right.items() if found.get(card) != row]
    assert not wrong or gaps


def flips(data: bytes, every: int = EVERY_BIT) -> Iterator[tuple[int, bytes]]:
    for bit in range(0, 8 * len(data), every):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bit, bytes(flipped)


@KINDS
def test_a_flipped_bit_anywhere_is_found_and_costs_no_more_than_its_chunk(
    tmp_path: Path, *, is_compacted: bool
) -> None:
    book = kept(tmp_path, is_compacted=is_compacted)
    file = only_file(tmp_path).path
    missing = {}
    for bit, data in flips(file.read_bytes()):
        file.write_bytes(data)
        missing[bit] = check(tmp_path, book)
    assert max(missing.values()) <= CARDS * 42
    assert any(missing.values())


@pytest.mark.parametrize("bits", [(0, 1), (3, 700), (2000, 2001)])
def test_two_flipped_bits_are_found_as_well(tmp_path: Path, bits: tuple[int, int]) -> None:
    book = kept(tmp_path, is_compacted=True)
    file = only_file(tmp_path).path
    data = bytearray(file.read_bytes())
    for start in range(0, 8 * len(data) - max(bits), 4001):
        for bit in bits:
            data[(start + bit) // 8] ^= 1 << (start + bit) % 8
        file.write_bytes(data)
        check(tmp_path, book)
        for bit in bits:
            data[(start + bit) // 8] ^= 1 << (start + bit) % 8


def test_a_live_file_cut_at_any_length_gives_a_prefix_of_what_was_written(tmp_path: Path) -> None:
    book = kept(tmp_path, is_compacted=False, seconds=44, is_ended=False)
    file = only_file(tmp_path).path
    data = file.read_bytes()
    written = sorted(book.rows, key=lambda row: row[1] // 1000)
    counts = []
    begin, folding = range(1500), range(len(data) - 3000, len(data), 3)
    for length in (*begin, *folding, len(data)):
        file.write_bytes(data[:length])
        rows, gaps = all_rows(tmp_path)
        assert sorted(rows) == sorted(written[: len(rows)])
        assert len(rows) % CARDS == 0
        assert not gaps or length < 64
        counts.append(len(rows))
    assert counts == sorted(counts)
    assert max(counts) == len(written)


def test_a_compacted_file_cut_at_any_length_says_what_is_missing(tmp_path: Path) -> None:
    book = kept(tmp_path, is_compacted=True, seconds=45)
    file = only_file(tmp_path).path
    data = file.read_bytes()
    for length in range(0, len(data), 2):
        file.write_bytes(data[:length])
        check(tmp_path, book, at_instants=length % 16 == 0)


def test_zeros_and_noise_behind_the_last_chunk_are_no_rows(tmp_path: Path) -> None:
    """What a power cut leaves of a write."""
    book = kept(tmp_path, is_compacted=False)
    file = only_file(tmp_path).path
    data = file.read_bytes()
    for tail in (bytes(5000), bytes(range(256)) * 20, data[200:900]):
        file.write_bytes(data + tail)
        assert sorted(all_rows(tmp_path)[0]) == sorted(book.rows)


def test_another_files_chunks_are_none_of_this_one(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    book, other = kept(tmp_path / "a", is_compacted=False), Book(tmp_path / "b", CARDS)
    other.walk(range(50), T0_MS + 7)
    file = only_file(tmp_path / "a").path
    foreign = only_file(tmp_path / "b").path.read_bytes()
    file.write_bytes(file.read_bytes() + foreign[64:])
    assert sorted(all_rows(tmp_path / "a")[0]) == sorted(book.rows)


def test_compacting_a_damaged_file_keeps_what_is_whole_and_the_gap(tmp_path: Path) -> None:
    book = kept(tmp_path, is_compacted=False)
    live = only_file(tmp_path).path
    for number, (_, data) in enumerate(flips(live.read_bytes(), every=997)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / live.name).write_bytes(data)
        before = all_rows(folder)[0]
        compact_all(folder)
        assert all_rows(folder)[0] == before
        check(folder, book)


def test_a_file_without_its_begin_is_a_gap_of_its_hour(tmp_path: Path) -> None:
    kept(tmp_path, is_compacted=True)
    place = only_file(tmp_path)
    data = place.path.read_bytes()
    place.path.write_bytes(bytes(64) + data[64:])
    rows, gaps = all_rows(tmp_path)
    assert rows == []
    (gap,) = gaps
    assert isinstance(gap, Gap)
    assert place.path.name in gap.reason
    assert (gap.start_ms, gap.end_ms) == (place.hour_ms, place.hour_ms + 3_600_000)


def test_a_card_whose_name_is_damaged_twice_is_a_gap_and_no_other_card(tmp_path: Path) -> None:
    book = kept(tmp_path, is_compacted=True)
    file = only_file(tmp_path).path
    data = bytearray(file.read_bytes())
    packed = data[64 + 60 : 64 + 90]
    first = 64
    second = data.find(bytes(packed), first + 90)
    assert second > 0
    for at_byte in (first + 70, second + 10):
        data[at_byte] ^= 1
    file.write_bytes(data)
    check(tmp_path, book)
    rows, gaps = all_rows(tmp_path, "1001")
    assert rows == []
    assert is_in(gaps, T0_MS + 50_000)


def rows_of(book: Book, card: str) -> list[Row]:
    return [row for row in book.rows if row[0] == card]


def test_a_damaged_block_costs_other_cards_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path, 200)
    book.walk(range(45))
    compact_all(tmp_path)
    file = only_file(tmp_path).path
    data = bytearray(file.read_bytes())
    whole = 0
    for at_byte in range(1000, len(data) - 1000, len(data) // 40):
        data[at_byte] ^= 1
        file.write_bytes(data)
        data[at_byte] ^= 1
        tracks = {card: all_rows(tmp_path, card) for card in ("1001", "1100", "1200")}
        whole += sum(rows == rows_of(book, card) for card, (rows, _) in tracks.items())
        assert all(gaps or rows == rows_of(book, card) for card, (rows, gaps) in tracks.items())
    assert whole > 60
