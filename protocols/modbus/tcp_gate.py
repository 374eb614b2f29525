"""Answers as they are on Modbus TCP (Messaging on TCP/IP V1.0b, 3.1.3)."""

from __future__ import annotations

import struct
from typing import Final

from protocols.modbus.gate import REFUSAL, End, Gate

#: Header of a frame and the function after it, and how long its `length` can be.
_HEADER: Final = struct.Struct(">HHHBB")
_LENGTH_MOST: Final = 254


class TcpGate(Gate):
    """Frames with a transaction and a length. After a failure the connection is of no more use."""

    outlives_failures = False

    def __init__(self) -> None:
        super().__init__()
        self._transaction = 0
        self._expected = 0

    def close(self, now_s: float, end: End) -> None:
        """See `Gate`. What comes after a request without an answer may belong to either."""
        super().close(now_s, end)
        if end is not End.ANSWERED:
            self.problem = self.problem or "did not answer an earlier request"

    def _sent(self, frame: bytes) -> int:
        self._transaction, _, _, _, function = _HEADER.unpack_from(frame)
        self._expected = 0
        return int(function)

    def _taken(self, data: bytes) -> bytes:
        self._received = len(data)
        problem = self._problem_with(data)
        if problem:
            self.fail(problem)
            return b""
        return data if len(data) == self._expected else b""

    def _body(self, frame: bytes) -> bytes:
        return frame[_HEADER.size - 1 :]

    def _is_partial(self) -> bool:
        return self._received not in (0, self._expected)

    def _problem_with(self, data: bytes) -> str:
        """What is wrong with an answer, as far as it has come; empty where nothing is."""
        if self._answer is None:
            return f"sent {len(data)} bytes that no one asked for"
        if len(data) < _HEADER.size:
            return ""
        transaction, protocol, length, unit, function = _HEADER.unpack_from(data)
        if protocol or not 3 <= length <= _LENGTH_MOST:
            return f"doesn't answer in Modbus TCP (but {data[:16].hex(' ')})"
        if transaction != self._transaction:
            return f"answered transaction {transaction} when asked {self._transaction}"
        problem = self._problem_with_head(unit, function)
        if problem:
            return problem
        self._expected = 6 + length
        return self._problem_with_size(data, length - 3, refused=function >= REFUSAL)

    def _problem_with_size(self, data: bytes, given: int, *, refused: bool) -> str:
        wanted = 0 if refused else self._data_bytes
        if given != wanted:
            return f"answered with {given} bytes of data where {wanted} were asked"
        if not refused and len(data) > _HEADER.size and data[_HEADER.size] != given:
            return f"says it gives {data[_HEADER.size]} bytes of data and gives {given}"
        if len(data) > self._expected:
            return "sent more than was asked"
        return ""
