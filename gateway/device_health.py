"""How each device does: what it gives, how fast it answers, and what has gone wrong.

Counted as it passes, on the event loop only. Times are nanoseconds since the Unix epoch, by the
gateway's clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from equipment.report import LinkChange, LinkState, NoticeKind, Quality, Sample

_S_NS: Final = 1_000_000_000
#: What is told of now is of so many whole seconds.
WINDOW_S: Final = 10


@dataclass(slots=True)
class _Second:
    """What came within one second."""

    number: int
    values: int = 0
    records: int = 0
    answers: int = 0
    waited_s: float = 0.0
    longest_s: float = 0.0
    #: How far the device's clock seemed to be ahead, at most: what comes late makes it less.
    ahead_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Recent:
    """The last `WINDOW_S` whole seconds of a device; None where nothing of the kind came."""

    values_per_s: float
    records_per_s: float
    round_trip_mean_s: float | None
    round_trip_most_s: float | None
    clock_ahead_s: float | None


class DeviceHealth:
    """One device since its session was set up, or the gateway began."""

    def __init__(self, address: str, begun_ns: int) -> None:
        """`address`: where the device is, in words."""
        self.address = address
        self.begun_ns = begun_ns
        self.heard_ns: int | None = None
        #: When a good value or a record last came.
        self.good_ns: int | None = None
        self.values = self.bad_values = self.records = self.lost = self.refused = 0
        #: How often the link came up, and how often it went down.
        self.ups = self.downs = 0
        #: The last time that it went down, or could not be had.
        self.failure: LinkChange | None = None
        self._seconds: deque[_Second] = deque(maxlen=WINDOW_S + 1)

    def note_heard(self, now_ns: int) -> None:
        """A sign of life."""
        self.heard_ns = now_ns

    def note_samples(self, samples: Sequence[Sample], now_ns: int) -> None:
        """Values of points, good and bad."""
        bad = sum(sample.quality is Quality.BAD for sample in samples)
        self.values += len(samples)
        self.bad_values += bad
        if bad < len(samples):
            self.good_ns = now_ns
        self._second(now_ns).values += len(samples)

    def note_records(self, count: int, now_ns: int) -> None:
        """So many records that could be used."""
        if count:
            self.records += count
            self.good_ns = now_ns
            self._second(now_ns).records += count

    def note_loss(self, kind: NoticeKind, count: int) -> None:
        """Data that was lost or refused."""
        if kind is NoticeKind.DATA_LOST:
            self.lost += count
        else:
            self.refused += count

    def note_answer(self, took_s: float, now_ns: int) -> None:
        """A request was answered after so long."""
        second = self._second(now_ns)
        second.answers += 1
        second.waited_s += took_s
        second.longest_s = max(second.longest_s, took_s)

    def note_clock(self, ahead_ns: int, now_ns: int) -> None:
        """The device's clock showed so much more than the gateway's, less what that took."""
        second = self._second(now_ns)
        known = second.ahead_ns
        second.ahead_ns = ahead_ns if known is None else max(known, ahead_ns)

    def note_link(self, change: LinkChange) -> None:
        """The link has changed."""
        if change.state is LinkState.UP:
            self.ups += 1
        elif change.state is LinkState.DOWN:
            self.downs += 1
            self.failure = change

    def recent(self, now_ns: int) -> Recent:
        """What it does now: of the last whole seconds, or of those since it began."""
        this = now_ns // _S_NS
        seconds = [one for one in self._seconds if this - WINDOW_S <= one.number < this]
        length_s = max(1, min(WINDOW_S, this - self.begun_ns // _S_NS))
        answers = sum(one.answers for one in seconds)
        ahead_ns = [one.ahead_ns for one in seconds if one.ahead_ns is not None]
        return Recent(
            sum(one.values for one in seconds) / length_s,
            sum(one.records for one in seconds) / length_s,
            sum(one.waited_s for one in seconds) / answers if answers else None,
            max(one.longest_s for one in seconds) if answers else None,
            max(ahead_ns) / _S_NS if ahead_ns else None,
        )

    def _second(self, now_ns: int) -> _Second:
        number = now_ns // _S_NS
        if not self._seconds or self._seconds[-1].number != number:
            self._seconds.append(_Second(number))
        return self._seconds[-1]


class HealthBook:
    """The health of all devices, by id."""

    def __init__(self) -> None:
        self._devices: dict[str, DeviceHealth] = {}

    def begin(self, device: str, address: str, now_ns: int) -> DeviceHealth:
        """A device that is set up, maybe anew: what was counted before is of another set-up."""
        self._devices[device] = DeviceHealth(address, now_ns)
        return self._devices[device]

    def keep(self, devices: Collection[str]) -> None:
        """Forgets those that are no longer configured."""
        for device in self._devices.keys() - set(devices):
            del self._devices[device]

    def get(self, device: str) -> DeviceHealth | None:
        """That of a device; None where it is not read yet."""
        return self._devices.get(device)
