"""The state of all cards' filters, as arrays, and the filter's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Anchors with a bias state of their own for each card; the one heard longest ago makes room.
_SLOTS: Final = 8
#: Ranges kept for each card to find its place anew: 0.8 s of four anchors at 10 Hz.
_RING: Final = 32

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rejections:
    """How many ranges were not used, by reason, since the start.

    All but `gated` left no trace. `gated` ranges were sound in form but too far from what the
    filter expected, mostly for lack of a line of sight.
    """

    not_finite: int
    out_of_scale: int
    unknown_anchor: int
    unknown_card: int
    repeated: int
    too_old: int
    gated: int


class Settings(NamedTuple):
    """The filter's parameters in the kernel's units; `positioning.tracker` explains them."""

    range_var_m2: float
    acceleration_q: float
    bias_var_m2: float
    bias_tau_s: float
    gate_long: float
    gate_short: float
    rejects_max: int
    speed_max_m_s: float
    start_speed_m_s: float
    range_max_m: float
    cards_max: int
    bend_max_m: float
    ambiguous_cost: float
    late_max_ns: int
    jump_ns: int
    extrapolated_ns: int
    used_ns: int
    start_window_ns: int
    start_wait_ns: int
    reacquire_window_ns: int
    review_ns: int
    review_var_m2: float
    hold_max_m: float


class Cards(NamedTuple):
    """A row for each card; the first axis of every array is the card's handle.

    `mean` (n, 4 + slots): x, y, vx, vy, then the bias of the anchor in each slot; `cov` belongs to
    it. `ring_*` (n, ring): the latest ranges. A slot or ring place with anchor -1 is empty.
    """

    running: Flags
    ambiguous: Flags
    coasting: Flags  # heard again after a long silence; its place is being searched
    jumping: Flags  # one range was far ahead in time; the next one tells
    jump_t_ns: Integers
    t_ns: Integers
    floor_t_ns: Integers  # nothing so old is taken
    first_t_ns: Integers  # when the present search for a place began
    accepted_t_ns: Integers
    reviewed_t_ns: Integers
    rejects: Integers
    mean: Floats
    cov: Floats
    slot_anchor: Integers
    slot_heard_ns: Integers
    slot_used: Flags
    slot_used_ns: Integers
    ring_anchor: Integers
    ring_t_ns: Integers
    ring_range_m: Floats
    ring_next: Integers


class Filters(NamedTuple):
    """All that the kernel works on."""

    cards: Cards
    anchors_m: Floats
    card_z_m: Floats
    rejected: Integers
    settings: Settings


def new_cards(count: int) -> Cards:
    """State for `count` cards of which nothing has been heard."""
    states = 4 + _SLOTS
    return Cards(
        running=np.zeros(count, np.bool_),
        ambiguous=np.zeros(count, np.bool_),
        coasting=np.zeros(count, np.bool_),
        jumping=np.zeros(count, np.bool_),
        jump_t_ns=np.zeros(count, np.int64),
        t_ns=np.zeros(count, np.int64),
        floor_t_ns=np.full(count, np.iinfo(np.int64).min, np.int64),
        first_t_ns=np.zeros(count, np.int64),
        accepted_t_ns=np.zeros(count, np.int64),
        reviewed_t_ns=np.zeros(count, np.int64),
        rejects=np.zeros(count, np.int64),
        mean=np.zeros((count, states)),
        cov=np.zeros((count, states, states)),
        slot_anchor=np.full((count, _SLOTS), -1, np.int64),
        slot_heard_ns=np.zeros((count, _SLOTS), np.int64),
        slot_used=np.zeros((count, _SLOTS), np.bool_),
        slot_used_ns=np.zeros((count, _SLOTS), np.int64),
        ring_anchor=np.full((count, _RING), -1, np.int64),
        ring_t_ns=np.zeros((count, _RING), np.int64),
        ring_range_m=np.zeros((count, _RING)),
        ring_next=np.zeros(count, np.int64),
    )


def grown_cards(cards: Cards, count: int) -> Cards:
    """The same cards with room for `count`."""
    grown = new_cards(count)
    for new, old in zip(grown, cards, strict=True):
        new[: len(old)] = old
    return grown
