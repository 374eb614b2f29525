"""Who asks next on a shared line. Pure.

In the order of their coming, but for one rule: after a try of a unit that may not answer, all who
waited then and whose units do answer go first. So such a try delays each of them once at most, and
no crowd of dead units makes a queue of timeouts; and as those go first only once, such a unit waits
for one round.
"""

from __future__ import annotations

from collections.abc import Callable


class Turns:
    """Those who wait, by ticket, and whose turn it is."""

    def __init__(self, is_doubtful: Callable[[int], bool]) -> None:
        """`is_doubtful`: whether a unit, as far as is known now, may not answer."""
        self._is_doubtful = is_doubtful
        self._waiting: dict[int, int] = {}  # unit by ticket; tickets rise
        self._tickets = 0
        self._first_until = 0
        self._turn: tuple[int, bool] | None = None

    def join(self, unit: int) -> int:
        """Someone wants to ask `unit`. Returns their ticket."""
        self._tickets += 1
        self._waiting[self._tickets] = unit
        return self._tickets

    def next(self) -> int | None:
        """Gives the turn to who is next, and returns the ticket; None while someone has it."""
        if self._turn is not None or not self._waiting:
            return None
        trusted = (
            ticket
            for ticket, unit in self._waiting.items()
            if ticket < self._first_until and not self._is_doubtful(unit)
        )
        ticket = next(trusted, next(iter(self._waiting)))
        self._turn = ticket, self._is_doubtful(self._waiting.pop(ticket))
        return ticket

    def leave(self, ticket: int) -> None:
        """Whoever has this ticket waits no more, or has had their turn."""
        self._waiting.pop(ticket, None)
        if self._turn is not None and self._turn[0] == ticket:
            if self._turn[1]:
                self._first_until = self._tickets + 1
            self._turn = None
