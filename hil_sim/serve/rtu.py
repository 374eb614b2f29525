"""Frames of a serial line over TCP, as a converter passes them on: function codes 1 to 4.

Written from MODBUS over Serial Line V1.02: a frame is the unit, the PDU and a checksum, and has no
length. A unit that is not there, and a frame with a wrong checksum, get no answer at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

from hil_sim.faults.book import Faults
from hil_sim.registers import Registers
from hil_sim.ring import crc16
from hil_sim.serve.modbus import Connection
from hil_sim.serve.modbus_faults import Reply

#: Bytes of a request by its function, checksum and all; 5 and 6 write, and are refused as a whole.
_REQUEST_BYTES: Final = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8}

#: The longest frame (2.5.1).
_FRAME_MAX: Final = 256

#: What is no whole frame after so long a silence never will be (far more than 3.5 characters, as
#: TCP passes frames on in pieces).
_SILENCE_S: Final = 0.1


def crc_of(data: bytes) -> bytes:
    """The checksum as it is on the wire, low byte first (6.2.2)."""
    return crc16(data).to_bytes(2, "little")


class RtuConnection(Connection):
    """One client, who asks one thing at a time."""

    def __init__(
        self,
        units: Mapping[int, Registers],
        open_: set[asyncio.Transport],
        faults: Mapping[int, Faults],
    ) -> None:
        super().__init__(units, open_, faults)
        self._heard_s = 0.0

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._heard_s > _SILENCE_S:
            self._buffer = b""
        self._heard_s = now_s
        self._buffer = (self._buffer + data)[-_FRAME_MAX:]
        if len(self._buffer) < 2:
            return
        # Of other functions the length is not known here: what comes at once is taken for all.
        size = _REQUEST_BYTES.get(self._buffer[1], max(4, len(self._buffer)))
        if len(self._buffer) < size:
            return
        frame, self._buffer = self._buffer[:size], b""
        if crc_of(frame[:-2]) != frame[-2:] or frame[0] not in self._units:
            return
        self.reply(frame[0], frame[1:-2], partial(_framed, frame[0]))


def _framed(unit: int, reply: Reply) -> bytes:
    body = bytes([unit if reply.wrong_id is None else unit ^ 1]) + reply.pdu
    return body + crc_of(body)
