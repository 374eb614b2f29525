"""The profile of a machine over MQTT, made of its Modbus profile: the same points, as JSON."""

from __future__ import annotations

import json
from typing import Final

from equipment.modbus_profile import ModbusPoint, ModbusProfile, RegisterType

#: What the id of such a profile ends with.
SUFFIX: Final = "_mqtt"


def mqtt_twin_text(profile: ModbusProfile) -> str:
    """The text of the profile; each point is a key of one JSON object."""
    silence_s = max(10.0, profile.scan.silence_s)
    lines = [
        f"# The points of {profile.id}, published as one JSON object.",
        f'id = "{profile.id}{SUFFIX}"',
        f"title = {_toml(profile.title.model_dump())}",
        'kind = "machine"',
        'protocol = "mqtt"',
        'time = { pointer = "/at", unit = "rfc3339" }',
        f"scan = {{ period_s = {profile.scan.period_s}, silence_s = {silence_s} }}",
        "",
    ]
    if profile.machine is not None:
        said = profile.machine.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        lines += ["[machine]", *(f"{key} = {_toml(value)}" for key, value in said.items()), ""]
    for point in profile.point:
        lines += ["[[point]]", *_point(point), ""]
    return "\n".join(lines)


def _point(point: ModbusPoint) -> list[str]:
    lines = [
        f'name = "{point.name}"',
        f"meaning = {_toml(point.meaning.model_dump())}",
        f'pointer = "/{point.name}"',
    ]
    if point.type is RegisterType.TEXT:
        return [*lines, 'type = "text"']
    if point.type is RegisterType.BOOL and not point.states:
        lines.append('type = "bool"')
    if point.unit:
        lines.append(f'unit = "{point.unit}"')
    if point.range:
        lines.append(f"range = {_toml(list(point.range))}")
    if point.states:
        lines.append(f"states = {_toml({str(n): name for n, name in point.states.items()})}")
    if point.limit:
        limits = [
            limit.model_dump(mode="json", exclude_none=True, exclude_unset=True)
            for limit in point.limit
        ]
        lines.append(f"limit = {_toml(limits)}")
    return lines


def _toml(value: object) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)
