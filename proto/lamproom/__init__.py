"""A client of gateways; `lamproom.v1` is their contract, `lamproom.sim.v1` the simulator's.

    import lamproom

    with lamproom.Client("127.0.0.1:50051") as client, client.events(sequence=1) as events:
        for item in events:
            if isinstance(item, lamproom.Event):
                print(item.sequence, item.text)

`AsyncClient` does the same on an event loop. What they give are the contract's own messages, and
positions as NumPy columns. They need grpcio, protobuf and numpy, which are imported when a name is
first used: who wants messages alone imports `lamproom.v1`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lamproom.aio import AsyncClient
    from lamproom.aio_stream import AsyncStream
    from lamproom.asks import MusterRoll, Track
    from lamproom.client import Client
    from lamproom.connection import ConnectionOptionError
    from lamproom.cursor_file import CursorFile, CursorFileError
    from lamproom.errors import LamproomError, RefusedError, UnavailableError
    from lamproom.items import (
        Alarm,
        Event,
        EventFilter,
        EventItem,
        EventKind,
        FixClass,
        Gap,
        PositionFilter,
        PositionItem,
        Positions,
        Reset,
        Sampling,
        Synced,
        Unstored,
    )
    from lamproom.keeping import CursorStore
    from lamproom.picture import AlarmBoard, LivePicture
    from lamproom.plain_stream import Stream

#: Where each name comes from.
_MODULES: Final = {
    "AlarmBoard": "picture",
    "Alarm": "items",
    "AsyncClient": "aio",
    "AsyncStream": "aio_stream",
    "Client": "client",
    "ConnectionOptionError": "connection",
    "CursorFile": "cursor_file",
    "CursorFileError": "cursor_file",
    "CursorStore": "keeping",
    "Event": "items",
    "EventFilter": "items",
    "EventItem": "items",
    "EventKind": "items",
    "FixClass": "items",
    "Gap": "items",
    "LamproomError": "errors",
    "LivePicture": "picture",
    "MusterRoll": "asks",
    "PositionFilter": "items",
    "PositionItem": "items",
    "Positions": "items",
    "RefusedError": "errors",
    "Reset": "items",
    "Sampling": "items",
    "Stream": "plain_stream",
    "Synced": "items",
    "Track": "asks",
    "UnavailableError": "errors",
    "Unstored": "items",
}

__all__ = [
    "Alarm",
    "AlarmBoard",
    "AsyncClient",
    "AsyncStream",
    "Client",
    "ConnectionOptionError",
    "CursorFile",
    "CursorFileError",
    "CursorStore",
    "Event",
    "EventFilter",
    "EventItem",
    "EventKind",
    "FixClass",
    "Gap",
    "LamproomError",
    "LivePicture",
    "MusterRoll",
    "PositionFilter",
    "PositionItem",
    "Positions",
    "RefusedError",
    "Reset",
    "Sampling",
    "Stream",
    "Synced",
    "Track",
    "UnavailableError",
    "Unstored",
]


def __getattr__(name: str) -> Any:
    """Imports what a name needs when it is first used."""
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    found = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
