"""What may be sent to a reader. Pure.

An LLRP reader reports nothing unless it is given a ROSpec; that, its own, is all that the gateway
adds. Operations on tags (write, lock, kill, erase) need an AccessSpec, which it never sends, nor a
maker's own message; nothing is reset, and no other client's ROSpec is touched.
"""

from __future__ import annotations

from typing import Final

from protocols.llrp import wire
from protocols.llrp.wire import NonsenseError, Splitter

#: What reads, acknowledges and takes leave.
READS: Final = frozenset(
    {
        wire.GET_ROSPECS,
        wire.ENABLE_EVENTS_AND_REPORTS,
        wire.KEEPALIVE_ACK,
        wire.CLOSE_CONNECTION,
    }
)
#: What is about the gateway's own ROSpec and connection, and only sent where it has one.
OWN: Final = frozenset(
    {
        wire.SET_READER_CONFIG,
        wire.ADD_ROSPEC,
        wire.DELETE_ROSPEC,
        wire.ENABLE_ROSPEC,
        wire.START_ROSPEC,
    }
)

_CONFIG: Final = frozenset({wire.EVENT_NOTIFICATION_SPEC, wire.KEEPALIVE_SPEC})


class ReadOnlyError(Exception):
    """Something that the gateway must not say was about to be sent."""


def check(message: bytes, rospec: bytes | None) -> None:
    """Lets one message pass.

    Args:
        message: as it is sent.
        rospec: the gateway's own ROSpec; None where it has none.

    Raises:
        ReadOnlyError: it may not be sent.
    """
    try:
        found = list(Splitter().feed(message))
        fits = len(found) == 1 and _fits(found[0], rospec)
    except NonsenseError:
        fits = False
    if not fits:
        msg = "a message that may change something was not sent: this gateway only listens"
        raise ReadOnlyError(msg)


def _fits(message: wire.Message, rospec: bytes | None) -> bool:
    kind, _, body = message
    if kind in READS:
        return not body
    if kind not in OWN or rospec is None:
        return False
    if kind == wire.SET_READER_CONFIG:
        # The first byte would reset the reader to how it left the factory.
        return body[:1] == b"\0" and {one.kind for one in wire.parameters(body[1:])} <= _CONFIG
    # 0 would be all ROSpecs.
    return body == (rospec if kind == wire.ADD_ROSPEC else rospec[4:8])
