"""JSON with places: on which line of a file each value stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Where a value stands: names of members and numbers of elements (from 0), from the root.
Path = tuple[str | int, ...]

# Integers longer than this can't be a coordinate; as floats they become infinite and are refused
# where they stand, while Python's int would end the whole parse.
_LONGEST_INTEGER = 18

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:\n]|[^\s{}\[\],:"]+')


class JsonError(Exception):
    """The text is not JSON: at which line, and why."""

    def __init__(self, line: int, problem: str) -> None:
        """`line` counts from 1."""
        self.line = line
        self.problem = problem
        super().__init__(f"line {line}: {problem}")


@dataclass(frozen=True, slots=True)
class JsonSource:
    """Parsed JSON that knows where each value begins; `twice` are keys that stand twice."""

    data: Any
    twice: tuple[tuple[Path, int], ...]
    lines: Mapping[Path, int] = field(repr=False)

    def line_of(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it; 1 where there is none."""
        for end in range(len(path), 0, -1):
            line = self.lines.get(path[:end])
            if line is not None:
                return line
        return 1


def path_text(path: Path) -> str:
    """A path as a reader counts, from 1: `features[2].properties.id`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            # A key may hold what can't be printed, as halves of characters.
            name = part if part.isprintable() else repr(part)[1:-1]
            text += f".{name}" if text else name
    return text


def parse_json(text: str) -> JsonSource:
    """Parses `text`.

    Raises:
        JsonError: it is not JSON, or is nested too deeply.
    """
    try:
        data = json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        problem = f"not valid JSON at column {error.colno}: {error.msg}"
        raise JsonError(error.lineno, problem) from None
    except RecursionError:
        raise JsonError(1, "is nested too deeply") from None
    lines, twice = _scan(text)
    return JsonSource(data, twice, lines)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _scan(text: str) -> tuple[dict[Path, int], tuple[tuple[Path, int], ...]]:
    """The line of every value of a text that is known to be valid, and the keys that recur."""
    lines: dict[Path, int] = {}
    twice: list[tuple[Path, int]] = []
    number = 1
    path: list[str | int] = []  # one part for each object or array that is open
    expects_key = False
    for match in _TOKEN.finditer(text):
        part = match[0]
        if part == "\n":
            number += 1
        elif part in "]}":
            path.pop()
            expects_key = False
        elif part == ",":
            last = path[-1]
            expects_key = isinstance(last, str)
            if isinstance(last, int):
                path[-1] = last + 1
        elif part == ":":
            expects_key = False
        elif expects_key:
            path[-1] = json.loads(part)
            if tuple(path) in lines:
                twice.append((tuple(path), number))
            lines[tuple(path)] = number
        else:
            lines.setdefault(tuple(path), number)
            if part in "{[":
                path.append("" if part == "{" else 0)
                expects_key = part == "{"
    return lines, tuple(twice)
