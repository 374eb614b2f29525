"""What a driver is, and which there are. One protocol can be changed without opening another."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Protocol, Self, TypeVar, runtime_checkable
from weakref import WeakValueDictionary

from pydantic import BaseModel, ConfigDict

from equipment.profile import Profile
from equipment.report import NoticeKind, RecordBatch, Sample


class DeviceError(Exception):
    """A device can't be read as configured; the text is for an operator: what, where, what to do.

    It ends the session; the supervisor reports the device down with this text and tries again.
    `again_s`: after how many seconds, where that is not for the supervisor to choose: asking a
    device that shares a line with others is a matter of that line. 0: it chooses.
    """

    def __init__(self, text: str, *, again_s: float = 0.0) -> None:
        super().__init__(text)
        self.again_s = again_s


class Sink(Protocol):
    """Where a driver's session puts what it reads. None of the calls blocks."""

    def heard(self) -> None:
        """The device answered, whether or not there was anything new."""

    def alive(self, reason: str) -> None:
        """The way to the device is good, though nothing may come of it; the session goes on.

        For devices that speak by themselves, so that nothing that they say is missed between two
        sessions. One that stays silent is down with this `reason`, and up once it is heard.
        """

    def gone(self, reason: str) -> None:
        """The device is down, as was said by itself or for it; the session goes on."""

    def samples(self, samples: Sequence[Sample], *, live: bool = True) -> None:
        """Values of points. They count as heard unless they are not `live`: old, or BAD."""

    def records(self, batch: RecordBatch) -> None:
        """Records of a reader, each exactly once; counts as heard."""

    def answered(self, took_s: float, device_t_ns: int | None = None) -> None:
        """A request was answered after so long, and what the device's clock showed then."""

    def clock(self, device_t_ns: int) -> None:
        """What the device's clock shows now, as far as what it just sent tells."""

    def notice(self, kind: NoticeKind, count: int, text: str) -> None:
        """Data that was lost or refused."""


class Driver(Protocol):
    """Reads one device. Made by its class from (device id, profile, options)."""

    def describe(self) -> str:
        """The device's address in words, for messages: `modbus tcp 10.0.0.5:502 unit 1`."""

    async def session(self, sink: Sink) -> None:
        """Connects, resolves what the profile names, and reads until cancelled.

        Never ends by itself other than by raising; leaves no connection, task or thread behind.
        Calls `sink.heard()` (or gives data) on every sign of life.

        Raises:
            DeviceError: the device can't be reached, gives a wrong answer, or breaks off.
        """


class DriverOptions(BaseModel):
    """The keys of a `[[device]]` beside id, profile and name; unknown keys are refused.

    Paths of files are absolute or from the mine's folder: the driver gets them absolute.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def address_keys(self) -> tuple[str, ...]:
        """The keys that say where the device is: no two devices may have the same values."""
        raise NotImplementedError

    @property
    def line_keys(self) -> tuple[str, ...]:
        """The keys that name what the device shares with those that have the same values."""
        return ()

    @property
    def agreed_keys(self) -> tuple[str, ...]:
        """The keys whose values must be the same for all that have the same `line_keys`."""
        return ()

    def aside(self, *, is_reader: bool) -> Self | None:
        """Options for a look at the device beside the gateway that reads it.

        None where such a look would take away what is meant for the gateway.
        """
        del is_reader
        return self


class DriverClass(Protocol):
    """A driver's class: its options (checked with the configuration) and how to make one."""

    Options: type[DriverOptions]

    def __call__(self, device: str, profile: Profile, options: Any, /) -> Driver:
        """Makes the driver. `options` is an instance of `Options`. Does no I/O.

        Raises:
            ValueError: the options do not go with the profile; the text begins with the key.
        """


_T = TypeVar("_T")


class Pool:
    """What the drivers of one gateway share, such as a serial line.

    Belongs to whoever makes the drivers. A thing is kept for as long as a driver holds it.
    """

    def __init__(self) -> None:
        self._things: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """What is shared under `key`; made where there is none."""
        thing: _T = self._things.get(key) or self._things.setdefault(key, make())
        return thing


@runtime_checkable
class Sharing(Protocol):
    """A driver whose device may share a line with others. Alone, it has the line to itself."""

    def share(self, pool: Pool) -> None:
        """Uses what is shared in `pool` from the next session on."""


#: Driver by protocol name (a profile's `protocol`), as `module:class`; imported on first use, so
#: that a gateway loads only the protocols it speaks.
DRIVERS: Final = {
    "ethernetip": "protocols.ethernetip.driver:EthernetIpDriver",
    "llrp": "protocols.llrp.driver:LlrpDriver",
    "modbus": "protocols.modbus.driver:ModbusDriver",
    "mqtt": "protocols.mqtt.driver:MqttDriver",
    "opcua": "protocols.opcua.driver:OpcUaDriver",
    "text": "protocols.text.driver:TextDriver",
}


class MissingExtraError(Exception):
    """A driver's library is not installed; the text says what to install.

    Libraries that only some mines need are extras, each with the name of its protocol.
    """


def driver_class(protocol: str) -> DriverClass:
    """The class that speaks `protocol`.

    Raises:
        KeyError: there is none in `DRIVERS`.
        MissingExtraError: its library is not installed.
    """
    module, _, name = DRIVERS[protocol].partition(":")
    try:
        found: DriverClass = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("protocols"):
            raise
        msg = (
            f"protocol {protocol!r} needs the package {error.name}, which is not installed: "
            f"install the extra, as in pip install 'lamproom[{protocol}]'"
        )
        raise MissingExtraError(msg) from error
    return found
