"""Where the drivers put what they read, until the next step takes all of it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from equipment.profile import Kind
from equipment.report import (
    ClockCheck,
    LinkChange,
    LinkState,
    Notice,
    NoticeKind,
    RecordBatch,
    Sample,
)
from gateway.clock import Clock
from gateway.device_health import DeviceHealth
from gateway.mine.change import Act, Batch
from gateway.staleness import Staleness
from positioning.observation import MEASUREMENT, SIGHTING, IdTable, Records, measurements
from protocols.device_clock import DeviceClock
from protocols.readers import (
    Extent,
    Flags,
    Refusals,
    places_of,
    ranges_of,
    sightings_of,
    with_times,
)

#: Records that may wait for a step: half a minute of 32,000 ranges a second. Beyond it the step
#: has stood still for so long that new data are refused aloud rather than memory filled.
WAITING_MOST: Final = 1_000_000

#: Distinct notices that may wait; of more of them only the counts are kept. A reader gives a few
#: a second at most.
NOTICES_MOST: Final = 256

#: Changes of links that may wait; beyond it only the newest of each device is kept.
LINKS_MOST: Final = 4096

#: A record may be this much later than the reader's clock when it was read, which it can't be by
#: more than the clock's own corrections.
AHEAD_MOST_NS: Final = 1_000_000_000


class Inbox:
    """Gathers what all devices give. Used on the event loop only."""

    def __init__(self) -> None:
        self._measured: list[Records] = []
        self._samples: list[Sample] = []
        self._links: list[LinkChange] = []
        self._notices: dict[tuple[str, NoticeKind, str], Notice] = {}
        self._acts: list[Act] = []
        self._clocks: dict[str, ClockCheck] = {}
        #: Why the disk takes no events, or no positions; told when it changes.
        self._journal: dict[str, str] = {}
        self._has_journal = False
        self._waiting = 0
        self._filled = asyncio.Event()
        #: How much of the samples and links clients were told of before the step.
        self._told = (0, 0)
        #: Whether there is more than values, which can wait a little.
        self.presses = False

    def news(self) -> tuple[list[Sample], list[LinkChange]]:
        """The samples and changes of links that came since the last call, or since `take`."""
        samples, links = self._told
        self._told = len(self._samples), len(self._links)
        self._filled.clear()
        return self._samples[samples:], self._links[links:]

    def take(self) -> Batch:
        """All that has gathered, in the order of its arrival; the inbox is empty then."""
        batch = Batch(
            measurements=np.concatenate([np.empty(0, MEASUREMENT), *self._measured]),
            samples=tuple(self._samples),
            links=tuple(self._links),
            notices=tuple(self._notices.values()),
            acts=tuple(self._acts),
            clocks=tuple(self._clocks.values()),
            journal="; ".join(filter(None, self._journal.values())) if self._has_journal else None,
        )
        for part in (self._measured, self._samples, self._links, self._notices, self._acts):
            part.clear()
        self._clocks.clear()
        self._has_journal = False
        self._waiting = 0
        self._told, self.presses = (0, 0), False
        self._filled.clear()
        return batch

    async def filled(self, timeout_s: float) -> None:
        """Waits until something is there, or `timeout_s` have passed: time goes on without data."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._filled.wait()
        except TimeoutError:
            return

    def wake(self) -> None:
        """Asks for a step soon, though there is nothing in it."""
        self.presses = True
        self._filled.set()

    def room_for(self, count: int) -> bool:
        """Whether `count` more records may wait; notes them if so."""
        if self._waiting + count > WAITING_MOST:
            return False
        self._waiting += count
        return True

    def put_measured(self, measured: Records) -> None:
        """Takes (n,) MEASUREMENT."""
        self._measured.append(measured)
        self.wake()

    def put_samples(self, samples: Sequence[Sample]) -> None:
        """Takes values of points: clients are told at once, the step may wait."""
        self._samples.extend(samples)
        self._filled.set()

    def put_act(self, act: Act) -> None:
        """Takes what an operator asks for."""
        self._acts.append(act)
        self.wake()

    def put_clock(self, check: ClockCheck) -> None:
        """Takes word of a device's clock: the newest counts."""
        self._clocks[check.device] = check
        self.wake()

    def put_journal(self, part: str, failure: str) -> None:
        """Takes word of a part of the journal: why it can't be written, empty where it can."""
        self._journal[part] = failure
        self._has_journal = True
        self.wake()

    def put_link(self, link: LinkChange) -> None:
        """Takes a change of a link."""
        if len(self._links) >= LINKS_MOST:
            self._links = list({one.device: one for one in self._links}.values())
            self._told = (self._told[0], 0)
        self._links.append(link)
        self.wake()

    def put_notice(self, notice: Notice) -> None:
        """Takes word of lost or refused data; the same words are summed."""
        key = (notice.device, notice.kind, notice.text)
        if key not in self._notices and len(self._notices) >= NOTICES_MOST:
            key = (notice.device, notice.kind, "")
        waiting = self._notices.get(key)
        if waiting:
            count = waiting.count + notice.count
            notice = dataclasses.replace(notice, count=count, text=waiting.text)
        self._notices[key] = notice
        self.wake()


class DeviceInbox:
    """One device's way into the inbox: a reader's records become measurements here."""

    def __init__(
        self,
        device: str,
        kind: Kind,
        inbox: Inbox,
        *,
        cards: IdTable,
        anchors: IdTable,
        readers: IdTable,
        extent: Extent,
        clock_tolerance_ns: int,
        now_ns: Clock,
        health: DeviceHealth,
        stale_s: Mapping[str, float] | None = None,
    ) -> None:
        """`anchors` and `readers` give the indices of the map; `cards` gives out handles.

        `extent`: how far the map reaches.

        `stale_s`: after how long a value is too old, by point. What the gateway's clock `now_ns`
        says counts, not when a driver thinks that it read.
        """
        self._device = device
        self._kind = kind
        self._inbox = inbox
        self._cards = cards
        #: What was last said of it, None before anything: an alarm of an earlier run may be open.
        self._told_shift_ns: int | None = None
        self._now_ns = now_ns
        self._health = health
        self._staleness = Staleness(stale_s or {})
        self._retired = False
        self._tolerance_ns = 0
        self.use(anchors, readers, extent, clock_tolerance_ns)

    def use(
        self, anchors: IdTable, readers: IdTable, extent: Extent, clock_tolerance_ns: int
    ) -> None:
        """Gives out the indices of another map from now on: the inbox must be empty."""
        self._anchors = anchors
        self._extent = extent
        self._reader = readers.find(self._device)
        if clock_tolerance_ns != self._tolerance_ns:
            self._tolerance_ns = clock_tolerance_ns
            self._clock = DeviceClock(clock_tolerance_ns)

    def retire(self) -> None:
        """Takes nothing any more: the device is no longer configured, or set up anew."""
        self._retired = True

    def heard(self) -> None:
        """A sign of life needs no step."""
        self._health.note_heard(self._now_ns())

    def answered(self, took_s: float, device_t_ns: int | None = None) -> None:
        """How fast it answers needs no step either."""
        now_ns = self._now_ns()
        self._health.note_answer(took_s, now_ns)
        if device_t_ns is not None:
            # It was shown somewhere between the question and the answer.
            self._health.note_clock(device_t_ns + round(took_s * 5e8) - now_ns, now_ns)

    def clock(self, device_t_ns: int) -> None:
        """What its clock shows needs no step."""
        now_ns = self._now_ns()
        self._health.note_clock(device_t_ns - now_ns, now_ns)

    def samples(self, samples: Sequence[Sample]) -> None:
        """Takes values of points.

        Raises:
            ValueError: one is another device's; only a driver with a bug gives such.
        """
        for sample in samples:
            if sample.device != self._device:
                msg = f"a value of {sample.device!r} came from {self._device!r}"
                raise ValueError(msg)
        if self._retired:
            return
        now_ns = self._now_ns()
        self._health.note_samples(samples, now_ns)
        self._staleness.note(samples, now_ns)
        if self._has_room(len(samples), "values"):
            self._inbox.put_samples(samples)

    def tick(self) -> None:
        """Time goes on: tells of values that have become too old."""
        stale = self._staleness.due(self._now_ns())
        if stale and not self._retired:
            self._inbox.put_samples(stale)

    def records(self, batch: RecordBatch) -> None:
        """Takes records of a reader, with the device's clock checked."""
        if self._retired:
            return
        now_ns = self._now_ns()
        batch = with_times(batch, now_ns)
        shift_ns = self._checked_shift_ns(batch, now_ns)
        if batch.device_t_ns is None:
            latest_ns = now_ns - shift_ns + self._tolerance_ns
        else:
            latest_ns = batch.device_t_ns + AHEAD_MOST_NS
        found, refusals, flags = self._found(batch)
        for text, count in refusals:
            self.notice(NoticeKind.DATA_REFUSED, count, text)
        measured = measurements(found)
        measured["flags"] = flags
        measured = self._timely(measured, -shift_ns, latest_ns)
        self._health.note_records(len(measured), now_ns)
        if len(measured) and self._has_room(len(measured), "records"):
            measured["t_ns"] += shift_ns
            self._inbox.put_measured(measured)

    def _found(self, batch: RecordBatch) -> tuple[Records, Refusals, Flags]:
        """The measurements in records, by the kind of the device."""
        if self._kind is Kind.UWB_READER:
            return ranges_of(batch, self._cards, self._anchors)
        if self._kind is Kind.POSITIONING_ENGINE:
            return places_of(batch, self._cards, self._extent)
        if self._reader is not None:
            return sightings_of(batch, self._reader, self._cards)
        count = len(batch.columns["card"])
        nothing = np.empty(0, SIGHTING)
        return nothing, [("it gives sightings but is not on the map", count)], np.empty(0, np.uint8)

    def _timely(self, found: Records, after_ns: int, latest_ns: int) -> Records:
        """Those later than `after_ns` and not after `latest_ns`; the others are refused aloud."""
        early, late = found["t_ns"] <= after_ns, found["t_ns"] > latest_ns
        for wrong, text in (
            (early, "no time that can be true; set the reader's clock"),
            (late, "their times lie in the future; check the reader's clock"),
        ):
            if wrong.any():
                self.notice(NoticeKind.DATA_REFUSED, int(wrong.sum()), text)
        return found[~(early | late)]

    def notice(self, kind: NoticeKind, count: int, text: str) -> None:
        """Takes word of lost or refused data."""
        if self._retired:
            return
        self._health.note_loss(kind, count)
        self._inbox.put_notice(Notice(self._device, kind, count, text, self._now_ns()))

    def link(self, state: LinkState, reason: str) -> None:
        """Takes a change of the link."""
        if self._retired:
            return
        change = LinkChange(self._device, state, reason, self._now_ns())
        self._health.note_link(change)
        self._inbox.put_link(change)

    def _has_room(self, count: int, what: str) -> bool:
        if self._inbox.room_for(count):
            return True
        self.notice(NoticeKind.DATA_LOST, count, f"{what} lost: the gateway can't keep up")
        return False

    def _checked_shift_ns(self, batch: RecordBatch, now_ns: int) -> int:
        if batch.device_t_ns is None:
            return self._clock.last_shift_ns
        self._health.note_clock(batch.device_t_ns - now_ns, now_ns)
        shift_ns, changed = self._clock.shift_ns(batch.device_t_ns, now_ns)
        if shift_ns != self._told_shift_ns:
            self._told_shift_ns = shift_ns
            self._inbox.put_clock(ClockCheck(self._device, -shift_ns, now_ns))
        if changed and shift_ns:
            off_s = -shift_ns / 1e9
            text = (
                f"its clock is off by {off_s:+.1f} s and not believed: times are shifted to the "
                "gateway's; set the device's clock"
            )
            self.notice(NoticeKind.DATA_REFUSED, len(batch.columns["card"]), text)
        return shift_ns
