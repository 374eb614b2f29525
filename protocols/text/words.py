"""What goes wrong with sockets, as an operator reads it; and addresses in one form."""

from __future__ import annotations

import asyncio
import errno
import socket
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from protocols.system_errors import reason_of

#: What is wrong, and what to do, when a port can't be listened on.
_NO_PORT: Final = {
    errno.EADDRINUSE: (
        "is in use by another program: end that, or have the device send to another port"
    ),
    errno.EACCES: "needs more rights: have the device send to a port from 1024 on",
    errno.EADDRNOTAVAIL: "can't be had, as bind is no address of this computer: leave bind out",
}


#: Of devices: each datagram has one.
_ADDRESSES_KNOWN: Final = 4096


def no_port(error: OSError) -> str:
    """Why a port can't be listened on, and what to do."""
    found = _NO_PORT.get(error.errno or 0)
    return found or f"can't be listened on ({reason_of(error)}): check port and bind"


@lru_cache(maxsize=_ADDRESSES_KNOWN)
def plain(address: str) -> str:
    """An IP address in its one form: IPv4 that came over IPv6 is IPv4, without a zone."""
    found = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


async def addresses_of(host: str) -> set[str]:
    """The IP addresses of a host. Raises OSError where its name can't be resolved."""
    try:
        return {plain(host)}
    except ValueError:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return {plain(str(address[0])) for *_, address in found}
