"""Opens a TCP connection without blocking other devices, for libraries that want a socket."""

from __future__ import annotations

import asyncio
import socket

from protocols.driver import DeviceError


async def connect(host: str, port: int) -> socket.socket:
    """The first address of the host that takes a connection, as a socket that does not block.

    Raises:
        DeviceError: the host can't be the name of a computer.
        OSError: none takes one.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("no address")
    try:
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        msg = f"host {host!r} can't be the name of a computer"
        raise DeviceError(msg) from error
    for family, kind, protocol, _, address in addresses:
        found = socket.socket(family, kind, protocol)
        try:
            found.settimeout(0)
            await loop.sock_connect(found, address)
        except OSError as error:
            found.close()
            failure = error
        except BaseException:
            found.close()
            raise
        else:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return found
    raise failure
