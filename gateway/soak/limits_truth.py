"""Quotas, hours and the licence's borders, by true counts and times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.mine.plan import MinePlan
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.truth import Delivered, Truth
from gateway.soak.walkers import Flags
from gateway.soak.world import World
from positioning.mine_map import ZoneKind

#: Times by the truth and by the core's fixes may differ by so much, seconds.
TIME_S: Final = 6.0
#: How long the core waits before it takes who is first heard to be below, and some.
COMING_S: Final = 20.0


class LimitsTruth:
    """Compares `overcrowded`, `overtime` and `out_of_boundary`."""

    def __init__(self, plan: MinePlan, world: World, ledger: Ledger, truth: Truth) -> None:
        self._world, self._ledger, self._truth = world, ledger, truth
        cards = len(ledger.cards)
        zones = plan.map.zones
        self._set(plan)
        self._licences = [i for i, zone in enumerate(zones) if zone.kind is ZoneKind.LICENCE]
        self._wellhead = ledger.wellheads[0]
        #: Who was last seen at the wellhead for sure, and not since.
        self.gone: Flags = np.zeros(cards, np.bool_)
        #: The same of the mine: below since (for sure; or not before), known of whom that is.
        self._below_s = np.full(cards, np.inf)
        self._last_up_s = np.full(cards, -np.inf)
        self._stray_s = np.full(cards, np.inf)  # in listened seconds

    def _set(self, plan: MinePlan) -> None:
        self._plan, zones = plan, plan.map.zones
        self._quotas = [(i, z.id, z.quota) for i, z in enumerate(zones) if z.quota is not None]
        self._stays = [
            (i, zone.id, zone.stay_limit_min * 60.0)
            for i, zone in enumerate(zones)
            if zone.stay_limit_min is not None
        ]
        #: By longest stay: since when each card has been in for sure, and was last out for sure.
        shape = len(self._ledger.cards), len(self._stays)
        self._in_s, self._last_out_s = np.full(shape, np.inf), np.full(shape, -np.inf)

    def reload(self, plan: MinePlan) -> None:
        """Another configuration: borders may have moved, and with them who came in when."""
        self._set(plan)

    def restarted(self) -> None:
        """Since when whoever was coming is below, is not known to the second."""
        coming = self._ledger.since_ns == 0
        self._below_s[coming], self._last_up_s[coming] = np.inf, -np.inf

    def hand_over(self, old: int, new: int) -> None:
        """Who had the card `old` has `new`; -1: they have none."""
        for values, none in (
            (self._in_s, np.inf),
            (self._last_out_s, -np.inf),
            (self._below_s, np.inf),
            (self._last_up_s, -np.inf),
            (self._stray_s, np.inf),
            (self.gone, False),
        ):
            if new >= 0:
                values[new] = none
            values[old] = none

    def check(self, given: Delivered) -> Iterator[Complaint]:
        """Compares after a step."""
        self._look(given)
        yield from self._crowds(given)
        yield from self._hours(given)
        yield from self._strays(given)

    def _look(self, given: Delivered) -> None:
        sure_in, sure_out = self._truth.sure_in, self._truth.sure_out
        stays, second = [column for column, _, _ in self._stays], float(given.second)
        self._in_s = np.where(sure_in[:, stays], np.minimum(self._in_s, second), np.inf)
        self._last_out_s[sure_out[:, stays]] = second
        up, down = sure_in[:, self._wellhead], sure_out[:, self._wellhead]
        self.gone = (self.gone | up) & ~self._world.now.below | up
        self._last_up_s[up] = second
        self._below_s[up] = np.inf
        above = ~self._world.now.below
        self._below_s[above] = np.inf
        self._last_up_s[above & ~self.gone] = -np.inf  # its way out was not seen
        came = down & np.isinf(self._below_s) & np.isfinite(self._last_up_s)
        self._below_s[came] = second
        # Of two cards with one number the other may have been up meanwhile, or elsewhere.
        doubled = self._truth.doubled
        self._below_s[doubled], self._last_up_s[doubled] = np.inf, -np.inf
        self._in_s[doubled] = np.inf
        # A way that was not seen in one piece says nothing of when it was.
        lost = ~self._truth.settled & np.isinf(self._below_s)
        self._last_up_s[lost & self._world.now.below] = -np.inf

    def _crowds(self, given: Delivered) -> Iterator[Complaint]:
        truth, known = self._truth, self._ledger.heard & self._truth.person
        for column, zone, quota in self._quotas:
            least = int((truth.sure_in[:, column] & known).sum())
            out = truth.sure_out[:, column] | self.gone
            yield from self._crowd(zone, least, int((known & ~out).sum()), quota)
        if self._plan.people_quota is not None:
            down = truth.sure_out[:, self._wellhead]
            entered = given.second - self._below_s > COMING_S
            least = int((down & known & entered).sum())
            up = truth.sure_in[:, self._wellhead] | self.gone
            most = int((known & ~up).sum())
            yield from self._crowd("", least, most, self._plan.people_quota)

    def _crowd(self, zone: str, least: int, most: int, quota: int) -> Iterator[Complaint]:
        is_open = self._ledger.is_open("overcrowded", zone=zone)
        if least > quota and not is_open:
            found = "none"
            yield Complaint("overcrowded", "", zone, f"an alarm: {least} of {quota}", found)
        if most <= quota and is_open:
            found = "one"
            yield Complaint("not overcrowded", "", zone, f"no alarm: {most} of {quota}", found)

    def _hours(self, given: Delivered) -> Iterator[Complaint]:
        truth, second = self._truth, given.second
        judged = truth.settled & truth.person
        most_s = self._plan.below_most_s
        must = judged & (second - self._below_s > most_s + TIME_S)
        must &= truth.sure_out[:, self._wellhead]
        may_not = judged & np.isfinite(self._below_s)
        may_not &= second - self._last_up_s < most_s - TIME_S
        yield from self._overtime("", must, may_not)
        for row, (_, zone, limit_s) in enumerate(self._stays):
            must = judged & (second - self._in_s[:, row] > limit_s + TIME_S)
            may_not = judged & (second - self._last_out_s[:, row] < limit_s - TIME_S)
            yield from self._overtime(zone, must, may_not)

    def _overtime(self, zone: str, must: Flags, may_not: Flags) -> Iterator[Complaint]:
        cards, ledger = self._ledger.cards, self._ledger
        for card in np.flatnonzero(must).tolist():
            if not ledger.is_open("overtime", card=cards[card], zone=zone):
                yield Complaint("overtime", cards[card], zone, "an alarm: it is too long", "none")
        for key in ledger.of_rule("overtime") if may_not.any() else ():
            if key.zone == zone and may_not[ledger.number[key.card]]:
                yield Complaint("no overtime", key.card, zone, "no alarm: it is not long", "one")

    def _strays(self, given: Delivered) -> Iterator[Complaint]:
        truth, is_open = self._truth, self._ledger.mask("out_of_boundary")
        out = truth.sure_out[:, [*self._licences, self._wellhead]].all(axis=1) & truth.person
        self._stray_s = np.where(out, np.minimum(self._stray_s, given.listened_s), np.inf)
        after_s = self._plan.rules["out_of_boundary"].after_s + TIME_S
        wrong = (given.listened_s - self._stray_s > after_s) & ~is_open
        for card in np.flatnonzero(wrong).tolist():
            name = self._ledger.cards[card]
            yield Complaint("out of boundary", name, "", "an alarm: it is outside", "none")
        within = truth.sure_in[:, [*self._licences, self._wellhead]].any(axis=1)
        for card in np.flatnonzero(within & is_open).tolist():
            name = self._ledger.cards[card]
            yield Complaint("within boundary", name, "", "no alarm: it is inside", "one")
