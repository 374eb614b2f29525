"""What is said to a Logix controller and what it answers, as bytes. Pure.

Services and paths are those of the Common Industrial Protocol (CIP Volume 1, Appendices A and C)
and of the controllers' public manual "Logix 5000 Controllers Data Access" (1756-PM020).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from equipment.logix_tag import LogixTag

READ_TAG: Final = b"\x4c"
MULTIPLE_SERVICE: Final = b"\x0a"
#: The Message Router, which takes several requests in one: class 2, instance 1.
MESSAGE_ROUTER: Final = (2, 1)

#: Get_Attribute_Single of the Identity object's status: class 1, instance 1, attribute 5.
READ_STATUS: Final = b"\x0e\x03\x20\x01\x24\x01\x30\x05"

#: Bit 7 of a service in its answer.
ANSWER: Final = 0x80

#: General status of a merged answer in which one of the requests has failed.
ONE_FAILED: Final = 0x1E

#: Type codes of numbers in the answer to Read Tag, and how they lie there.
NUMBERS: Final = {
    0xC2: ("SINT", struct.Struct("<b")),
    0xC3: ("INT", struct.Struct("<h")),
    0xC4: ("DINT", struct.Struct("<i")),
    0xC5: ("LINT", struct.Struct("<q")),
    0xC6: ("USINT", struct.Struct("<B")),
    0xC7: ("UINT", struct.Struct("<H")),
    0xC8: ("UDINT", struct.Struct("<I")),
    0xC9: ("ULINT", struct.Struct("<Q")),
    0xCA: ("REAL", struct.Struct("<f")),
    0xCB: ("LREAL", struct.Struct("<d")),
    0xD1: ("BYTE", struct.Struct("<B")),
    0xD2: ("WORD", struct.Struct("<H")),
    0xD3: ("DWORD", struct.Struct("<I")),
    0xD4: ("LWORD", struct.Struct("<Q")),
}
BOOL: Final = 0xC1
#: Thirty-two elements of an array of BOOL.
DWORD: Final = 0xD3
STRUCTURE: Final = 0x02A0
_REALS: Final = frozenset({0xCA, 0xCB})

_U16: Final = struct.Struct("<H")
_I32: Final = struct.Struct("<i")


class NonsenseError(Exception):
    """An answer that can't be one; the text says why."""


class Part(NamedTuple):
    """The answer to one of several requests: its status, what that says besides, and its data."""

    service: int
    status: int
    extended: int
    data: bytes


def read_tag(tag: LogixTag) -> bytes:
    """The request for one element of `tag`, its bit left aside."""
    path = bytearray()
    for name, indices in tag.parts:
        letters = name.encode("ascii")
        path += bytes((0x91, len(letters))) + letters + bytes(len(letters) % 2)
        for index in indices:
            path += _member(index)
    return READ_TAG + bytes((len(path) // 2,)) + bytes(path) + b"\x01\x00"


def _member(index: int) -> bytes:
    if index < 1 << 8:
        return bytes((0x28, index))
    if index < 1 << 16:
        return b"\x29\x00" + index.to_bytes(2, "little")
    return b"\x2a\x00" + index.to_bytes(4, "little")


def merged(requests: Sequence[bytes]) -> bytes:
    """The data of a Multiple Service Packet (CIP Volume 1, Appendix A)."""
    count = len(requests)
    at = 2 + 2 * count
    offsets = []
    for request in requests:
        offsets.append(_U16.pack(at))
        at += len(request)
    return _U16.pack(count) + b"".join(offsets) + b"".join(requests)


def parts_of(data: bytes, count: int) -> list[Part]:
    """The answers in the answer to a Multiple Service Packet of `count` requests.

    Raises:
        NonsenseError: there are others, or they do not lie within it.
    """
    if len(data) < 2 + 2 * count or _U16.unpack_from(data)[0] != count:
        msg = f"a merged answer that does not hold {count} answers"
        raise NonsenseError(msg)
    starts = [at for (at,) in _U16.iter_unpack(data[2 : 2 + 2 * count])]
    parts = []
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        if not 2 + 2 * count <= start <= end - 4 or end > len(data):
            msg = "a merged answer whose parts do not lie within it"
            raise NonsenseError(msg)
        parts.append(_part(data[start:end]))
    return parts


def _part(answer: bytes) -> Part:
    """Service, a byte that is kept free, status, how many words say more, these, the data."""
    words = answer[3]
    at = 4 + 2 * words
    if len(answer) < at:
        msg = "an answer that is cut off"
        raise NonsenseError(msg)
    extended = _U16.unpack_from(answer, 4)[0] if words else 0
    return Part(answer[0] & ~ANSWER, answer[2], extended, answer[at:])


def type_name(code: int) -> str:
    """What the controller calls a type."""
    if code == BOOL:
        return "BOOL"
    if code == STRUCTURE:
        return "a structure"
    return NUMBERS[code][0] if code in NUMBERS else f"of type 0x{code:02x}"


def type_of(data: bytes) -> int:
    """The type code with which the answer to Read Tag begins. Raises NonsenseError: it has none."""
    if len(data) < 2:
        msg = "a value without a type"
        raise NonsenseError(msg)
    code: int = _U16.unpack_from(data)[0]
    return code


def number_of(data: bytes) -> float | None:
    """The number in the answer to Read Tag; None where it is none, or cut off."""
    known = NUMBERS.get(type_of(data))
    if known is None or len(data) != 2 + known[1].size:
        return None
    value: float = known[1].unpack_from(data, 2)[0]
    return value


def bit_of(data: bytes, bit: int) -> bool | None:
    """One bit of a whole number; None where it is none, or not so wide."""
    code = type_of(data)
    if code in _REALS or code not in NUMBERS or len(data) - 2 != NUMBERS[code][1].size:
        return None
    if bit >= 8 * (len(data) - 2):
        return None
    return bool(int.from_bytes(data[2:], "little") >> bit & 1)


def bool_of(data: bytes) -> bool | None:
    """The BOOL in the answer to Read Tag; None where it is none."""
    return bool(data[2]) if type_of(data) == BOOL and len(data) == 3 else None


def text_of(data: bytes) -> str | None:
    """The text of a STRING, of whatever length; None where it is none.

    A string is a structure: its handle (16 bits), LEN (DINT), DATA (SINT[]).
    """
    if type_of(data) != STRUCTURE or len(data) < 8:
        return None
    length = _I32.unpack_from(data, 4)[0]
    if not 0 <= length <= len(data) - 8:
        return None
    try:
        return data[8 : 8 + length].decode("utf-8").rstrip("\0 ")
    except UnicodeDecodeError:
        return None
