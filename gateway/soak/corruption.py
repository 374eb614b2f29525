"""Measurements as no reader should give them."""

from __future__ import annotations

from typing import Final

import numpy as np

from positioning.observation import Records

#: What a range may say that is none, metres.
WRONG_M: Final = (np.nan, np.inf, -np.inf, -1.0, -1e-9, 1e308, 5e6, 2001.0)
#: Anchors that no map has.
_FAR_SOURCES: Final = (1000, (1 << 20) - 1, (1 << 32) - 1)


def corrupted(measured: Records, sources: int, share: float, rng: np.random.Generator) -> Records:
    """(n,) MEASUREMENT with a `share` spoilt, half of them beside what was right.

    `sources`: from this number on there is no anchor and no reader.
    """
    bad = measured[rng.random(len(measured)) < share].copy()
    values = rng.random(len(bad)) < 0.5
    bad["value_m"][values] = rng.choice(WRONG_M, int(values.sum()))
    unknown = (sources, *_FAR_SOURCES)
    bad["source"][~values] = rng.choice(unknown, int((~values).sum()))
    ranged = bad["kind"] == 0
    bad = bad[ranged | ~values]  # a sighting has no value that could be wrong
    beside = rng.random(len(measured)) >= share / 2
    return np.concatenate([bad, measured[beside]])
