"""`people.csv`: who carries which card, who leads, and where someone may and has to be.

Columns `card,name,job,team`, and any of `OPTIONAL`, in any order.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from equipment.toml_source import ConfigurationError, Mistake, suggest
from gateway.config.files import read_text
from gateway.config.section import has_unprintable

PEOPLE_FILE: Final = "people.csv"
COLUMNS: Final = ("card", "name", "job", "team")
KIND: Final = "kind"
#: May be left out.
OPTIONAL: Final = (KIND, "pinyin", "leader", "special", "zones", "route")

#: A gateway serves 8,000 cards; this is far beyond and still fits the table of cards.
PEOPLE_MAX: Final = 100_000
#: Longer than any name; beyond it, two lines have run into one.
TEXT_MAX: Final = 64
#: A spreadsheet keeps so many digits of a number and makes the others 0.
_SPREADSHEET_DIGITS: Final = 15

_CARD: Final = re.compile(r"[0-9]{9,18}")
_DAMAGED: Final = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+?[0-9]+")
_ENTER_ANEW: Final = "format the column as text, then enter the numbers anew"
_YES: Final = ("yes", "是")
_NO: Final = ("", "no", "否")
#: What people write between ids instead of a space.
_SEPARATOR: Final = re.compile("[,;|/，；、]")


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
    pinyin: str = ""
    #: Leads shifts underground (带班领导).
    leader: bool = False
    #: Does work for which the mine plans a route (特种作业).
    special: bool = False
    #: Ids of the controlled zones that they may enter.
    zones: frozenset[str] = frozenset()
    #: Id of the planned route; empty where there is none.
    route: str = ""


@dataclass(slots=True)
class Roster:
    """The people that could be read, in the order of the file, and what was wrong.

    `lines` is where each of `people` stands.
    """

    people: list[Person] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)


def read_roster(folder: Path) -> Roster:
    """The people of a mine's folder, with everything that is wrong with them."""
    try:
        text = read_text(folder, PEOPLE_FILE)
    except ConfigurationError as error:
        return Roster(mistakes=list(error.mistakes))
    return parse_roster(text)


def parse_people(text: str, file: str = PEOPLE_FILE) -> tuple[Person, ...]:
    """The people of a `people.csv`, in its order; empty lines are passed over.

    Raises:
        ConfigurationError: it has mistakes, all of which are told.
    """
    roster = parse_roster(text, file)
    if roster.mistakes:
        raise ConfigurationError(roster.mistakes)
    return tuple(roster.people)


def parse_roster(text: str, file: str = PEOPLE_FILE) -> Roster:
    """The people of a `people.csv` and its mistakes; empty lines are passed over."""
    roster = Roster()
    first: dict[str, int] = {}
    try:
        rows = _rows(text, file)
        _, header = next(rows, (1, []))
        roster.mistakes += _header_mistakes(header, file)
        if roster.mistakes:
            return roster
        for line, row in rows:
            wrong = _row_mistakes(header, row, line, first, file)
            roster.mistakes += wrong
            if not wrong:
                roster.people.append(_person(dict(zip(header, row, strict=True))))
                roster.lines.append(line)
    except ConfigurationError as error:
        roster.mistakes += error.mistakes
    if len(roster.people) > PEOPLE_MAX:
        problem = (
            f"{len(roster.people)} people are more than the {PEOPLE_MAX} that one gateway takes"
        )
        roster.mistakes.append(Mistake(file, 0, "", problem))
    return roster


def _person(fields: dict[str, str]) -> Person:
    return Person(
        card=fields["card"],
        name=fields["name"],
        job=fields["job"],
        team=fields["team"],
        kind=CardKind(fields.get(KIND) or CardKind.PERSON),
        pinyin=fields.get("pinyin", ""),
        leader=fields.get("leader") in _YES,
        special=fields.get("special") in _YES,
        zones=frozenset(fields.get("zones", "").split()),
        route=fields.get("route", ""),
    )


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
        if column not in (*COLUMNS, *OPTIONAL):
            remedy = suggest(column, (*COLUMNS, *OPTIONAL))
            yield Mistake(file, 1, column, "unknown column", remedy)
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
    fields = dict(zip(header, row, strict=True))
    problems = {column: _problem(column, given, first) for column, given in fields.items()}
    first.setdefault(fields["card"], line)
    found = [
        Mistake(file, line, column, problem, remedy)
        for column, (problem, remedy) in problems.items()
        if problem
    ]
    if not found:
        found = [Mistake(file, line, *parts) for parts in _contradictions(_person(fields))]
    return found


def _problem(column: str, given: str, first: dict[str, int]) -> tuple[str, str]:
    """What is wrong with a field, and what would be right; empty if nothing is."""
    if column == "card":
        return _card_problem(given, first)
    if column == KIND:
        return _kind_problem(given)
    if column in ("leader", "special"):
        return _yes_or_no_problem(given)
    if column == "zones":
        return _zones_problem(given)
    return _text_problem(column, given), ""


def _contradictions(person: Person) -> Iterator[tuple[str, str, str]]:
    """Column, problem and remedy of what can't be together in one row."""
    if person.kind is not CardKind.PERSON:
        for column, is_set in (("leader", person.leader), ("special", person.special)):
            if is_set:
                problem = f"must be no for a {person.kind.value}: only a person can be this"
                yield column, problem, f"write no, or person under {KIND}"
    if person.route and not person.special:
        problem = "routes are planned for special workers, and this is none"
        yield "route", problem, "write yes under special, or leave the route empty"


def _card_problem(card: str, first: dict[str, int]) -> tuple[str, str]:
    """What is wrong with a card's number, and what would be right; empty if nothing is."""
    if _DAMAGED.fullmatch(card):
        return f"a spreadsheet has cut off digits: {card!r}", _ENTER_ANEW
    if card != card.strip():
        return f"has spaces around it: {card!r}", "delete them"
    if not _CARD.fullmatch(card):
        return f"must be 9 to 18 digits, not {_shown(card)}", ""
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
    problem = f"must be one of {', '.join(known)}, or empty for a person, not {_shown(kind)}"
    return problem, suggest(kind, known)


def _yes_or_no_problem(given: str) -> tuple[str, str]:
    if given in (*_YES, *_NO):
        return "", ""
    return f"must be yes or no (是 or 否), not {_shown(given)}", "empty is no"


def _zones_problem(given: str) -> tuple[str, str]:
    separator = _SEPARATOR.search(given)
    if separator:
        return f"ids of zones are separated by {separator[0]!r}", "write spaces between them"
    longest = max(map(len, given.split()), default=0)
    if longest > TEXT_MAX:
        return f"has an id of {longest} characters; at most {TEXT_MAX} are taken", ""
    return "", ""


def _shown(given: str) -> str:
    return repr(given) if len(given) <= TEXT_MAX else f"{len(given)} characters"


def _text_problem(column: str, text: str) -> str:
    if column == "name" and not text.strip():
        return "is missing"
    if len(text) > TEXT_MAX:
        return f"has {len(text)} characters; at most {TEXT_MAX} are taken"
    if has_unprintable(text):
        return f"has characters that can't be shown: {text!r}"
    return ""
