"""What `devices.toml` says of a Modbus device."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from equipment.wording import NO_USE
from protocols.driver import DriverOptions
from protocols.modbus.endpoint import Endpoint, Parity, SerialEndpoint, TcpEndpoint

Transport = Literal["tcp", "rtu_over_tcp", "rtu"]

#: The keys that only some transports have.
_ONLY_OF: Final[Mapping[str, tuple[Transport, ...]]] = {
    "host": ("tcp", "rtu_over_tcp"),
    "port": ("tcp", "rtu_over_tcp"),
    "share": ("tcp",),
    "serial": ("rtu",),
    "baud": ("rtu",),
    "parity": ("rtu",),
    "stop_bits": ("rtu",),
}

#: How transports are called in messages.
_WORDS: Final[Mapping[Transport, str]] = {
    "tcp": "tcp",
    "rtu_over_tcp": "rtu over tcp",
    "rtu": "rtu",
}


class ModbusOptions(DriverOptions):
    """The keys of a `[[device]]` that speaks Modbus.

    Devices on one serial line, or behind one converter that passes the frames of a serial line on
    (`rtu_over_tcp`), share one connection: there is only one wire, and two who ask on it at once
    destroy each other's frames. Devices at one host and port that speak Modbus TCP share it only
    where `share` says so. Connections of their own keep faults apart: one unit's wrong answer or
    silence ends no other's connection and makes nobody wait, and what really serves several units
    over TCP takes several connections. A converter that takes few of them, or asks its line in the
    order of the requests whoever sent them, gains from `share`: then a dead unit is asked rarely.
    """

    transport: Transport = "tcp"
    host: str | None = Field(default=None, min_length=1, validate_default=True)
    port: int = Field(default=502, ge=1, le=65535)
    #: Whether the devices at this host and port share one connection.
    share: bool = False
    #: The serial port, such as `/dev/ttyS0`.
    serial: str | None = Field(default=None, min_length=1, validate_default=True)
    #: Defaults as in Modbus over Serial Line V1.02, 2.5.1.
    baud: int = Field(default=19_200, ge=300, le=4_000_000)
    parity: Parity = "even"
    stop_bits: Literal[1, 2] = 1
    unit: int = Field(default=1, ge=0, le=255)
    #: How long the connection and each answer may take.
    timeout_s: float = Field(default=1.0, gt=0, le=60)

    @property
    def address_keys(self) -> tuple[str, ...]:
        """See `DriverOptions`."""
        return (*self.line_keys, "unit")

    @property
    def line_keys(self) -> tuple[str, ...]:
        """See `DriverOptions`."""
        return ("serial",) if self.transport == "rtu" else ("host", "port")

    @property
    def agreed_keys(self) -> tuple[str, ...]:
        """See `DriverOptions`."""
        if self.transport == "rtu":
            return ("baud", "parity", "stop_bits")
        return ("transport", "share")

    @property
    def endpoint(self) -> Endpoint:
        """Where the connection leads."""
        if self.transport == "rtu":
            assert self.serial is not None
            return SerialEndpoint(self.serial, self.baud, self.parity, self.stop_bits)
        assert self.host is not None
        return TcpEndpoint(self.host, self.port, rtu=self.transport == "rtu_over_tcp")

    @property
    def shared(self) -> bool:
        """Whether others may ask over the same connection."""
        return self.share or self.transport != "tcp"

    def describe(self) -> str:
        """Such as `modbus tcp 10.0.0.5:502 unit 1`."""
        return f"modbus {_WORDS[self.transport]} {self.endpoint} unit {self.unit}"

    @field_validator(*_ONLY_OF)
    @classmethod
    def _goes_with_the_transport(cls, value: Any, info: ValidationInfo) -> Any:
        transport = info.data.get("transport")
        if transport is None:  # it is told that this is wrong
            return value
        assert info.field_name is not None
        belongs = transport in _ONLY_OF[info.field_name]
        if value is None and belongs:
            # In pydantic's own words: such a key is told like any other that is missing.
            raise PydanticCustomError("missing", "is missing")
        if value is not None and not belongs:
            known = " or ".join(f'"{name}"' for name in _ONLY_OF[info.field_name])
            msg = 'has no use with transport = "{transport}", only with {known}'
            context = {"transport": transport, "known": known}
            raise PydanticCustomError(NO_USE, msg, context)
        return value

    @field_validator("serial")
    @classmethod
    def _one_name_for_one_port(cls, value: str | None) -> str | None:
        return None if value is None else posixpath.normpath(value)

    @field_validator("unit")
    @classmethod
    def _unit_answers(cls, value: int, info: ValidationInfo) -> int:
        # Modbus over Serial Line V1.02, 2.1: address 0 is a broadcast, which no unit answers.
        if value == 0 and info.data.get("transport") in ("rtu_over_tcp", "rtu"):
            msg = "must be at least 1 on a serial line, where all hear unit 0 and none answers"
            raise ValueError(msg)
        return value
