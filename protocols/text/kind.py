"""One kind of line: its fields as columns, and what is wrong with some lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from equipment.text_line import Line
from equipment.text_profile import TextPoint
from protocols.losses import Loss
from protocols.text.cells import Array, Cells
from protocols.text.checksum import NONE, RIGHT, Checksums
from protocols.text.rows import RowCutter
from protocols.text.sequence import Sequence as Numbers

BEFORE: Final = "their numbers came before"
BEHIND: Final = "a line of the same or a later number came before them"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that can't be used: its position among those that were read, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class PointColumn:
    """A point's values, one for each good line, and what is wrong with some of them."""

    point: TextPoint
    values: Array
    wrong: dict[int, str]

    def of(self, good: NDArray[np.bool_]) -> PointColumn:
        """Those of some of the lines."""
        new = np.cumsum(good) - 1
        wrong = {int(new[row]): reason for row, reason in self.wrong.items() if good[row]}
        return PointColumn(self.point, self.values[good], wrong)


@dataclass(slots=True)
class Found:
    """What lines of one kind gave.

    Positions count from 0 among the lines that were read. `columns` are of records, `of_line` says
    from which line each is. `kept` are the lines that were good, in their order; `times_us` their
    own times (None: they have none).
    """

    kept: NDArray[np.intp]
    columns: dict[str, Array]
    of_line: NDArray[np.intp]
    times_us: Array | None
    points: list[PointColumn]
    refusals: list[Refusal] = field(default_factory=list)


class KindReader:
    """Reads one kind of line; its numbers go on from batch to batch."""

    def __init__(
        self, line: Line, points: Sequence[TextPoint], encoding: str, line_bytes: int
    ) -> None:
        self.prefix = line.starts_with.encode()
        self._line = line
        self._encoding = encoding
        self._checksums = Checksums(line.checksum, line_bytes) if line.checksum else None
        self._fields = [(one, Cells.of_field(one)) for one in line.field]
        self._points = [(one, Cells.of_point(one)) for one in points]
        keys = any(place.key is not None for place in (*line.field, *points))
        self._cutter = RowCutter(line, keys=keys)
        of_sequence = [one for one in line.field if one.name == "sequence"]
        # Records say when they were; a value that was overtaken must not replace a newer one.
        newest_only = bool(points) and not line.gives_records
        self._not_new = BEHIND if newest_only else BEFORE
        self._numbers: Numbers | None = None
        if of_sequence:
            self._numbers = Numbers(of_sequence[0].modulo, newest_only=newest_only)

    def losses(self, now_s: float) -> list[Loss]:
        """Lines that are now known to be lost on the way."""
        return self._numbers.losses(now_s) if self._numbers else []

    def read(self, lines: Sequence[bytes], now_s: float) -> Found:
        """What the lines hold; all begin as this kind does."""
        refusals: list[Refusal] = []
        at = np.arange(len(lines))
        at, bodies = self._with_checksum(at, lines, refusals)
        at, texts = self._decoded(at, bodies, refusals)
        narrow: dict[int, str] = {}
        rows = self._cutter.cut(texts, narrow)
        at = _without(at, narrow, refusals)
        wrong: dict[int, str] = {}
        of_row = np.repeat(np.arange(len(at)), rows.groups)
        columns: dict[str, Array] = {}
        for one, cells in self._fields:
            columns[one.name], bad = cells.read(rows.texts(one, wrong))
            for position, reason in bad.items():
                row = int(of_row[position]) if self._line.is_grouped(one) else position
                wrong.setdefault(row, f"{one.name} {reason}")
        points = [
            PointColumn(point, *cells.read(rows.texts(point, wrong)))
            for point, cells in self._points
        ]
        self._note_repeats(columns, len(at), wrong, now_s)
        good = np.ones(len(at), np.bool_)
        good[list(wrong)] = False
        kept = _without(at, wrong, refusals)
        times = columns.get("t_us")
        return Found(
            kept=kept,
            columns=self._records(columns, of_row, good),
            of_line=at[of_row[good[of_row]]] if self._line.gives_records else at[:0],
            times_us=None if times is None else times[good],
            points=[one.of(good) if wrong else one for one in points],
            refusals=refusals,
        )

    def _with_checksum(
        self, at: NDArray[np.intp], lines: Sequence[bytes], refusals: list[Refusal]
    ) -> tuple[NDArray[np.intp], Sequence[bytes]]:
        """Positions of the lines with a right checksum, and the lines without it."""
        if self._checksums is None:
            return at, lines
        # Blanks that fill up a line are no part of it.
        lines = [line.rstrip() for line in lines]
        judged = self._checksums.judge(lines)
        right = judged == RIGHT
        for position in np.flatnonzero(~right).tolist():
            none = judged[position] == NONE
            reason = "no checksum" if none else "a wrong checksum"
            refusals.append(Refusal(position, reason))
        tail = self._checksums.tail
        if right.all():
            return at, [line[:-tail] for line in lines]
        return at[right], [lines[position][:-tail] for position in at[right].tolist()]

    def _decoded(
        self, at: NDArray[np.intp], lines: Sequence[bytes], refusals: list[Refusal]
    ) -> tuple[NDArray[np.intp], Sequence[str]]:
        if not len(at):
            return at, ()
        try:
            return at, b"\n".join(lines).decode(self._encoding).split("\n")
        except UnicodeDecodeError:
            pass
        wrong: dict[int, str] = {}
        texts = []
        for position, line in enumerate(lines):
            try:
                texts.append(line.decode(self._encoding))
            except UnicodeDecodeError:
                wrong[position] = f"not {self._encoding.upper()} text"
        return _without(at, wrong, refusals), texts

    def _note_repeats(
        self, columns: dict[str, Array], count: int, wrong: dict[int, str], now_s: float
    ) -> None:
        """Notes lines that came before. One that is wrong has come, if its number can be read."""
        if self._numbers is None:
            return
        numbered = np.ones(count, np.bool_)
        numbered[[row for row, why in wrong.items() if why.startswith("sequence ")]] = False
        numbers = columns["sequence"].astype(np.int64)
        new = self._numbers.accept(numbers[numbered], now_s)
        for row in np.flatnonzero(numbered)[~new].tolist():
            wrong.setdefault(row, self._not_new)

    def _records(
        self, columns: dict[str, Array], of_row: NDArray[np.intp], good: NDArray[np.bool_]
    ) -> dict[str, Array]:
        """The columns of the good lines' records; what is of a line is of each of its groups."""
        if not self._line.gives_records:
            return {}
        found = {}
        whole = bool(good.all())
        for one, _ in self._fields:
            column = columns[one.name]
            if self._line.groups is not None and not self._line.is_grouped(one):
                column = column[of_row]
            found[one.name] = column if whole else column[good[of_row]]
        return found


def _without(
    at: NDArray[np.intp], wrong: dict[int, str], refusals: list[Refusal]
) -> NDArray[np.intp]:
    """`at` without the rows that are wrong, which are refused."""
    if not wrong:
        return at
    refusals += [Refusal(int(at[row]), reason) for row, reason in wrong.items()]
    good = np.ones(len(at), np.bool_)
    good[list(wrong)] = False
    return at[good]
