"""What is told, against where everyone truly is and what cards truly said.

A card counts only while no fault is in force for it and it is heard. It is surely on one side of
a zone's border when it was farther from it than noise explains in each of several rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from gateway.mine.change import Changes, EventKind
from gateway.mine.plan import MinePlan
from gateway.soak.faults import LATE_S, SETTLE_S
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.plan import START_NS
from gateway.soak.walkers import Flags
from gateway.soak.world import World
from hil_sim.roadgraph import Floats, Ints
from positioning.mine_map import ZoneKind
from positioning.observation import Kind, Records

#: One sigma of a place along a roadway, and what the second of a step and the half metres of
#: `Depths` may make of it besides.
SIGMA_M: Final = 0.35
MARGIN_M: Final = 1.0
DEEP_M: Final = 3.0 * SIGMA_M + MARGIN_M
#: So many rounds a card must be deep before it is sure; one round is of so many ranges.
ROUNDS: Final = 3
RANGES_LEAST: Final = 3
#: Who has not been heard for longer is not judged by where it is.
HEARD_S: Final = 5.0
#: Who leaves the mine was near the wellhead so lately, seconds, and so near.
GATE_S: Final = 10.0
GATE_M: Final = 6.0
#: A range that says something of now is no longer, and no older.
RANGE_MOST_M: Final = 200.0
FRESH_NS: Final = 2_000_000_000


class Delivered(NamedTuple):
    """What the core was given in a step: by card, and how long it has listened so far."""

    rows: Records
    heard: Flags
    ranges: Ints
    second: int
    listened_s: float


class Truth:
    """Compares places: zones, their alarms, and the way out."""

    def __init__(self, plan: MinePlan, world: World, ledger: Ledger) -> None:
        self._world, self._ledger = world, ledger
        zones = plan.map.zones
        self._zones = len(zones)
        shape = world.depth_m.shape
        self._in_for, self._out_for = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self._heard_s = np.full(shape[0], -np.inf)
        self._gate_s = np.full(shape[0], -np.inf)
        self._wellhead = ledger.wellheads[0]
        #: Who is surely in, or out, by column, now.
        self.sure_in: Flags = np.zeros(shape, np.bool_)
        self.sure_out: Flags = np.zeros(shape, np.bool_)
        self.settled: Flags = np.zeros(shape[0], np.bool_)
        self.person, self._forbidden = _rights(plan, world, ledger)
        self.false_pairs = 0
        self._false: set[tuple[int, int]] = set()

    def check(self, changes: Changes, given: Delivered, unsettled_s: Floats) -> Iterator[Complaint]:
        """Compares after a step."""
        self._look(given, unsettled_s)
        yield from self._crossings(changes, given)
        inside, alarm = self._ledger.inside, self._ledger.entry_alarm
        zones, columns = self._world.depths.names[: self._zones], self._world.depths.names
        wrong = self.sure_in[:, : self._zones] & ~inside
        yield from self._each("is in", wrong, zones, "inside", "not there")
        wrong = self.sure_out[:, : self._zones] & inside
        yield from self._each("is out", wrong, zones, "outside", "in it")
        wrong = self.sure_in & self._forbidden & ~alarm
        yield from self._each("entry alarm", wrong, columns, "an alarm", "none")
        wrong = (self.sure_out | ~self._forbidden) & alarm
        yield from self._each("no entry alarm", wrong, columns, "no alarm", "one")

    def _look(self, given: Delivered, unsettled_s: Floats) -> None:
        depth_m, below = self._world.depth_m, self._world.now.below
        round_ = (given.ranges >= RANGES_LEAST)[:, None]
        for count, deep in (
            (self._in_for, depth_m > DEEP_M),
            (self._out_for, depth_m < -DEEP_M),
        ):
            np.add(count, round_ & deep, out=count)
            count[~(deep & below[:, None])] = 0
        self._heard_s[given.ranges >= RANGES_LEAST] = given.second
        self._gate_s[below & (depth_m[:, self._wellhead] > -GATE_M)] = given.second
        self.settled = (given.second > unsettled_s) & below
        self.settled &= given.second - self._heard_s <= HEARD_S
        self.sure_in = (self._in_for > ROUNDS) & self.settled[:, None]
        self.sure_out = (self._out_for > ROUNDS) & self.settled[:, None]

    def _crossings(self, changes: Changes, given: Delivered) -> Iterator[Complaint]:
        ledger = self._ledger
        for event in changes.events:
            if event.kind is EventKind.MINE_LEFT:
                card = ledger.number[event.card]
                most_s = GATE_S if self.settled[card] else LATE_S[1] + SETTLE_S
                ago_s = given.second - self._gate_s[card]
                if ago_s > most_s:
                    found = f"left the mine, and was there {ago_s:.0f} s ago"
                    yield Complaint("was at wellhead", event.card, "", "at the wellhead", found)
            elif event.kind in (EventKind.ZONE_ENTERED, EventKind.ZONE_LEFT):
                pair = ledger.number[event.card], ledger.zones.index(event.zone)
                if event.kind is EventKind.ZONE_LEFT:
                    self.false_pairs += pair in self._false and bool(self._out_for[pair] > ROUNDS)
                    self._false.discard(pair)
                elif self._out_for[pair] > ROUNDS:
                    self._false.add(pair)

    def _each(
        self, law: str, wrong: Flags, names: tuple[str, ...], expected: str, found: str
    ) -> Iterator[Complaint]:
        if not wrong.any():
            return
        for card, column in zip(*np.nonzero(wrong), strict=True):
            depth_m = self._world.depth_m[card, column]
            text = f"{expected}: it is {abs(depth_m):.1f} m {'in' if depth_m > 0 else 'out'}"
            yield Complaint(law, self._ledger.cards[card], names[column], text, found)


def delivered(rows: Records, shape: tuple[int, int], now_ns: int, listened_s: float) -> Delivered:
    """Sums up by card what the core is given; `shape`: how many cards and anchors there are."""
    cards, anchors = shape
    heard = np.zeros(cards, np.bool_)
    heard[rows["card"]] = True
    # Only what is new and sound in form says where a card is.
    sound = (rows["kind"] == Kind.RANGE) & (rows["source"] < anchors)
    sound &= (rows["value_m"] >= 0.0) & (rows["value_m"] <= RANGE_MOST_M)
    sound &= rows["t_ns"] > now_ns - FRESH_NS
    counts: Ints = np.bincount(rows["card"][sound], minlength=cards)
    second = (now_ns - START_NS) // 1_000_000_000
    return Delivered(rows, heard, counts, second, listened_s)


def _rights(plan: MinePlan, world: World, ledger: Ledger) -> tuple[Flags, Flags]:
    """(cards,) who is a person; (cards, columns) who has an alarm where."""
    holders = plan.holders or {}
    mine = [holders.get(card) for card in ledger.cards]
    person = np.array([holder is None or holder.is_person for holder in mine])
    forbidden = np.zeros(world.depth_m.shape, np.bool_)
    for column, name in enumerate(world.depths.names):
        zone = plan.map.zones[ledger.zones.index(name)]
        near = bool(world.depths.near[column])
        if zone.kind is ZoneKind.RESTRICTED:
            forbidden[:, column] = True
        elif zone.kind is ZoneKind.CONTROLLED:
            allowed = [holder is not None and zone.id in holder.zones for holder in mine]
            forbidden[:, column] = ~np.array(allowed)
        elif zone.kind is ZoneKind.DANGER and near == bool(zone.near_m):
            forbidden[:, column] = person
    return person, forbidden
