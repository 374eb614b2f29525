"""TOML with places: every mistake in a file is told with its line, key and what would be right."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from equipment.wording import problem_of

Path = tuple[str | int, ...]

_STRING_OR_COMMENT = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*",
    re.DOTALL,
)
_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-]+|\"[^\"]+\")\s*=")
_SYNTAX_LINE = re.compile(r" \(at line (\d+), column \d+\)| \(at end of document\)")


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing that is wrong in a configuration: where it is, what it is, what would be right.

    `line` counts from 1; it is 0 where the file as a whole is meant.
    """

    file: str
    line: int
    key: str
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        remedy = f" ({self.remedy})" if self.remedy else ""
        line = f":{self.line}" if self.line else ""
        return _printable(f"{self.file}{line}: {key}{self.problem}{remedy}")


def _printable(text: str) -> str:
    """`text` with its control characters, which a file may hold, as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class ConfigurationError(Exception):
    """A configuration can't be used; `mistakes` holds all that is wrong with it, not the first."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        """Sorts the mistakes by file and line."""
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("\n".join(map(str, self.mistakes)))


@dataclass(frozen=True, slots=True)
class TomlSource:
    """A parsed TOML file that knows on which line each key stands."""

    file: str
    data: dict[str, Any]
    lines: Mapping[Path, int] = field(repr=False)

    def line_of(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it; 1 where there is none."""
        for end in range(len(path), 0, -1):
            line = self.lines.get(path[:end])
            if line is not None:
                return line
        return 1

    def mistake(self, path: Path, problem: str, remedy: str = "") -> Mistake:
        """A mistake at `path`."""
        return Mistake(self.file, self.line_of(path), key_text(path), problem, remedy)


def key_text(path: Path) -> str:
    """A path as a user writes it: `device[2].host` (counted from 1, as a reader counts)."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text


def parse_toml(text: str, file: str) -> TomlSource:
    """Parses `text`; `file` is its name in messages.

    Raises:
        ConfigurationError: it is not TOML; the mistake has the line.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_LINE.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        problem = _SYNTAX_LINE.sub("", str(error))
        raise ConfigurationError([Mistake(file, line, "", f"not valid TOML: {problem}")]) from None
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number of 4,300 digits
        raise ConfigurationError([Mistake(file, 0, "", f"can't be read: {error}")]) from None
    return TomlSource(file, data, _lines_of(text))


def _lines_of(text: str) -> dict[Path, int]:
    """The line of every table header and every `key =` of a text that is known to be valid."""
    # Strings and comments are blanked (newlines kept), so that only structure is left to look at.
    bare = _STRING_OR_COMMENT.sub(_blanked, _keep_quoted_keys(text))
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    depth = 0
    for number, line in enumerate(bare.split("\n"), start=1):
        if depth == 0:
            header = _HEADER.match(line)
            if header:
                table = _table_path(header[2], array=header[1] == "[[", counts=counts)
                _note(lines, table, number)
                continue
            key = _KEY.match(line)
            if key:
                _note(lines, (*table, *_split(key[1])), number)
        depth += line.count("[") + line.count("{") - line.count("]") - line.count("}")
    return lines


def _blanked(found: re.Match[str]) -> str:
    return "" if found[0].startswith("#") else '"' + "\n" * found[0].count("\n") + '"'


def _note(lines: dict[Path, int], path: Path, number: int) -> None:
    """Notes the line of `path`, and of the tables around it that have no header so far."""
    for end in range(1, len(path) + 1):
        lines.setdefault(path[:end], number)


def _keep_quoted_keys(text: str) -> str:
    return re.sub(r'(?m)^([ \t]*)"([^"\n=]+)"([ \t]*=)', r"\1\2\3", text)


def _split(dotted: str) -> Path:
    return tuple(part.strip().strip('"') for part in dotted.split("."))


def _table_path(dotted: str, *, array: bool, counts: dict[Path, int]) -> Path:
    """The path of a header; inside an array of tables it is that of its newest element."""
    path: Path = ()
    parts = _split(dotted)
    for position, part in enumerate(parts):
        path = (*path, part)
        if array and position == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def mistakes_of(
    error: ValidationError,
    source: TomlSource,
    model: type[BaseModel],
    prefix: Path = (),
    besides: Iterable[str] = (),
) -> list[Mistake]:
    """A pydantic error as mistakes.

    `prefix` is where in the file the validated part begins; `besides` are keys that it may hold
    and that are not the model's.
    """
    return [_mistake_of(item, source, model, prefix, besides) for item in error.errors()]


def _mistake_of(
    item: ErrorDetails,
    source: TomlSource,
    model: type[BaseModel],
    prefix: Path,
    besides: Iterable[str],
) -> Mistake:
    # Pydantic marks a wrong key of a table by a part "[key]" after it.
    loc = tuple(part for part in item["loc"] if part != "[key]")
    path = (*prefix, *loc)
    if item["type"] == "extra_forbidden":
        known = [*known_keys(model, loc[:-1]), *(besides if len(loc) == 1 else ())]
        return source.mistake(path, "unknown key", suggest(str(loc[-1]), known))
    if item["type"] == "missing":
        return source.mistake(path, "is missing")
    return source.mistake(path, problem_of(item))


def known_keys(model: type[BaseModel], loc: Path) -> list[str]:
    """The keys that `model` takes at `loc`; empty where the place has no fixed keys."""
    for part in loc:
        if isinstance(part, int):
            continue
        info = model.model_fields.get(part) or next(
            (f for f in model.model_fields.values() if f.alias == part), None
        )
        inner = _model_in(info.annotation) if info else None
        if inner is None:
            return []
        model = inner
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found:
            return found
    return None


def suggest(given: str, known: Iterable[str]) -> str:
    """What would be right instead of `given`: the nearest of `known`, else all of them."""
    known = list(known)
    near = difflib.get_close_matches(given, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(known)}" if known else ""
