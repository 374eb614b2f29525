"""What `devices.toml` says of a device that sends lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from equipment.wording import NO_USE
from protocols.driver import DriverOptions

Transport = Literal["tcp", "tcp_listen", "udp"]

#: The keys that only some transports have.
_ONLY_OF: Final[Mapping[str, tuple[Transport, ...]]] = {
    "bind": ("tcp_listen", "udp"),
    "timeout_s": ("tcp",),
}


class TextOptions(DriverOptions):
    """The keys of a `[[device]]` that sends lines of text.

    `tcp`: the gateway connects to `host` and `port`. `tcp_listen` and `udp`: the device connects,
    or sends, to `port` of the gateway from `host`. Several may share such a port; each is known by
    its address, and what comes from others is refused.
    """

    transport: Transport = "tcp"
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    #: The address of this computer on which the gateway listens.
    bind: str = "0.0.0.0"  # noqa: S104  a reader sends from the mine's network; it sends nothing out
    #: The card that the lines are of, where they do not say it.
    card: str | None = Field(default=None, min_length=1)
    #: How long connecting may take.
    timeout_s: float = Field(default=5.0, gt=0, le=60)

    @property
    def address_keys(self) -> tuple[str, ...]:
        """See `DriverOptions`."""
        return ("transport", "port", "host") if self.listens else ("transport", "host", "port")

    @property
    def line_keys(self) -> tuple[str, ...]:
        """See `DriverOptions`."""
        return ("transport", "port") if self.listens else ()

    @property
    def agreed_keys(self) -> tuple[str, ...]:
        """See `DriverOptions`."""
        return ("bind",) if self.listens else ()

    @property
    def listens(self) -> bool:
        """Whether the device comes to us."""
        return self.transport != "tcp"

    def describe(self) -> str:
        """Such as `text tcp 10.0.0.5:5000`, or `text udp 10.0.0.5 on port 5000`."""
        if self.listens:
            return f"text {self.transport} {self.host} on port {self.port}"
        return f"text tcp {self.host}:{self.port}"

    @field_validator("bind")
    @classmethod
    def _bind_is_an_address(cls, bind: str) -> str:
        try:
            ip_address(bind)
        except ValueError:
            msg = "must be an IP address of this computer, or 0.0.0.0 for all"
            raise ValueError(msg) from None
        return bind

    @field_validator(*_ONLY_OF)
    @classmethod
    def _goes_with_the_transport(cls, value: Any, info: ValidationInfo) -> Any:
        transport = info.data.get("transport")
        assert info.field_name is not None
        if transport is not None and transport not in _ONLY_OF[info.field_name]:
            known = " or ".join(f'"{name}"' for name in _ONLY_OF[info.field_name])
            msg = 'has no use with transport = "{transport}", only with {known}'
            context = {"transport": transport, "known": known}
            raise PydanticCustomError(NO_USE, msg, context)
        return value
