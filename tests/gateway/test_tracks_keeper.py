"""The threads that keep positions: disks that are full or fail, and what is dropped when."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from gateway.journal.disk import free_bytes
from gateway.journal.tracks.keeper import Keeper, KeeperSettings
from gateway.journal.tracks.places import HOUR_MS, Place, places_in
from gateway.journal.tracks.retention import (
    BELIEVED_HOURS,
    KEPT_HOURS_LEAST,
    Limits,
    Sized,
    to_drop,
)
from tests.gateway.tracks_rig import ROADS, T0_MS, Book, all_rows, at, cards_table, walk
from tests.support.waiting import blocked_until

CARDS = 3
#: A second of them is more than what a page of the disk holds.
MANY = 400
DAY_H = 24
PLENTY = KeeperSettings.of(days=90, gb=None, reserve_mb=16)


class Clock:
    """Of the test: it stands until it is set."""

    def __init__(self) -> None:
        self.ms = T0_MS

    def now_ns(self) -> int:
        return self.ms * 1_000_000


class Kept:
    """A keeper, and seconds of a walk for it."""

    def __init__(
        self, folder: Path, settings: KeeperSettings = PLENTY, hour: int = 0, cards: int = CARDS
    ) -> None:
        self.cards = cards
        self.clock = Clock()
        self.clock.ms += hour * HOUR_MS
        self.keeper = Keeper(folder, settings, cards_table(cards), self.clock.now_ns)

    def offer(self, second: int) -> None:
        self.clock.ms = T0_MS + (second + 1) * 1000
        self.keeper.offer(walk(self.cards, second), ROADS, self.clock.now_ns())

    def keep(self, second: int) -> None:
        """Returns once it is kept."""
        self.offer(second)
        blocked_until(lambda: self.newest_ms() >= T0_MS + second * 1000)

    def is_done_with(self, second: int, dropped: int) -> bool:
        """Whether it was kept or is among more than `dropped`."""
        is_kept = self.newest_ms() >= T0_MS + second * 1000
        return is_kept or self.keeper.status.dropped > dropped

    def newest_ms(self) -> int:
        return self.keeper.status.newest_ms or 0

    def close(self) -> None:
        self.keeper.close()


def test_what_is_offered_is_kept_over_a_restart(tmp_path: Path) -> None:
    for start in (0, 10):
        with closing(Kept(tmp_path)) as kept:
            kept.keep(start)
            kept.keep(start + 1)
            kept.offer(start + 2)
    rows, _ = all_rows(tmp_path / "tracks")
    assert len(rows) == 6 * CARDS
    assert len({row[0] for row in rows}) == CARDS


def test_files_of_before_are_compacted(tmp_path: Path) -> None:
    book = Book(tmp_path / "tracks", CARDS)
    book.walk(range(3550, 3650))
    book.writer.give_up()
    with closing(Kept(tmp_path, hour=2)) as kept:
        kept.keep(7300)
        blocked_until(lambda: [p.is_live for p in places_in(tmp_path / "tracks")] == [0, 0, 1])
        status = kept.keeper.status
        assert status.oldest_ms == T0_MS + 3_551_000
        assert status.failure == ""
        assert status.bytes
    assert set(book.rows) < set(all_rows(tmp_path / "tracks")[0])


def test_below_the_reserve_nothing_is_written_and_then_it_goes_on_by_itself(
    tmp_path: Path,
) -> None:
    too_much = KeeperSettings.of(90, None, reserve_mb=free_bytes(tmp_path) // 1_000_000 + 100_000)
    with closing(Kept(tmp_path, too_much)) as kept:
        kept.offer(0)
        blocked_until(lambda: kept.keeper.status.dropped)
        status = kept.keeper.status
        assert "reserve_mb" in status.failure
        assert status.failure_ms
        assert status.dropped == CARDS
        assert [gap.reason for gap in kept.keeper.gaps()] == [f"not recorded: {status.failure}"]
        kept.keeper.use(PLENTY)
        kept.keep(60)
        blocked_until(lambda: not kept.keeper.status.failure)
        assert kept.keeper.gaps() == []
    rows, gaps = all_rows(tmp_path / "tracks")
    assert {row[1] // 1000 for row in rows} == {T0_MS // 1000 + 60}
    assert [gap.reason for gap in gaps if "reserve_mb" in gap.reason]
    found, _ = at(tmp_path / "tracks", T0_MS + 61_000)
    assert len(found) == CARDS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of so many MB; only root may."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted: list[Path] = []

    def mount(mb: int) -> Path:
        options = ["-o", f"size={mb}m" if not mounted else f"remount,size={mb}m"]
        command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_costs_positions_and_nothing_else(
    small_disk: Callable[[int], Path],
) -> None:
    folder = small_disk(1)
    none = KeeperSettings(Limits(90), reserve_bytes=0)
    with closing(Kept(folder, none, cards=MANY)) as kept:
        kept.keep(0)
        filler = folder / "filler"
        with filler.open("wb") as file:
            file.write(bytes(free_bytes(folder) - 4096))
        second = 1
        while not kept.keeper.status.failure:
            kept.offer(second := second + 1)
            dropped = kept.keeper.status.dropped
            blocked_until(partial(kept.is_done_with, second, dropped))
        assert "No space left" in kept.keeper.status.failure
        filler.unlink()
        kept.keep(second + 30)
        blocked_until(lambda: not kept.keeper.status.failure)
    rows, gaps = all_rows(folder / "tracks")
    seconds = {row[1] // 1000 - T0_MS // 1000 for row in rows}
    assert {0, second + 30} <= seconds
    assert second not in seconds
    assert [gap for gap in gaps if "No space left" in gap.reason]


def test_a_folder_that_can_not_be_made_is_a_failure_and_no_end(tmp_path: Path) -> None:
    (tmp_path / "tracks").write_text("in the way")
    with closing(Kept(tmp_path)) as kept:
        kept.offer(0)
        blocked_until(lambda: kept.keeper.status.failure)
        (tmp_path / "tracks").unlink()
        kept.keep(9)


def test_closing_twice_leaves_no_thread(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.keep(0)
    kept.close()
    kept.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("tracks")]


def test_files_are_for_no_other_users(tmp_path: Path) -> None:
    with closing(Kept(tmp_path)) as kept:
        kept.keep(0)
    modes = {path.stat().st_mode & 0o007 for path in (tmp_path / "tracks").rglob("*")}
    assert modes == {0}


def hours(*numbers: int, t0_ms: int = T0_MS) -> list[Sized]:
    return [
        Sized(Place(n, t0_ms + hour * HOUR_MS, Path(f"{n}")), 1000)
        for n, hour in enumerate(numbers, 1)
    ]


def numbers_of(places: list[Place]) -> list[int]:
    return [place.number for place in places]


def test_what_is_older_than_the_days_goes() -> None:
    files = hours(*range(100))
    now_ms = T0_MS + 100 * HOUR_MS
    assert numbers_of(to_drop(files, now_ms, Limits(days=3))) == list(range(1, 5))
    assert to_drop(files, now_ms, Limits(days=90)) == []


@pytest.mark.parametrize("now_h", [-500_000, 24 * 365 * 70])
def test_a_clock_that_stands_wrong_drops_nothing(now_h: int) -> None:
    files = hours(*range(200), now_h) if now_h > 0 else hours(*range(200))
    now_ms = T0_MS + now_h * HOUR_MS
    gone = to_drop(files, now_ms, Limits(days=8))
    assert numbers_of(gone) == []


def test_a_clock_is_believed_after_a_day_of_it() -> None:
    later = range(100_000, 100_000 + BELIEVED_HOURS)
    files = hours(*range(10), *later)
    now_ms = T0_MS + later[-1] * HOUR_MS
    assert numbers_of(to_drop(files, now_ms, Limits(days=30))) == list(range(1, 11))
    assert to_drop(files[:-1], now_ms, Limits(days=30)) == []


def test_hours_recorded_by_a_clock_in_1970_do_not_go_for_their_age() -> None:
    files = [*hours(*range(5), t0_ms=0), *hours(*range(40))]
    assert to_drop(files, T0_MS + 40 * HOUR_MS, Limits(days=1)) == [
        one.place for one in files if T0_MS <= one.place.hour_ms < T0_MS - DAY_H * HOUR_MS
    ]


def test_the_oldest_go_where_there_is_too_little_room() -> None:
    files = hours(*range(40))
    now_ms = T0_MS + 40 * HOUR_MS
    assert numbers_of(to_drop(files, now_ms, Limits(90, bytes_max=38_500))) == [1, 2]
    assert numbers_of(to_drop(files, now_ms, Limits(90), short_bytes=2_500)) == [1, 2, 3]


def test_a_day_is_kept_whatever_room_there_is() -> None:
    files = hours(*range(40))
    gone = to_drop(files, T0_MS + 40 * HOUR_MS, Limits(90), short_bytes=1 << 40)
    assert len(files) - len(gone) == KEPT_HOURS_LEAST
