"""A TOML file that is a list of things with ids, and that a mine may do without."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from equipment.strict import Strict
from equipment.toml_source import ConfigurationError, Mistake, TomlSource, mistakes_of, parse_toml
from gateway.config.files import read_text

T = TypeVar("T", bound=Strict)


@dataclass(slots=True)
class Listed(Generic[T]):
    """What could be read of a list, and what was wrong.

    `ids` are those of all things, also of those with mistakes; None where they can't be known.
    """

    items: dict[int, T] = field(default_factory=dict)  # by the position in the file
    mistakes: list[Mistake] = field(default_factory=list)
    ids: frozenset[str] | None = frozenset()
    source: TomlSource | None = None


def read_listed(
    folder: Path, file: str, name: str, item: type[T], whole: type[Strict]
) -> Listed[T]:
    """The `[[name]]` of a mine's `file`, each an `item`; `whole` is the model of the file."""
    found = Listed[T]()
    try:
        if (folder / file).exists():
            found.source = parse_toml(read_text(folder, file), file)
    except ConfigurationError as error:
        found.mistakes += error.mistakes
        found.ids = None
    except OSError as error:
        found.mistakes.append(Mistake(file, 0, "", f"can't be read: {error.strerror}"))
        found.ids = None
    if found.source is not None:
        _read(found, found.source, name, item, whole)
    return found


def _read(
    found: Listed[T], source: TomlSource, name: str, item: type[T], whole: type[Strict]
) -> None:
    try:
        whole.model_validate(source.data)
    except ValidationError as error:
        found.mistakes += mistakes_of(error, source, whole)
    listed: Any = source.data.get(name, ())
    first: dict[str, int] = {}
    for position, given in enumerate(listed if isinstance(listed, list) else ()):
        its_id = given.get("id") if isinstance(given, dict) else None
        if not isinstance(its_id, str):
            continue  # told above
        path = (name, position, "id")
        if its_id in first:
            problem = f"{its_id!r} is already the id of the {name} at line {first[its_id]}"
            found.mistakes.append(source.mistake(path, problem, "give it another"))
        first.setdefault(its_id, source.line_of(path))
        try:
            found.items[position] = item.model_validate(given)
        except ValidationError:
            continue  # told above
    found.ids = frozenset(first)
