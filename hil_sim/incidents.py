"""What goes wrong now and then: people press the button of their card, batteries run low. Seeded.

A reader's records carry both as flags of the card: bit 0 distress, bit 1 battery low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Bits of a record's flags.
DISTRESS: Final = 1
LOW_BATTERY: Final = 2

#: How long the button stays pressed, seconds, until it is released again.
PRESSED_S: Final = (20.0, 60.0)

#: The first of a kind comes after this share of the mean time between two, so that a short demo
#: has one too; the others after one between these shares.
FIRST: Final = 0.2
GAP: Final = (0.5, 1.5)

#: Never, as a time.
NEVER_S: Final = float("inf")

Flags = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Incidents:
    """Mean seconds between two of a kind; None: there are none.

    `distress_s`: calls for help. `battery_s`: batteries that run low. `gas_s`: outbreaks of gas at
    each gas station.
    """

    distress_s: float | None = None
    battery_s: float | None = None
    gas_s: float | None = None


#: A mine in which nothing goes wrong.
QUIET: Final = Incidents()


class CardFlags:
    """The flags of all cards, (n,) uint16, in the order of the people."""

    def __init__(self, cards: int, incidents: Incidents, seed: Sequence[int]) -> None:
        """Nobody calls, and all batteries are full."""
        self.flags: Flags = np.zeros(cards, np.uint16)
        self._rng = np.random.default_rng(seed)
        self._incidents = incidents
        self._release_s = np.full(cards, NEVER_S)
        self._next_call_s = _first(incidents.distress_s)
        self._next_low_s = _first(incidents.battery_s)

    def advance(self, t_s: float, below: NDArray[np.bool_], people: NDArray[np.bool_]) -> None:
        """Goes on to the time `t_s`.

        `below`: (n,) who is in the mine; a card that is taken out of it is charged. `people`: (n,)
        cards that a person carries, which alone have a button.
        """
        released = (self._release_s <= t_s) | ~below
        self.flags[released] &= ~np.uint16(DISTRESS)
        self._release_s[released] = NEVER_S
        self.flags[~below] &= ~np.uint16(LOW_BATTERY)
        if t_s >= self._next_call_s:
            self._next_call_s = t_s + self._gap_s(self._incidents.distress_s)
            card = self._one(below & people & (self.flags & DISTRESS == 0))
            if card is not None:
                self.flags[card] |= DISTRESS
                self._release_s[card] = t_s + float(self._rng.uniform(*PRESSED_S))
        if t_s >= self._next_low_s:
            self._next_low_s = t_s + self._gap_s(self._incidents.battery_s)
            card = self._one(below & (self.flags & LOW_BATTERY == 0))
            if card is not None:
                self.flags[card] |= LOW_BATTERY

    def _gap_s(self, mean_s: float | None) -> float:
        return NEVER_S if mean_s is None else mean_s * float(self._rng.uniform(*GAP))

    def _one(self, among: NDArray[np.bool_]) -> int | None:
        cards = np.flatnonzero(among)
        return int(cards[self._rng.integers(len(cards))]) if len(cards) else None


def _first(mean_s: float | None) -> float:
    return NEVER_S if mean_s is None else FIRST * mean_s
