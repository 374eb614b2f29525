"""How long to wait before trying again. Pure: who uses it does the waiting."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

#: Waits are doubled from the first to the most; half of each is at random, which spreads clients.
WAIT_FIRST_S: Final = 0.1
WAIT_MOST_S: Final = 2.0

#: A gateway without news says every 5 s that it is alive: silence for so long is a dead link.
SILENCE_MOST_S: Final = 15.0


class Backoff:
    """Waits between attempts, longer each time."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers from 0 to 1."""
        self._chance = chance
        self._next_s = WAIT_FIRST_S

    def wait_s(self) -> float:
        """How long to wait now."""
        wait_s = self._next_s * (1 + self._chance()) / 2
        self._next_s = min(2 * self._next_s, WAIT_MOST_S)
        return wait_s

    def heard(self) -> None:
        """The gateway has answered: the next wait is a short one again."""
        self._next_s = WAIT_FIRST_S
