"""Browse paths as profiles write them: `prefix:Name/prefix:Name`."""

from __future__ import annotations


def split_path(path: str) -> tuple[tuple[str, str], ...]:
    """`a:X/b:Y` as (("a", "X"), ("b", "Y")); an empty prefix where none is written."""
    steps = []
    for step in path.split("/"):
        prefix, colon, name = step.partition(":")
        steps.append((prefix, name) if colon else ("", step))
    return tuple(steps)


def check_path(path: str) -> str:
    """`path` as it is. Raises ValueError where a step has no browse name."""
    if not all(name for _, name in split_path(path)):
        msg = f"path {path!r} has a step without a browse name (write prefix:Name/prefix:Name)"
        raise ValueError(msg)
    return path
