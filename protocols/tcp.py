"""Opens a TCP connection without blocking other devices, and says why there is none."""

from __future__ import annotations

import asyncio
import socket

from protocols.driver import DeviceError
from protocols.system_errors import reason_of


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


def unconnected(error: OSError, host: str, timeout_s: float, refused: str) -> DeviceError:
    """Why no connection could be had, and what to do; `refused`: what to check where it is."""
    match error:
        case TimeoutError():
            words = f"no connection within {timeout_s:g} s: check host, and the network"
        case ConnectionRefusedError():
            words = f"connection refused: check that {refused}, and port"
        case socket.gaierror():
            words = unknown_host(error, host)
        case _:
            words = f"no connection ({reason_of(error)}): check host, port and the network"
    return DeviceError(words)


def unknown_host(error: socket.gaierror, host: str) -> str:
    """That the host's name leads to no address."""
    return f"host {host!r} is not known ({error.strerror}): check host, and the DNS"
