"""Where a Modbus connection leads, and how frames look on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Parity = Literal["none", "even", "odd"]


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A TCP port. `rtu`: what goes over it are the frames of a serial line, not those of TCP."""

    host: str
    port: int
    rtu: bool = False

    def __str__(self) -> str:
        """Such as `10.0.0.5:502`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A serial port of this computer, 8 data bits as RTU needs them."""

    path: str
    baud: int
    parity: Parity
    stop_bits: int

    def __str__(self) -> str:
        """Such as `/dev/ttyS0`."""
        return self.path

    @property
    def character_s(self) -> float:
        """How long one character takes: its bits, and those around it."""
        return (9 + (self.parity != "none") + self.stop_bits) / self.baud


Endpoint = TcpEndpoint | SerialEndpoint
