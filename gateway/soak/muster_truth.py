"""A muster, against what the events say of everyone it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.mine.change import Changes, EventKind
from gateway.mine.muster.card import Muster, MusterState
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.walkers import Flags
from positioning.mine_map import MineMap, ZoneKind

_SAFE: Final = (ZoneKind.REFUGE, ZoneKind.WELLHEAD)


class MusterTruth:
    """Compares the state of everyone in each step of a muster."""

    def __init__(self, mine: MineMap, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kinds = {zone.id: zone.kind for zone in mine.zones}
        self._muster: Muster | None = None
        cards = len(ledger.cards)
        self._state = np.zeros(cards, np.int64)  # 0: it does not concern the card
        self.opened = 0
        self.gone_ns = np.zeros(cards, np.int64)
        #: Who was missing and may have been heard again, without a place yet.
        self._unsure: Flags = np.zeros(cards, np.bool_)

    def check(self, changes: Changes) -> Iterator[Complaint]:
        """Compares after a step."""
        change, ledger = changes.muster, self._ledger
        if change:
            if change.fresh:
                self.opened += self._muster is None or self._muster.id != change.muster.id
                self._state[:] = 0
            self._muster = change.muster
            for card in change.cards:
                self._state[ledger.number[card.card]] = card.state
        muster = self._muster
        if muster is None or not muster.is_open:
            return
        if change:
            yield from self._counted(muster)
        yield from self._states(muster)
        for event in changes.events:
            if event.kind is EventKind.MUSTER_SAFE and not self._is_safe(event.zone, muster):
                yield Complaint("safe", event.card, event.zone, "a refuge or a wellhead", "it")

    def _is_safe(self, zone: str, muster: Muster) -> bool:
        return self._kinds[zone] in _SAFE and zone not in muster.zones

    def _columns(self, which: Iterator[str]) -> list[int]:
        return [self._ledger.zones.index(zone) for zone in which]

    def _states(self, muster: Muster) -> Iterator[Complaint]:
        ledger, zones = self._ledger, self._ledger.zones
        safe = self._columns(zone for zone in zones if self._is_safe(zone, muster))
        danger = self._columns(zone for zone in zones if zone in muster.zones)
        silent = ledger.mask("signal_lost") | ~ledger.heard
        expected = np.full(len(self._state), int(MusterState.ON_THE_WAY))
        if danger:
            expected[ledger.inside[:, danger].any(axis=1)] = MusterState.MUST_LEAVE
        else:
            expected[:] = MusterState.MUST_LEAVE
        expected[ledger.inside[:, safe].any(axis=1)] = MusterState.SAFE
        expected[silent] = MusterState.UNACCOUNTED
        concerned = self._state > 0
        # Whoever was safe and has handed the card in is safe.
        handed_in = (self._state == MusterState.SAFE) & (self.gone_ns > 0) & ~ledger.heard
        wrong = concerned & (self._state != expected) & ~handed_in
        # Heard again is not yet located: until it is, it stays unaccounted for.
        wrong &= (self._state != MusterState.UNACCOUNTED) | ~self._may_be_unsure(silent)
        missing = ledger.inside[:, danger].any(axis=1) if danger else ledger.since_ns > 0
        for card in np.flatnonzero(wrong | (missing & ~concerned)).tolist():
            state = int(self._state[card])
            found = MusterState(state).name if state else "not concerned"
            name = MusterState(int(expected[card])).name
            yield Complaint("muster", ledger.cards[card], muster.id, name, found)

    def _may_be_unsure(self, silent: Flags) -> Flags:
        unaccounted = self._state == MusterState.UNACCOUNTED
        self._unsure = unaccounted & ~silent
        return self._unsure

    def _counted(self, muster: Muster) -> Iterator[Complaint]:
        for state in MusterState:
            mine = int((self._state == state).sum())
            if muster.counts.get(state, 0) != mine:
                found = str(muster.counts.get(state, 0))
                yield Complaint("muster's count", "", state.name, str(mine), found)
