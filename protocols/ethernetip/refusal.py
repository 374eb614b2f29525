"""Why a controller does not give a value, or takes no connection, in words. Pure."""

from __future__ import annotations

from typing import Final

#: Statuses of a tag that is not there, or not so (CIP Volume 1, Appendix B).
_NO_SUCH: Final = frozenset({0x04, 0x05, 0x16})
_PRIVILEGE: Final = 0x0F
_NOT_SUPPORTED: Final = 0x08
#: What is longer than one answer can be: a part of it came, or none.
TOO_LONG: Final = frozenset({0x06, 0x11})
_GENERAL: Final = 0xFF
_BEYOND: Final = frozenset({0x2104, 0x2105})
_FORBIDDEN: Final = frozenset({0x2100, 0x2111})
_DOWNLOAD: Final = 0x2108

#: Extended statuses of a connection that is refused (CIP Volume 1, chapter 3).
_FULL: Final = frozenset({0x0113, 0x011A, 0x0302})
_NO_ROUTE: Final = frozenset({0x0204, 0x0311, 0x0312, 0x0315})


def tag_refused(status: int, extended: int) -> str:
    """Why the controller does not give a tag, and what to do."""
    code = f"status 0x{status:02x}" + (f", 0x{extended:04x}" if extended else "")
    if status in _NO_SUCH:
        return f"the controller has no such tag or member ({code}): compare tag with its program"
    if status == _GENERAL and extended in _BEYOND:
        return f"the controller's array has no such element ({code}): compare tag with its program"
    if status == _PRIVILEGE or (status == _GENERAL and extended in _FORBIDDEN):
        return f"the controller does not let it be read ({code}): set its External Access"
    if status == _GENERAL and extended == _DOWNLOAD:
        return f"the controller's program is being changed ({code})"
    if status in TOO_LONG:
        return f"it is longer than one answer can be ({code}): read a member of it"
    return f"the controller does not give it ({code})"


def all_refused(status: int, extended: int) -> str:
    """Why the controller does not take a merged read, and what to do."""
    code = f"status 0x{status:02x}" + (f", 0x{extended:04x}" if extended else "")
    if status == _NOT_SUPPORTED:
        return f"it takes no merged reads ({code}): only Logix controllers are read, check slot"
    return f"the controller refuses to be read ({code})"


def connection_refused(status: int, extended: int, slot: int) -> str:
    """Why the controller takes no connection, and what to do."""
    code = f"status 0x{status:02x}" + (f", 0x{extended:04x}" if extended else "")
    if extended in _FULL:
        return f"it has no connection left ({code}): close those of other clients"
    if extended in _NO_ROUTE:
        return f"no controller answers in slot {slot} ({code}): check slot"
    return f"it refuses a connection to its controller ({code}): check slot {slot}"
