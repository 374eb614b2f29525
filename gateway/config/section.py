"""What the tables of `mine.toml` have in common."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, ConfigDict

from equipment.profile import Strict


def has_unprintable(text: str) -> bool:
    """Whether `text` holds control characters or halves of characters."""
    return any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text)


def _plain(text: str) -> str:
    if not text.strip() or has_unprintable(text):
        msg = "must be text without control characters, and not empty"
        raise ValueError(msg)
    return text


Plain = Annotated[str, AfterValidator(_plain)]


class Section(Strict):
    """A table of `mine.toml`."""

    model_config = ConfigDict(strict=True)
