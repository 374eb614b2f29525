"""Numbers of lines: which are missing, which came before, and when they begin anew. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocols.losses import Loss

#: Lines on a network overtake one another by no more than so many …
NEAR: Final = 32

#: … and by no more than so long: what is missing after it is lost.
LATE_S: Final = 1.0

MISSING: Final = "their numbers are missing"
ANEW: Final = "its numbers begin anew, it was restarted; how many it sent meanwhile is not known"


class Sequence:
    """Follows the numbers of one kind of line, over all connections.

    A number far from those before is taken, but followed only once the next is near to it: a
    single wrong one costs nothing. Lines that come when they were already said to be lost stay it.
    """

    def __init__(self, modulo: int | None = None, *, newest_only: bool = False) -> None:
        """`modulo`: after how many numbers they begin with 0 again.

        `newest_only`: a line that was overtaken is of no use, as what it says is no longer so.
        """
        self._newest_only = newest_only
        self._modulo = modulo
        self._near = NEAR if modulo is None else min(NEAR, modulo // 4)
        self._next: int | None = None
        #: A number far from the others, and how far it was ahead of them.
        self._far: tuple[int, int] | None = None
        #: Numbers that may yet come, and until when.
        self._missing: dict[int, float] = {}
        self._lost = 0
        self._anew = False

    def accept(self, numbers: NDArray[np.int64], now_s: float) -> NDArray[np.bool_]:
        """Which of the lines with these (n,) numbers are new: (n,). They come in this order."""
        if self._modulo is not None:
            numbers = numbers % self._modulo
        if len(numbers) and self._far is None and self._goes_on(numbers):
            self._next = self._after(int(numbers[-1]))
            return np.ones(len(numbers), np.bool_)
        return np.array([self._take(number, now_s) for number in numbers.tolist()], np.bool_)

    def losses(self, now_s: float) -> list[Loss]:
        """What is now known to be lost, each once."""
        due = [number for number, until_s in self._missing.items() if until_s <= now_s]
        for number in due:
            del self._missing[number]
        lost, anew = self._lost + len(due), self._anew
        self._lost, self._anew = 0, False
        return [Loss(lost, MISSING)] * bool(lost) + [Loss(0, ANEW)] * anew

    def _goes_on(self, numbers: NDArray[np.int64]) -> bool:
        whole = not self._missing and self._next == numbers[0]
        return whole and bool((numbers[1:] - numbers[:-1] == 1).all())

    def _take(self, number: int, now_s: float) -> bool:
        if self._next is None:
            self._next = self._after(number)
            return True
        if self._far is not None and 0 <= self._ahead(number, self._far[0]) <= self._near:
            far, ahead = self._far
            if number == far:
                return False
            self._move(far, ahead)
        ahead = self._ahead(number, self._next)
        if 0 <= ahead <= self._near:
            self._far = None
            for missing in range(ahead):
                self._missing[self._plus(self._next, missing)] = now_s + LATE_S
            self._next = self._after(number)
            # With few numbers it may be the one of the round before that is still waited for.
            self._lost += self._missing.pop(number, None) is not None
            return True
        if -self._near <= ahead < 0:
            was_missing = self._missing.pop(number, None) is not None
            return was_missing and not self._newest_only
        self._far = number, ahead
        return True

    def _move(self, far: int, ahead: int) -> None:
        """Goes on after `far`, which was ahead of or behind what was waited for."""
        self._lost += len(self._missing) + max(0, ahead)
        self._anew = self._anew or ahead < 0
        self._missing.clear()
        self._next, self._far = self._after(far), None

    def _ahead(self, number: int, of: int) -> int:
        """How far a number is ahead of another, below 0 where it is behind."""
        if self._modulo is None:
            return number - of
        ahead = (number - of) % self._modulo
        return ahead if ahead < self._modulo // 2 else ahead - self._modulo

    def _after(self, number: int) -> int:
        return self._plus(number, 1)

    def _plus(self, number: int, count: int) -> int:
        return number + count if self._modulo is None else (number + count) % self._modulo
