"""What goes wrong between the devices and the core, on a random timetable from the seed.

What the gateway's inbox makes of it before the core sees it is modelled: a reader's clock that is
off by less than the tolerance is believed; one that is off by more is moved by one constant.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from equipment.report import ClockCheck, LinkChange, LinkState, Notice, NoticeKind, Sample
from gateway.soak.corruption import corrupted
from gateway.soak.plan import CLOCK_TOLERANCE_S, SHIFT_H, START_NS, SoakSettings
from hil_sim.roadgraph import Floats, Ints
from positioning.observation import Kind, Records

_S_NS: Final = 1_000_000_000

#: After a fault has ended the core has so long to find its way again.
SETTLE_S: Final = 15.0

#: Of an interrupted link, readers keep so much in their rings, seconds.
RING_S: Final = 30

#: Shares: of cards that a loss is about, of their measurements that are lost, of measurements that
#: come twice or are corrupt while that goes on.
LOST_CARDS: Final = 0.1
LOST_LEAST: Final = 0.3
TWICE: Final = 0.3
CORRUPT: Final = 0.3

#: How probable it is in each second of a loss that a device says what it has lost or refused.
NOTICE_CHANCE: Final = 0.7
#: How late what is late comes, seconds.
LATE_S: Final = (2.0, 180.0)


class Turn(NamedTuple):
    """How often a kind of fault comes, and how long it lasts: seconds."""

    gap_s: float
    last_s: tuple[float, float]


KINDS: Final = {
    "lost": Turn(300.0, (5.0, 90.0)),
    "late": Turn(900.0, (10.0, 90.0)),
    "doubled": Turn(600.0, (20.0, 90.0)),
    "reordered": Turn(600.0, (20.0, 90.0)),
    "corrupt": Turn(600.0, (20.0, 90.0)),
    "down": Turn(1200.0, (3.0, 240.0)),
    "clock": Turn(1800.0, (30.0, 240.0)),
    "restart": Turn(1800.0, (0.5, 60.0)),
    "stall": Turn(2400.0, (3.0, 120.0)),
    "swap": Turn(300.0, (1.0, 1.0)),
    "mute": Turn(900.0, (3.0, 60.0)),
    "duplicate": Turn(1800.0, (60.0, 240.0)),
    "both": Turn(600.0, (1.0, 1.0)),
    "reload": Turn(1200.0, (1.0, 1.0)),
}


class Timetable:
    """When one kind of fault is in force."""

    def __init__(self, kind: str, settings: SoakSettings) -> None:
        self._turn = KINDS[kind]
        least = 1.0 / settings.oftener_most
        self._gap_s = self._turn.gap_s * max(settings.shift_h / SHIFT_H, least)
        self.rng = np.random.default_rng((settings.seed, 10 + list(KINDS).index(kind)))
        self.off = kind in settings.without
        self.start_s = self._next_s(0.0)
        self.end_s = self.start_s + self.rng.uniform(*self._turn.last_s)

    def begins(self, second: int) -> bool:
        """Whether it begins in this second; what ended before makes room for the next."""
        if second > self.end_s:
            self.start_s = self._next_s(second)
            self.end_s = self.start_s + self.rng.uniform(*self._turn.last_s)
        return not self.off and second - 1 < self.start_s <= second

    def active(self, second: int) -> bool:
        """Whether it is in force."""
        return not self.off and self.start_s <= second <= self.end_s

    def _next_s(self, after_s: float) -> float:
        return float(after_s + self.rng.exponential(self._gap_s))


class Air:
    """The way of measurements from the devices to the core.

    `unsettled_s`, (cards,): until when the core can't be asked to know where a card is.
    """

    def __init__(
        self,
        settings: SoakSettings,
        device_of_anchor: Ints,
        devices: tuple[str, ...],
        readers: int,
    ) -> None:
        """`devices` in the order of `device_of_anchor`; behind them those of the map's `readers`.

        Behind those are the devices that hear no cards.
        """
        self._hearing = int(device_of_anchor.max()) + 1 + readers
        self._device_of_anchor, self._devices = device_of_anchor, devices
        self._uwb = int(device_of_anchor.max()) + 1
        self._anchors = len(device_of_anchor)
        self.table = {kind: Timetable(kind, settings) for kind in KINDS}
        self.unsettled_s: Floats = np.full(settings.people, SETTLE_S)
        self._waiting: dict[int, list[Records]] = {}
        self._lossy = np.zeros(settings.people, np.bool_)
        self._lost_share, self._delay_s, self._off_ns = 0.0, 0.0, 0
        self._late = self._wrong = 0
        #: The device that is down, and what its ring holds meanwhile.
        self._dead = -1
        self._ring: list[Records] = []
        self._links: list[LinkChange] = []
        #: How far the clocks are off that are not believed, by device; and what is to be told.
        self.skewed: dict[str, int] = {}
        self._clocks: list[ClockCheck] = []
        self._notices: list[Notice] = []
        self._words = np.random.default_rng((settings.seed, 9))
        #: The device of which no value comes, though it is heard.
        self.mute = ""
        #: A card whose number another card has as well, and that other one; -1: there is none.
        self.doubled, self._double = -1, -1
        #: Until when what is told of each is of two cards.
        self.doubled_until_s: Floats = np.full(settings.people, -np.inf)

    @property
    def down(self) -> str:
        """The device that is not heard, if there is one."""
        return self._devices[self._dead] if self._dead >= 0 else ""

    def take_links(self) -> tuple[LinkChange, ...]:
        """How links have changed since this was asked last."""
        links, self._links = tuple(self._links), []
        return links

    def take_clocks(self) -> tuple[ClockCheck, ...]:
        """What was found of devices' clocks since this was asked last."""
        clocks, self._clocks = tuple(self._clocks), []
        return clocks

    def take_notices(self) -> tuple[Notice, ...]:
        """What devices have lost or refused since this was asked last."""
        notices, self._notices = tuple(self._notices), []
        return notices

    def heard_of(self, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        """Those of `samples` that arrive: what is not heard, or mute, says nothing."""
        return tuple(one for one in samples if one.device not in (self.down, self.mute))

    def connect_all(self, t_ns: int) -> None:
        """What drivers tell when the gateway has started."""
        self._clocks = [
            ClockCheck(device, self.skewed.get(device, 0), t_ns)
            for device in self._devices[: self._hearing]
        ]
        for number, device in enumerate(self._devices):
            state = LinkState.DOWN if number == self._dead else LinkState.UP
            self._links.append(LinkChange(device, state, "as found", t_ns))

    def pass_on(self, second: int, measured: Records) -> Records:
        """What arrives in this second, of what was measured in it and before."""
        begun = {kind for kind, times in self.table.items() if times.begins(second)}
        device = self._device_of(measured)
        measured = self._shift_clock(second, measured, device, new="clock" in begun)
        measured, device = self._lose(second, measured, device, new="lost" in begun)
        measured, device = self._delay(second, measured, device, new="late" in begun)
        measured = self._cut_off(second, measured, device, new="down" in begun)
        measured = self._double_up(second, measured, new="duplicate" in begun)
        times = self.table["mute"]
        if "mute" in begun:
            others = self._devices[self._hearing :]
            self.mute = others[int(times.rng.integers(len(others)))]
        elif not times.active(second):
            self.mute = ""
        if self.table["corrupt"].active(second):
            measured = corrupted(measured, self._anchors, CORRUPT, self.table["corrupt"].rng)
        if self.table["doubled"].active(second):
            rng = self.table["doubled"].rng
            twice = measured[rng.random(len(measured)) < TWICE]
            later = rng.random(len(twice)) < 0.5
            self._put_off(second + 1, twice[later])
            measured = np.concatenate([measured, twice[~later]])
        old = self._waiting.pop(second, [])
        if old:
            measured = np.concatenate([*old, measured])
        if self.table["reordered"].active(second):
            measured = measured[self.table["reordered"].rng.permutation(len(measured))]
        return measured

    def unsettle(self, cards: Ints, until_s: float) -> None:
        """The core can't be sure of these cards until some time after `until_s`."""
        self.unsettled_s[cards] = np.maximum(self.unsettled_s[cards], until_s + SETTLE_S)

    def _device_of(self, measured: Records) -> Ints:
        is_range = measured["kind"] == Kind.RANGE
        source = measured["source"].astype(np.int64)
        anchor = np.where(is_range, source, 0)
        device: Ints = np.where(is_range, self._device_of_anchor[anchor], self._uwb + source)
        return device

    def _put_off(self, second: int, measured: Records) -> None:
        if len(measured):
            self._waiting.setdefault(second, []).append(measured)

    def _shift_clock(self, second: int, measured: Records, device: Ints, *, new: bool) -> Records:
        times = self.table["clock"]
        if new:
            self._wrong = int(times.rng.integers(self._hearing))
            off_s = times.rng.uniform(-2.0, 2.0) * CLOCK_TOLERANCE_S
            if abs(off_s) > CLOCK_TOLERANCE_S:  # not believed: what is left is the way of the data
                self._find_off(self._devices[self._wrong], round(off_s * 1e9), second)
                off_s = times.rng.uniform(-0.2, 0.2)
            self._off_ns = round(off_s * 1e6) * 1000
        if times.active(second):
            mine = device == self._wrong
            measured["t_ns"][mine] += self._off_ns
            self.unsettle(measured["card"][mine], second)
        else:
            for right in list(self.skewed):
                self._find_off(right, 0, second)
        return measured

    def _find_off(self, device: str, off_ns: int, second: int) -> None:
        """A device's clock was compared."""
        self.skewed.pop(device, None)
        if off_ns:
            self.skewed[device] = off_ns
        self._clocks.append(ClockCheck(device, off_ns, START_NS + second * _S_NS))

    def _double_up(self, second: int, measured: Records, *, new: bool) -> Records:
        """Adds what is measured of another card with the same number."""
        times, cards = self.table["duplicate"], len(self._lossy)
        if new and cards > 1:
            self.doubled, self._double = times.rng.choice(cards, 2, replace=False).tolist()
        elif not times.active(second):
            self.doubled = -1
        if self.doubled < 0:
            return measured
        self.unsettle(np.array([self.doubled]), second)
        self.doubled_until_s[self.doubled] = second + SETTLE_S
        mine = measured[measured["card"] == self.doubled]
        also = measured[measured["card"] == self._double].copy()
        if not len(mine) or not len(also):
            return measured
        also["card"], also["flags"] = self.doubled, mine["flags"][-1]
        return np.concatenate([measured, also])

    @property
    def doubles(self) -> tuple[int, int]:
        """The card that is doubled and the other; -1 where there is none."""
        return self.doubled, self._double

    def _lose(
        self, second: int, measured: Records, device: Ints, *, new: bool
    ) -> tuple[Records, Ints]:
        times = self.table["lost"]
        if new:
            self._lossy = times.rng.random(len(self._lossy)) < LOST_CARDS
            self._lost_share = float(times.rng.uniform(LOST_LEAST, 1.3))  # above 1: all
        if not times.active(second):
            return measured, device
        self._complain(second)
        self.unsettle(np.flatnonzero(self._lossy), second)
        lost = self._lossy[measured["card"]]
        lost &= times.rng.random(len(measured)) < self._lost_share
        return measured[~lost], device[~lost]

    def _complain(self, second: int) -> None:
        """While something is lost, devices have much to say of it."""
        if self._words.random() < NOTICE_CHANCE:
            device, kind, reason, count = self._words.integers((len(self._devices), 2, 6, 9))
            words = f"reason {'abcdef'[reason]}"
            what = (NoticeKind.DATA_LOST, NoticeKind.DATA_REFUSED)[kind]
            t_ns = START_NS + second * _S_NS
            name = self._devices[device]
            self._notices.append(Notice(name, what, 1 + int(count), words, t_ns))

    def _delay(
        self, second: int, measured: Records, device: Ints, *, new: bool
    ) -> tuple[Records, Ints]:
        times = self.table["late"]
        if new:
            self._late = int(times.rng.integers(self._hearing))
            self._delay_s = float(times.rng.uniform(*LATE_S))
        if not times.active(second):
            return measured, device
        late = np.flatnonzero(device == self._late)
        due = second + np.ceil(self._delay_s * times.rng.uniform(0.5, 1.0, len(late)))
        for one in np.unique(due).tolist():
            rows = measured[late[due == one]]
            self._put_off(int(one), rows)
            self.unsettle(rows["card"], one)
        kept = device != self._late
        return measured[kept], device[kept]

    def _cut_off(self, second: int, measured: Records, device: Ints, *, new: bool) -> Records:
        times, t_ns = self.table["down"], START_NS + second * _S_NS
        if new:
            self._dead = int(times.rng.integers(len(self._devices)))
        if self._dead < 0:
            return measured
        if not times.active(second):
            self._links.append(LinkChange(self.down, LinkState.UP, "", t_ns))
            if times.rng.random() < 0.5:  # else the ring was lost with the reader
                self._put_off(second, np.concatenate([*self._ring, measured[:0]]))
            for rows in self._ring:
                self.unsettle(rows["card"], second)
            self._dead, self._ring = -1, []
            return measured
        # Trying again in vain is told again and again.
        if new or times.rng.random() < 0.1:
            self._links.append(LinkChange(self.down, LinkState.DOWN, "no answer", t_ns))
        mine = device == self._dead
        self._ring = [*self._ring, measured[mine]][-RING_S:]
        self.unsettle(measured["card"][mine], second)
        kept: Records = measured[~mine]
        return kept
