"""What the core says of itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipment.report import Notice, NoticeKind

SECOND_NS = 1_000_000_000


def grown(times_ns: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(n,) times with zeros behind them, up to `size`."""
    return np.concatenate([times_ns, np.zeros(max(size - len(times_ns), 0), np.int64)])


def late_notices(count: int, now_ns: int) -> tuple[Notice, ...]:
    """Word of ranges that came too late to tell where a card is."""
    if not count:
        return ()
    text = (
        "ranges came long after newer ones of the same card and were left out: a reader is late, "
        "or the clocks of two readers differ"
    )
    return (Notice("", NoticeKind.DATA_REFUSED, count, text, now_ns),)


def started_text(cards: int, last_ns: int, now_ns: int) -> str:
    """How the gateway goes on with `cards`, of which one was last heard at `last_ns`."""
    if not cards:
        return "the gateway has started with an empty mine"
    text = f"the gateway goes on with {cards} cards"
    if last_ns == 0:
        return text
    away_s = (now_ns - last_ns) / SECOND_NS
    if away_s >= 0:
        return f"{text}, last heard {away_s:.1f} s ago"
    return (
        f"{text}; its clock is {-away_s:.1f} s behind what it kept: set this computer's clock and"
        " start the gateway anew"
    )
