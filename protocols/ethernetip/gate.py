"""What may be sent to a controller: what opens and closes a connection, and what reads. Pure.

Services have the same code for other things in other places (0x4E closes a connection, or changes
bits of a tag), so that each is let through only where it reads.
"""

from __future__ import annotations

import struct
from typing import Final

#: Encapsulation commands (CIP Volume 2, chapter 2).
REGISTER_SESSION: Final = 0x65
UNREGISTER_SESSION: Final = 0x66
SEND_RR_DATA: Final = 0x6F
SEND_UNIT_DATA: Final = 0x70

#: Header, interface and time-out, number of items; then the items, each with type and length.
HEADER: Final = struct.Struct("<HHII8sI")
_ITEM: Final = struct.Struct("<HH")
ITEMS_AT: Final = HEADER.size + 8

_UNCONNECTED: Final = (0x0000, 0x00B2)
_CONNECTED: Final = (0x00A1, 0x00B1)

#: Connection Manager, instance 1: Forward_Open, Large_Forward_Open, Forward_Close.
_OPENS_AND_CLOSES: Final = tuple(
    bytes((service, 2, 0x20, 6, 0x24, 1)) for service in (0x54, 0x5B, 0x4E)
)
#: Message Router, instance 1: Multiple_Service_Packet.
_MERGED: Final = b"\x0a\x02\x20\x02\x24\x01"
_STATUS: Final = b"\x0e\x03\x20\x01\x24\x01\x30\x05"
#: Read Tag, after the length of its path: a symbol, not an object's number.
_READ_TAG, _SYMBOL = 0x4C, 0x91


class ReadOnlyError(Exception):
    """Something that is no read was about to be sent."""


def check(message: bytes) -> None:
    """Lets what only reads pass.

    Raises:
        ReadOnlyError: `message`, an encapsulated request, is anything else.
    """
    if len(message) < HEADER.size:
        raise _refusal("what is no request")
    command, length, *_ = HEADER.unpack_from(message)
    data = message[HEADER.size :]
    if length != len(data):
        raise _refusal("what has another length than it says")
    if command == REGISTER_SESSION and data == b"\x01\x00\x00\x00":
        return
    if command == UNREGISTER_SESSION and not data:
        return
    if command == SEND_RR_DATA:
        if not _item(message, _UNCONNECTED).startswith(_OPENS_AND_CLOSES):
            raise _refusal("an unconnected request that is not about a connection")
    elif command == SEND_UNIT_DATA:
        _check_merged(_item(message, _CONNECTED)[2:])
    else:
        raise _refusal(f"command 0x{command:02x}")


def _item(message: bytes, types: tuple[int, int]) -> bytes:
    """The data of the second of two items, of these types."""
    try:
        (count,) = struct.unpack_from("<H", message, ITEMS_AT - 2)
        first, first_length = _ITEM.unpack_from(message, ITEMS_AT)
        at = ITEMS_AT + _ITEM.size + first_length
        second, second_length = _ITEM.unpack_from(message, at)
    except struct.error:
        raise _refusal("a request that is cut off") from None
    found = message[at + _ITEM.size :]
    if count != 2 or (first, second) != types or len(found) != second_length:
        raise _refusal("a request of another form")
    return found


def _check_merged(request: bytes) -> None:
    data = request[len(_MERGED) :]
    if not request.startswith(_MERGED) or len(data) < 2:
        raise _refusal("a connected request that is no merged read")
    (count,) = struct.unpack_from("<H", data)
    if not count or len(data) < 2 + 2 * count:
        raise _refusal("a merged request that is cut off")
    starts = [at for (at,) in struct.iter_unpack("<H", data[2 : 2 + 2 * count])]
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        if not _reads(data[start:end]):
            raise _refusal("a merged request with a part that does not read")
    # Nothing lies between the parts that the controller might take for one.
    if starts[0] != 2 + 2 * count:
        raise _refusal("a merged request of another form")


def _reads(part: bytes) -> bool:
    if part == _STATUS:
        return True
    # Service, words of the path, the path, how many elements.
    whole = len(part) > 3 and len(part) == 2 + 2 * part[1] + 2
    return whole and part[0] == _READ_TAG and part[2] == _SYMBOL


def _refusal(what: str) -> ReadOnlyError:
    return ReadOnlyError(f"{what} was not sent: this gateway only reads")
