"""Listens to RFID readers that speak LLRP."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from equipment.llrp_profile import LlrpProfile
from equipment.profile import Profile
from equipment.report import NoticeKind, RecordBatch
from protocols.driver import DeviceError, Driver, Sink
from protocols.llrp import rospec, wire
from protocols.llrp.clock import ReaderClock
from protocols.llrp.connection import Connection, refused
from protocols.llrp.options import LlrpOptions
from protocols.llrp.report import ReportReader, event_of
from protocols.llrp.rospec import RoSpec, State
from protocols.llrp.wire import Message, NonsenseError, Status
from protocols.losses import Loss, Losses

#: The longest wait before losses are told.
TICK_S: Final = 1.0

#: How often at least it is asked whether the reader does its work.
LOOK_MOST_S: Final = 5.0

#: Why a connection is not taken (the status of ConnectionAttemptEvent).
_ATTEMPTS: Final = {
    1: "it has a connection that it made itself: have it make none",
    2: "it has another client already, and room for one: is there a second gateway?",
    4: "another client wants its place: is there a second gateway?",
}


class _Session(NamedTuple):
    """What belongs to one connection."""

    connection: Connection
    clock: ReaderClock
    sink: Sink


class LlrpDriver:
    """Gives a reader one ROSpec of its own, or nothing (`rospec = "existing"`), and listens.

    The ROSpec stays in the reader when a session ends, so that it goes on seeing tags and keeps
    what it can while the gateway is away. What is not yet told belongs to the driver.
    """

    Options = LlrpOptions

    def __init__(self, device: str, profile: Profile, options: LlrpOptions) -> None:
        assert isinstance(profile, LlrpProfile)
        self._device = device
        self._options = options
        self._reports = ReportReader(profile)
        self._own = rospec.own(options.rospec_id) if options.rospec == "own" else None
        self._look_s = min(LOOK_MOST_S, profile.scan.silence_s / 4)
        self._lost, self._refused = Losses(), Losses()

    def describe(self) -> str:
        """Such as `llrp 10.0.0.5:5084`."""
        return self._options.describe()

    async def session(self, sink: Sink) -> None:
        """See `Driver.session`."""
        connection = Connection(self._options, self._own)
        at = _Session(connection, ReaderClock(), sink)
        try:
            await connection.open()
            await self._greeting(at)
            await self._prepare(at)
            await self._listen(at)
        except DeviceError as error:
            msg = f"{self.describe()}: {error}"
            raise DeviceError(msg) from error
        except NonsenseError as error:
            msg = f"{self.describe()}: an answer that can't be read ({error}): check its firmware"
            raise DeviceError(msg) from error
        finally:
            await connection.leave()

    async def _greeting(self, at: _Session) -> None:
        """A reader speaks first: whether it takes the connection."""
        begun_s = asyncio.get_running_loop().time()
        message = await at.connection.next(self._options.timeout_s)
        if message is None or message.kind != wire.READER_EVENT_NOTIFICATION:
            what = "no greeting" if message is None else f"a message {message.kind} as greeting"
            msg = f"{what} within {self._options.timeout_s:g} s: check that it is an LLRP reader"
            raise DeviceError(msg)
        self._take(message, at)
        greeting = event_of(message.body)
        if greeting.attempt is None:
            msg = "its greeting does not say whether it takes the connection: check its firmware"
            raise DeviceError(msg)
        at.sink.answered(asyncio.get_running_loop().time() - begun_s, greeting.t_ns)

    async def _prepare(self, at: _Session) -> None:
        """Has the reader do its work, where that is for the gateway to say."""
        own = self._own
        if own is None:
            at.connection.send(wire.ENABLE_EVENTS_AND_REPORTS)
            return
        # Signs of life as often as the reader is asked.
        settings = rospec.config(self._look_s)
        status, _ = await self._request(wire.SET_READER_CONFIG, settings, at)
        if status.code:
            # Tags are seen without; what is lost is not told then.
            reason = refused("take which events to tell", status)
            self._lost.add([Loss(0, reason)])
        number = own[4:8]
        found = await self._own_rospecs(at)
        if not any(one.form == own and one.state != State.DISABLED for one in found):
            if found:
                await self._ask(wire.DELETE_ROSPEC, number, "replace the ROSpec", at)
            await self._ask(wire.ADD_ROSPEC, own, "take the ROSpec", at)
            await self._ask(wire.ENABLE_ROSPEC, number, "enable the ROSpec", at)
        at.connection.send(wire.ENABLE_EVENTS_AND_REPORTS)

    async def _own_rospecs(self, at: _Session) -> list[RoSpec]:
        answer = await self._ask(wire.GET_ROSPECS, b"", "tell its ROSpecs", at)
        return [one for one in rospec.rospecs_of(answer) if one.id == self._options.rospec_id]

    async def _ask(self, kind: int, body: bytes, what: str, at: _Session) -> bytes:
        """The answer to a request. Raises DeviceError where none comes, or the reader refuses."""
        status, answer = await self._request(kind, body, at)
        if status.code:
            raise DeviceError(refused(what, status))
        return answer

    async def _request(self, kind: int, body: bytes, at: _Session) -> tuple[Status, bytes]:
        """How a request ended, and the answer; what else comes meanwhile is taken.

        Raises:
            DeviceError: none comes.
        """
        ends = (wire.ANSWERS[kind], wire.ERROR_MESSAGE)
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        number = at.connection.send(kind, body)
        while True:
            # What has come already is taken, however late: the answer may be behind it.
            left_s = self._options.timeout_s - (loop.time() - begun_s)
            message = await at.connection.next(max(0.0, left_s))
            if message is None:
                msg = f"it gave no answer within {self._options.timeout_s:g} s"
                raise DeviceError(msg)
            if message.number == number and message.kind in ends:
                break
            self._take(message, at)
        at.sink.answered(loop.time() - begun_s)
        return wire.status_of(message.body), message.body

    async def _listen(self, at: _Session) -> None:
        """Never returns: takes what comes, and asks now and then whether the reader works."""
        loop = asyncio.get_running_loop()
        look_s = loop.time()
        while True:
            if loop.time() >= look_s:
                answer = await self._ask(wire.GET_ROSPECS, b"", "tell its ROSpecs", at)
                self._judge(answer, at)
                look_s = loop.time() + self._look_s
            self._tell(at.sink, loop.time())
            message = await at.connection.next(min(TICK_S, max(0.0, look_s - loop.time())))
            if message is not None:
                self._take(message, at)

    def _judge(self, answer: bytes, at: _Session) -> None:
        """Whether the reader works: one that is connected and looks for no tags sees none."""
        rospecs = list(rospec.rospecs_of(answer))
        if self._own is None:
            # One that waits for its trigger is as it is meant to be.
            if any(one.state != State.DISABLED for one in rospecs):
                at.sink.heard()
            else:
                at.sink.alive(f"{self.describe()} has no ROSpec that is enabled: have it run one")
            return
        states = [one.state for one in rospecs if one.id == self._options.rospec_id]
        if State.ACTIVE in states:
            at.sink.heard()
        elif State.INACTIVE in states:
            # Enabled it is to start by itself, which not all do; of lowest priority it stops none.
            at.connection.send(wire.START_ROSPEC, self._own[4:8])
            at.sink.alive(f"{self.describe()} does other work: another client's ROSpec goes first")
        else:
            msg = f"its ROSpec {self._options.rospec_id} was deleted or disabled by someone else"
            raise DeviceError(msg)

    def _take(self, message: Message, at: _Session) -> None:
        if message.kind == wire.RO_ACCESS_REPORT:
            self._take_report(message.body, at)
        elif message.kind == wire.READER_EVENT_NOTIFICATION:
            self._take_event(message.body, at)
        elif message.kind == wire.ERROR_MESSAGE:
            # Such as readers that hold nothing back, and need not be told to hand it in.
            reason = refused("take all that it is sent", wire.status_of(message.body))
            self._lost.add([Loss(0, reason)])

    def _take_report(self, body: bytes, at: _Session) -> None:
        seen, now_ns = self._reports.read(body), time.time_ns()
        self._refused.add(seen.refused)
        if seen.timed is not None:
            device_t_ns = at.clock.shows_ns(seen.newest_ns, now_ns)
            at.sink.records(RecordBatch(self._device, seen.timed, now_ns, device_t_ns))
        if seen.bare is not None:
            at.sink.records(RecordBatch(self._device, seen.bare, now_ns))

    def _take_event(self, body: bytes, at: _Session) -> None:
        event = event_of(body)
        if event.t_ns is not None:
            at.clock.note(event.t_ns, time.time_ns())
        self._lost.add(Loss(0, reason) for reason in event.lost)
        if event.attempt:
            why = _ATTEMPTS.get(event.attempt, f"connection attempt status {event.attempt}")
            msg = f"the reader does not take the connection: {why}"
            raise DeviceError(msg)
        if event.closed:
            msg = "the reader has ended the connection: is it being set up, or restarted?"
            raise DeviceError(msg)

    def _tell(self, sink: Sink, now_s: float) -> None:
        for loss in self._lost.due(now_s):
            sink.notice(NoticeKind.DATA_LOST, loss.count, f"records may be lost: {loss.reason}")
        for loss in self._refused.due(now_s):
            sink.notice(NoticeKind.DATA_REFUSED, loss.count, f"refused: {loss.reason}")


if TYPE_CHECKING:

    def _is_driver(driver: LlrpDriver) -> Driver:
        return driver
