"""Rounds of ranges: a card is ranged by several anchors within some milliseconds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.jit import njit_cached
from positioning.observation import Records, rows_of

#: Nobody gets anywhere in this time; a round of ranges takes less.
ROUND_NS: Final = 50_000_000


@njit_cached
def _ends(
    cards: NDArray[np.uint32], t_ns: NDArray[np.int64], latest: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """`latest` has room for every card, and may hold anything."""
    ends = np.ones(len(cards), np.bool_)
    for row in range(len(cards)):
        before = latest[cards[row]]
        if 0 <= before < row and cards[before] == cards[row]:
            ends[before] = abs(t_ns[row] - t_ns[before]) >= ROUND_NS
        latest[cards[row]] = row
    return ends


def ends_of_rounds(fixes: Records) -> Records:
    """Of (n,) FIX, in order, those that no other of their card follows within `ROUND_NS`.

    The last of a round is the best of it, and the last of each card is among them.
    """
    if len(fixes) < 2:
        return fixes
    cards = np.ascontiguousarray(fixes["card"])
    t_ns = np.ascontiguousarray(fixes["t_ns"])
    return rows_of(fixes, _ends(cards, t_ns, np.empty(int(cards.max()) + 1, np.int64)))
