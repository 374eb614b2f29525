"""Writes positions down: one hour's file after the other. By one thread; raises what fails."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from gateway.journal.tracks.blocks import Latest
from gateway.journal.tracks.live_file import LiveFile, Pause
from gateway.journal.tracks.places import HOUR_MS, Place, new_place, places_in
from gateway.journal.tracks.reader import TracksReader
from gateway.journal.tracks.rows import kept_of
from gateway.journal.tracks.track_file import Gap
from positioning.observation import IdTable, Records

#: Of cards and roadways that one run of a gateway hears of.
_NAMES_MAX: Final = 1 << 20


class Writer:
    """The newest file of a folder, and everyone's last row. Made where nothing is written yet.

    Handles of its rows are its own, by name, and stay over its files.
    """

    def __init__(self, folder: Path, pause: Pause = lambda: None) -> None:
        """`pause` is called now and then while blocks are made."""
        self._folder = folder
        self._pause = pause
        self._cards = IdTable(capacity=_NAMES_MAX)
        self._roadways = IdTable(capacity=_NAMES_MAX)
        self._latest = Latest()
        self._file: LiveFile | None = None
        self._named = (0, 0)
        #: A gateway's handle of a card to that of the files.
        self._card_of = np.empty(0, np.int64)

    @property
    def place(self) -> Place | None:
        """The file that is being written."""
        return self._file.place if self._file else None

    @property
    def size(self) -> int:
        """Of the file that is being written, bytes."""
        return self._file.size if self._file else 0

    def restore(self, now_ms: int) -> int | None:
        """Takes over everyone's last row from the folder; returns the newest time of any.

        A row of after `now_ms`, by a clock that has been set back since, is taken as of now: else
        no newer one would ever take its place. Raises OSError.
        """
        reader = TracksReader(self._folder)
        try:
            span = reader.span_ms()
            if span is None:
                return None
            rows = reader.at(max(span[1], now_ms)).rows
            rows["t_ms"] = np.minimum(rows["t_ms"], now_ms)
            cards = [self._cards.handle(name) for name in reader.handles.cards.names()]
            roadways = [
                0,
                *(self._roadways.handle(name) + 1 for name in reader.handles.roadways.names()),
            ]
            rows["card"] = np.array(cards, np.uint32)[rows["card"]]
            rows["roadway"] = np.array(roadways, np.uint32)[rows["roadway"]]
            self._latest.take(rows)
            return int(rows["t_ms"].max()) if len(rows) else None
        finally:
            reader.close()

    def rows_of(
        self, fixes: Records, cards: IdTable, roadways: Sequence[str], now_ns: int
    ) -> Records:
        """(k,) KEPT of (n,) FIX with the handles of `cards` and indices of `roadways`."""
        rows = kept_of(fixes, now_ns)
        known = len(self._card_of)
        if known < len(cards):
            more = [self._cards.handle(cards.name(n)) for n in range(known, len(cards))]
            self._card_of = np.concatenate([self._card_of, np.array(more, np.int64)])
        rows["card"] = self._card_of[rows["card"]]
        by_index = [0, *(self._roadways.handle(name) + 1 for name in roadways)]
        rows["roadway"] = np.array(by_index, np.uint32)[rows["roadway"]]
        return rows

    def write(self, rows: Records, now_ms: int) -> None:
        """Writes rows down, into a new file each hour; they are on the disk when it returns.

        Raises OSError.
        """
        self._latest.take(rows)
        if self._file and now_ms // HOUR_MS * HOUR_MS != self._file.place.hour_ms:
            self.end(now_ms)
        file = self._file or self._begin(now_ms)
        new_cards = dict(enumerate(self._cards.names()[self._named[0] :], self._named[0]))
        new_roads = dict(enumerate(self._roadways.names()[self._named[1] :], self._named[1] + 1))
        if len(rows) or new_cards or new_roads:
            file.append(rows, (new_cards, new_roads), now_ms)
            self._named = len(self._cards), len(self._roadways)
        if now_ms >= file.fold_is_due_ms:
            file.fold(self._latest, now_ms, self._pause)
        file.sync()

    def missed(self, rows: Records) -> None:
        """Takes rows that are not written down: everyone's last one is known all the same."""
        self._latest.take(rows)

    def note(self, gap: Gap, now_ms: int) -> None:
        """Writes down that nothing was kept for some time. Raises OSError."""
        file = self._file or self._begin(now_ms)
        file.note(gap, now_ms)

    def give_up(self) -> None:
        """Ends the file that is being written, as it is."""
        file, self._file = self._file, None
        if file:
            with suppress(OSError):
                file.close()

    def end(self, now_ms: int) -> None:
        """Folds and ends the file that is being written. Raises OSError."""
        if self._file:
            self._file.fold(self._latest, now_ms, self._pause)
            self._file.sync()
        self.give_up()

    def _begin(self, now_ms: int) -> LiveFile:
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        places = places_in(self._folder)
        number = places[-1].number + 1 if places else 1
        file = LiveFile.create(new_place(self._folder, number, now_ms), now_ms)
        self._file = file
        names = self._cards.names(), self._roadways.names()
        file.begin(self._latest, (dict(enumerate(names[0])), dict(enumerate(names[1], 1))), now_ms)
        self._named = len(names[0]), len(names[1])
        return file
