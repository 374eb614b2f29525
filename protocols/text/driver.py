"""Reads a device that sends lines of text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from equipment.profile import Kind, Profile
from equipment.report import NoticeKind, RecordBatch
from equipment.text_profile import TextProfile
from protocols.driver import DeviceError, Driver, Pool, Sharing, Sink
from protocols.losses import Loss, Losses
from protocols.pace import Pace
from protocols.readers import AGE_US, is_card_id
from protocols.text.feed import Feed, Piece
from protocols.text.format import Format, Read
from protocols.text.kind import Found
from protocols.text.options import TextOptions
from protocols.text.port import Port, TcpPort, UdpPort
from protocols.text.refusals import Refusals
from protocols.text.samples import samples_of
from protocols.text.source import Incoming, Outgoing, Source
from protocols.text.splitter import Splitter

#: Lines that come within so long at most, or the profile's period, are read together: a batch
#: costs little more than a line.
GATHER_S: Final = 0.05

#: Lines of a device that are read in a second: as many ranges as the largest mine has in all. More
#: wait; a device that goes on so must not take the time of others.
LINES_S_MOST: Final = 32_000

#: The longest wait before losses are told.
TICK_S: Final = 0.5

#: How much of the time after which it is silent a device may send nothing that can be read, or
#: stay away, until that is said in words; before the supervisor finds it silent.
PATIENCE: Final = 0.8


class TextDriver:
    """Takes a device's lines as they come; never sends a byte.

    Which numbers came, what is not yet told, and whether the clock goes steadily belong to the
    driver: they outlive a session. So does the port of devices that come to us; `share` puts the
    driver on the same one as the others of its gateway.
    """

    Options = TextOptions

    def __init__(self, device: str, profile: Profile, options: TextOptions) -> None:
        """Raises ValueError where `card` does not go with the profile."""
        assert isinstance(profile, TextProfile)
        self._device = device
        self._options = options
        self._profile = profile
        self._card = _checked_card(profile, options)
        self._card_lines = tuple(line.card_of_device for line in profile.line)
        self._format = Format(profile)
        self._pace = Pace()
        self._lost, self._refused = Losses(), Refusals()
        self._patience_s = PATIENCE * profile.scan.silence_s
        self._port = self._new_port() if options.listens else None

    def describe(self) -> str:
        """Such as `text tcp 10.0.0.5:5000`."""
        return self._options.describe()

    def share(self, pool: Pool) -> None:
        """See `Sharing`."""
        if self._port is not None:
            options = self._options
            key = ("text", options.transport, options.bind, options.port)
            self._port = pool.get(key, self._new_port)

    def _new_port(self) -> Port:
        made = UdpPort if self._options.transport == "udp" else TcpPort
        return made(self._options.bind, self._options.port)

    def _source(self) -> Source:
        options, where = self._options, self.describe()
        if self._port is None:
            return Outgoing(where, options.host, options.port, options.timeout_s)
        datagrams = options.transport == "udp"
        return Incoming(where, options.host, self._port, datagrams=datagrams)

    async def session(self, sink: Sink) -> None:
        """See `Driver.session`."""
        source = self._source()
        try:
            await source.open()
            await self._take(source, sink)
        finally:
            source.close()

    async def _take(self, source: Source, sink: Sink) -> None:
        loop = asyncio.get_running_loop()
        splitter = Splitter(self._profile.line_bytes)
        tick_s = min(TICK_S, self._patience_s / 2)
        gather_s = min(GATHER_S, self._profile.scan.period_s)
        alive_s = loop.time()
        garbage = ""
        while True:
            pieces = await source.feed.take(tick_s)
            now_s = loop.time()
            lines, ages_us = self._lines(pieces, splitter, source.feed, now_s)
            if lines:
                read = self._format.read(lines, now_s)
                self._put(read, lines, ages_us, sink)
                if read.alive:
                    alive_s, garbage = now_s, ""
                elif read.refusals:
                    garbage = read.refusals[-1].reason
            self._note(splitter, source.feed, now_s)
            self._tell(sink, now_s)
            problem = source.feed.end if source.feed.is_over else ""
            if not problem and now_s - alive_s > self._patience_s:
                problem = _in_words(garbage, source.feed.quiet)
            if problem:
                raise DeviceError(f"{self.describe()} {problem}", again_s=source.again_s)
            if pieces:
                await asyncio.sleep(max(gather_s, len(lines) / LINES_S_MOST))

    def _lines(
        self, pieces: list[Piece], splitter: Splitter, feed: Feed, now_s: float
    ) -> tuple[list[bytes], NDArray[np.int64]]:
        """The lines that are whole now, and how long ago each was, in microseconds."""
        lines: list[bytes] = []
        counts, ages = [], []
        cut = splitter.whole if feed.datagrams else splitter.feed
        for piece in pieces:
            if piece.data is None:
                self._note_unfinished(splitter.begin())
                continue
            found = cut(piece.data)
            if feed.datagrams and len(found) > 1 and not found[-1]:
                del found[-1]  # after the end of its last line there is no other
            lines += found
            counts.append(len(found))
            ages.append(round((now_s - piece.t_s) * 1e6))
        if feed.is_over:
            self._note_unfinished(splitter.begin())
        return lines, np.repeat(np.array(ages, np.int64), np.array(counts, np.intp))

    def _put(self, read: Read, lines: list[bytes], ages_us: NDArray[np.int64], sink: Sink) -> None:
        now_ns = time.time_ns()
        for one in read.refusals:
            self._refused.add(f"lines refused: {one.reason}", lines[one.line])
        if read.alive:
            sink.heard()
        device_t_ns = self._device_t_ns(read, now_ns)
        for number, positions, found in read.found:
            if len(found.of_line):
                columns = dict(found.columns)
                if found.times_us is None:
                    columns[AGE_US] = ages_us[np.array(positions)[found.of_line]]
                if self._card_lines[number]:
                    columns["card"] = np.full(len(found.of_line), self._card, object)
                sink.records(RecordBatch(self._device, columns, now_ns, device_t_ns))
            if found.points and len(found.kept):
                self._note_values(found, positions, lines)
                sink.samples(samples_of(self._device, found, now_ns))
                if device_t_ns is not None:
                    sink.clock(device_t_ns)

    def _device_t_ns(self, read: Read, now_ns: int) -> int | None:
        """What the device's clock shows now, where its lines tell that."""
        newest = [
            int(found.times_us.max())
            for _, _, found in read.found
            if found.times_us is not None and len(found.times_us)
        ]
        if not newest or self._profile.kind is Kind.MACHINE:
            return None
        device_t_ns = max(newest) * 1000
        return device_t_ns if self._pace.settled(device_t_ns, now_ns) else None

    def _note_values(self, found: Found, positions: Sequence[int], lines: list[bytes]) -> None:
        """Values of points that are none: the others of their lines are good."""
        for column in found.points:
            for row, reason in column.wrong.items():
                line = lines[positions[int(found.kept[row])]]
                self._refused.add(f"values refused: {column.point.name} {reason}", line)

    def _note_unfinished(self, rest: bytes) -> None:
        if rest:
            self._refused.add("lines refused: no end before that of the connection", rest)

    def _note(self, splitter: Splitter, feed: Feed, now_s: float) -> None:
        """Notes what a transport or the lines' numbers have to say."""
        if splitter.too_long:
            reason = f"lines refused: longer than {self._profile.line_bytes} bytes"
            self._refused.add(reason, splitter.excerpt, splitter.too_long)
            splitter.too_long = 0
        for address, count in feed.strangers.items():
            reason = f"data refused from {address}, which is no device's host on this port"
            self._refused.add(reason, count=count)
        feed.strangers.clear()
        if feed.dropped:
            reason = "datagrams lost: more come than can be read"
            self._lost.add([Loss(feed.dropped, reason)])
            feed.dropped = 0
        for loss in self._format.losses(now_s):
            self._lost.add([Loss(loss.count, f"lines lost on the way: {loss.reason}")])

    def _tell(self, sink: Sink, now_s: float) -> None:
        for loss in self._lost.due(now_s):
            sink.notice(NoticeKind.DATA_LOST, loss.count, loss.reason)
        for loss in self._refused.due(now_s):
            sink.notice(NoticeKind.DATA_REFUSED, loss.count, loss.reason)


def _in_words(garbage: str, quiet: str) -> str:
    """Why a device gives nothing, where more can be said than that it is silent."""
    if garbage:
        return (
            f"sends no line that can be read ({garbage}); compare the profile's [[line]] with "
            "what the device sends"
        )
    return f"{quiet}; check the device and where it sends to" if quiet else ""


def _checked_card(profile: TextProfile, options: TextOptions) -> str:
    if profile.needs_card and options.card is None:
        msg = "card: is missing, as the lines do not say of which card they are"
        raise ValueError(msg)
    if options.card is not None and not profile.needs_card:
        msg = "card: has no use, as the lines say of which card they are"
        raise ValueError(msg)
    if options.card is not None and not is_card_id(options.card):
        msg = f"card: must be a card's id (1 to 18 letters or digits), not {options.card!r}"
        raise ValueError(msg)
    return options.card or ""


if TYPE_CHECKING:

    def _is_driver(driver: TextDriver) -> Driver:
        return driver

    def _is_sharing(driver: TextDriver) -> Sharing:
        return driver
