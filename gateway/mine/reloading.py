"""How the core takes over another configuration between two steps.

All that is known of cards and all alarms go on: the parts of the core stay and are given what is
new to them. Only what does not fit any more (the filter on another map, the zones with other
borders) is replaced, by what was made before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np

from gateway.mine.acts import ActBook
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.families import DEVICE_DOWN, SIGNAL_LOST
from gateway.mine.alarms.floods import FloodBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.change import Batch, Changes, EventKind
from gateway.mine.devices.anchors import AnchorBook
from gateway.mine.devices.limits import Limits
from gateway.mine.devices.links import Links
from gateway.mine.devices.readings import Readings
from gateway.mine.machines.vehicles import Vehicles
from gateway.mine.machines.watch import MachineWatch
from gateway.mine.muster.book import MusterBook
from gateway.mine.people.card_kept import CardKeeper
from gateway.mine.people.cards import Cards
from gateway.mine.people.conflicts import ConflictBook
from gateway.mine.people.lamp_room import LampRoom
from gateway.mine.people.roster import Roster
from gateway.mine.people.route_watch import RouteWatch
from gateway.mine.plan import MinePlan
from gateway.mine.prepared import Prepared, Reload
from gateway.mine.prevention.book import Prevention
from gateway.mine.record import StepRecord
from gateway.mine.sameness import same
from gateway.mine.zones.occupancy import Occupancy
from positioning.locator import Locator
from positioning.observation import FIX, IdTable, Records

SECOND_NS: Final = 1_000_000_000

#: Where the journal's state holds the name of the configuration that ran last.
CONFIGURATION_KEY: Final = "configuration"


class Reloading:
    """The core's part that takes over configurations; `gateway.mine.core.Mine` has the rest."""

    _plan: MinePlan
    _table: IdTable
    _next_sequence: int
    _cards: Cards
    _keeper: CardKeeper
    _alarms: AlarmBook
    _links: Links
    _roster: Roster
    _occupancy: Occupancy
    _limits: Limits
    _readings: Readings
    _vehicles: Vehicles
    _routes: RouteWatch
    _muster: MusterBook
    _prevention: Prevention
    _machines: MachineWatch
    _room: LampRoom
    _floods: FloodBook
    _acts: ActBook
    _conflicts: ConflictBook
    _anchors: AnchorBook
    _locator: Locator
    _limited: tuple[int, int]
    _speeds_m_s: dict[int, float]
    #: Why the configuration at hand is refused.
    _refusal: str

    def reload(self, reload: Reload, now_ns: int) -> Changes:
        """Takes over another configuration, or tells that it is refused and stays as it is.

        Between two steps; `now_ns` is not before that of the last one. All that is known of the
        cards, and every alarm, goes on. What the new configuration has no place for is ended.
        """
        record = StepRecord(self._next_sequence, now_ns)
        prepared, moved, anchors = reload.prepared, set[int](), None
        if prepared is None:
            record.event(EventKind.CONFIGURATION_REFUSED, now_ns, text=reload.text)
        else:
            record.event(EventKind.CONFIGURATION_CHANGED, now_ns, text=reload.text)
            moved, anchors = self._take_over(prepared, record)
        self._refusal = "" if prepared else reload.text
        self._acts.take((reload.act,) if reload.act else (), record)
        self._refusal = ""
        # On another map a place may have another roadway.
        shown = self._cards.shown() if prepared and prepared.locator else np.empty(0, FIX)
        smoothed = shown if self._plan.lag_s else np.empty(0, FIX)
        return self._changes(record, Batch(), (shown, smoothed), moved, anchors)

    def _take_over(self, prepared: Prepared, record: StepRecord) -> tuple[set[int], Records | None]:
        """Returns the cards whose zones may have changed, and the anchors where they have."""
        before, plan = self._plan, prepared.plan
        stops, self._plan = self._routes.stops(), plan
        self._keep_configuration(record)
        self._alarms.reload(plan.rules, record)
        alarms, silent_after_s = self._alarms.all().values(), plan.rules[SIGNAL_LOST].after_s
        self._floods.reload(plan.flood, hearing(plan), silent_after_s, alarms, record)
        self._take_over_cards(before, record)
        self._room.rebase(plan, record)
        stats = self._locator.anchor_stats()
        if prepared.locator:
            self._locator = prepared.locator
            self._speeds_m_s.clear()
            self._locator.restore(self._cards.last[self._cards.last["fix_class"] > 0])
        if prepared.locator or before.speeds_max_m_s != plan.speeds_max_m_s:
            self._limited = (0, 0)
            self._limit_speeds()
        self._links.reload(plan.devices, plan.rules[DEVICE_DOWN], record)
        self._readings.reload(plan.limits, plan.devices, record)
        self._drop_gone_zones(record)
        moved = set(self._occupancy.reload(plan.map, prepared.zones, record))
        self._limits.reload(plan, record)
        self._limits.look(record)
        self._vehicles.reload(plan.map, record)
        self._machines.reload(plan, prepared.machines, self._readings.newest, record)
        self._routes.reload(plan, stops, record)
        self._muster.reload(plan, prepared.ways, record)
        self._room.reload(before, plan, record)
        self._call_musters(record)
        self._prevention.reload(plan, record)
        self._conflicts.reload(readers_of(plan))
        if moved:
            self._keep(moved, record)
        health = None
        if prepared.anchors:
            self._anchors.save(stats, record)
            kept, self._anchors = self._anchors.kept(stats), prepared.anchors
            stats = self._anchors.restore(kept, record)
            health = self._anchors.judge(stats, record)
        if prepared.locator or prepared.anchors:
            self._locator.restore_anchor_stats(stats)
        return moved, health

    def _take_over_cards(self, before: MinePlan, record: StepRecord) -> None:
        plan = self._plan
        now = {roadway.id: (n, roadway) for n, roadway in enumerate(plan.map.roadways)}
        kept = [(now.get(roadway.id, (-1, None)), roadway) for roadway in before.map.roadways]
        index = [n if same(roadway, other) else -1 for (n, other), roadway in kept]
        self._keeper.reload(roadways_of(plan))
        back = self._cards.reload(
            np.array([*index, -1], np.int32),
            silent_after_ns=round(plan.rules[SIGNAL_LOST].after_s * SECOND_NS),
            clock_tolerance_ns=round(plan.clock_tolerance_s * SECOND_NS),
            now_ns=record.now_ns,
        )
        for card in back:
            name = self._table.name(card)
            text = f"a card is lost after {plan.rules[SIGNAL_LOST].after_s:g} s now"
            self._alarms.close(AlarmKey(SIGNAL_LOST, card=name), record.now_ns, record, text)
        if back:
            self._keep(back, record)

    def _drop_gone_zones(self, record: StepRecord) -> None:
        """Ends the alarms about zones that are no longer on the map."""
        zones = {zone.id for zone in self._plan.map.zones}
        for key in self._alarms:
            if key.zone and key.zone not in zones:
                text = f"zone {key.zone} is no longer on the map"
                self._alarms.close(key, record.now_ns, record, text)

    def _note_configuration(self, kept: Mapping[str, bytes], record: StepRecord) -> None:
        """Tells where a start brings another configuration than the one that ran last."""
        before, now = kept.get(CONFIGURATION_KEY, b"").decode(), self._plan.configuration
        if before and now and before != now:
            text = f"the gateway has started with configuration {now}; before it ran {before}"
            record.event(EventKind.CONFIGURATION_CHANGED, record.now_ns, text=text)
        self._keep_configuration(record)

    def _keep_configuration(self, record: StepRecord) -> None:
        if self._plan.configuration:
            record.state[CONFIGURATION_KEY] = self._plan.configuration.encode()

    def _limit_speeds(self) -> None:
        raise NotImplementedError

    def _call_musters(self, record: StepRecord) -> None:
        raise NotImplementedError

    def _keep(self, cards: Collection[int], record: StepRecord) -> None:
        raise NotImplementedError

    def _changes(
        self,
        record: StepRecord,
        batch: Batch,
        told: tuple[Records, Records],
        moved: Collection[int],
        anchors: Records | None = None,
    ) -> Changes:
        raise NotImplementedError


def roadways_of(plan: MinePlan) -> IdTable:
    """The roadways of the map, by index."""
    return IdTable(tuple(roadway.id for roadway in plan.map.roadways))


def hearing(plan: MinePlan) -> frozenset[str]:
    """The devices that hear cards."""
    return plan.uwb_readers | plan.engines | {reader.id for reader in plan.map.readers}


def readers_of(plan: MinePlan) -> IdTable:
    """The readers of the map, by index."""
    return IdTable(tuple(reader.id for reader in plan.map.readers))
