"""Special workers on their planned routes, against where they were in truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.soak.holding import Holding
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.plan import PATROL, START_NS
from gateway.soak.truth import Delivered, Truth
from gateway.soak.walkers import Flags
from gateway.soak.world import World

_S_NS: Final = 1_000_000_000
RULE: Final = "route_deviation"
#: Whoever was never nearer than this, metres, was not there, whatever went wrong meanwhile; while
#: nobody looked they may have walked so fast.
FAR_M: Final = 30.0
WALK_M_S: Final = 2.0


class RoutesTruth:
    """Compares `route_deviation`: whoever was below for a whole stop, and not in its zone."""

    def __init__(self, world: World, ledger: Ledger, truth: Truth, holding: Holding) -> None:
        self._world = world
        self._ledger, self._truth, self._holding = ledger, truth, holding
        self._stops = [(ledger.zones.index(zone), 60 * a, 60 * b) for zone, a, b in PATROL]
        cards = len(ledger.cards)
        #: Of the stop at hand: who was there for sure, or may have been.
        self._was_in = np.zeros((len(self._stops), cards), np.bool_)
        self._maybe = np.zeros((len(self._stops), cards), np.bool_)
        self._last = 0
        self.reload()

    def reload(self) -> None:
        """It has changed who has which card."""
        self._on_route = self._holding.mask("route")

    def restarted(self, second: int) -> None:
        """Whatever ended while nobody looked was not seen."""
        self._last = second

    def check(self, given: Delivered) -> Iterator[Complaint]:
        """Compares after a step."""
        last, now = self._last, given.second
        far_m = FAR_M + WALK_M_S * (now - last)
        self._last = now
        for number, (column, start_s, end_s) in enumerate(self._stops):
            hour_s = now // 3600 * 3600
            if start_s <= last - hour_s and now - hour_s < end_s:
                self._was_in[number] |= self._truth.sure_in[:, column]
                self._maybe[number] |= self._may_be_in(column, far_m)
            elif last - hour_s < start_s <= now - hour_s < end_s:
                self._was_in[number] = self._truth.sure_in[:, column]
                self._maybe[number] = self._may_be_in(column, far_m)
            elif last - hour_s < end_s <= now - hour_s:
                yield from self._judge(number, (hour_s + start_s, hour_s + end_s), now)

    def _may_be_in(self, column: int, far_m: float) -> Flags:
        """Who is not far away, or was there when they fell silent."""
        return (self._world.depth_m[:, column] > -far_m) | self._ledger.inside[:, column]

    def _judge(self, number: int, span_s: tuple[int, int], now: int) -> Iterator[Complaint]:
        ledger, start_ns = self._ledger, START_NS + span_s[0] * _S_NS
        below = (ledger.since_ns > 0) & (ledger.since_ns <= start_ns)
        is_open = ledger.mask(RULE)
        wrong = self._on_route & below & ~self._maybe[number] & ~is_open & self._truth.settled
        where = PATROL[number][0]
        for card in np.flatnonzero(wrong).tolist():
            found = f"none at {now} s"
            yield Complaint(RULE, ledger.cards[card], where, "an alarm: it was not there", found)
        wrong = self._was_in[number] & is_open & (ledger.since_ns > 0)
        for card in np.flatnonzero(wrong).tolist():
            name = ledger.cards[card]
            yield Complaint(f"no {RULE}", name, where, "no alarm: it was there", "one")
        wrong = is_open & (ledger.since_ns == 0)
        for card in np.flatnonzero(wrong).tolist():
            name = ledger.cards[card]
            yield Complaint(f"no {RULE}", name, where, "no alarm: it is out of the mine", "one")
