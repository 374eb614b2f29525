"""What the tables of `mine.toml` have in common."""

from __future__ import annotations

from pydantic import ConfigDict

from equipment.strict import Plain, Strict, has_unprintable

__all__ = ["Plain", "Section", "has_unprintable"]


class Section(Strict):
    """A table of `mine.toml`."""

    model_config = ConfigDict(strict=True)
