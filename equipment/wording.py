"""What pydantic finds wrong, in words for someone who writes a configuration."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

#: What must be, by pydantic's type of error; filled in with the error's own figures.
_MUST: Final[Mapping[str, str]] = {
    "string_type": 'must be text in quotes ("…")',
    "string_pattern_mismatch": "must have the form {pattern}",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "tuple_type": "must be an array [ … ]",
    "list_type": "must be an array [ … ]",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "too_short": "must have at least {min_length} element(s), not {actual_length}",
    "too_long": "must have at most {max_length} elements, not {actual_length}",
}

#: The type of the error that a key is of no use beside another one, for models that say so.
NO_USE: Final = "no_use"

#: A longer value is cut where it is shown.
_SHOWN_MOST: Final = 60

#: Keys whose values are never shown.
_SECRET: Final = ("password", "secret", "token", "key")


def problem_of(error: ErrorDetails) -> str:
    """What is wrong, in one sentence: what must be, and what stands there."""
    figures = {name: _figure(value) for name, value in error.get("ctx", {}).items()}
    template = _MUST.get(error["type"])
    text = template.format_map(figures) if template else error["msg"]
    text = text.removeprefix("Value error, ")
    given = error["input"]
    hidden = any(word in str(error["loc"][-1:]).lower() for word in _SECRET)
    hidden = hidden or error["type"] == NO_USE  # any value would be wrong there
    shown = "" if hidden or isinstance(given, dict | list | tuple) else f", not {_cut(given)}"
    return f"{text[:1].lower()}{text[1:]}{shown}"


def _figure(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return format(value, ".15g") if number else str(value)


def _cut(given: Any) -> str:
    cut = reprlib.Repr()
    cut.maxstring = cut.maxother = _SHOWN_MOST
    return cut.repr(given)
