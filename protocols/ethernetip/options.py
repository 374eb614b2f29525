"""What `devices.toml` says of a controller that is read over EtherNet/IP."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field

from protocols.driver import DriverOptions

#: The port that IANA gave to EtherNet/IP's explicit messages.
PORT: Final = 44818


class EthernetIpOptions(DriverOptions):
    """The keys of a `[[device]]` that is a Logix controller."""

    address_keys: ClassVar = ("host", "port", "slot")

    #: The controller's own address, or that of the communication module in its rack.
    host: Annotated[str, Field(min_length=1)]
    port: int = Field(default=PORT, ge=1, le=65535)
    #: Where in the rack the controller is; 0 where it has none.
    slot: int = Field(default=0, ge=0, le=255)
    #: How long the connection and each answer may take.
    timeout_s: float = Field(default=2.0, gt=0, le=60)

    def describe(self) -> str:
        """Such as `ethernetip 10.0.0.5:44818 slot 0`."""
        return f"ethernetip {self.host}:{self.port} slot {self.slot}"
