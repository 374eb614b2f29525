"""Devices that send lines of text, for tests: over TCP both ways, and in datagrams."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from equipment.text_profile import TextProfile
from protocols.text.driver import TextDriver
from protocols.text.options import TextOptions
from tests.protocols.text_profiles import shipped
from tests.support.ports import free_port


def driver_for(
    port: int,
    transport: str = "tcp",
    host: str = "127.0.0.1",
    profile: TextProfile | None = None,
    **more: object,
) -> TextDriver:
    options = TextOptions.model_validate(
        {"transport": transport, "host": host, "port": port, **more}
    )
    return TextDriver("kit", profile or shipped(), options)


class Device:
    """A device on TCP to which the gateway connects; keeps what it is sent, which is nothing."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while data := await reader.read(1024):
                self.received.append(data)
        except OSError:
            return

    def send(self, data: bytes) -> None:
        self.writers[-1].write(data)


@asynccontextmanager
async def device() -> AsyncIterator[Device]:
    made = Device()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in made.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


class Caller:
    """A device that connects to the gateway, from one of this computer's addresses."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket()
        try:
            self.socket.bind((host, 0))
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def received(self) -> bytes | None:
        """What the gateway has sent; None where it has closed, b"" where there is nothing."""
        self.socket.settimeout(0.0)
        try:
            return self.socket.recv(1024) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def close(self) -> None:
        self.socket.close()


class Sender:
    """A device that sends datagrams, from one of this computer's addresses."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self._port = port

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, ("127.0.0.1", self._port))

    def received(self) -> bytes:
        self.socket.settimeout(0.0)
        try:
            return self.socket.recv(1024)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.socket.close()


def udp_port() -> int:
    """A UDP port that nobody has."""
    return free_port()
