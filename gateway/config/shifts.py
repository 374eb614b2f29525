"""Whether the shifts of `mine.toml` can stand beside one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from equipment.toml_source import Mistake, TomlSource
from gateway.config.schema import Shift


def shift_mistakes(shifts: Sequence[Shift], source: TomlSource) -> Iterator[Mistake]:
    """Shifts of one name, and those that overlap: nobody could say which of them it is."""
    for (first, one), (second, other) in combinations(enumerate(shifts), 2):
        line = source.line_of(("shift", first, "name"))
        if one.name == other.name:
            problem = f"{one.name!r} is already the name of the shift at line {line}"
            yield source.mistake(("shift", second, "name"), problem, "give it another")
        if one.overlaps(other):
            problem = f"{other} overlaps with the shift {one.name!r} at line {line}, {one}"
            remedy = "let one begin when the other ends"
            yield source.mistake(("shift", second, "from"), problem, remedy)
