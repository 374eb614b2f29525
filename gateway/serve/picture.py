"""The mine as it is now: what a client is told before it is told of changes.

It is written and read on the event loop only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from equipment.report import LinkChange, Sample
from gateway.config.bundle import DeviceSetup
from gateway.mine.alarms.states import AlarmState
from gateway.mine.change import Alarm, Changes, Headcount
from positioning.observation import FIX, Records, put_rows, rows_of

#: A value that changes little is told again after so long, so that its time is not too old.
CONFIRM_NS: Final = 10_000_000_000

_CARDS_AT_START: Final = 1024


class LatestFixes:
    """The newest fix of every card, and in which version it came."""

    def __init__(self) -> None:
        self._fixes = np.zeros(_CARDS_AT_START, FIX)
        self._versions = np.zeros(_CARDS_AT_START, np.int64)

    def update(self, fixes: Records, version: int) -> None:
        """Takes (n,) FIX, of which the last of a card counts; `version` (from 1) never falls."""
        cards = fixes["card"].astype(np.intp)
        if not len(cards):
            return
        self._grow(int(cards.max()) + 1)
        # Where an index repeats, NumPy keeps the last value.
        put_rows(self._fixes, cards, fixes)
        self._versions[cards] = version

    def since(self, version: int) -> Records:
        """A copy, (n,) FIX by handle, of the fixes that came after `version` (0: all)."""
        return rows_of(self._fixes, np.flatnonzero(self._versions > version))

    def versions(self, count: int) -> NDArray[np.int64]:
        """(count,) in which version each card's newest fix came; 0: it has none. Not to keep."""
        self._grow(count)
        return self._versions[:count]

    def pick(self, flags: NDArray[np.bool_]) -> Records:
        """A copy, (n,) FIX by handle, of those that are flagged; they have one."""
        return rows_of(self._fixes, np.flatnonzero(flags))

    def get(self, cards: Iterable[int]) -> Records:
        """A copy, (n,) FIX, of the newest fix of each of `cards` that has one."""
        asked = np.fromiter(cards, np.intp)
        asked = asked[asked < len(self._versions)]
        return rows_of(self._fixes, asked[self._versions[asked] > 0])

    def missing(self, cards: NDArray[np.uint32]) -> list[int]:
        """Those of `cards` (n,) that have no fix yet, in their order, maybe repeated."""
        known = np.zeros(len(cards), np.bool_)
        inside = cards < len(self._versions)
        known[inside] = self._versions[cards[inside]] > 0
        unknown: list[int] = cards[~known].tolist()
        return unknown

    def _grow(self, size: int) -> None:
        more = size - len(self._versions)
        if more > 0:
            more = max(more, len(self._versions))
            self._fixes = np.concatenate([self._fixes, np.zeros(more, FIX)])
            self._versions = np.concatenate([self._versions, np.zeros(more, np.int64)])


@dataclass(slots=True)
class DeviceNow:
    """A device, its link and the newest sample of each point, with the version each came in."""

    setup: DeviceSetup
    units: dict[str, str]
    #: By point: what change of its value is too small to be told.
    small: dict[str, float]
    link: LinkChange | None = None
    link_version: int = 0
    samples: dict[str, tuple[int, Sample]] = field(default_factory=dict)
    #: By point: the sample that clients were last told of, where small changes are not told.
    told: dict[str, Sample] = field(default_factory=dict)
    setup_version: int = 0
    #: The newest version of a value that clients are told of.
    values_version: int = 0

    def take(self, sample: Sample, version: int) -> bool:
        """Takes the newest value of a point; returns whether clients are to be told."""
        change = self.small.get(sample.point) if self.small else None
        if change is not None and _is_small(change, self.told.get(sample.point), sample):
            self.samples[sample.point] = (self.samples[sample.point][0], sample)
            return False
        if change is not None:
            self.told[sample.point] = sample
        self.samples[sample.point] = (version, sample)
        self.values_version = version
        return True

    @property
    def version(self) -> int:
        """The newest version of anything in it; 0 where nothing has come."""
        return max(self.setup_version, self.link_version, self.values_version)


class Picture:
    """The newest of everything."""

    def __init__(self, devices: Iterable[DeviceSetup]) -> None:
        self.fixes = LatestFixes()
        #: Zones by card handle.
        self.zones: dict[int, tuple[str, ...]] = {}
        #: Handles of the cards that have a fix, in the order in which they were first seen.
        self.seen: dict[int, None] = {}
        #: Alarms that are open or not acknowledged, by number, which grows.
        self.alarms: dict[int, Alarm] = {}
        self.headcount: Headcount | None = None
        self.headcount_t_ns = 0
        #: (anchors,) ANCHOR_HEALTH, None before they were judged.
        self.anchors: Records | None = None
        self.devices: dict[str, DeviceNow] = {}
        self.use_devices(devices, 0)

    def use_devices(self, setups: Iterable[DeviceSetup], version: int) -> None:
        """Takes over other devices; one that is set up as before keeps its link and its values."""
        before = self.devices
        self.devices = {}
        for setup in setups:
            name = setup.device.id
            known = before.get(name)
            if known is None or known.setup != setup:
                known = DeviceNow(setup, *_of_points(setup), setup_version=version)
            self.devices[name] = known

    def update(self, changes: Changes) -> None:
        """Takes the changes of one step."""
        self.headcount = changes.headcount
        self.headcount_t_ns = changes.now_ns
        self.seen.update(dict.fromkeys(self.fixes.missing(changes.fixes["card"])))
        self.fixes.update(changes.fixes, 1)
        self.zones.update(changes.zones)
        for alarm in changes.alarms.values():
            if alarm.state is AlarmState.NORMAL:
                self.alarms.pop(alarm.number, None)
            else:
                self.alarms[alarm.number] = alarm
        if changes.anchors is not None:
            self.anchors = changes.anchors

    def update_devices(
        self, samples: Iterable[Sample], links: Sequence[LinkChange], version: int
    ) -> bool:
        """Takes what has come of devices; `version` is that of their values.

        Returns whether clients are to be told.
        """
        for link in links:
            device = self.devices[link.device]
            device.link, device.link_version = link, version
        news = False
        for sample in samples:
            news |= self.devices[sample.device].take(sample, version)
        return news or bool(links)


def _of_points(setup: DeviceSetup) -> tuple[dict[str, str], dict[str, float]]:
    """Units, and least changes where there are any, by point."""
    points = setup.profile.point
    small = {point.name: point.least_change for point in points if point.least_change}
    return {point.name: point.unit for point in points}, small


def _is_small(change: float, told: Sample | None, sample: Sample) -> bool:
    """Whether clients need not be told of `sample`: only its value differs, by `change` at most."""
    if told is None or (told.quality, told.reason) != (sample.quality, sample.reason):
        return False
    if not isinstance(told.value, float) or not isinstance(sample.value, float):
        return False
    is_recent = sample.receive_t_ns - told.receive_t_ns < CONFIRM_NS
    return is_recent and abs(sample.value - told.value) <= change
