"""Losses and refusals of data, told now and then rather than one by one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: Losses for one reason are told at most this often, so that a lasting one is no storm of events.
LOSSES_S: Final = 5.0

#: Reasons that may wait to be told; of more of them only the count is kept. A device that gives
#: other nonsense each time must not fill the memory.
REASONS_MOST: Final = 32

OTHERS: Final = "other reasons"


@dataclass(frozen=True, slots=True)
class Loss:
    """`count` records or values are lost or refused, and why; 0 where the count can't be known."""

    count: int
    reason: str


class Losses:
    """Losses that are not yet told, by reason."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._told_s = -float("inf")

    def add(self, losses: Iterable[Loss]) -> None:
        """Notes losses; those for one reason are summed."""
        for loss in losses:
            full = len(self._counts) >= REASONS_MOST and loss.reason not in self._counts
            reason = OTHERS if full else loss.reason
            self._counts[reason] = self._counts.get(reason, 0) + loss.count

    def due(self, now_s: float) -> list[Loss]:
        """What is to be told now; it is then forgotten."""
        if not self._counts or now_s - self._told_s < LOSSES_S:
            return []
        self._told_s = now_s
        losses = [Loss(count, reason) for reason, count in self._counts.items()]
        self._counts.clear()
        return losses
