"""`devices.toml`: which devices there are and how each is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from equipment.profile import NUMBER, Repeat
from equipment.toml_source import (
    ConfigurationError,
    Mistake,
    TomlSource,
    mistakes_of,
    parse_toml,
)

DEVICES_FILE: Final = "devices.toml"

DeviceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]


class Device(BaseModel):
    """One device. A reader's id is also that of its place (`reader`) on the map.

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


class RepeatedDevice(Repeat):
    """So many devices of one form: `{n}` in texts is the number of each.

    `step`: by how much each number grows from one device to the next, by key, as in `{ unit = 1 }`.
    """

    step: dict[str, Annotated[int, Field(ge=1, le=10_000)]] = Field(default_factory=dict)


class _DevicesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    device: tuple[dict[str, Any], ...] = ()


class _WithRepeat(BaseModel):
    repeat: RepeatedDevice


@dataclass(frozen=True, slots=True)
class Written:
    """The keys of one device, and at which `[[device]]` of the file they are written."""

    position: int
    keys: dict[str, Any]


def written_devices(source: TomlSource) -> tuple[list[Written], list[Mistake]]:
    """The devices of a file, those with `repeat` one by one, and what is wrong with their form."""
    try:
        listed = _DevicesFile.model_validate(source.data).device
    except ValidationError as error:
        return [], mistakes_of(error, source, _DevicesFile)
    found: list[Written] = []
    mistakes: list[Mistake] = []
    for position, keys in enumerate(listed):
        if "repeat" not in keys:
            found.append(Written(position, keys))
            continue
        try:
            repeat = _WithRepeat.model_validate(keys).repeat
        except ValidationError as error:
            mistakes += mistakes_of(error, source, _WithRepeat, ("device", position))
            continue
        problems = list(_problems(repeat, keys))
        mistakes += (source.mistake(("device", position, *path), text) for path, text in problems)
        if not problems:
            found += (Written(position, _numbered(keys, repeat, n)) for n in repeat.numbers())
    return found, mistakes


def _problems(repeat: RepeatedDevice, keys: dict[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    problems: list[tuple[tuple[str, ...], str]] = []
    if NUMBER not in str(keys.get("id", NUMBER)):
        problems.append((("id",), f"must hold {NUMBER}, the number of the device"))
    unfit = [key for key in repeat.step if type(keys.get(key)) is not int]
    problems += ((("repeat", "step", key), f"the device has no number {key!r}") for key in unfit)
    return problems


def _numbered(keys: dict[str, Any], repeat: RepeatedDevice, n: int) -> dict[str, Any]:
    """The keys of the device with the number `n`."""
    own = {key: _with_number(value, n) for key, value in keys.items() if key != "repeat"}
    for key, step in repeat.step.items():
        own[key] += step * (n - repeat.first)
    return own


def _with_number(value: Any, n: int) -> Any:
    if isinstance(value, str):
        return value.replace(NUMBER, str(n))
    if isinstance(value, list):
        return [_with_number(one, n) for one in value]
    if isinstance(value, dict):
        return {key: _with_number(one, n) for key, one in value.items()}
    return value


def parse_devices(text: str, file: str = DEVICES_FILE) -> tuple[Device, ...]:
    """The devices of a `devices.toml`, in its order.

    Raises:
        ConfigurationError: it has mistakes (syntax, wrong keys, two devices with one id), all told.
    """
    source = parse_toml(text, file)
    written, mistakes = written_devices(source)
    devices: list[Device] = []
    first: dict[str, int] = {}
    for one in written:
        place = ("device", one.position)
        try:
            device = Device.model_validate(one.keys)
        except ValidationError as error:
            mistakes += mistakes_of(error, source, Device, place)
            continue
        line = source.line_of((*place, "id"))
        if device.id in first:
            problem = f"{device.id!r} is already the id of the device at line {first[device.id]}"
            mistakes.append(source.mistake((*place, "id"), problem, "give it another"))
        first.setdefault(device.id, line)
        devices.append(device)
    if mistakes:
        # Devices of one form have the same mistakes.
        raise ConfigurationError(dict.fromkeys(mistakes))
    return tuple(devices)
