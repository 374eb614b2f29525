"""What sightings in open areas and on roadways have in common. Compiled."""

from __future__ import annotations

import math
from typing import Final

from positioning.cards import UNPLACED, Card
from positioning.jit import njit
from positioning.site import Site

#: A card somewhere in a reader's disc of radius r, evenly: variance r²/4 in each direction. In half
#: of it: its centre is 4r/3π from the reader, the variance towards it (1/4 - (4/3π)²) r².
DISC_VARIANCE: Final = 0.25
HALF_DISC_OFFSET: Final = 4.0 / (3.0 * math.pi)
HALF_DISC_VARIANCE: Final = 0.25 - HALF_DISC_OFFSET**2
#: How sharply a reader's reach ends: its sigma as a share of the radius, and metres more.
EDGE_SHARE: Final = 0.15
EDGE_M: Final = 1.0


@njit
def is_ranged(card: Card, site: Site, t_ns: int) -> bool:
    """Whether the card's place is known by better than sightings."""
    since_ns = t_ns - card["ranged_ns"]
    return bool(card["model"] != UNPLACED and since_ns <= site["presence_after_ns"])


@njit
def note_sighting(card: Card, site: Site, t_ns: int) -> None:
    """The card is where a reader has seen it."""
    if not card["seen"]:
        card["ranged_ns"] = t_ns - site["presence_after_ns"] - 1
    card["t_ns"] = card["accepted_ns"] = card["reviewed_ns"] = t_ns
    card["seen"] = 1
