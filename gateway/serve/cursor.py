"""Cursors and page tokens: opaque, sealed with a checksum, so that no made-up place is accepted.

version (1 byte), kind (1), epoch (8), position (8), CRC-32 of these (4); page tokens are the same
as text. The epoch tells one journal, or one run of the gateway, from another.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from enum import IntEnum
from typing import Final

_VERSION: Final = 1
_BODY: Final = struct.Struct(">BBQQ")
_CRC: Final = struct.Struct(">I")

#: A cursor's length in bytes.
CURSOR_BYTES: Final = _BODY.size + _CRC.size


class Kind(IntEnum):
    """What a cursor or page token is a place in."""

    EVENTS = 1
    POSITIONS = 2
    EVENT_PAGE = 3
    POSITION_PAGE = 4
    EQUIPMENT_PAGE = 5
    ZONE_PAGE = 6
    PEOPLE_PAGE = 7
    SMOOTHED_POSITIONS = 8
    ANCHOR_PAGE = 9
    ALARM_PAGE = 10
    MUSTER_PAGE = 11
    DEVICE_PAGE = 13
    CARD_PAGE = 31
    VISIT_PAGE = 32
    EXPOSURE_PAGE = 33
    HAZARD_PAGE = 20
    RISK_PAGE = 21
    RISK_POINT_PAGE = 22
    HAZARDS = 23
    CONSUMER_PAGE = 51
    SUBSCRIBER_PAGE = 52
    SHIFT_PAGE = 53


class CursorError(Exception):
    """A cursor or page token is not one that this API gave out for this use."""


def seal(kind: Kind, epoch: int, position: int) -> bytes:
    """The cursor of `position` (unsigned, 64 bits) in `epoch` (unsigned, 64 bits)."""
    body = _BODY.pack(_VERSION, kind, epoch, position)
    return body + _CRC.pack(zlib.crc32(body))


def unseal(kind: Kind, cursor: bytes) -> tuple[int, int]:
    """The epoch and position of a cursor.

    Raises:
        CursorError: it was not made by `seal`, or for another use; the text says which.
    """
    if len(cursor) != CURSOR_BYTES:
        msg = f"the cursor has {len(cursor)} bytes, not {CURSOR_BYTES}: send one just as it came"
        raise CursorError(msg)
    body, crc = cursor[: _BODY.size], cursor[_BODY.size :]
    if zlib.crc32(body) != _CRC.unpack(crc)[0]:
        msg = "the cursor's checksum is wrong: send one just as it came"
        raise CursorError(msg)
    version, found, epoch, position = _BODY.unpack(body)
    if version != _VERSION:
        msg = f"the cursor is of version {version}, this gateway knows {_VERSION}: start without it"
        raise CursorError(msg)
    if found != kind:
        msg = "the cursor belongs to another method: send one that came from this one"
        raise CursorError(msg)
    return epoch, position


def seal_page(kind: Kind, epoch: int, position: int) -> str:
    """The page token of `position`."""
    return base64.urlsafe_b64encode(seal(kind, epoch, position)).decode("ascii")


def unseal_page(kind: Kind, token: str, epoch: int) -> int:
    """The position of a page token; 0 for an empty one (the first page).

    Raises:
        CursorError: this API did not give it out, or not for this list as it is now.
    """
    if not token:
        return 0
    try:
        cursor = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        found, position = unseal(kind, cursor)
    except (CursorError, UnicodeEncodeError, binascii.Error) as error:
        msg = f"page_token {token[:64]!r} was not given out by this method: start without it"
        raise CursorError(msg) from error
    if found != epoch:
        msg = "page_token belongs to another request or to an earlier run: start without it"
        raise CursorError(msg)
    return position
