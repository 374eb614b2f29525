"""Stored things by sequence, and gaps for those that can't be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
#: Too many waited while the journal could not be written.
UNSTORED: Final = "dropped: the disk did not take events for too long"
#: By `[journal] events_days` or `events_gb`.
NOT_KEPT: Final = "no longer kept: older than the configuration has events kept"


def told(
    rows: Mapping[int, Any],
    first: int,
    last: int,
    decode: Callable[[Any], T | None],
    known: Sequence[Gap] = (),
) -> Iterator[T | Gap]:
    """What `rows` hold, from `first` to `last`: every number is in exactly one thing or gap.

    `decode` gives None for a row that is damaged; `known` says of some numbers why they have none.
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
        reason = _why_missing(sequence, known) if row is None else DAMAGED
        if gap and gap.reason == reason:
            gap = Gap(gap.first_sequence, sequence, reason)
            continue
        if gap:
            yield gap
        gap = Gap(sequence, sequence, reason)
    if gap:
        yield gap


def _why_missing(sequence: int, known: Sequence[Gap]) -> str:
    for gap in known:
        if gap.first_sequence <= sequence <= gap.last_sequence:
            return gap.reason
    return MISSING
