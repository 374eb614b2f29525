"""Stored things by sequence, and gaps for those that can't be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gap:
    """What has the numbers `first_sequence` to `last_sequence` (inclusive) can't be had."""

    first_sequence: int
    last_sequence: int
    reason: str


DAMAGED: Final = "damaged on the disk"
MISSING: Final = "missing on the disk"


def told(
    rows: Mapping[int, Any], first: int, last: int, decode: Callable[[Any], T | None]
) -> Iterator[T | Gap]:
    """What `rows` hold, from `first` to `last`: every number is in exactly one thing or gap.

    `decode` gives None for a row that is damaged.
    """
    gap: Gap | None = None
    for sequence in range(first, last + 1):
        row = rows.get(sequence)
        thing = None if row is None else decode(row)
        if thing is not None:
            if gap:
                yield gap
                gap = None
            yield thing
            continue
        reason = MISSING if row is None else DAMAGED
        if gap and gap.reason == reason:
            gap = Gap(gap.first_sequence, sequence, reason)
            continue
        if gap:
            yield gap
        gap = Gap(sequence, sequence, reason)
    if gap:
        yield gap
