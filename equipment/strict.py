"""What all parts of a configuration have in common."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]


class Strict(BaseModel):
    """A part of a configuration: unknown keys are refused, values are never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def has_unprintable(text: str) -> bool:
    """Whether `text` holds control characters or halves of characters."""
    return any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text)


def _plain(text: str) -> str:
    if not text.strip() or has_unprintable(text):
        msg = "must be text without control characters, and not empty"
        raise ValueError(msg)
    return text


Plain = Annotated[str, AfterValidator(_plain)]


class Words(Strict):
    """A text in both languages."""

    en: Plain
    zh: Plain
