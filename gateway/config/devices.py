"""`devices.toml`, the profiles it names, and the options of each device's driver."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from equipment import catalogue
from equipment.device import DEVICES_FILE, Device, parse_devices, written_devices
from equipment.profile import NUMBER, Profile
from equipment.toml_source import (
    ConfigurationError,
    Mistake,
    TomlSource,
    mistakes_of,
    parse_toml,
    suggest,
)
from gateway.config.files import read_text
from protocols.driver import DriverClass, DriverOptions, MissingExtraError, driver_class

PROFILES_FOLDER: Final = "profiles"


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """A device with all that is needed to read it."""

    device: Device
    profile: Profile
    driver: DriverClass
    options: DriverOptions


@dataclass(slots=True)
class Devices:
    """What could be read of the devices, and what was wrong."""

    setups: dict[int, DeviceSetup] = field(default_factory=dict)  # by the device's number
    mistakes: list[Mistake] = field(default_factory=list)
    source: TomlSource | None = None
    #: By the device's number: which `[[device]]` of the file it is of.
    places: list[int] = field(default_factory=list)

    def mistake(self, number: int, key: str, problem: str, remedy: str = "") -> None:
        """Notes a mistake at a key of a device; one that many of one form have is noted once."""
        assert self.source is not None
        found = self.source.mistake(("device", self.places[number], key), problem, remedy)
        if found not in self.mistakes:
            self.mistakes.append(found)

    def line_of(self, number: int) -> int:
        """The line on which a device has its id."""
        assert self.source is not None
        return self.source.line_of(("device", self.places[number], "id"))


def read_devices(folder: Path) -> Devices:
    """The devices of a mine's folder, with everything that is wrong with them."""
    found = Devices()
    profiles = _own_profiles(folder, found.mistakes)
    try:
        text = read_text(folder, DEVICES_FILE)
        found.source = parse_toml(text, DEVICES_FILE)
        parse_devices(text)
    except ConfigurationError as error:
        found.mistakes += error.mistakes
    if found.source is None:
        return found
    listed = found.source.data.get("device", ())
    if listed == ():
        remedy = "each [[device]] names a profile and says how it is reached"
        found.mistakes.append(Mistake(DEVICES_FILE, 0, "", "there is no [[device]]", remedy))
    written, _ = written_devices(found.source)  # what is wrong with it was told above
    found.places = [one.position for one in written]
    for number, one in enumerate(written):
        _read_device(number, one.keys, profiles, folder, found)
    _note_shared_addresses(found)
    _note_disagreements(found)
    return found


def _own_profiles(folder: Path, mistakes: list[Mistake]) -> dict[str, Profile | None]:
    """The mine's own profiles by id; None for one that has mistakes."""
    profiles: dict[str, Profile | None] = {}
    for name in _own_profile_names(folder, mistakes):
        profile_id = name.rpartition("/")[2].removesuffix(".toml")
        profiles[profile_id] = None
        try:
            profiles[profile_id] = catalogue.parse_profile(read_text(folder, name), name)
        except ConfigurationError as error:
            mistakes += error.mistakes
    return profiles


def _own_profile_names(folder: Path, mistakes: list[Mistake]) -> Iterator[str]:
    try:
        if (folder / PROFILES_FOLDER).exists():
            names = sorted(path.name for path in (folder / PROFILES_FOLDER).iterdir())
            yield from (f"{PROFILES_FOLDER}/{name}" for name in names if name.endswith(".toml"))
    except OSError as error:
        mistakes.append(Mistake(PROFILES_FOLDER, 0, "", f"can't be read: {error.strerror}"))


def _read_device(
    number: int,
    given: Any,
    profiles: Mapping[str, Profile | None],
    folder: Path,
    found: Devices,
) -> None:
    assert found.source is not None
    try:
        device = Device.model_validate(given)
    except ValidationError:
        return  # told by parse_devices
    profile = _profile(number, device.profile, profiles, found)
    if profile is None:
        return
    try:
        driver = driver_class(profile.protocol)
    except MissingExtraError as error:
        problem, _, remedy = str(error).partition(": ")
        found.mistake(number, "profile", problem, remedy)
        return
    try:
        options = driver.Options.model_validate(device.options)
    except ValidationError as error:
        prefix = ("device", found.places[number])
        besides = (*Device.model_fields, "repeat")
        wrong = mistakes_of(error, found.source, driver.Options, prefix, besides)
        found.mistakes += (one for one in wrong if one not in found.mistakes)
        return
    options = _from_folder(options, folder)
    try:
        driver(device.id, profile, options)
    except ValueError as error:
        key, _, problem = str(error).partition(": ")
        found.mistake(number, key, problem)
        return
    found.setups[number] = DeviceSetup(device, profile, driver, options)


def _from_folder(options: DriverOptions, folder: Path) -> DriverOptions:
    """The options with paths of files taken from the mine's folder."""
    paths = {key: folder.absolute() / value for key, value in options if isinstance(value, Path)}
    return options.model_copy(update=paths)


def _profile(
    number: int, profile_id: str, own: Mapping[str, Profile | None], found: Devices
) -> Profile | None:
    if profile_id in own:
        return own[profile_id]
    shipped = catalogue.shipped()
    if profile_id not in shipped:
        remedy = suggest(profile_id, [*own, *shipped])
        found.mistake(number, "profile", f"there is no profile {profile_id!r}", remedy)
        return None
    return catalogue.load(profile_id)


def _note_shared_addresses(found: Devices) -> None:
    """Two devices at one address are one device read twice, or a copied line."""
    first: dict[tuple[object, ...], int] = {}
    for number, setup in found.setups.items():
        protocol = setup.profile.protocol
        keys = setup.options.address_keys
        address = (protocol, *(getattr(setup.options, key) for key in keys))
        other = first.setdefault(address, number)
        if other != number:
            name, line = found.setups[other].device.id, found.line_of(other)
            problem = f"the same {', '.join(keys)} as the device {name!r} at line {line}"
            remedy = "give each device its own"
            if found.places[other] == found.places[number]:
                remedy += f": with {NUMBER} in a text, or by step of repeat"
            found.mistake(number, keys[0], problem, remedy)


def _note_disagreements(found: Devices) -> None:
    """Devices on one line are reached in one way: two bauds on one wire are none."""
    first: dict[tuple[object, ...], int] = {}
    for number, setup in found.setups.items():
        options = setup.options
        if not options.line_keys:
            continue
        line = tuple((key, getattr(options, key)) for key in options.line_keys)
        other = first.setdefault((setup.profile.protocol, *line), number)
        for key in options.agreed_keys:
            theirs = getattr(found.setups[other].options, key)
            if getattr(options, key) != theirs:
                name, at = found.setups[other].device.id, found.line_of(other)
                problem = (
                    f"is {json.dumps(theirs)} for the device {name!r} at line {at}, which has the "
                    f"same {', '.join(options.line_keys)}, not {json.dumps(getattr(options, key))}"
                )
                found.mistake(number, key, problem, "give both the same")
