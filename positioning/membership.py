"""Who is a member of what: crossings with dwell and hysteresis, whatever tells the probability.

A card comes in once it has been in with P > 0.9 for a moment, and goes out once with P < 0.1 for a
moment. What lies between changes nothing, and ends no moment that has begun: only the other side
does. Of a card of which nothing was known lately, the first fix counts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from positioning.jit import njit
from positioning.observation import Records

#: How long a card must be on the other side, by default: longer than a single wrong fix, and
#: shorter than the second between the fixes of a slow card.
DWELL_S: Final = 0.5
#: After so long without a fix nothing is known of a card: its next fix counts at once.
FORGOTTEN_NS: Final = 5_000_000_000
#: A fix that is older than the card's last by up to this is late, or comes twice, and changes
#: nothing; where it is older still, the last one's clock was wrong, and it counts.
LATE_NS: Final = 10_000_000_000

_NEVER: Final = np.iinfo(np.int64).min
_NS_PER_S: Final = 1_000_000_000
#: Room for cards, and for what one card is in or about to enter, at first; doubled when used up.
_FIRST_CARDS: Final = 64
_FIRST_SLOTS: Final = 4
#: Room for the crossings of one call of a kernel.
_CROSSINGS: Final = 1024

#: Of a card: the time of its last fix, and how many of its slots are used.
_TRACK: Final = np.dtype([("last_ns", np.int64), ("used", np.int64)])
#: A zone that a card is in, or is about to enter. `since_ns`: since when it is on the other side,
#: where it is `pending`. `turned`: it has come in by the fix at hand, or is new with it.
_SLOT: Final = np.dtype(
    [
        ("since_ns", np.int64),
        ("zone", np.int32),
        ("member", np.int8),
        ("pending", np.int8),
        ("turned", np.int8),
    ],
    align=True,
)
_FRESH: Final = 2
_CROSSING: Final = np.dtype([("row", np.int64), ("zone", np.int64), ("entered", np.bool_)])


class Crossing(NamedTuple):
    """A change of membership: the fix's row, the card, the zone's index, and which way."""

    row: int
    card: int
    zone: int
    entered: bool


@njit
def begins(track: np.void, t_ns: int, dwell_ns: int) -> int:
    """How long a card must be on the other side by a fix at `t_ns`, ns; -1 where it is late."""
    last_ns = track["last_ns"]
    if last_ns == _NEVER or t_ns - last_ns >= FORGOTTEN_NS:
        return 0
    return -1 if last_ns - LATE_NS <= t_ns < last_ns else dwell_ns


@njit
def _turns(slot: np.void, side: int, t_ns: int, dwell_ns: int) -> bool:
    """Whether a card crosses, by a fix that lies at `side`: 1 in, -1 out, 0 between."""
    away = -1 if slot["member"] else 1
    if side == -away:
        slot["pending"] = 0
    if side != away:
        return False
    if not slot["pending"] or t_ns < slot["since_ns"]:
        slot["pending"] = 1
        slot["since_ns"] = t_ns
    if t_ns - slot["since_ns"] < dwell_ns:
        return False
    slot["member"] = 1 - slot["member"]
    slot["pending"] = 0
    return True


@njit
def _write(crossing: np.void, row: int, zone: int, entered: int) -> None:
    crossing["row"] = row
    crossing["zone"] = zone
    crossing["entered"] = entered


@njit
def _insert(slots: Records, used: int, zone: int) -> None:
    """Makes room for a zone in its place: slots are ascending."""
    k = used
    while k > 0 and slots[k - 1]["zone"] > zone:
        slots[k] = slots[k - 1]
        k -= 1
    slots[k]["zone"] = zone
    slots[k]["member"] = 0
    slots[k]["pending"] = 0
    slots[k]["turned"] = _FRESH


@njit
def settle(
    track: np.void,
    slots: Records,
    found: tuple[NDArray[np.int8], NDArray[np.int64], int],
    moment: tuple[int, int, int],
    crossings: Records,
) -> int:
    """Takes one fix of a card: how many crossings it made, those out first, each by zone.

    `found`: how the fix lies to the zones of the used slots; other zones that it is in, and how
    many. `moment`: the fix's row, its time and how long to dwell, ns. There must be room in the
    slots for the other zones, and in `crossings` for both.
    """
    sides, fresh, fresh_count = found
    row, t_ns, dwell_ns = moment
    track["last_ns"] = t_ns
    written, kept = 0, 0
    for k in range(track["used"]):
        slot = slots[k]
        turned = _turns(slot, sides[k], t_ns, dwell_ns)
        if turned and not slot["member"]:
            _write(crossings[written], row, slot["zone"], 0)
            written += 1
        slot["turned"] = turned and slot["member"]
        if slot["member"] or slot["pending"]:
            if kept < k:
                slots[kept] = slot
            kept += 1
    for i in range(fresh_count):
        _insert(slots, kept, fresh[i])
        kept += 1
    track["used"] = kept
    for k in range(kept):
        slot = slots[k]
        if slot["turned"] == _FRESH:
            slot["turned"] = _turns(slot, 1, t_ns, dwell_ns)
        if slot["turned"]:
            _write(crossings[written], row, slot["zone"], 1)
            written += 1
    return written


class Book:
    """The state of all cards, and what of it is asked for.

    `tracks` (cards,) and `slots` (cards, slots) are the kernels' to write; `crossings` is where
    they put what happens, `sides` and `fresh` are for what they find out on the way.
    """

    def __init__(self, zones: int, dwell_s: float) -> None:
        """Starts with everyone outside of zones 0 to `zones` - 1.

        Raises:
            ValueError: `dwell_s` is not 0 or more.
        """
        if not 0.0 <= dwell_s < FORGOTTEN_NS / _NS_PER_S:
            msg = f"dwell_s must be 0 or more and below 5 s, not {dwell_s}"
            raise ValueError(msg)
        self.dwell_ns = round(dwell_s * _NS_PER_S)
        self.tracks = np.zeros(0, _TRACK)
        self.slots = np.zeros((0, _FIRST_SLOTS), _SLOT)
        self.crossings = np.zeros(max(_CROSSINGS, 2 * zones), _CROSSING)
        self.fresh = np.zeros(max(zones, 1), np.int64)
        self.sides = np.zeros(max(zones, 1), np.int8)
        self._counts = np.zeros(zones, np.int64)

    def make_room(self, card: int) -> None:
        """Makes room for a card, by doubling."""
        size = len(self.tracks)
        if card < size:
            return
        more = max(card + 1, 2 * size, _FIRST_CARDS) - size
        tracks = np.zeros(more, _TRACK)
        tracks["last_ns"] = _NEVER
        self.tracks = np.concatenate([self.tracks, tracks])
        slots = np.zeros((more, self.slots.shape[1]), _SLOT)
        self.slots = np.concatenate([self.slots, slots])

    def widen(self) -> None:
        """Makes room for twice as many slots of each card."""
        self.slots = np.concatenate([self.slots, np.zeros_like(self.slots)], axis=1)

    def told(self, written: int, cards: NDArray[np.uint32]) -> list[Crossing]:
        """The crossings that a kernel has written, counted; `cards` are those of the fixes."""
        rows = self.crossings[:written]
        np.add.at(self._counts, rows["zone"], np.where(rows["entered"], 1, -1))
        return [
            Crossing(row, int(cards[row]), zone, entered) for row, zone, entered in rows.tolist()
        ]

    def zones_of(self, card: int) -> tuple[int, ...]:
        """The zones a card is in, ascending."""
        if card >= len(self.tracks):
            return ()
        slots = self.slots[card, : self.tracks["used"][card]]
        return tuple(slots["zone"][slots["member"] == 1].tolist())

    def counts(self) -> NDArray[np.int64]:
        """How many cards are in each zone, (zones,)."""
        return self._counts.copy()

    def go_on(self, before: Book, index: Sequence[int]) -> None:
        """Takes over all that another book knows; `index` is the zone here of each of its zones.

        -1: it has none here. What is about to happen at the zones that stay goes on.
        """
        self.dwell_ns = before.dwell_ns
        self.tracks, self.slots = before.tracks.copy(), before.slots.copy()
        moved = np.array([*index, -1], np.int32)  # the last is for what is not used
        unused = np.arange(self.slots.shape[1]) >= self.tracks["used"][:, np.newaxis]
        zones = moved[np.where(unused, -1, self.slots["zone"])]
        self.tracks["used"] = (zones >= 0).sum(axis=1)
        # Ascending by zone, what is not used behind them.
        order = np.argsort(np.where(zones < 0, len(self._counts), zones), axis=1, kind="stable")
        self.slots["zone"] = zones
        self.slots = np.take_along_axis(self.slots, order, axis=1)
        used = np.take_along_axis(zones, order, axis=1) >= 0
        self.slots[~used] = np.zeros(1, _SLOT)[0]
        inside = self.slots["zone"][used & (self.slots["member"] == 1)]
        self._counts = np.bincount(inside, minlength=len(self._counts)).astype(np.int64)

    def restore(self, card: int, zones: Sequence[int]) -> None:
        """Puts a card into exactly these zones, as they were known last.

        Raises:
            IndexError: there is no such zone.
        """
        for zone in zones:
            if not 0 <= zone < len(self._counts):
                msg = f"there is no zone {zone}, only {len(self._counts)}"
                raise IndexError(msg)
        self.make_room(card)
        self._counts[list(self.zones_of(card))] -= 1
        ordered = sorted(set(zones))
        while self.slots.shape[1] < len(ordered):
            self.widen()
        self.slots[card] = np.zeros(1, _SLOT)[0]
        self.slots[card, : len(ordered)]["zone"] = ordered
        self.slots[card, : len(ordered)]["member"] = 1
        self.tracks[card] = (_NEVER, len(ordered))
        self._counts[ordered] += 1
