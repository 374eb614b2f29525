"""A sink for drivers that are measured."""

from __future__ import annotations

from collections.abc import Sequence

from equipment.report import NoticeKind, RecordBatch, Sample


class Counting:
    """A sink that counts values."""

    def __init__(self) -> None:
        self.values = 0

    def count(self) -> int:
        """How many have come."""
        return self.values

    def alive(self, reason: str) -> None:
        """The session goes on."""

    def gone(self, reason: str) -> None:
        """The device is down."""

    def heard(self) -> None:
        """Nothing to count."""

    def samples(self, samples: Sequence[Sample], *, live: bool = True) -> None:
        """Counts."""
        self.values += len(samples)

    def records(self, batch: RecordBatch) -> None:
        """There are none."""

    def answered(self, took_s: float, device_t_ns: int | None = None) -> None:
        """Nothing to count."""

    def clock(self, device_t_ns: int) -> None:
        """Nothing to count."""

    def notice(self, kind: NoticeKind, count: int, text: str) -> None:
        """There is none. Raises ValueError."""
        msg = f"{kind.name}: {count}, {text}"
        raise ValueError(msg)
