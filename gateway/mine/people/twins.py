"""Two cards that move as one for long: one person carries another's.

Every few seconds the distances of those who walk near one another are taken. Two cards of one
person are apart by the noise of their fixes alone, some metres at most, whatever that person does.
Two people are so while they walk together; but sooner or later one of them stops, goes on, or works
somewhere else, and then the pair is forgotten. So it takes a long time in which they were never
apart, and a long way on foot in it: standing together says nothing, and neither does riding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.plan import DualCard
from gateway.mine.record import StepRecord
from gateway.mine.zones.squares import may_be_near

DUAL_CARD: Final = "dual_card"
#: Where the journal's state holds pairs that are told.
STATE_PREFIX: Final = "dual/"

_S_NS: Final = 1_000_000_000
#: How often distances are taken.
EVERY_S: Final = 5
#: At every so manyth look new pairs are looked for: it costs the most.
BEGIN_EVERY: Final = 3
#: A fix that is older is none of now.
_FRESH_NS: Final = 5 * _S_NS
#: Whoever went less, or more, between two looks, does not walk: 0.5 m/s, and 2.5 m/s.
_WALK_LEAST_M: Final = 0.5 * EVERY_S
_WALK_MOST_M: Final = 2.5 * EVERY_S
#: Whoever is so near to a vehicle rides on it, or is in its way.
_VEHICLE_M: Final = 8.0
#: One of a pair that is not told yet may be unheard for so long.
_UNSEEN_NS: Final = 600 * _S_NS
#: Pairs that are followed; with more, people walk in crowds, and new ones wait.
PAIRS_MOST: Final = 65_536

Floats = NDArray[np.float64]
Handles = NDArray[np.int64]

#: A pair: its cards, since when, when seen last, how far it went, and the sum of distances over it.
_PAIR: Final = np.dtype(
    [
        ("code", np.int64),
        ("since_ns", np.int64),
        ("seen_ns", np.int64),
        ("way_m", np.float64),
        ("apart_m2", np.float64),  # distances weighted by the way
    ]
)


class TwinWatch:
    """The pairs that were not yet apart, and those that are told."""

    def __init__(
        self,
        rule: DualCard,
        *,
        roster: Roster,
        cards: Cards,
        alarms: AlarmBook,
        state: Mapping[str, bytes],
    ) -> None:
        """Takes up the pairs that were told before a restart; others begin anew."""
        self._rule = rule
        self._roster = roster
        self._cards = cards
        self._alarms = alarms
        self._second = -1
        self._pairs = np.zeros(0, _PAIR)  # by ascending code
        self._before_m = np.zeros((0, 3))  # by card, where it was at the last look; NaN = unknown
        #: Pairs that are told, by code: the keys of their two cards.
        self._told: dict[int, tuple[str, str]] = {}
        kept = [from_json(v) for k, v in state.items() if k.startswith(STATE_PREFIX)]
        pairs = np.zeros(len(kept), _PAIR)
        for row, (one, other, since_ns, seen_ns, way_m, apart_m2) in enumerate(kept):
            code = _code(*sorted((roster.handle(one), roster.handle(other))))
            pairs[row] = (code, since_ns, seen_ns, way_m, apart_m2)
            self._told[code] = (one, other)
        self._pairs = np.sort(pairs, order="code")
        paired = {name for names in self._told.values() for name in names}
        #: Cards with an open alarm of whose pair nothing was kept.
        self._lone = [key for key in alarms if key.rule == DUAL_CARD and key.card not in paired]

    def reload(self, rule: DualCard) -> None:
        """Takes over another rule, for the pairs that are followed too; told ones stay told."""
        self._rule = rule

    def shift(self, by_ns: int) -> None:
        """Leaves out a time in which the gateway did not listen."""
        for name in ("since_ns", "seen_ns"):
            self._pairs[name] += by_ns

    def look(self, record: StepRecord) -> None:
        """Takes where everyone is now, every few seconds."""
        second = record.now_ns // _S_NS // EVERY_S
        if second == self._second:
            return
        if self._second < 0:  # before the first look nobody was looked for
            self._pairs["seen_ns"] = record.now_ns
        self._second = second
        fixes, known = self._cards.last, len(self._roster.person)
        places = np.stack([fixes["x_m"], fixes["y_m"], fixes["z_m"]], axis=1)[:known]
        below = self._cards.below_ns[:known] > 0
        fresh = (fixes["fix_class"][:known] > 0) & below
        fresh &= record.now_ns - fixes["t_ns"][:known] <= _FRESH_NS
        places[~fresh] = np.nan
        size = known - len(self._before_m)
        before = np.concatenate([self._before_m, np.full((max(size, 0), 3), np.nan)])
        way_m = np.sqrt(((places - before) ** 2).sum(axis=1))
        self._before_m = places
        walks = self._roster.person & (way_m >= _WALK_LEAST_M) & (way_m <= _WALK_MOST_M)
        walks[walks] = ~self._rides(places[walks], places[self._roster.vehicle & fresh])
        self._follow(places, np.where(walks, way_m, 0.0), below, record.now_ns)
        if second % BEGIN_EVERY == 0:
            self._begin(places, np.flatnonzero(walks), record.now_ns)
        self._tell(record)

    def _rides(self, places: Floats, vehicles: Floats) -> NDArray[np.bool_]:
        """(n,) bool: who is near a vehicle."""
        if not len(vehicles) or not len(places):
            return np.zeros(len(places), np.bool_)
        near = may_be_near(places, vehicles, _VEHICLE_M)
        apart_m2 = ((places[near, None] - vehicles) ** 2).sum(axis=2)
        near[near] = (apart_m2 < _VEHICLE_M**2).any(axis=1)
        return near

    def _follow(self, places: Floats, way_m: Floats, below: NDArray[np.bool_], now_ns: int) -> None:
        """Adds the way to the pairs that are together; forgets those that are not."""
        pairs = self._pairs
        one, other = _cards_of(pairs["code"])
        apart_m = np.sqrt(((places[one] - places[other]) ** 2).sum(axis=1))
        seen = np.isfinite(apart_m)
        both_m = np.minimum(way_m[one], way_m[other])
        pairs["way_m"] += both_m
        pairs["apart_m2"] += np.where(seen, apart_m, 0.0) * both_m
        pairs["seen_ns"] = np.where(seen, now_ns, pairs["seen_ns"])
        gone = seen & (apart_m > self._rule.apart_m)
        told = np.isin(pairs["code"], list(self._told))  # what is not seen ends no alarm
        gone |= ~told & (now_ns - pairs["seen_ns"] > _UNSEEN_NS)
        gone |= ~(below[one] & below[other])
        self._pairs = pairs[~gone]

    def _begin(self, places: Floats, walking: Handles, now_ns: int) -> None:
        """Takes up the pairs of those who walk near one another."""
        room = PAIRS_MOST - len(self._pairs)
        codes = _near_pairs(places[walking], walking, self._rule.near_m)
        codes = np.setdiff1d(codes, self._pairs["code"])[: max(room, 0)]
        if not len(codes):
            return
        new = np.zeros(len(codes), _PAIR)
        new["code"], new["since_ns"], new["seen_ns"] = codes, now_ns, now_ns
        self._pairs = np.concatenate([self._pairs, new])
        self._pairs.sort(order="code")

    def _tell(self, record: StepRecord) -> None:
        rule, pairs = self._rule, self._pairs
        long = (pairs["way_m"] >= rule.way_m) & (
            pairs["seen_ns"] - pairs["since_ns"] >= rule.time_s * _S_NS
        )
        near = pairs["apart_m2"] <= rule.near_m * pairs["way_m"]
        found = {int(pair["code"]): pair for pair in pairs[long & near]}
        while self._lone:
            key = self._lone.pop()
            self._alarms.end(key, record.now_ns, record, f"card {key.card} moves by itself")
        together = set(pairs["code"].tolist()) if self._told else set()
        for code in [code for code in self._told if code not in together]:
            self._end(code, record)
        for code, pair in found.items():
            if code not in self._told:
                self._raise(code, pair, record)

    def _raise(self, code: int, pair: np.void, record: StepRecord) -> None:
        handles = code >> 32, code & 0xFFFFFFFF
        names = self._roster.name(handles[0]), self._roster.name(handles[1])
        self._told[code] = names
        kept = (*names, *(pair[name].item() for name in _PAIR.names[1:]))  # type: ignore[index]  # it has fields
        record.state[STATE_PREFIX + "/".join(names)] = to_json(kept)
        for card, name, mate in zip(handles, names, reversed(names), strict=True):
            text = (
                f"card {name} has moved as one with card {mate} for {pair['way_m']:.0f} m: one "
                "person may carry both"
            )
            place = self._cards.last_place(card)
            key = AlarmKey(DUAL_CARD, card=name)
            self._alarms.begin(key, record.now_ns, record, text, place)

    def _end(self, code: int, record: StepRecord) -> None:
        names = self._told.pop(code)
        record.state[STATE_PREFIX + "/".join(names)] = None
        others = {name for pair in self._told.values() for name in pair}
        for name in names:
            if name not in others:
                text = f"card {name} moves by itself again, or is not below"
                self._alarms.end(AlarmKey(DUAL_CARD, card=name), record.now_ns, record, text)


def _code(one: int, other: int) -> int:
    return one << 32 | other


def _cards_of(codes: Handles) -> tuple[Handles, Handles]:
    return codes >> 32, codes & 0xFFFFFFFF


def _near_pairs(places: Floats, cards: Handles, near_m: float) -> Handles:
    """Codes, ascending, of the pairs of `cards` (n,) whose `places` (n, 3) are so near.

    Cards are sorted into squares of that size; each is compared with those of its own square and of
    half of the squares around it.
    """
    if len(cards) < 2:
        return np.zeros(0, np.int64)
    squares = np.floor((places[:, :2] - places[:, :2].min(axis=0)) / near_m).astype(np.int64) + 1
    lines = int(squares[:, 1].max()) + 2
    keys = squares[:, 0] * lines + squares[:, 1]
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    found = [np.zeros(0, np.int64)]
    for offset in (0, 1, lines - 1, lines, lines + 1):
        first = np.searchsorted(ordered, ordered + offset, "left")
        last = np.searchsorted(ordered, ordered + offset, "right")
        if not offset:
            first = np.arange(1, len(order) + 1)
        counts = np.maximum(last - first, 0)
        mine = np.repeat(np.arange(len(order)), counts)
        starts = np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        theirs = np.arange(len(mine)) + starts
        one, other = order[mine], order[theirs]
        near = ((places[one] - places[other]) ** 2).sum(axis=1) <= near_m**2
        low, high = np.sort(np.stack([cards[one[near]], cards[other[near]]]), axis=0)
        found.append(low << 32 | high)
    return np.unique(np.concatenate(found))
