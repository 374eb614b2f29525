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
from gateway.mine.zones.occupancy import ENTRY_RULES
from gateway.soak.faults import LATE_S, SETTLE_S
from gateway.soak.holding import Holding
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.plan import CLOCK_TOLERANCE_S, START_NS
from gateway.soak.walkers import Flags
from gateway.soak.world import World
from hil_sim.roadgraph import Floats, Ints
from positioning.mine_map import ZoneKind
from positioning.observation import Kind, Records

#: One sigma of a place along a roadway is what the core says, but no less than noise makes it, and
#: no more than this: who says that nothing is known is wrong, too. It is forgotten by so much a
#: second, because crossings come of the places of some seconds.
SIGMA_LEAST_M: Final = 0.35
SIGMA_MOST_M: Final = 3.0
SIGMA_FADES: Final = 0.9
#: What the second of a step and the half metres of `Depths` may make of a place besides.
MARGIN_M: Final = 1.0
#: So many rounds a card must be deep before it is sure; one round is of so many ranges.
ROUNDS: Final = 3
RANGES_LEAST: Final = 3
#: So many of a card that must be told in or out: where two roadways meet at a right angle, a burst
#: without a line of sight holds a place back for some five seconds, as a slower walk would.
SURE_ROUNDS: Final = 6
#: Who has not been heard for longer is not judged by where it is.
HEARD_S: Final = 5.0
#: Who leaves the mine was near the wellhead so lately, seconds, and so near.
GATE_S: Final = 10.0
GATE_M: Final = 6.0
#: A range that says something of now is no longer, and no older.
RANGE_MOST_M: Final = 200.0
FRESH_NS: Final = 2_000_000_000


class Delivered(NamedTuple):
    """What the core was given in a step: by card, and how long it has listened so far.

    `numbers` are the cards by the core's handles.
    """

    rows: Records
    heard: Flags
    ranges: Ints
    second: int
    listened_s: float
    numbers: Ints


def counted_s(given: Delivered) -> Floats:
    """When each measurement counts as heard, listened seconds: now, within the tolerance."""
    late_s = given.second - (given.rows["t_ns"] - START_NS) / 1e9
    return given.listened_s - np.where(late_s > CLOCK_TOLERANCE_S, late_s, 0.0)


class Truth:
    """Compares places: zones, their alarms, and the way out."""

    def __init__(self, plan: MinePlan, world: World, ledger: Ledger, holding: Holding) -> None:
        self._world, self._ledger, self._holding = world, ledger, holding
        self._plan = plan
        zones = plan.map.zones
        self._zones = len(zones)
        shape = world.depth_m.shape
        self._in_for, self._out_for = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self._deep_m = np.full((shape[0], 1), 3.0 * SIGMA_LEAST_M + MARGIN_M)
        self._sigma_m = np.full(shape[0], SIGMA_LEAST_M)
        self._heard_s = np.full(shape[0], -np.inf)
        self._gate_s = np.full(shape[0], -np.inf)
        self._wellhead = ledger.wellheads[0]
        #: Who is surely in, or out, by column, now.
        self.sure_in: Flags = np.zeros(shape, np.bool_)
        self.sure_out: Flags = np.zeros(shape, np.bool_)
        self.settled: Flags = np.zeros(shape[0], np.bool_)
        # When it changed last who may be where, and when delays did, in listened seconds; inf:
        # since the last step.
        self._judged_s = self._reload_s = np.inf
        self._forbidden: Flags = np.zeros(shape, np.bool_)
        #: Whose number another card has as well: where they are told to be says nothing.
        self.doubled: Flags = np.zeros(shape[0], np.bool_)
        self.deep_m: Floats = self._deep_m[:, 0]
        self._clear_after_s = np.zeros(shape[1])
        self.reload(plan)
        self.false_pairs = 0
        self._false: set[tuple[int, int]] = set()

    def reload(self, plan: MinePlan) -> None:
        """The map has changed, or who has which card."""
        moved = plan.map is not self._plan.map
        self._plan = plan
        self.person = self._holding.person
        forbidden = _rights(plan, self._world, self._ledger, self._holding)
        if not np.array_equal(forbidden, self._forbidden):
            self._judged_s = np.inf
        self._forbidden = forbidden
        kinds = {zone.id: zone.kind for zone in plan.map.zones}
        rules = [ENTRY_RULES.get(kinds[name]) for name in self._world.depths.names]
        before_s, self._reload_s = self._clear_after_s, np.inf
        self._clear_after_s = np.array(
            [plan.rules[rule].clear_after_s + 1.0 if rule else 0.0 for rule in rules]
        )
        #: What was clearing when the delay changed may take the longer one.
        self._clear_most_s = np.maximum(before_s, self._clear_after_s)
        #: Where an alarm stays until someone resets it.
        self._latches = np.array([rule is not None and plan.rules[rule].latch for rule in rules])
        if moved:
            self._in_for[:], self._out_for[:] = 0, 0
            self._false.clear()
            self.sure_in[:], self.sure_out[:] = False, False

    def hand_over(self, old: int, new: int) -> None:
        """Who had the card `old` has `new`; -1: they have none."""
        for card in (old, new):
            if card >= 0:
                self._in_for[card], self._out_for[card] = 0, 0
                self.sure_in[card], self.sure_out[card] = False, False
        if new >= 0:
            self._gate_s[new] = max(self._gate_s[old], self._gate_s[new])
        self._false = {pair for pair in self._false if pair[0] not in (old, new)}

    def check(self, changes: Changes, given: Delivered, unsettled_s: Floats) -> Iterator[Complaint]:
        """Compares after a step."""
        self._judged_s = min(self._judged_s, given.listened_s)
        self._reload_s = min(self._reload_s, given.listened_s)
        self._doubt(changes, given.numbers)
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
        lately = given.listened_s - self._reload_s <= SURE_ROUNDS + self._clear_most_s.max()
        clear_after_s = self._clear_most_s if lately else self._clear_after_s
        wrong = self._out_for > SURE_ROUNDS + clear_after_s
        wrong = wrong & self.settled[:, None] & alarm
        if given.listened_s - self._judged_s > self._clear_after_s.max() + 1:
            wrong |= ~self._forbidden & alarm
        wrong &= ~self._latches
        yield from self._each("no entry alarm", wrong, columns, "no alarm", "one")

    def advance(self, second: int) -> None:
        """Once a second of the world, also while the gateway is away."""
        depth_m, below = self._world.depth_m, self._world.now.below
        self._in_for *= (depth_m > self._deep_m) & below[:, None]
        self._out_for *= (depth_m < -self._deep_m) & below[:, None]
        self._gate_s[below & (depth_m[:, self._wellhead] > -GATE_M)] = second

    def _doubt(self, changes: Changes, numbers: Ints) -> None:
        """Takes over how sure the core is of each card along its roadway."""
        fixes = changes.fixes
        card = numbers[fixes["card"]]
        along = self._world.along[self._world.now.edge[card]]
        var_m2 = along[:, 0] ** 2 * fixes["var_x_m2"] + along[:, 1] ** 2 * fixes["var_y_m2"]
        var_m2 += 2.0 * along[:, 0] * along[:, 1] * fixes["cov_xy_m2"]
        self._sigma_m *= SIGMA_FADES
        np.maximum.at(self._sigma_m, card, np.sqrt(np.maximum(var_m2, 0.0)))
        np.clip(self._sigma_m, SIGMA_LEAST_M, SIGMA_MOST_M, out=self._sigma_m)
        self.deep_m = 3.0 * self._sigma_m + MARGIN_M
        self._deep_m = self.deep_m[:, None]

    def _look(self, given: Delivered, unsettled_s: Floats) -> None:
        depth_m, round_ = self._world.depth_m, given.ranges >= RANGES_LEAST
        self._in_for += round_[:, None] & (depth_m > self._deep_m)
        self._out_for += round_[:, None] & (depth_m < -self._deep_m)
        self._heard_s[round_] = given.second
        self.settled = (given.second > unsettled_s) & self._world.now.below
        self.settled &= given.second - self._heard_s <= HEARD_S
        self.sure_in = (self._in_for > SURE_ROUNDS) & self.settled[:, None]
        self.sure_out = (self._out_for > SURE_ROUNDS) & self.settled[:, None]

    def _crossings(self, changes: Changes, given: Delivered) -> Iterator[Complaint]:
        ledger = self._ledger
        for event in changes.events:
            if event.kind is EventKind.MINE_LEFT:
                card = ledger.number[event.card]
                most_s = GATE_S if self.settled[card] else LATE_S[1] + SETTLE_S
                ago_s = given.second - self._gate_s[card]
                if ago_s > most_s and event.card not in ledger.handed and not self.doubled[card]:
                    found = f"left the mine, and was there {ago_s:.0f} s ago"
                    yield Complaint("was at wellhead", event.card, "", "at the wellhead", found)
            elif event.kind in (EventKind.ZONE_ENTERED, EventKind.ZONE_LEFT):
                pair = ledger.number[event.card], ledger.zones.index(event.zone)
                if self.doubled[pair[0]]:
                    continue
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


def delivered(
    rows: Records, numbers: Ints, shape: tuple[int, int], now_ns: int, listened_s: float
) -> Delivered:
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
    return Delivered(rows, heard, counts, second, listened_s, numbers)


def _rights(plan: MinePlan, world: World, ledger: Ledger, holding: Holding) -> Flags:
    """(cards, columns), who has an alarm where."""
    mine, person = holding.holders, holding.person
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
    return forbidden
