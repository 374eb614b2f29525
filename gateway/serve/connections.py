"""Ends a connection of a client, which gRPC offers no way to do.

gRPC for Python can end calls, and these politely: it waits until the client has read what was
written before. One that does not read has to be cut off at its socket; gRPC then finds the
connection broken and gives back all that it held for it.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

#: This process's open files, on Linux and macOS.
_OPEN_FILES: Final = Path("/dev/fd")


def shut(peer: str) -> bool:
    """Ends the connection from `peer`, as gRPC names it; returns whether there was one."""
    address = address_of(peer)
    if address is None or not _OPEN_FILES.exists():
        return False
    for file in list(_OPEN_FILES.iterdir()):
        with suppress(OSError):
            # Of its own: gRPC may close it, and the number be given out anew, at any time.
            number = os.dup(int(file.name))
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                os.close(number)
                continue
            with socket.socket(fileno=number) as found:
                if _is_from(found, address):
                    found.shutdown(socket.SHUT_RDWR)
                    return True
    return False


def address_of(peer: str) -> tuple[str, int] | None:
    """Host and port of a peer such as `ipv4:10.0.0.1:41234` or `ipv6:%5B::1%5D:41234`."""
    scheme, _, rest = unquote(peer).partition(":")
    host, _, port = rest.rpartition(":")
    if scheme not in {"ipv4", "ipv6"} or not port.isdigit():
        return None
    return host.strip("[]"), int(port)


def _is_from(found: socket.socket, address: tuple[str, int]) -> bool:
    if found.family not in {socket.AF_INET, socket.AF_INET6} or found.type != socket.SOCK_STREAM:
        return False
    host, port = found.getpeername()[:2]
    return (host.removeprefix("::ffff:"), port) == address
