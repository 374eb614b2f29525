"""The state of all cards' filters, as one array, and the filter's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from positioning.observation import Records

#: Anchors with a bias state of their own for each card; the one heard longest ago makes room.
SLOTS: Final = 8
#: Ranges kept for each card to find its place anew: 0.8 s of four anchors at 10 Hz.
RING: Final = 32

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


# Why a range was not used: the kernel counts by these indices, in the order of `Rejections`.
NOT_FINITE: Final = 0
OUT_OF_SCALE: Final = 1
UNKNOWN_ANCHOR: Final = 2
UNKNOWN_CARD: Final = 3
REPEATED: Final = 4
REPLAYED: Final = 5
TOO_OLD: Final = 6
GATED: Final = 7


@dataclass(frozen=True, slots=True)
class Rejections:
    """How many ranges were not used, by reason, since the start.

    All but `gated` left no trace. `gated` ranges were sound in form but too far from what the
    filter expected, mostly for lack of a line of sight. `replayed` ones are not newer than what
    their card was restored with; `too_old` ones came too long after a newer one of their card.
    """

    not_finite: int
    out_of_scale: int
    unknown_anchor: int
    unknown_card: int
    repeated: int
    replayed: int
    too_old: int
    gated: int


#: The filter's parameters in the kernel's units; `positioning.tracker` explains them.
SETTINGS: Final = np.dtype(
    [
        ("range_var_m2", np.float64),
        ("acceleration_q", np.float64),
        ("bias_var_m2", np.float64),
        ("bias_tau_s", np.float64),
        ("gate_long", np.float64),
        ("gate_short", np.float64),
        ("rejects_max", np.int64),
        ("speed_max_m_s", np.float64),
        ("start_speed_m_s", np.float64),
        ("range_max_m", np.float64),
        ("cards_max", np.int64),
        ("bend_max_m", np.float64),
        ("ambiguous_cost", np.float64),
        ("late_max_ns", np.int64),
        ("jump_ns", np.int64),
        ("extrapolated_ns", np.int64),
        ("used_ns", np.int64),
        ("start_window_ns", np.int64),
        ("start_wait_ns", np.int64),
        ("reacquire_window_ns", np.int64),
        ("review_ns", np.int64),
        ("review_var_m2", np.float64),
        ("hold_max_m", np.float64),
    ]
)


class Site(NamedTuple):
    """What is the same for all cards.

    `anchors` (n, 4): x, y, z, and how high a card is that is near this anchor; metres. `settings`:
    one record of `SETTINGS`.
    """

    anchors: Floats
    settings: np.void


#: A card's filter. `mean` is x, y, vx, vy, then the bias of the anchor in each of the first `slots`
#: slots; `cov` belongs to it. A ring place with anchor -1 is empty.
CARD: Final = np.dtype(
    [
        ("mean", np.float64, (4 + SLOTS,)),
        ("cov", np.float64, (4 + SLOTS, 4 + SLOTS)),
        ("t_ns", np.int64),
        ("floor_t_ns", np.int64),  # nothing so old is taken
        ("first_t_ns", np.int64),  # when the present search for a place began
        ("accepted_t_ns", np.int64),
        ("reviewed_t_ns", np.int64),
        ("jump_t_ns", np.int64),
        ("rejects", np.int64),
        ("slots", np.int64),
        ("slot_anchor", np.int64, (SLOTS,)),
        ("slot_heard_ns", np.int64, (SLOTS,)),
        ("slot_used_ns", np.int64, (SLOTS,)),
        ("slot_used", np.uint8, (SLOTS,)),
        ("running", np.uint8),
        ("ambiguous", np.uint8),
        ("coasting", np.uint8),  # heard again after a long silence; its place is being searched
        ("jumping", np.uint8),  # one range was far ahead in time; the next one tells
        ("z_m", np.float64),  # of the last fix
        ("ring_next", np.int64),
        ("ring_anchor", np.int64, (RING,)),
        ("ring_t_ns", np.int64, (RING,)),
        ("ring_range_m", np.float64, (RING,)),
    ],
    align=True,
)

#: One record of `CARD`.
Card = np.void


def new_cards(count: int) -> Records:
    """(count,) CARD: the state of cards of which nothing has been heard."""
    cards = np.zeros(count, CARD)
    cards["floor_t_ns"] = np.iinfo(np.int64).min
    cards["ring_anchor"] = -1
    return cards


def grown_cards(cards: Records, count: int) -> Records:
    """The same cards with room for `count`."""
    grown = new_cards(count)
    grown[: len(cards)] = cards
    return grown
