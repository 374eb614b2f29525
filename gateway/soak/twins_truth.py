"""Two cards of one person, one number on two cards, and clocks that are off."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from gateway.mine.plan import MinePlan
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.truth import Delivered, Truth
from gateway.soak.world import World
from hil_sim.roadgraph import Floats

DUAL: Final = "dual_card"
DOUBLE: Final = "duplicate_card"
SKEW: Final = "clock_skew"
#: The truth is looked at so often, seconds.
EVERY_S: Final = 5
#: What noise makes of a distance; the time that it takes the core to see that two are apart.
NOISE_M: Final = 6.0
PART_S: Final = 40.0
#: Noise may have the core take two for apart, and begin anew: by then it has found them out.
SURE: Final = 4.0
#: A card heard at places so far apart has leapt, whatever way it went.
LEAP_M: Final = 300.0
LEAP_S: Final = 45.0
#: How long a doubled card's alarm may last besides its own time.
REST_S: Final = 30.0


class TwinsTruth:
    """Compares `dual_card`, `duplicate_card` and `clock_skew`."""

    def __init__(self, plan: MinePlan, world: World, ledger: Ledger, truth: Truth) -> None:
        self._world, self._ledger, self._truth = world, ledger, truth
        self._dual, self._double = plan.dual_card, plan.duplicate_card
        cards = len(ledger.cards)
        kept = int(self._dual.time_s) // EVERY_S
        self._places: deque[Floats] = deque(maxlen=kept)
        #: Of each card that is carried with another: since when, and how far they went.
        self._together_s = np.full(cards, np.inf)
        self._way_m = np.zeros(cards)
        self._with = np.full(cards, -1, np.int64)
        self._before_m = world.now.place_m.copy()
        self._alone_s = np.full(cards, np.inf)  # since when each was far from all others
        self._doubled_s = np.full(cards, -np.inf)  # when it last was
        self._leaps_s, self._doubled = 0.0, -1
        self._last_s = 0

    def unsettle(self) -> None:
        """Nobody looked: what was together begins anew."""
        self._together_s[:] = np.inf
        self._way_m[:] = 0.0

    def hand_over(self, old: int, new: int) -> None:
        """Who had the card `old` has `new`: a card that is handed in begins anew."""
        if self._doubled in (old, new):
            self._leaps_s = 0.0

    def check(
        self, given: Delivered, doubles: tuple[int, int], skewed: Mapping[str, int]
    ) -> Iterator[Complaint]:
        """Compares after a step; `doubles` are the card that is doubled, and the other one."""
        yield from self._doubles(given, doubles)
        yield from self._clocks(skewed)
        if given.second // EVERY_S != self._last_s // EVERY_S:
            yield from self._pairs(given)
        self._last_s = given.second

    def _pairs(self, given: Delivered) -> Iterator[Complaint]:
        walkers, settled, second = self._world.walkers, self._truth.settled, given.second
        ledger, place_m = self._ledger, self._world.now.place_m
        place_m = np.where(settled[:, None], place_m, np.nan)
        self._places.append(place_m[:, :2])
        with_ = walkers.carried_with
        went_m = np.linalg.norm(np.nan_to_num(place_m - self._before_m), axis=1)
        self._before_m = place_m
        new = (with_ != self._with) | (with_ < 0) | ~settled
        new[with_ >= 0] |= ~settled[with_[with_ >= 0]]
        self._with = with_.copy()
        self._together_s = np.where(new, second, self._together_s)
        # Who dawdles does not walk, to the core.
        walks = (went_m > 0.8 * EVERY_S) & (went_m < 2.0 * EVERY_S) & self._truth.person
        self._way_m = np.where(new, 0.0, self._way_m + np.where(walks, went_m, 0.0))
        long = (self._way_m > SURE * self._dual.way_m) & (with_ >= 0)
        long &= second - self._together_s > SURE * self._dual.time_s
        # Who is at a wellhead is out, to the core.
        out = ledger.since_ns == 0
        long &= ~(out | out[with_])
        is_open = ledger.mask(DUAL)
        for card in np.flatnonzero(long & ~is_open).tolist():
            way_m = self._way_m[card]
            text = f"an alarm: one person has carried it with another for {way_m:.0f} m"
            yield Complaint(DUAL, ledger.cards[card], "", text, "none")
        yield from self._open(np.flatnonzero(is_open).tolist(), second)

    def _open(self, cards: list[int], second: int) -> Iterator[Complaint]:
        ledger, settled = self._ledger, self._truth.settled
        place_m = self._places[-1]
        alone_s = np.full(len(ledger.cards), np.inf)
        for card in cards:
            away_m = np.linalg.norm(place_m - place_m[card], axis=1)
            away_m[card] = np.inf
            # Of who is not settled it is not known where the core takes them to be.
            lonely = settled[card] and not np.nanmin(away_m) < self._dual.apart_m + NOISE_M
            if lonely and (settled | ~self._world.now.below).all():
                alone_s[card] = min(self._alone_s[card], second)
                if second - alone_s[card] > PART_S:
                    text = f"no alarm: all others are {np.nanmin(away_m):.0f} m away"
                    yield Complaint(f"no {DUAL}", ledger.cards[card], "", text, "one")
        self._alone_s = alone_s

    def _doubles(self, given: Delivered, doubles: tuple[int, int]) -> Iterator[Complaint]:
        card, other = doubles
        self._doubled = card
        place_m, ledger = self._world.now.place_m, self._ledger
        if card >= 0 and other >= 0:
            self._doubled_s[card] = given.second
            heard = given.ranges[card] > 4 and self._world.now.below[[card, other]].all()
            away_m = float(np.linalg.norm(place_m[card] - place_m[other]))
            self._leaps_s += float(heard and away_m > LEAP_M)
            if self._leaps_s > LEAP_S and not ledger.is_open(DOUBLE, ledger.cards[card]):
                text = f"an alarm: it is heard {away_m:.0f} m apart"
                yield Complaint(DOUBLE, ledger.cards[card], "", text, "none")
        else:
            self._leaps_s = 0.0
        # Of who is silent nobody knows that it is one card.
        self._doubled_s[ledger.mask("signal_lost") & ledger.mask(DOUBLE)] = given.second
        rest_s = self._double.within_s + REST_S
        for name in ledger.alarmed(DOUBLE):
            ago_s = given.second - self._doubled_s[ledger.number[name]]
            if ago_s > rest_s + self._away_s:
                yield Complaint(f"no {DOUBLE}", name, "", "no alarm: it is one card", "one")

    #: For so long the gateway was away after a card was doubled.
    _away_s = 200.0

    def _clocks(self, skewed: Mapping[str, int]) -> Iterator[Complaint]:
        found = {key.device for key in self._ledger.of_rule(SKEW)}
        for device in found ^ skewed.keys():
            expected = f"an alarm: off by {skewed.get(device, 0) / 1e9:g} s"
            yield Complaint(SKEW, "", device, expected, "otherwise")
