"""Modbus answers that are wrong, in the frames of TCP and in those of a serial line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Protocol

from tests.protocols import modbus_peer, rtu_peer
from tests.system.fault_proxy import Change
from tests.system.fault_values import POISON

#: The register that is refused.
REFUSED_ADDRESS = 70

#: Exceptions: there is no such address; the device has failed.
_NO_ADDRESS, _FAILED = 2, 4


class Frames(Protocol):
    """How requests and answers look."""

    def data(self, answer: bytes) -> bytes:
        """The registers in an answer."""

    def with_data(self, answer: bytes, data: bytes) -> bytes:
        """An answer with other data, which fits in itself."""

    def of_other(self, answer: bytes, turn: int) -> bytes:
        """The answer of another unit, or one to another request."""

    def asked(self, request: bytes) -> tuple[int, int]:
        """Address and count of registers."""

    def refusal(self, request: bytes, code: int) -> bytes:
        """A refusal of the request."""


class TcpFrames:
    """Modbus TCP: the transaction and the unit stand before the function."""

    def data(self, answer: bytes) -> bytes:
        """See `Frames`."""
        return answer[9:]

    def with_data(self, answer: bytes, data: bytes) -> bytes:
        """See `Frames`."""
        length = (3 + len(data)).to_bytes(2, "big")
        return answer[:4] + length + answer[6:8] + bytes([len(data)]) + data

    def of_other(self, answer: bytes, turn: int) -> bytes:
        """See `Frames`."""
        at = 6 if turn % 2 else 1
        return answer[:at] + bytes([answer[at] ^ 0x11]) + answer[at + 1 :]

    def asked(self, request: bytes) -> tuple[int, int]:
        """See `Frames`."""
        return modbus_peer.asked(request)[1:]

    def refusal(self, request: bytes, code: int) -> bytes:
        """See `Frames`."""
        return modbus_peer.refusal(request, code)


class RtuFrames:
    """Modbus RTU: unit, function, data, checksum. Nothing says to which request an answer is."""

    def data(self, answer: bytes) -> bytes:
        """See `Frames`."""
        return answer[3:-2]

    def with_data(self, answer: bytes, data: bytes) -> bytes:
        """See `Frames`."""
        return rtu_peer.rtu_answer(answer, data)

    def of_other(self, answer: bytes, turn: int) -> bytes:
        """See `Frames`."""
        unit, function = answer[0], answer[1]
        head = bytes([unit, function ^ 7] if turn % 2 else [unit ^ 0x11, function])
        return rtu_peer.framed(head + answer[2:-2])

    def asked(self, request: bytes) -> tuple[int, int]:
        """See `Frames`."""
        return rtu_peer.rtu_asked(request)[2:]

    def refusal(self, request: bytes, code: int) -> bytes:
        """See `Frames`."""
        return rtu_peer.rtu_refusal(request, code)


def short(frames: Frames) -> Change:
    """Two registers fewer than were asked."""
    return lambda answer: frames.with_data(answer, _poison(frames, answer)[:-4])


def longer(frames: Frames) -> Change:
    """Two registers more than were asked."""
    return lambda answer: frames.with_data(answer, _poison(frames, answer) + bytes([POISON] * 4))


def of_others(frames: Frames) -> Change:
    """Answers of others, with data that no device has."""
    turns = count()

    def change(answer: bytes) -> bytes:
        poisoned = frames.with_data(answer, _poison(frames, answer))
        return frames.of_other(poisoned, next(turns))

    return change


def garbage(_frames: Frames) -> Change:
    """As long as the answer, and nothing of it."""
    return lambda answer: b"\xa5" * len(answer)


def flipped(_frames: Frames) -> Change:
    """One bit of the data is another."""
    return lambda answer: answer[:12] + bytes([answer[12] ^ 0x10]) + answer[13:]


def refuse_one(frames: Frames) -> Callable[[bytes], bytes | None]:
    """Refuses each read of the one register."""

    def answer(request: bytes) -> bytes | None:
        address, registers = frames.asked(request)
        hit = address <= REFUSED_ADDRESS < address + registers
        return frames.refusal(request, _NO_ADDRESS) if hit else None

    return answer


def refuse_all(frames: Frames) -> Callable[[bytes], bytes | None]:
    """Says that the device has failed."""
    return lambda request: frames.refusal(request, _FAILED)


def _poison(frames: Frames, answer: bytes) -> bytes:
    return bytes([POISON]) * len(frames.data(answer))
