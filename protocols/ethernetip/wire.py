"""The socket under pycomm3: only reads leave, only what fits comes in, and waiting has an end.

pycomm3's own takes any answer for the one that it waits for, waits afresh for each few bytes, and
goes round for ever where the other side hangs up within an answer.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from typing import Final

from protocols.ethernetip import gate
from protocols.ethernetip.gate import HEADER, ITEMS_AT, SEND_RR_DATA, SEND_UNIT_DATA
from protocols.system_errors import reason_of

#: At most so much is taken from the system at once; an answer has at most 65,535 bytes.
_CHUNK_BYTES: Final = 65_536

#: Statuses of the encapsulation (CIP Volume 2, chapter 2).
_STATUSES: Final = {
    0x01: "it does not know the command",
    0x02: "it has no memory left",
    0x03: "it finds the request malformed",
    0x64: "it has closed the session",
    0x65: "it finds the request's length wrong",
    0x69: "it speaks another version of EtherNet/IP",
}

#: Where service and general status lie in an answer: after the items' heads, and the sequence.
_RR_SERVICE_AT: Final = ITEMS_AT + 8
_UNIT_SEQUENCE_AT: Final = ITEMS_AT + 12
_UNIT_SERVICE_AT: Final = _UNIT_SEQUENCE_AT + 2


class WireError(Exception):
    """The connection is of no use any more; the text says why and what to do."""


class Wire:
    """One TCP connection to a controller, used by one thread; `cut` may be called from another.

    It has the calls that pycomm3 makes of its own `Socket`.
    """

    def __init__(self, connected: socket.socket, timeout_s: float) -> None:
        """Takes over the socket. `timeout_s`: how long each answer may take."""
        self._socket = connected
        self._timeout_s = timeout_s
        self._until_s = 0.0
        self._asked = b""
        #: The status of the last answer, and what that says besides.
        self.status = (0, 0)
        self.broken = False

    def connect(self, host: str, port: int) -> None:
        """It is connected."""

    def send(self, message: bytes, timeout: float = 0) -> int:
        """Sends a request that only reads.

        Raises:
            ReadOnlyError: it does not, and was not sent.
            WireError: the connection is lost.
        """
        del timeout
        gate.check(message)
        self._asked = message
        self._until_s = time.monotonic() + self._timeout_s
        try:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(message)
        except OSError as error:
            raise self._lost(reason_of(error)) from error
        return len(message)

    def receive(self, timeout: float = 0) -> bytes:
        """The answer to what was sent last.

        Raises:
            WireError: none came in time, another one, or the connection is lost.
        """
        del timeout
        answer = bytearray()
        needed = HEADER.size
        while len(answer) < needed:
            answer += self._more()
            if len(answer) >= HEADER.size:
                needed = HEADER.size + HEADER.unpack_from(answer)[1]
        try:
            self._check(bytes(answer), needed)
        except struct.error:
            raise self._nonsense("cut off") from None
        return bytes(answer)

    def _more(self) -> bytes:
        left_s = self._until_s - time.monotonic()
        try:
            if left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(left_s)
            more = self._socket.recv(_CHUNK_BYTES)
        except TimeoutError:
            self.broken = True
            msg = f"it gave no answer within {self._timeout_s:g} s"
            raise WireError(msg) from None
        except OSError as error:
            raise self._lost(reason_of(error)) from error
        if not more:
            raise self._lost("it has hung up")
        return more

    def _check(self, answer: bytes, needed: int) -> None:
        """Whether it is the answer to what was asked. Raises WireError, or struct.error."""
        command, _, session, status, context, _ = HEADER.unpack_from(answer)
        asked_command, _, asked_session, _, asked_context, _ = HEADER.unpack_from(self._asked)
        if len(answer) != needed:
            raise self._nonsense("longer than it says")
        if command != asked_command or (asked_session and session != asked_session):
            raise self._nonsense("to another request")
        if status:
            self.broken = True
            what = _STATUSES.get(status, "it refuses the request")
            msg = f"{what} (encapsulation status 0x{status:02x})"
            raise WireError(msg)
        if context != asked_context:
            raise self._nonsense("to another request")
        if command == SEND_UNIT_DATA:
            (number,) = struct.unpack_from("<H", answer, _UNIT_SEQUENCE_AT)
            if (number,) != struct.unpack_from("<H", self._asked, _UNIT_SEQUENCE_AT):
                raise self._nonsense("to another request")
            self._note_status(answer, _UNIT_SERVICE_AT)
        elif command == SEND_RR_DATA:
            self._note_status(answer, _RR_SERVICE_AT)

    def _note_status(self, answer: bytes, at: int) -> None:
        service, _, status, words = struct.unpack_from("<BBBB", answer, at)
        # In the request there is nothing between the items' heads and the service either.
        if service != self._asked[at] | 0x80:
            raise self._nonsense("to another request")
        extended = struct.unpack_from("<H", answer, at + 4)[0] if words else 0
        self.status = (status, extended)

    def _nonsense(self, what: str) -> WireError:
        self.broken = True
        return WireError(f"it gave an answer that is {what}: check that it speaks EtherNet/IP")

    def _lost(self, why: str) -> WireError:
        self.broken = True
        return WireError(f"connection lost ({why}): check the controller and the network")

    def cut(self) -> None:
        """Ends all waiting, now; from any thread."""
        self.broken = True
        with suppress(OSError):  # It was closed before.
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()
