"""Texts of lines to what stands in each field, many lines at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipment.text_line import Groups, Line, Place

_END = "\n"


class Rows(Protocol):
    """Lines with a right number of fields: `groups` (n,) says how many records each has."""

    groups: NDArray[np.intp]

    def texts(self, place: Place, wrong: dict[int, str]) -> Sequence[str]:
        """What stands in a field: of each row, or of each group of each row.

        Rows that do not have it are noted in `wrong`, with the reason.
        """


class EqualRows:
    """Rows that all have the same number of fields, without keys and groups."""

    def __init__(self, cells: Sequence[str], width: int) -> None:
        """`cells`: all fields of all rows, one row after the other."""
        self._cells = cells
        self._width = width
        self.groups = np.ones(len(cells) // width, np.intp)

    def texts(self, place: Place, wrong: dict[int, str]) -> Sequence[str]:
        """See `Rows`."""
        del wrong
        assert place.at is not None
        return self._cells[place.at :: self._width]


class EqualGroups:
    """Rows that all have the same number of groups."""

    def __init__(self, cells: Sequence[str], width: int, form: Groups, count: int) -> None:
        """`cells`: all fields of all rows, `width` each, with `count` groups in it."""
        self._cells = cells
        self._width = width
        self._form = form
        self._count = count
        self.groups = np.full(len(cells) // width, count, np.intp)

    def texts(self, place: Place, wrong: dict[int, str]) -> Sequence[str]:
        """See `Rows`."""
        del wrong
        at, form = place.at, self._form
        assert at is not None
        if at < form.first:
            return self._cells[at :: self._width]
        starts = range(at, at + self._count * form.width, form.width)
        of_each = [self._cells[start :: self._width] for start in starts]
        return list(chain.from_iterable(zip(*of_each, strict=True)))


class AnyRows:
    """Rows of any number of fields."""

    def __init__(
        self, rows: Sequence[Sequence[str]], groups: NDArray[np.intp], form: Groups | None
    ) -> None:
        self._rows = rows
        self._form = form
        self.groups = groups
        self._keyed: list[dict[str, str]] | None = None

    def texts(self, place: Place, wrong: dict[int, str]) -> Sequence[str]:
        """See `Rows`."""
        if place.key is not None:
            return self._texts_of_key(place.key, place.none, wrong)
        at, form = place.at, self._form
        assert at is not None
        if form is None or at < form.first:
            return [row[at] for row in self._rows]
        parts: Iterator[Sequence[str]] = (
            row[at : form.first + count * form.width : form.width]
            for row, count in zip(self._rows, self.groups.tolist(), strict=True)
        )
        return list(chain.from_iterable(parts))

    def _texts_of_key(self, key: str, none: str | None, wrong: dict[int, str]) -> Sequence[str]:
        if self._keyed is None:
            self._keyed = [self._keyed_of(row, number, wrong) for number, row in self._numbered()]
        texts = [row.get(key, none) for row in self._keyed]
        for number, text in enumerate(texts):
            if text is None:
                wrong.setdefault(number, f"no field {key}=")
        return ["" if text is None else text for text in texts]

    def _numbered(self) -> Iterator[tuple[int, Sequence[str]]]:
        return enumerate(self._rows)

    def _keyed_of(self, row: Sequence[str], number: int, wrong: dict[int, str]) -> dict[str, str]:
        """The fields that are written `key=value`."""
        cells = [cell.partition("=") for cell in row]
        pairs = [(key.strip(), value) for key, sign, value in cells if sign]
        keyed = dict(pairs)
        if len(keyed) < len(pairs):
            wrong[number] = "a key twice"
        return keyed


class RowCutter:
    """Cuts one kind of line into fields."""

    def __init__(self, line: Line, *, keys: bool) -> None:
        """`keys`: whether fields are known by their keys."""
        self._line = line
        separator, groups = line.separator, line.groups
        told = groups is not None and groups.count is not None
        equal = not keys and not told and len(line.widths) == 1
        #: The byte of a separator by which all lines can be cut at once.
        single = equal and len(separator) == 1 and separator.isascii()
        self._at_once = ord(separator) if single else None

    def cut(self, texts: Sequence[str], wrong: dict[int, str]) -> Rows:
        """The fields of (n,) texts; those with a wrong number of fields are noted, and left out."""
        separator, groups = self._line.separator, self._line.groups
        width = self._line.width
        if self._at_once is not None and texts:
            joined = _END.join(texts)
            count = 0
            if groups is not None:
                count = (texts[0].count(separator) + 1 - width) // groups.width
                width += count * groups.width
            if count >= 0 and self._are_equal(joined, len(texts), width):
                cells = joined.replace(_END, separator).split(separator)
                if groups is None:
                    return EqualRows(cells, width)
                return EqualGroups(cells, width, groups, count)
        rows = [text.split(self._line.separator) for text in texts]
        counts = [self._groups_in(row) for row in rows]
        if counts and min(counts) < 0:
            for number, (row, count) in enumerate(zip(rows, counts, strict=True)):
                if count < 0:
                    wrong[number] = self._why_not(row)
            rows = [row for row, count in zip(rows, counts, strict=True) if count >= 0]
            counts = [count for count in counts if count >= 0]
        return AnyRows(rows, np.array(counts, np.intp), self._line.groups)

    def _are_equal(self, joined: str, count: int, width: int) -> bool:
        """Whether each of so many lines has so many fields."""
        data = np.frombuffer(joined.encode(), np.uint8)
        is_end = data == ord(_END)
        places = is_end | (data == self._at_once)
        ends = is_end[places]
        if len(ends) != count * width - 1:
            return False
        last = np.zeros(count * width, np.bool_)
        last[width - 1 :: width] = True
        return bool((ends == last[:-1]).all())

    def _groups_in(self, row: Sequence[str]) -> int:
        """How many groups a row has, 1 where there are none; below 0 where it can't be."""
        groups, widths = self._line.groups, self._line.widths
        if groups is None:
            return 1 if len(row) in widths else -1
        beside = len(row) - self._line.width
        if groups.count is None:
            return beside // groups.width if beside >= 0 and beside % groups.width == 0 else -1
        if groups.count >= len(row):
            return -1
        text = row[groups.count].strip()
        # More digits than a line has fields would be none of them.
        count = int(text) if _is_count(text) and len(text) <= 4 else -1
        return count if len(row) - count * groups.width in widths else -1

    def _why_not(self, row: Sequence[str]) -> str:
        groups, widths = self._line.groups, self._line.widths
        at = groups.count if groups else None
        if at is not None and at < len(row) and not _is_count(row[at].strip()):
            return "how many groups they have is no number"
        wanted = f"{widths[0]}" if len(widths) == 1 else f"{widths[0]} to {widths[-1]}"
        more = f" and groups of {groups.width}" if groups else ""
        return f"a wrong number of fields (not {wanted}{more})"


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit()
