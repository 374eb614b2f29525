"""Keeps positions beside the gateway: a thread that writes, and one that compacts and drops.

Neither the event loop nor a step waits for a disk, and nothing that a disk does ends the gateway:
positions that can't be kept are counted, and what is missing is written down once it goes on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import structlog

from gateway.journal.disk import GB, MB, free_bytes
from gateway.journal.tracks.compaction import compact
from gateway.journal.tracks.places import LIVE, PART, TRACKS_FOLDER, Place, places_in
from gateway.journal.tracks.retention import Limits, Sized, to_drop
from gateway.journal.tracks.rows import empty
from gateway.journal.tracks.track_file import DamagedError, Gap, TrackFile
from gateway.journal.tracks.writer import Writer
from positioning.observation import IdTable, Records

#: How often positions are written and brought to the disk: a power cut costs no more than this, and
#: once in 40 s what comes while blocks are made: of 8,000 cards another second.
WRITE_EVERY_S: Final = 1.0
#: Between one block and the next, each of which takes 2 to 4 ms. While those of 8,000 cards were
#: made at one go, an alarm was with its subscribers 41 ms after its step, instead of 13.
FOLD_PAUSE_S: Final = 0.008
#: Fixes that wait for the disk: 12 s of 8,000 cards, four a second each, 50 MB.
WAITING_FIXES_MAX: Final = 400_000
#: After a failure it is tried again so soon, then twice as long, up to the most.
RETRY_LEAST_S: Final = 1.0
RETRY_MOST_S: Final = 30.0
#: How often room is looked after.
TIDY_EVERY_S: Final = 30.0
#: The oldest are dropped while there is a bit more room than the reserve: else each file that is
#: dropped would come too late for some positions.
RESERVE_MARGIN: Final = 1.25
#: Of the thread that compacts: all that is live goes first.
NICENESS: Final = 10
_MS_NS: Final = 1_000_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """How long, in how much room, and how much of the disk is left to others."""

    limits: Limits
    reserve_bytes: int

    @classmethod
    def of(cls, days: float, gb: float | None, reserve_mb: int) -> Self:
        """As `[journal]` of `mine.toml` says it."""
        limits = Limits(days, None if gb is None else round(gb * GB))
        return cls(limits, reserve_mb * MB)


@dataclass(frozen=True, slots=True)
class KeeperStatus:
    """How the kept positions do. Times are ms; `oldest_ms` None: there are none.

    `failure`: why none are written, empty while they are; `dropped`: not kept since the start.
    """

    oldest_ms: int | None
    newest_ms: int | None
    bytes: int
    failure: str
    failure_ms: int
    dropped: int


class Keeper:
    """Keeps the fixes of one gateway in a folder. Made on the event loop, closed once."""

    def __init__(
        self,
        folder: Path,
        settings: KeeperSettings,
        cards: IdTable,
        now_ns: Callable[[], int],
    ) -> None:
        """Begins at once; `now_ns` may be called from any thread."""
        self.folder: Final = folder / TRACKS_FOLDER
        self._settings = settings
        self._cards = cards
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._waiting: list[tuple[Records, tuple[str, ...], int]] = []
        self._waiting_count = 0
        #: What is not kept and not written down yet.
        self._hole: Gap | None = None
        self._dropped = 0
        self._good_ms = now_ns() // _MS_NS
        self._newest_ms: int | None = None
        self._failure = ""
        self._failure_ms = 0
        self._oldest_ms: int | None = None
        self._bytes = 0
        self._written: Place | None = None
        self._left_alone: set[Place] = set()
        self._stop = threading.Event()
        self._tidy_now = threading.Event()
        self._threads = (
            threading.Thread(target=self._write_on, name="tracks-write"),
            threading.Thread(target=self._tidy_on, name="tracks-tidy"),
        )
        for thread in self._threads:
            thread.start()

    def offer(self, fixes: Records, roadways: tuple[str, ...], now_ns: int) -> None:
        """Takes (n,) FIX, whose `roadway` indexes `roadways`, to be kept soon. Never blocks."""
        if not len(fixes):
            return
        with self._lock:
            if self._waiting_count + len(fixes) > WAITING_FIXES_MAX:
                self._dropped += len(fixes)
                self._miss(now_ns // _MS_NS, self._failure or "the disk is too slow")
                return
            self._waiting.append((fixes, roadways, now_ns))
            self._waiting_count += len(fixes)

    def use(self, settings: KeeperSettings) -> None:
        """Takes over other limits."""
        self._settings = settings
        self._tidy_now.set()

    @property
    def status(self) -> KeeperStatus:
        """How it does now."""
        with self._lock:
            return KeeperStatus(
                self._oldest_ms,
                self._newest_ms,
                self._bytes,
                self._failure,
                self._failure_ms,
                self._dropped,
            )

    def gaps(self) -> list[Gap]:
        """What is missing and not written down yet, because it still fails."""
        with self._lock:
            return [self._hole] if self._hole else []

    def close(self) -> None:
        """Writes what waits, and ends; blocks for a moment. May be called twice."""
        self._stop.set()
        self._tidy_now.set()
        for thread in self._threads:
            thread.join()

    def _write_on(self) -> None:
        writer = Writer(self.folder, self._let_others)
        pause_s, is_restored = RETRY_LEAST_S, False
        wait_s = 0.0
        while True:
            stopping = self._stop.wait(wait_s)
            wait_s = WRITE_EVERY_S
            now_ms = self._now_ns() // _MS_NS
            rows = empty()
            try:
                if not is_restored:
                    newest_ms = writer.restore(now_ms)
                    with self._lock:
                        self._newest_ms = newest_ms
                    is_restored = True
                rows = self._taken(writer)
                self._check_room()
                self._write(writer, rows, now_ms)
                pause_s = RETRY_LEAST_S
                if stopping:
                    writer.end(now_ms)
            except Exception as error:  # noqa: BLE001  # the gateway goes on without, whatever it is
                self._failed(writer, rows, error, now_ms)
                wait_s, pause_s = pause_s, min(2 * pause_s, RETRY_MOST_S)
            if stopping:
                writer.give_up()
                return

    def _let_others(self) -> None:
        self._stop.wait(FOLD_PAUSE_S)

    def _taken(self, writer: Writer) -> Records:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._waiting_count = 0
        parts = [writer.rows_of(fixes, self._cards, roads, at) for fixes, roads, at in waiting]
        return np.concatenate([empty(), *parts])

    def _write(self, writer: Writer, rows: Records, now_ms: int) -> None:
        with self._lock:
            hole, failure = self._hole, self._failure
        if hole:
            writer.note(hole, now_ms)
        writer.write(rows, now_ms)
        with self._lock:
            if self._hole == hole:
                self._hole = None
            self._failure = ""
            self._good_ms = now_ms
            has_begun = self._written != writer.place
            self._written = writer.place
            if len(rows):
                self._newest_ms = max(self._newest_ms or 0, int(rows["t_ms"].max()))
        if failure:
            log.info("positions are kept again", folder=str(self.folder))
        if has_begun:
            self._tidy_now.set()

    def _failed(self, writer: Writer, rows: Records, error: Exception, now_ms: int) -> None:
        writer.missed(rows)
        # What was written may be lost; what is whole is found when it is read.
        writer.give_up()
        text = _in_words(error, self.folder)
        with self._lock:
            self._dropped += len(rows)
            self._written = None
            if not self._failure:
                self._failure_ms = now_ms
                log.error("positions are not kept", why=text)
            self._failure = text
            self._miss(now_ms, text)
        self._tidy_now.set()

    def _miss(self, now_ms: int, why: str) -> None:
        """Notes that what came until now, since the last that was kept, is not kept."""
        start_ms = self._hole.start_ms if self._hole else min(self._good_ms, now_ms)
        self._hole = Gap(start_ms, now_ms + 1, f"not recorded: {why}")

    def _check_room(self) -> None:
        free = free_bytes(self.folder)
        if free < self._settings.reserve_bytes:
            raise NoRoomError(free, self._settings.reserve_bytes)

    def _tidy_on(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while not self._stop.is_set():
            self._tidy_now.clear()
            try:
                self._tidy()
            except _StoppedError:
                return
            except Exception:  # it is tried again
                log.exception("kept positions can't be tidied", folder=str(self.folder))
            self._tidy_now.wait(TIDY_EVERY_S)

    def _tidy(self) -> None:
        with self._lock:
            written = self._written
        self._clear_up()
        places = places_in(self.folder)
        for place in places:
            # The newest one may just have been begun.
            is_done = not place.is_live or place in self._left_alone
            if not is_done and place not in (written, places[-1]):
                self._compact(place)
        self._drop()

    def _clear_up(self) -> None:
        """Drops what a compaction that was broken off has left."""
        for part in self.folder.glob(f"*{PART}"):
            part.unlink()
        for place in places_in(self.folder):
            live = place.path.with_suffix(LIVE)
            if not place.is_live and live.exists():
                live.unlink()

    def _compact(self, place: Place) -> None:
        try:
            compact(place, self._pause)
        except DamagedError as error:
            # It stays as it is: what of it can be read is found.
            self._left_alone.add(place)
            log.error("positions can't be compacted", file=str(place.path), why=str(error))
        except OSError as error:
            log.error("positions can't be compacted yet", file=str(place.path), why=str(error))

    def _pause(self) -> None:
        if self._stop.is_set():
            raise _StoppedError

    def _drop(self) -> None:
        sizes = _sized(places_in(self.folder))
        room = round(self._settings.reserve_bytes * RESERVE_MARGIN)
        short = max(0, room - free_bytes(self.folder)) if sizes else 0
        now_ms = self._now_ns() // _MS_NS
        gone = to_drop(sizes, now_ms, self._settings.limits, short)
        for place in gone:
            place.path.unlink()
            log.info("positions are no longer kept", file=place.path.name)
        left = [one for one in sizes if one.place not in gone]
        oldest_ms = _begin_ms(left[0].place) if left else None
        with self._lock:
            self._bytes = sum(one.size for one in left)
            self._oldest_ms = oldest_ms


class NoRoomError(OSError):
    """There is less room than what is to be left to others."""

    def __init__(self, free: int, reserve: int) -> None:
        super().__init__(
            f"only {free // MB} MB are free and {reserve // MB} are left to events"
            " ([journal] reserve_mb)"
        )


class _StoppedError(Exception):
    """The gateway stops."""


def _sized(places: Sequence[Place]) -> list[Sized]:
    return [Sized(place, place.path.stat().st_size) for place in places]


def _in_words(error: Exception, folder: Path) -> str:
    if isinstance(error, NoRoomError):
        return str(error)
    if isinstance(error, OSError):
        return f"{folder}: {error.strerror or error}; check the disk"
    return f"{folder}: {type(error).__name__}: {error}"


def _begin_ms(place: Place) -> int:
    try:
        with closing(TrackFile.open(place)) as file:
            return file.spans.begin_ms
    except (OSError, DamagedError, ValueError):
        return place.hour_ms
