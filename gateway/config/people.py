"""`people.csv`: who carries which card.

Columns `card,name,job,team`, and `kind` if there is one, in any order.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from equipment.toml_source import ConfigurationError, Mistake, suggest
from gateway.config.schema import has_unprintable

PEOPLE_FILE: Final = "people.csv"
COLUMNS: Final = ("card", "name", "job", "team")
#: May be left out.
KIND: Final = "kind"

#: A gateway serves 8,000 cards; this is far beyond and still fits the table of cards.
PEOPLE_MAX: Final = 100_000
#: Longer than any name; beyond it, two lines have run into one.
TEXT_MAX: Final = 64
#: A spreadsheet keeps so many digits of a number and makes the others 0.
_SPREADSHEET_DIGITS: Final = 15

_CARD: Final = re.compile(r"[0-9]{9,18}")
_DAMAGED: Final = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+?[0-9]+")
_ENTER_ANEW: Final = "format the column as text, then enter the numbers anew"


class CardKind(StrEnum):
    """What carries a card."""

    PERSON = "person"
    VEHICLE = "vehicle"
    ROBOT = "robot"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone, or something, on the roster; `card` is text of 9 to 18 digits."""

    card: str
    name: str
    job: str
    team: str
    kind: CardKind = CardKind.PERSON


def parse_people(text: str, file: str = PEOPLE_FILE) -> tuple[Person, ...]:
    """The people of a `people.csv`, in its order; empty lines are passed over.

    Raises:
        ConfigurationError: it has mistakes, all of which are told.
    """
    people: list[Person] = []
    first: dict[str, int] = {}
    rows = _rows(text, file)
    _, header = next(rows, (1, []))
    mistakes = list(_header_mistakes(header, file))
    if mistakes:
        raise ConfigurationError(mistakes)
    try:
        for line, row in rows:
            wrong = _row_mistakes(header, row, line, first, file)
            mistakes += wrong
            if not wrong:
                people.append(_person(dict(zip(header, row, strict=True))))
    except ConfigurationError as error:
        mistakes += error.mistakes
    if len(people) > PEOPLE_MAX:
        problem = f"{len(people)} people are more than the {PEOPLE_MAX} that one gateway takes"
        mistakes.append(Mistake(file, 0, "", problem))
    if mistakes:
        raise ConfigurationError(mistakes)
    return tuple(people)


def _person(fields: dict[str, str]) -> Person:
    kind = fields.pop(KIND, "") or CardKind.PERSON
    return Person(**fields, kind=CardKind(kind))


def _rows(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, fields) of each row that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        remedy = "is a quote left open?"
        raise ConfigurationError(
            [Mistake(file, line, "", f"not valid CSV: {error}", remedy)]
        ) from None


def _header_mistakes(header: list[str], file: str) -> Iterator[Mistake]:
    if not header:
        yield Mistake(file, 1, "", "is empty", f"begin it with the line {','.join(COLUMNS)}")
        return
    separator = re.search("[;\t|，；]", header[0])
    if len(header) == 1 and separator:
        problem = f"columns are separated by {separator[0]!r}"
        yield Mistake(file, 1, "", problem, "save it with commas between columns")
        return
    for number, column in enumerate(header):
        if column not in (*COLUMNS, KIND):
            yield Mistake(file, 1, column, "unknown column", suggest(column, (*COLUMNS, KIND)))
        elif column in header[:number]:
            yield Mistake(file, 1, column, "the column stands twice", "delete one of the two")
    for column in COLUMNS:
        if column not in header:
            remedy = f"the first line must name {', '.join(COLUMNS)}"
            yield Mistake(file, 1, column, "the column is missing", remedy)


def _row_mistakes(
    header: list[str], row: list[str], line: int, first: dict[str, int], file: str
) -> list[Mistake]:
    """What is wrong with a row; `first` is the line of each card so far, and grows."""
    if len(row) != len(header):
        problem = f"has {len(row)} fields, the first line has {len(header)}"
        return [Mistake(file, line, "", problem, "a comma within a field needs quotes around it")]
    found = []
    for column, field in zip(header, row, strict=True):
        if column == "card":
            problem, remedy = _card_problem(field, first)
            first.setdefault(field, line)
        elif column == KIND:
            problem, remedy = _kind_problem(field)
        else:
            problem, remedy = _text_problem(column, field), ""
        if problem:
            found.append(Mistake(file, line, column, problem, remedy))
    return found


def _card_problem(card: str, first: dict[str, int]) -> tuple[str, str]:
    """What is wrong with a card's number, and what would be right; empty if nothing is."""
    if _DAMAGED.fullmatch(card):
        return f"a spreadsheet has cut off digits: {card!r}", _ENTER_ANEW
    if card != card.strip():
        return f"has spaces around it: {card!r}", "delete them"
    if not _CARD.fullmatch(card):
        shown = repr(card) if len(card) <= TEXT_MAX else f"{len(card)} characters"
        return f"must be 9 to 18 digits, not {shown}", ""
    if card in first:
        lost = len(card) > _SPREADSHEET_DIGITS and card.endswith("0")
        remedy = f"a spreadsheet keeps {_SPREADSHEET_DIGITS} digits: {_ENTER_ANEW}" if lost else ""
        return f"{card!r} is already the card of the person at line {first[card]}", remedy
    return "", ""


def _kind_problem(kind: str) -> tuple[str, str]:
    """What is wrong with a kind, and what would be right; empty if nothing is."""
    if kind in ("", *CardKind):
        return "", ""
    known = [one.value for one in CardKind]
    shown = repr(kind) if len(kind) <= TEXT_MAX else f"{len(kind)} characters"
    problem = f"must be one of {', '.join(known)}, or empty for a person, not {shown}"
    return problem, suggest(kind, known)


def _text_problem(column: str, text: str) -> str:
    if column == "name" and not text.strip():
        return "is missing"
    if len(text) > TEXT_MAX:
        return f"has {len(text)} characters; at most {TEXT_MAX} are taken"
    if has_unprintable(text):
        return f"has characters that can't be shown: {text!r}"
    return ""
