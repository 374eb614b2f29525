"""A card that is in two places: heard here and there faster than anyone gets there, repeatedly.

A range says that the card is not farther from its anchor than that, for radio is never too short
but for noise; a sighting, that it is within the reader's radius. So two measurements leave at least
a way of the distance of their sources less both, and it takes time. One wrong measurement leaps
once there and once back: it takes several.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.mine.alarm_kept import AlarmKey
from gateway.mine.alarms import AlarmBook
from gateway.mine.cards import Cards
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from gateway.mine.roster import Roster
from positioning.observation import Kind, Records

DUPLICATE_CARD: Final = "duplicate_card"

_S_NS: Final = 1_000_000_000
#: Who has no speed limit of their own: riders of the fastest vehicle.
_SPEED_MAX_M_S: Final = 8.0
#: Anchors stand some metres from where the survey says, and ranges are short by noise.
_MARGIN_M: Final = 10.0

#: A card is looked at in one step of so many. An odd number: what comes by turns in every other
#: step is seen by turns, too.
TURNS: Final = 3

Floats = NDArray[np.float64]


class LeapWatch:
    """The last measurement of each card, and how often it has leapt."""

    def __init__(self, plan: MinePlan, roster: Roster, cards: Cards, alarms: AlarmBook) -> None:
        self._set(plan)
        self._roster = roster
        self._cards = cards
        self._alarms = alarms
        self._last = np.zeros((0, 4))  # by card: source x, y, z and how far from it, metres
        self._last_ns = np.zeros(0, np.int64)
        self._first, self._latest = np.zeros((2, 0), np.intp)  # by card, rows of one batch
        self._speed_m_s = np.zeros(0)
        self._leaps = np.zeros(0, np.int64)
        self._leapt_ns = np.zeros(0, np.int64)
        self._turn = 0
        #: Cards with an open alarm.
        self._open = {roster.handle(key.card) for key in alarms if key.rule == DUPLICATE_CARD}
        self._start_ns = 0  # of the first step: before it nobody looked

    def _set(self, plan: MinePlan) -> None:
        anchors = [(one.x_m, one.y_m, one.z_m) for one in plan.map.anchors]
        readers = [(one.x_m, one.y_m, one.z_m) for one in plan.map.readers]
        self._anchors_m = np.array(anchors, np.float64).reshape(-1, 3)
        self._readers_m = np.array(readers, np.float64).reshape(-1, 3)
        self._radii_m = np.array([one.radius_m for one in plan.map.readers], np.float64)
        self._speeds_m_s = plan.speeds_max_m_s
        self._tolerance_s = plan.clock_tolerance_s
        self._leaps_least = plan.duplicate_card.leaps
        self._within_ns = round(plan.duplicate_card.within_s * _S_NS)
        self._named = 0  # cards up to this handle have their speed

    def reload(self, plan: MinePlan) -> None:
        """Takes over another map, other speeds and thresholds; where cards were heard stays."""
        self._set(plan)

    def note(self, measured: Records, misplaced: NDArray[np.bool_], record: StepRecord) -> None:
        """Takes (n,) MEASUREMENT of one step, in the order of arrival.

        What `misplaced` anchors (anchors,) say is left out: they are not where the map shows them.

        Of some cards in turn the first and the last of them are looked at, which is enough: who is
        in two places leaps again and again.
        """
        now_ns = record.now_ns
        self._reserve(now_ns)
        kind = measured["kind"]
        self._turn = (self._turn + 1) % TURNS
        looked_at = (measured["card"] + np.uint32(self._turn)) % TURNS == 0
        usable = np.flatnonzero(looked_at & ((kind == Kind.RANGE) | (kind == Kind.SIGHTING)))
        if len(usable):
            cards = measured["card"][usable].astype(np.intp)
            # Where an index repeats, NumPy keeps the last value.
            first, last = self._first, self._latest
            first[cards[::-1]] = usable[::-1]
            last[cards] = usable
            seen = cards[last[cards] == usable]
            for rows in (first[seen], last[seen]):
                told = measured[rows]
                good = self._tells_a_place(told, misplaced)
                self._take(seen[good], told[good], now_ns)
        self._tell(record)

    def _take(self, cards: NDArray[np.intp], told: Records, now_ns: int) -> None:
        """Takes one measurement of each of these cards."""
        places = self._places(told)
        before, before_ns = self._last[cards], self._last_ns[cards]
        away_m = np.sqrt(((places[:, :3] - before[:, :3]) ** 2).sum(axis=1))
        way_m = away_m - places[:, 3] - before[:, 3] - _MARGIN_M
        took_s = np.abs(told["t_ns"] - before_ns) / _S_NS + self._tolerance_s
        leapt = cards[(before_ns > 0) & (way_m > self._speed_m_s[cards] * took_s)]
        self._last[cards], self._last_ns[cards] = places, told["t_ns"]
        self._leaps[leapt[now_ns - self._leapt_ns[leapt] > self._within_ns]] = 0
        self._leaps[leapt] += 1
        self._leapt_ns[leapt] = now_ns

    def _places(self, told: Records) -> Floats:
        """(n, 4): where each source is, and how far from it the card may be, metres."""
        places = np.zeros((len(told), 4))
        source = told["source"].astype(np.intp)
        ranges, seen = told["kind"] == Kind.RANGE, told["kind"] == Kind.SIGHTING
        places[ranges, :3] = self._anchors_m[source[ranges]]
        places[ranges, 3] = told["value_m"][ranges]
        places[seen, :3] = self._readers_m[source[seen]]
        places[seen, 3] = self._radii_m[source[seen]]
        return places

    def _tell(self, record: StepRecord) -> None:
        """Raises and ends what has to be by now."""
        now_ns = record.now_ns
        recent = now_ns - self._leapt_ns <= self._within_ns
        doubled = set(np.flatnonzero((self._leaps >= self._leaps_least) & recent).tolist())
        for card in sorted(doubled - self._open):
            name = self._roster.name(card)
            text = (
                f"card {name} is heard in two places, farther apart than anyone gets in the time "
                f"between: {self._leaps[card]} times lately; two cards may have one number"
            )
            key = AlarmKey(DUPLICATE_CARD, card=name)
            self._alarms.begin(key, now_ns, record, text, self._cards.last_place(card))
        for card in sorted(self._open - doubled):
            if now_ns - max(self._leapt_ns[card], self._start_ns) > self._within_ns:
                name = self._roster.name(card)
                key = AlarmKey(DUPLICATE_CARD, card=name)
                self._alarms.end(key, now_ns, record, f"card {name} is heard in one place again")
                self._open.discard(card)
        self._open |= doubled

    def _reserve(self, now_ns: int) -> None:
        self._start_ns = self._start_ns or now_ns
        size, needed = len(self._last), len(self._roster.person)
        if size < needed:
            more = max(needed, 2 * size) - size
            self._last = np.pad(self._last, ((0, more), (0, 0)))
            self._first, self._latest = np.zeros((2, len(self._last)), np.intp)
            for name in ("_last_ns", "_leaps", "_leapt_ns", "_speed_m_s"):
                setattr(self, name, np.pad(getattr(self, name), (0, more)))
        for card in range(self._named, needed):
            speed_m_s = self._speeds_m_s.get(self._roster.name(card), _SPEED_MAX_M_S)
            self._speed_m_s[card] = speed_m_s
        self._named = needed

    def _tells_a_place(self, told: Records, misplaced: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) bool: sightings, and ranges of anchors that stand where the map says.

        What is of no anchor or reader of the map says nothing.
        """
        ranges = told["kind"] == Kind.RANGE
        source = told["source"].astype(np.intp)
        known = source < np.where(ranges, len(misplaced), len(self._radii_m))
        usable: NDArray[np.bool_] = known & (~ranges | np.isfinite(told["value_m"]))
        ranges &= known
        usable[ranges] &= ~misplaced[source[ranges]]
        return usable
