"""Devices of the plant benchmark: an answer's values say which answer it is.

    plant_devices.py FILE DEVICES SENT_MOST

One port for each device. A device counts its answers for each address that is asked for; all floats
of an answer hold that number. When it was sent is in FILE, (DEVICES, 2, SENT_MOST) int64,
nanoseconds of CLOCK_REALTIME, by device, half of the registers and number. Prints "READY PORT..."
and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]

_REQUEST: Final = struct.Struct(">HHHBBHH")
_HEAD: Final = struct.Struct(">HHHBBB")
#: Half of the registers begins here, as two reads are needed for all of them.
SECOND_HALF: Final = 124


class Device(asyncio.Protocol):
    """A connection to a device."""

    def __init__(self, sent_ns: Times) -> None:
        self._sent_ns = sent_ns
        self._counts = [0, 0]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers; a request comes in one piece."""
        transaction, _, _, unit, function, address, count = _REQUEST.unpack(data)
        half = int(address >= SECOND_HALF)
        number = self._counts[half] = self._counts[half] + 1
        head = _HEAD.pack(transaction, 0, 3 + 2 * count, unit, function, 2 * count)
        frame = head + struct.pack(">f", number) * (count // 2)
        self._sent_ns[half, number] = time.time_ns()
        self._transport.write(frame)


async def main(file: Path, devices: int, sent_most: int) -> None:
    """Serves."""
    sent_ns = np.memmap(file, np.int64, "w+", shape=(devices, 2, sent_most))
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(partial(Device, times), "127.0.0.1", 0) for times in sent_ns
    ]
    print("READY", *(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    sent_ns.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
