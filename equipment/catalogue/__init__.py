"""The profiles that come with the gateway, and how a profile is found and read."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from pydantic import ValidationError

from equipment.ethernetip_profile import EthernetIpProfile
from equipment.llrp_profile import LlrpProfile
from equipment.modbus_profile import ModbusProfile
from equipment.mqtt_profile import MqttProfile
from equipment.opcua_profile import OpcUaProfile
from equipment.profile import Profile
from equipment.text_profile import TextProfile
from equipment.toml_source import ConfigurationError, Mistake, mistakes_of, parse_toml, suggest

#: The schema of a profile, by its `protocol`.
PROFILE_CLASSES: Final[dict[str, type[Profile]]] = {
    "ethernetip": EthernetIpProfile,
    "llrp": LlrpProfile,
    "modbus": ModbusProfile,
    "mqtt": MqttProfile,
    "opcua": OpcUaProfile,
    "text": TextProfile,
}


def shipped() -> dict[str, Traversable]:
    """The profiles that come with the gateway, by id."""
    return _profiles_in(resources.files(__name__))


def _profiles_in(folder: Traversable) -> dict[str, Traversable]:
    if not folder.is_dir():
        return {}
    return {
        file.name.removesuffix(".toml"): file
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def available(folders: Sequence[Traversable] = ()) -> dict[str, Traversable]:
    """The files of all profiles by id; a profile in `folders` stands before a shipped one."""
    found = shipped()
    for folder in folders:
        found |= _profiles_in(folder)
    return found


def load(profile_id: str, folders: Sequence[Traversable] = ()) -> Profile:
    """The profile `profile_id`, from `folders` or from those that come with the gateway.

    Raises:
        KeyError: there is none of that name; the message names the nearest.
        ConfigurationError: its file has mistakes.
    """
    files = available(folders)
    if profile_id not in files:
        msg = f"there is no profile {profile_id!r} ({suggest(profile_id, files)})"
        raise KeyError(msg)
    file = files[profile_id]
    return parse_profile(file.read_text(encoding="utf-8"), f"{profile_id}.toml")


def parse_profile(text: str, file: str) -> Profile:
    """Reads a profile; `file` is its name in messages, and without `.toml` must be its id.

    Raises:
        ConfigurationError: it has mistakes, all of which are told.
    """
    source = parse_toml(text, file)
    protocol = source.data.get("protocol")
    model = PROFILE_CLASSES.get(str(protocol))
    if model is None:
        remedy = suggest(str(protocol), PROFILE_CLASSES)
        raise ConfigurationError([source.mistake(("protocol",), "unknown protocol", remedy)])
    try:
        profile = model.model_validate(source.data)
    except ValidationError as error:
        raise ConfigurationError(mistakes_of(error, source, model)) from None
    expected = file.rpartition("/")[2].removesuffix(".toml")
    if profile.id != expected:
        problem = f"must be the file's name, {expected!r}, not {profile.id!r}"
        raise ConfigurationError([Mistake(file, source.line_of(("id",)), "id", problem)])
    mistakes = [source.mistake(*problem) for problem in profile.machine_problems()]
    if mistakes:
        raise ConfigurationError(mistakes)
    return profile
