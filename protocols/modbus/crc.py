"""The checksum of frames on a serial line and of a ring's records: CRC-16/MODBUS. Pure."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL: Final = 0xA001
_START: Final = 0xFFFF


def _step(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ _POLYNOMIAL if byte & 1 else byte >> 1
    return byte


_STEPS: Final = tuple(_step(byte) for byte in range(256))


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS (Modbus over Serial Line V1.02, 6.2.2); on the wire its low byte is first."""
    crc = _START
    for byte in data:
        crc = (crc >> 8) ^ _STEPS[(crc ^ byte) & 0xFF]
    return crc


def has_right_crc(frame: bytes) -> bool:
    """Whether the last two bytes are the checksum of those before."""
    return crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little")


class Crc16:
    """CRC-16/MODBUS over many messages of one length.

    The checksum is linear over GF(2): that of a message is that of as many zero bytes, xor what
    each byte adds by itself, which depends only on its value and place (Modbus over Serial Line
    V1.02, 6.2.2 gives the checksum). So a table turns it into one look-up for each byte.
    """

    def __init__(self, length: int) -> None:
        """`length`: bytes of a message, at least 1."""
        step = np.array(_STEPS, np.uint16)
        # What a byte adds when it is the last; each byte after it carries that on by one step.
        added = step.copy()
        table = np.empty((length, 256), np.uint16)
        zeros = _START
        for place in range(length - 1, -1, -1):
            table[place] = added
            added = (added >> np.uint16(8)) ^ step[added & np.uint16(0xFF)]
            zeros = (zeros >> 8) ^ int(step[zeros & 0xFF])
        self._table = table
        self._zeros = np.uint16(zeros)
        self._places = np.arange(length)

    def of(self, messages: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """The checksums of (k, length) bytes: (k,) uint16."""
        parts = self._table[self._places, messages]
        folded = np.bitwise_xor.reduce(parts, axis=1) ^ self._zeros
        return cast(NDArray[np.uint16], folded)
