"""The checksum of frames on a serial line. Pure."""

from __future__ import annotations

from typing import Final

_POLYNOMIAL: Final = 0xA001


def _step(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ _POLYNOMIAL if byte & 1 else byte >> 1
    return byte


_STEPS: Final = tuple(_step(byte) for byte in range(256))


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS (Modbus over Serial Line V1.02, 6.2.2); on the wire its low byte is first."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _STEPS[(crc ^ byte) & 0xFF]
    return crc


def has_right_crc(frame: bytes) -> bool:
    """Whether the last two bytes are the checksum of those before."""
    return crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little")
