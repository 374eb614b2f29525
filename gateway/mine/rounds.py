"""Rounds of ranges: a card is ranged by several anchors within some milliseconds."""

from __future__ import annotations

from typing import Final

import numpy as np

from positioning.observation import Records

#: Nobody gets anywhere in this time; a round of ranges takes less.
ROUND_NS: Final = 50_000_000


def ends_of_rounds(fixes: Records) -> Records:
    """Of (n,) FIX, in order, those that no other of their card follows within `ROUND_NS`.

    The last of a round is the best of it, and the last of each card is among them.
    """
    order = np.argsort(fixes["card"], kind="stable")
    cards, t_ns = fixes["card"][order], fixes["t_ns"][order]
    follows = (cards[1:] == cards[:-1]) & (np.abs(np.diff(t_ns)) < ROUND_NS)
    ends = np.ones(len(fixes), np.bool_)
    ends[order[:-1][follows]] = False
    return fixes[ends]
