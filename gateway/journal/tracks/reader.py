"""The kept positions of a folder, read: beside a gateway that runs, or without one.

Nothing damaged is ever given: what can't be had is a `Gap`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.journal.tracks.blocks import thinned
from gateway.journal.tracks.chunks import FILE_HEADER_BYTES, ChunkKind
from gateway.journal.tracks.columns import Columns
from gateway.journal.tracks.names import Names
from gateway.journal.tracks.places import HOUR_MS, Place, places_in
from gateway.journal.tracks.rows import empty, newest_of_each
from gateway.journal.tracks.track_file import DamagedError, Gap, Spans, TrackFile
from positioning.observation import IdTable, Records

Integers = NDArray[np.int64]

#: Files whose chunks are remembered: a day's, 10 MB.
_FILES_OPEN_MOST: Final = 26
#: Between the end of one file and the begin of the next: less is the time of opening one.
GAP_LEAST_MS: Final = 5_000
#: A second's newest fix is kept: what is asked for is rounded to whole seconds, then cut.
_SECOND_MS: Final = 1000
#: Of cards and roadways that a folder has ever known.
_NAMES_MAX: Final = 1 << 20


@dataclass(slots=True)
class Found:
    """(n,) KEPT with the reader's handles, in the order of time, and what is missing of it."""

    rows: Records
    gaps: list[Gap]


class Handles:
    """The handles of all rows that are read; of roadways 0 is none, and n the handle n - 1.

    Readers of several threads may share them.
    """

    def __init__(self) -> None:
        self.cards = IdTable(capacity=_NAMES_MAX)
        self.roadways = IdTable(capacity=_NAMES_MAX)
        self._lock = threading.Lock()

    def of(self, names: Names) -> tuple[Integers, Integers]:
        """(last + 2,) handles of cards, and of roadways, by those of a file; -1 without a name."""
        with self._lock:
            return _by_file(names.cards, self.cards, 0), _by_file(names.roadways, self.roadways, 1)


class TracksReader:
    """Reads one folder. One thread at a time; each that reads at the same time has its own."""

    def __init__(self, folder: Path, handles: Handles | None = None) -> None:
        self.handles = handles or Handles()
        self._folder = folder
        self._open: OrderedDict[Path, TrackFile] = OrderedDict()
        self._spans: dict[Path, Spans | Gap] = {}
        self._last_names: tuple[tuple[bytes, ...], tuple[Integers, Integers]] | None = None
        self._maps: dict[Path, tuple[int, Integers, Integers]] = {}

    def close(self) -> None:
        """Gives all files back."""
        while self._open:
            self._open.popitem()[1].close()

    def span_ms(self) -> tuple[int, int] | None:
        """From when to when positions are kept; None: there are none. Raises OSError."""
        spans = [told for _, told in self._files() if isinstance(told, Spans)]
        if not spans:
            return None
        return min(map(_first, spans)), max(map(_last, spans))

    def between(self, start_ms: int, end_ms: int, card: str = "") -> Found:
        """The rows of a time, of one card or all: at most one a second of each, by time.

        Raises OSError where the folder can't be read.
        """
        return self._again(lambda: self._between(start_ms, end_ms, card))

    def at(self, t_ms: int) -> Found:
        """The last row of every card until a time, by card, and what is missing there.

        Raises OSError where the folder can't be read.
        """
        return self._again(lambda: self._at(t_ms))

    def next_ms(self, t_ms: int) -> int | None:
        """The next time, from `t_ms` on, of which there may be rows; None: there is none."""
        spans = [told for _, told in self._files() if isinstance(told, Spans)]
        later = [_first(one) for one in spans if _last(one) >= t_ms]
        return max(t_ms, min(later)) if later else None

    @staticmethod
    def _again(read: Callable[[], Found]) -> Found:
        try:
            return read()
        except FileNotFoundError:
            # It was compacted or dropped since it was listed.
            return read()

    def _between(self, start_ms: int, end_ms: int, card: str) -> Found:
        low, high = start_ms // _SECOND_MS * _SECOND_MS, -(-end_ms // _SECOND_MS) * _SECOND_MS
        files = self._files()
        gaps = list(structural_gaps(files))
        parts = []
        for place, told in files:
            if isinstance(told, Gap) or not _overlaps(told, low, high):
                continue
            file = self._file(place)
            handle = self._handle(file, card, gaps)
            if card and handle is None:
                gaps += [gap for gap, _, _ in file.holes()]
                continue
            gaps += [gap for gap, a, b in file.holes() if handle is None or a <= handle <= b]
            table = file.data()
            table = table[(table["first_ms"] < high) & (table["last_ms"] >= low)]
            if handle is not None:
                table = table[(table["first_card"] <= handle) & (table["last_card"] >= handle)]
            read = Columns.rows if handle is None else methodcaller("rows_of", handle)
            rows = _gathered(file, table, gaps, read)
            within = (rows["t_ms"] >= low) & (rows["t_ms"] < high)
            parts.append(self._named(file, rows[within], gaps))
        rows = thinned(np.concatenate([empty(), *parts]))
        rows = rows[(rows["t_ms"] >= start_ms) & (rows["t_ms"] < end_ms)]
        order = np.argsort(rows["t_ms"], kind="stable")
        return Found(rows[order], clipped(gaps, start_ms, end_ms))

    def _at(self, t_ms: int) -> Found:
        files = self._files()
        gaps = list(clipped(structural_gaps(files), t_ms, t_ms + 1))
        whole = [place for place, told in files if isinstance(told, Spans)]
        first_of = {place: told.first_ms for place, told in files if isinstance(told, Spans)}
        begun = [p for p, told in files if isinstance(told, Spans) and told.begin_ms <= t_ms]
        parts: list[Records] = []
        # Late rows may be older than the first file.
        start, offset = whole[0] if whole else None, -1
        for start in reversed(begun):
            base, offset = self._snapshot(self._file(start), t_ms, gaps)
            if base is not None:
                parts.append(base)
                break
        for later in whole[whole.index(start) :] if start else ():
            if later != start and first_of[later] > t_ms:
                continue
            file = self._file(later)
            table = file.data()
            table = table[table["first_ms"] <= t_ms]
            if later == start:
                table = table[table["offset"] > offset]
            rows = _gathered(file, table, gaps, methodcaller("last_until", t_ms))
            parts.append(self._named(file, rows, gaps))
            holes = [gap for gap, _, _ in file.holes()]
            gaps += clipped(holes, t_ms, t_ms + 1)
        return Found(newest_of_each(np.concatenate([empty(), *parts])), merged(gaps))

    def _snapshot(self, file: TrackFile, t_ms: int, gaps: list[Gap]) -> tuple[Records | None, int]:
        """The newest that can be read and is not of after `t_ms`, and where it stands."""
        table = file.of_kind(ChunkKind.SNAPSHOT)
        for row in table[table["last_ms"] <= t_ms][::-1]:
            try:
                rows = file.columns(row).rows()
            except DamagedError as error:
                gaps.append(Gap(int(row["record_ms"]), int(row["record_ms"]) + 1, str(error)))
                continue
            return self._named(file, rows, gaps), int(row["offset"])
        return None, -1

    def _handle(self, file: TrackFile, card: str, gaps: list[Gap]) -> int | None:
        """The file's own handle of a card; None where it has none, or none is asked for."""
        if not card:
            return None
        cards, _ = self._map(file)
        table = self.handles.cards
        if card in table:
            found = np.flatnonzero(cards[:-1] == table.handle(card))
            if len(found):
                return int(found[0])
        last_card = file.data()["last_card"].max(initial=0)
        if (cards[: int(last_card) + 1] < 0).any():
            spans = file.spans
            gaps.append(Gap(spans.first_ms, spans.last_ms + 1, _nameless(file)))
        return None

    def _named(self, file: TrackFile, rows: Records, gaps: list[Gap]) -> Records:
        """Rows with the reader's handles; those whose card has no name are a gap."""
        cards, roadways = self._map(file)
        card = cards[np.minimum(rows["card"], len(cards) - 1)]
        nameless = card < 0
        if nameless.any():
            times = rows["t_ms"][nameless]
            gaps.append(Gap(int(times.min()), int(times.max()) + 1, _nameless(file)))
            rows, card = rows[~nameless], card[~nameless]
        rows = rows.copy()
        rows["card"] = card
        roadway = roadways[np.minimum(rows["roadway"], len(roadways) - 1)]
        rows["roadway"] = np.maximum(roadway, 0)
        return rows

    def _map(self, file: TrackFile) -> tuple[Integers, Integers]:
        """The reader's handles by those of a file; -1 where there is no name, as at the end."""
        count = len(file.of_kind(ChunkKind.NAMES))
        known = self._maps.get(file.place.path)
        if known is None or known[0] != count:
            known = count, *self._of_names(file.names())
            self._maps[file.place.path] = known
        return known[1], known[2]

    def _of_names(self, payloads: tuple[bytes, ...]) -> tuple[Integers, Integers]:
        """As `Handles.of`; files of one run have the same names."""
        if self._last_names is None or self._last_names[0] != payloads:
            names = Names()
            for payload in payloads:
                with suppress(ValueError):
                    names.add(payload)
            self._last_names = payloads, self.handles.of(names)
        return self._last_names[1]

    def _files(self) -> list[tuple[Place, Spans | Gap]]:
        """All files in order, and what is known of each."""
        places = places_in(self._folder)
        there = {place.path for place in places}
        for path in [path for path in self._open if path not in there]:
            self._open.pop(path).close()
        for path in [path for path in self._spans if path not in there]:
            del self._spans[path]
            self._maps.pop(path, None)
        told = [(place, self._told(place)) for place in places]
        return [(place, one) for place, one in told if one is not None]

    def _told(self, place: Place) -> Spans | Gap | None:
        """What is known of a file; None of one that was about to be begun."""
        known = self._spans.get(place.path)
        if known is not None and not place.is_live:
            return known
        try:
            told: Spans | Gap = self._file(place).spans
        except FileNotFoundError:
            raise
        except (DamagedError, OSError, ValueError) as error:
            if place.is_live and place.path.stat().st_size < FILE_HEADER_BYTES:
                return None
            told = Gap(place.hour_ms, place.hour_ms + HOUR_MS, f"damaged on the disk: {error}")
        self._spans[place.path] = told
        return told

    def _file(self, place: Place) -> TrackFile:
        file = self._open.pop(place.path, None)
        if file is None:
            file = TrackFile.open(place)
        elif place.is_live:
            file.refresh()
        self._open[place.path] = file
        if len(self._open) > _FILES_OPEN_MOST:
            self._open.popitem(last=False)[1].close()
        return file


def _gathered(
    file: TrackFile, table: Records, gaps: list[Gap], read: Callable[[Columns], Records]
) -> Records:
    """(n,) KEPT of the chunks of `table`, in the order of the file; damaged ones are gaps."""
    parts = [empty()]
    for row in table:
        try:
            parts.append(read(file.columns(row)))
        except DamagedError as error:
            gaps.append(file.gap(row, str(error)))
    return np.concatenate(parts)


def _by_file(names: Mapping[int, str], table: IdTable, base: int) -> Integers:
    handles = np.full(max(names, default=-1) + 2, -1, np.int64)
    for handle, name in names.items():
        handles[handle] = table.handle(name) + base
    return handles


def _nameless(file: TrackFile) -> str:
    return f"damaged on the disk: names in {file.place.path.name}"


def _overlaps(spans: Spans, start_ms: int, end_ms: int) -> bool:
    """Whether anything of a file may be of that time: rows, or that there are none."""
    return _first(spans) < end_ms and _last(spans) >= start_ms


def _first(spans: Spans) -> int:
    return min(spans.begin_ms, spans.first_ms)


def _last(spans: Spans) -> int:
    return max(spans.end_ms, spans.last_ms)


def structural_gaps(files: Sequence[tuple[Place, Spans | Gap]]) -> Iterator[Gap]:
    """What is missing before the first file, between two, and of those that can't be read."""
    before: tuple[Place, Spans] | None = None
    for place, told in files:
        if isinstance(told, Gap):
            yield told
            continue
        if before is None:
            is_first = place.number == 1
            reason = "nothing was recorded before" if is_first else "no longer kept"
            yield Gap(0, told.begin_ms, reason)
        elif told.begin_ms - before[1].end_ms >= GAP_LEAST_MS:
            follows = place.number == before[0].number + 1
            reason = "not recorded: the gateway did not run" if follows else "no longer kept"
            yield Gap(before[1].end_ms, told.begin_ms, reason)
        before = place, told


def clipped(gaps: Iterable[Gap], start_ms: int, end_ms: int) -> list[Gap]:
    """What of them lies in a time, in order, each once."""
    within = [
        Gap(max(gap.start_ms, start_ms), min(gap.end_ms, end_ms), gap.reason)
        for gap in gaps
        if gap.start_ms < end_ms and gap.end_ms > start_ms
    ]
    return merged(within)


def merged(gaps: Iterable[Gap]) -> list[Gap]:
    """Those of one reason that touch or overlap as one, in the order of time."""
    found: list[Gap] = []
    last_of: dict[str, int] = {}
    for gap in sorted(gaps, key=lambda one: (one.start_ms, one.end_ms)):
        at = last_of.get(gap.reason)
        if at is not None and gap.start_ms <= found[at].end_ms:
            end_ms = max(found[at].end_ms, gap.end_ms)
            found[at] = Gap(found[at].start_ms, end_ms, gap.reason)
        else:
            last_of[gap.reason] = len(found)
            found.append(gap)
    return found
