"""`devices.toml`: which devices there are and how each is reached."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from equipment.toml_source import ConfigurationError, Mistake, mistakes_of, parse_toml

DEVICES_FILE: Final = "devices.toml"

DeviceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]


class Device(BaseModel):
    """One `[[device]]`. A reader's id is also that of its place (`reader`) on the map.

    What stands beside id, profile, name and limits is for the driver: `model_extra` holds it, the
    driver's own schema checks it.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    id: DeviceId
    profile: str
    name: str = ""
    #: Whether what the profile calls not good raises alarms.
    limits: bool = Field(default=True, strict=True)

    @property
    def options(self) -> dict[str, Any]:
        """The keys for the driver."""
        return dict(self.model_extra or {})


class _DevicesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    device: tuple[Device, ...] = ()


def parse_devices(text: str, file: str = DEVICES_FILE) -> tuple[Device, ...]:
    """The devices of a `devices.toml`, in its order.

    Raises:
        ConfigurationError: it has mistakes (syntax, wrong keys, two devices with one id), all told.
    """
    source = parse_toml(text, file)
    try:
        devices = _DevicesFile.model_validate(source.data).device
    except ValidationError as error:
        raise ConfigurationError(mistakes_of(error, source, _DevicesFile)) from None
    first: dict[str, int] = {}
    mistakes: list[Mistake] = []
    for position, device in enumerate(devices):
        line = source.line_of(("device", position, "id"))
        if device.id in first:
            problem = f"{device.id!r} is already the id of the device at line {first[device.id]}"
            mistakes.append(source.mistake(("device", position, "id"), problem, "give it another"))
        first.setdefault(device.id, line)
    if mistakes:
        raise ConfigurationError(mistakes)
    return devices
