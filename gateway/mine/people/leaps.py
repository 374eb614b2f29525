"""A card that is in two places: it leaps from one to the other and back, again and again."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from positioning.leaps import HEARD, note_leaps
from positioning.observation import Records

DUPLICATE_CARD: Final = "duplicate_card"

_S_NS: Final = 1_000_000_000
#: Who has no speed limit of their own: riders of the fastest vehicle.
_SPEED_MAX_M_S: Final = 8.0


class LeapWatch:
    """The last measurement of each card, and how often it has leapt."""

    def __init__(self, plan: MinePlan, roster: Roster, cards: Cards, alarms: AlarmBook) -> None:
        self._roster = roster
        self._set(plan)
        self._cards = cards
        self._alarms = alarms
        self._heard = np.zeros(0, HEARD)  # by card
        self._speed_m_s = np.zeros(0)
        #: Cards with an open alarm.
        self._open = {roster.handle(key.card) for key in alarms if key.rule == DUPLICATE_CARD}
        self._start_ns = 0  # of the first step: before it nobody looked
        self._is_new = False  # the thresholds: leaps of before may be enough now

    def _set(self, plan: MinePlan) -> None:
        anchors = [(one.x_m, one.y_m, one.z_m, 0.0) for one in plan.map.anchors]
        readers = [(one.x_m, one.y_m, one.z_m, one.radius_m) for one in plan.map.readers]
        self._anchors = np.array(anchors, np.float64).reshape(-1, 4)
        self._readers = np.array(readers, np.float64).reshape(-1, 4)
        self._speeds_m_s = plan.speeds_max_m_s
        self._tolerance_s = plan.clock_tolerance_s
        self._leaps_least = plan.duplicate_card.leaps
        self._within_ns = round(plan.duplicate_card.within_s * _S_NS)
        self._named = 0  # cards up to this handle have their speed, by this version of the roster
        self._roster_version = self._roster.version

    def reload(self, plan: MinePlan) -> None:
        """Takes over another map, other speeds and thresholds; where cards were heard stays."""
        self._set(plan)
        self._is_new = True

    def shift(self, by_ns: int) -> None:
        """Leaves out a time in which the gateway did not listen."""
        self._heard["leapt_ns"][self._heard["leaps"] > 0] += by_ns

    def note(self, measured: Records, misplaced: NDArray[np.bool_], record: StepRecord) -> None:
        """Takes (n,) MEASUREMENT of one step, in the order of arrival.

        What `misplaced` anchors (anchors,) say is left out: they are not where the map shows them.
        """
        now_ns = record.now_ns
        self._reserve(now_ns)
        anchors = np.where(misplaced[:, None], np.nan, self._anchors)
        speeds_m_s, slack_s = self._speed_m_s, self._tolerance_s
        sources, moment = (anchors, self._readers), (now_ns, self._within_ns)
        self._forget_ended()
        leaps = note_leaps(measured, sources, self._heard, speeds_m_s, slack_s, moment)
        if leaps or self._is_new:
            self._raise(record)
        self._is_new = False
        self._end(record)

    def _forget_ended(self) -> None:
        """The alarm of a card that was handed in meanwhile is over: it begins anew."""
        for card in [card for card in self._open if not self._alarms.has_begun(self._key(card))]:
            self._open.discard(card)
            self._heard["leaps"][card] = 0

    def _raise(self, record: StepRecord) -> None:
        now_ns = record.now_ns
        recent = now_ns - self._heard["leapt_ns"] <= self._within_ns
        doubled = set(np.flatnonzero((self._heard["leaps"] >= self._leaps_least) & recent).tolist())
        for card in sorted(doubled - self._open):
            name = self._roster.name(card)
            text = (
                f"card {name} is heard in two places, farther apart than anyone gets in the time "
                f"between: {self._heard['leaps'][card]} times lately; two cards may have one number"
            )
            place = self._cards.last_place(card)
            self._alarms.begin(self._key(card), now_ns, record, text, place)
        self._open |= doubled

    def _end(self, record: StepRecord) -> None:
        now_ns = record.now_ns
        for card in sorted(self._open):
            if self._cards.silent[card]:  # where it is not heard, it is not heard in one place
                self._heard["leapt_ns"][card] = now_ns
            elif now_ns - max(self._heard["leapt_ns"][card], self._start_ns) > self._within_ns:
                text = f"card {self._roster.name(card)} is heard in one place again"
                self._alarms.end(self._key(card), now_ns, record, text)
                self._open.discard(card)

    def _key(self, card: int) -> AlarmKey:
        return AlarmKey(DUPLICATE_CARD, card=self._roster.name(card))

    def _reserve(self, now_ns: int) -> None:
        self._start_ns = self._start_ns or now_ns
        size, needed = len(self._heard), len(self._roster.person)
        if size < needed:
            more = max(needed, 2 * size) - size
            self._heard = np.concatenate([self._heard, np.zeros(more, HEARD)])
            self._speed_m_s = np.pad(self._speed_m_s, (0, more))
        if self._roster_version != self._roster.version:
            self._roster_version, self._named = self._roster.version, 0
        for card in range(self._named, needed):
            listed = self._roster.listed(self._roster.name(card))
            speed_m_s = self._speeds_m_s.get(listed, _SPEED_MAX_M_S)
            self._speed_m_s[card] = speed_m_s
        self._named = needed
