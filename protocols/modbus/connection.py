"""One connection to where Modbus units are: asks, and believes an answer only when all of it fits.

pymodbus carries the frames; each passes a gate first, which differs by framing.
"""

from __future__ import annotations

import asyncio
import errno
import struct
import termios
from typing import Final

import serial
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.framer import FramerBase, FramerRTU, FramerSocket

from protocols.modbus.codec import Registers, registers_of
from protocols.modbus.deadline import Deadline
from protocols.modbus.endpoint import Endpoint, SerialEndpoint, TcpEndpoint
from protocols.modbus.gate import FUNCTIONS, REFUSAL, Answer, End, Gate
from protocols.modbus.plan import Read
from protocols.modbus.refusal import Refused
from protocols.modbus.rtu_gate import Debts, RtuGate
from protocols.modbus.tcp_gate import TcpGate
from protocols.system_errors import reason_of

#: pymodbus keeps time for itself as well; later than any device's timeout, so that it is never the
#: one to speak.
_CLIENT_TIMEOUT_S: Final = 65.0

#: Characters of silence between two frames, and the shortest such silence, which serial drivers
#: are not asked to beat (Modbus over Serial Line V1.02, 2.5.1.1).
_GAP_CHARACTERS: Final = 3.5
_GAP_LEAST_S: Final = 0.00175

#: A line that is not silent for so long has a fault of its own.
NOISE_MOST_S: Final = 2.0

#: How much of what came pymodbus may hold: late answers beside the one that is waited for.
_HELD_MOST: Final = 4096

_CHECK_NETWORK: Final = "check the address, the power and the network"
_CHECK_SERIAL: Final = "check the name of the port, its rights and the adapter"
_CHECK_DEVICE: Final = "check the device and what stands between"
_CHECK_WIRE: Final = "check the line's termination, and that no other master asks on it"

_PARITIES: Final = {"none": "N", "even": "E", "odd": "O"}

Client = AsyncModbusTcpClient | AsyncModbusSerialClient

#: Function, first address, how many (Modbus Application Protocol V1.1b3, 6.1 to 6.4).
_REQUEST: Final = struct.Struct(">BHH")


class LineError(Exception):
    """What is wrong with a connection or with an answer, and what to do about it.

    `again_s`: for how long nobody is to ask again; 0 where that is not said.
    """

    def __init__(self, problem: str, remedy: str, again_s: float = 0.0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.again_s = again_s


class Connection:
    """A connection over which one request at a time is asked. Made on a running event loop."""

    def __init__(self, endpoint: Endpoint, debts: Debts) -> None:
        """`debts`: what units on this line have yet to answer; for framing RTU only."""
        self._endpoint = endpoint
        self._gate = _gate_for(endpoint, debts)
        self._client = _client_for(endpoint, self._gate)
        context = self._client.ctx
        context.max_buffer_size = _HELD_MOST
        tcp = isinstance(context.framer, FramerSocket)
        context.framer = (_TcpFrames if tcp else _RtuFrames)(context.framer.decoder)
        self._loop = asyncio.get_running_loop()
        self._deadline = Deadline()

    @property
    def is_usable(self) -> bool:
        """Whether the next request has a chance: else a new connection has to be made."""
        return self._client.connected and (self._gate.outlives_failures or not self._gate.problem)

    async def connect(self, timeout_s: float) -> None:
        """Connects. Raises LineError with the reason."""
        if isinstance(self._endpoint, SerialEndpoint):
            await self._open_port(self._endpoint)
            return
        try:
            async with asyncio.timeout(timeout_s):
                if await self._client.connect():
                    return
                reason = await self._why_not(self._endpoint)
        except TimeoutError:
            reason = f"no answer within {timeout_s:g} s"
        raise LineError(f"can't be reached ({reason})", _CHECK_NETWORK)

    async def _open_port(self, endpoint: SerialEndpoint) -> None:
        # Tried first: pymodbus keeps the reason to itself, and a port with which it fails open.
        reason = _why_no_port(endpoint)
        if not reason and not await self._client.connect():
            reason = "it could be opened only once"
        if reason:
            raise LineError(f"can't be reached ({reason})", _CHECK_SERIAL)
        # It is listened to one turn of the loop later; closed before, that would fail.
        await asyncio.sleep(0)

    async def _why_not(self, endpoint: TcpEndpoint) -> str:
        """Asks the network once more, since pymodbus keeps the reason to itself."""
        try:
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        except OSError as error:
            return reason_of(error)
        writer.close()
        return "the connection was refused once"

    async def read(self, unit: int, read: Read, timeout_s: float) -> Registers | Refused:
        """The registers or bits asked for, exactly so many, or the unit's refusal.

        Raises:
            LineError: there was no answer in time or a wrong one. On TCP the connection is then of
                no more use, since what comes next may belong to either request.
        """
        if self._gate.problem and not self._gate.outlives_failures:
            raise LineError(self._gate.problem, _CHECK_DEVICE)
        if self._gate.wait_s(self._loop.time()) > 0:
            await self._silence()
        settling = self._gate.settling(unit, read)
        if settling is not None:
            await self._settle(unit, settling, timeout_s)
        return await self._answer(unit, read, timeout_s)

    async def _silence(self) -> None:
        """Waits until the line is free for the next frame."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        while (wait_s := self._gate.wait_s(loop.time())) > 0:
            if self._gate.is_busy(loop.time()):
                begun_s = loop.time()
            if loop.time() - begun_s > NOISE_MOST_S:
                raise LineError(f"has had no silent line for {NOISE_MOST_S:g} s", _CHECK_WIRE)
            await asyncio.sleep(wait_s)

    async def _settle(self, unit: int, settling: Read, timeout_s: float) -> None:
        """Makes sure that nothing that `unit` still owes can be taken for its next answer.

        Waiting alone would not do: how late an answer may be is not known. So it is asked for
        something whose answer looks like none that is owed. Where it refuses that, the refusal may
        be one that was owed: then there is no better way than to wait for as long as an answer may
        take.
        """
        answer = await self._answer(unit, settling, timeout_s)
        if isinstance(answer, Refused):
            await asyncio.sleep(timeout_s)
        self._gate.forgive(unit)
        await self._silence()

    async def _answer(self, unit: int, read: Read, timeout_s: float) -> Registers | Refused:
        if not self._client.connected:
            problem = self._gate.problem or "is not connected"
            raise LineError(f"{problem}, asked for {read}", _CHECK_DEVICE)
        answer: Answer = self._loop.create_future()
        self._gate.open(answer, unit, read, timeout_s)
        try:
            self._deadline.set(answer, timeout_s)
            self._send(unit, read)
            body = await answer
            if body is None or self._gate.problem:
                problem = self._gate.problem or f"{self._gate.silence()} within {timeout_s:g} s"
                raise LineError(f"{problem}, asked for {read}", _CHECK_DEVICE)
        finally:
            self._deadline.clear()
            self._gate.close(self._loop.time(), self._end_of(answer))
        return Refused(read, body[1]) if body[0] >= REFUSAL else registers_of(body, read)

    def _send(self, unit: int, read: Read) -> None:
        # Not by the client's own calls, which make three objects for each register.
        context = self._client.ctx
        request = _REQUEST.pack(FUNCTIONS[read.table], read.address, read.count)
        frame = context.framer.encode(request, unit, context.getNextTID())
        context.send(self._gate.packet(True, frame))  # noqa: FBT003  pymodbus's signature

    def _end_of(self, answer: Answer) -> End:
        if not answer.done() or answer.cancelled():
            return End.CANCELLED
        failed = answer.result() is None or self._gate.problem
        return End.FAILED if failed else End.ANSWERED

    def close(self) -> None:
        """Closes the connection; can be called at any time, also twice."""
        self._deadline.close()
        self._client.close()


class _Frames(FramerBase):
    """Makes frames; what has come is the gate's business alone."""

    def handleFrame(  # noqa: N802  pymodbus's name
        self, data: bytes, exp_devid: int, exp_tid: int
    ) -> tuple[int, None]:
        """How much of what came is used up."""
        del exp_devid, exp_tid
        return len(data), None


class _TcpFrames(_Frames, FramerSocket): ...


class _RtuFrames(_Frames, FramerRTU): ...


def _gate_for(endpoint: Endpoint, debts: Debts) -> Gate:
    if isinstance(endpoint, SerialEndpoint):
        gap_s = max(_GAP_LEAST_S, _GAP_CHARACTERS * endpoint.character_s)
        return RtuGate(debts, gap_s, gone="lost the serial port")
    # A converter keeps the silence between frames itself.
    return RtuGate(debts, gap_s=0.0) if endpoint.rtu else TcpGate()


def _client_for(endpoint: Endpoint, gate: Gate) -> Client:
    # The supervisor connects again, nothing else does; and nothing asks twice by itself.
    if isinstance(endpoint, TcpEndpoint):
        return AsyncModbusTcpClient(
            endpoint.host,
            port=endpoint.port,
            framer=FramerType.RTU if endpoint.rtu else FramerType.SOCKET,
            timeout=_CLIENT_TIMEOUT_S,
            retries=0,
            reconnect_delay=0,
            trace_packet=gate.packet,
            trace_connect=gate.connection,
        )
    return AsyncModbusSerialClient(
        endpoint.path,
        baudrate=endpoint.baud,
        parity=_PARITIES[endpoint.parity],
        stopbits=endpoint.stop_bits,
        timeout=_CLIENT_TIMEOUT_S,
        retries=0,
        reconnect_delay=0,
        trace_packet=gate.packet,
        trace_connect=gate.connection,
    )


def _why_no_port(endpoint: SerialEndpoint) -> str:
    """Why a port can't be used; empty where it can."""
    try:
        with serial.Serial(
            endpoint.path,
            baudrate=endpoint.baud,
            parity=_PARITIES[endpoint.parity],
            stopbits=endpoint.stop_bits,
            exclusive=True,
        ) as port:
            port.timeout = 0  # sets all once more, and some drivers refuse only then
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return "another program has it open"
        return reason_of(error)
    except (termios.error, ValueError):
        return "it does not take this baud, parity or stop_bits"
    return ""
