"""Sparkplug's sequence numbers: 0 to 255, one further with each message of an edge node. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Numbers go from 0 to 255 and begin anew (Sparkplug 3.0, 6.4.4).
NUMBERS: Final = 256


@dataclass(frozen=True, slots=True)
class Step:
    """What a number says: so many messages are missing before it, or it is a late one."""

    missing: int = 0
    late: bool = False


class Sequence:
    """Follows the numbers of one edge node."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._late: int | None = None

    def begin(self, number: int | None) -> None:
        """The node's birth has this number; None: from the next message on."""
        self._next = None if number is None else (number + 1) % NUMBERS
        self._late = None

    def step(self, number: int) -> Step:
        """The number of the next message."""
        if self._next is None:
            self.begin(number)
            return Step()
        ahead = (number - self._next) % NUMBERS
        if ahead < NUMBERS // 2:
            self.begin(number)
            return Step(missing=ahead)
        if self._late is not None and number == (self._late + 1) % NUMBERS:
            # Two in a row are no stragglers: the node counts anew, and its birth was missed.
            self.begin(number)
            return Step(missing=1)
        self._late = number
        return Step(late=True)
