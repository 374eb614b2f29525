"""Profiles as rows, tables and words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from equipment.ethernetip_profile import EthernetIpPoint
from equipment.llrp_profile import LlrpProfile
from equipment.modbus_profile import ModbusPoint, ModbusProfile
from equipment.mqtt_profile import MqttPoint, MqttProfile
from equipment.opcua_profile import OpcUaPoint, OpcUaProfile
from equipment.profile import Point, Profile
from equipment.text_line import Line
from equipment.text_profile import TextPoint, TextProfile

_DIGITS: Final = re.compile(r"\d+")

#: Where a terminal's width is not known.
_WIDTH: Final = 200


def row_of(profile: Profile, *, own: bool) -> dict[str, Any]:
    """One profile of a list, for JSON."""
    return {
        "id": profile.id,
        "kind": profile.kind.value,
        "machine": profile.machine.kind.value if profile.machine else None,
        "protocol": profile.protocol,
        "points": len(profile.point),
        "limits": sum(len(point.limit) for point in profile.point),
        "title": profile.title.model_dump(),
        "own": own,
    }


def details_of(profile: Profile) -> dict[str, Any]:
    """All of a profile, for JSON: its keys as in the file, but each point by itself."""
    return profile.model_dump(mode="json", exclude_none=True)


def in_one_line(profile: Profile) -> str:
    """Such as `modbus, 22 points, 13 limits, a conveyor with a fence`."""
    limits = sum(len(point.limit) for point in profile.point)
    parts = [profile.protocol, _many(len(profile.point), "point"), _many(limits, "limit")]
    if isinstance(profile, ModbusProfile) and profile.ring is not None:
        parts.append("a ring of records")
    if isinstance(profile, TextProfile):
        parts.append(_many(len(profile.line), "kind") + " of lines")
    if isinstance(profile, OpcUaProfile) and profile.event is not None:
        parts.append("records by events")
    if isinstance(profile, LlrpProfile):
        parts.append("cards by EPC")
    if isinstance(profile, MqttProfile) and profile.records is not None:
        parts.append("records in JSON")
    if profile.machine:
        fence = " with a fence" if profile.machine.fence else ""
        parts.append(f"machine {profile.machine.kind.value}{fence}")
    return f"{profile.id} is fine: {', '.join(parts)}"


def print_list(profiles: Sequence[Profile], own: Collection[str]) -> None:
    """Prints a table, one profile a line; those of the mine are marked."""
    table = _table("id", "kind", "protocol", "points", "English", "中文")
    for profile in profiles:
        kind = profile.machine.kind.value if profile.machine else profile.kind.value
        mark = " *" if profile.id in own else ""
        title = profile.title
        row = (profile.id + mark, kind, profile.protocol, str(len(profile.point)))
        table.add_row(*row, title.en, title.zh)
    _print(table)
    if own:
        _print("* the mine's own")


def print_profile(profile: Profile) -> None:
    """Prints what a profile is and holds; points of one form share a line."""
    _print(f"{profile.id}  {profile.title.en}  {profile.title.zh}")
    scan = profile.scan
    _print(
        f"{profile.kind.value} over {profile.protocol}, every {scan.period_s:g} s, "
        f"down after {scan.silence_s:g} s"
    )
    for line in _machine_lines(profile):
        _print(line)
    table = _table("point", "where", "unit", "range or states", "not good", "meaning", "含义")
    for first, last in runs(profile.point):
        table.add_row(
            _from_to(first.name, last.name),
            _from_to(_where(first), _where(last)),
            first.unit or "-",
            _values(first),
            "; ".join(map(str, first.limit)) or "-",
            _from_to(first.meaning.en, last.meaning.en),
            _from_to(first.meaning.zh, last.meaning.zh),
        )
    _print(table)
    if isinstance(profile, ModbusProfile) and profile.ring is not None:
        ring = profile.ring
        fields = ", ".join(field.name for field in ring.field)
        _print(f"ring of {ring.capacity} records in {ring.table.value} registers: {fields}")
    for form in profile.line if isinstance(profile, TextProfile) else ():
        _print(_line_in_words(form))
    if isinstance(profile, LlrpProfile):
        _print(f"card: {profile.epc.form} of the last {profile.epc.last_bytes} bytes of the EPC")
        for antenna, side in profile.sides.items():
            _print(f"  antenna {antenna}: {'ahead' if side == 1 else 'behind'}")
    if isinstance(profile, OpcUaProfile) and profile.event is not None:
        _print(f"records by events of type {profile.event.type}:")
        for one in profile.event.field:
            members = (one.member,) if isinstance(one.member, str) else one.member
            within = f" {' or '.join(members)}" if members else ""
            _print(f"  {one.name}: {one.path}{within}")


def _line_in_words(line: Line) -> str:
    """Such as `lines range: begin with '#RNG,', 9 fields, checksum xor: sequence, card`."""
    widths = line.widths
    most = "" if len(widths) == 1 else f" to {widths[-1]}"
    parts = [f"begin with {line.starts_with!r}", f"{widths[0]}{most} fields"]
    if line.groups:
        parts.append(f"groups of {line.groups.width}")
    if line.checksum:
        parts.append(f"checksum {line.checksum.kind.value}")
    fields = ", ".join(field.name for field in line.field)
    return f"lines {line.name}: {', '.join(parts)}{': ' if fields else ''}{fields}"


def runs(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """First and last of points that follow one another and differ in their numbers only."""
    for _, run in groupby(points, key=_form):
        members = list(run)
        yield members[0], members[-1]


def _form(point: Point) -> tuple[object, ...]:
    """What is the same of points of one form."""
    texts = (point.name, point.meaning.en, point.meaning.zh)
    return (*(_DIGITS.sub("#", text) for text in texts), point.unit, point.range, _kind(point))


def _from_to(first: str, last: str) -> str:
    """`leg_1 … 150`: the first, and the number of the last where there is another."""
    if first == last:
        return first
    numbers = zip(_DIGITS.findall(first), _DIGITS.findall(last), strict=False)
    changed = [after for before, after in numbers if before != after]
    return f"{first} … {changed[-1] if changed else last}"


def _where(point: Point) -> str:
    if isinstance(point, ModbusPoint):
        bit = f".{point.bit}" if point.type == "bool" and point.table in _WORDS else ""
        return f"{point.table.value} {point.address}{bit} {_kind(point)}"
    if isinstance(point, TextPoint):
        return f"field {point.place}" if point.key is None else f"{point.key}="
    if isinstance(point, EthernetIpPoint):
        return point.tag
    if isinstance(point, MqttPoint):
        return point.metric or f"{point.topic} {point.pointer}".strip()
    return point.path if isinstance(point, OpcUaPoint) else "-"


_WORDS: Final = ("holding", "input")


def _kind(point: Point) -> str:
    return str(getattr(point, "type", ""))


def _values(point: Point) -> str:
    if point.states:
        return ", ".join(f"{number} {name}" for number, name in point.states.items())
    if point.range:
        return f"{point.range[0]:g} to {point.range[1]:g}"
    return "-"


def _machine_lines(profile: Profile) -> Iterator[str]:
    machine = profile.machine
    if machine is None:
        return
    yield f"machine: {machine.kind.value}"
    if machine.along:
        yield f"  where: {machine.along} along its roadway"
    if machine.fence:
        yield f"  fence: {machine.fence}"
    if machine.active:
        yield f"  stands while: {machine.active.point} {machine.active.words}"
    if machine.cutter:
        cutter = machine.cutter
        yield (
            f"  cuts: {cutter.ahead_m:g} m ahead, {cutter.left_m:g} m to the left, "
            f"{cutter.up_m:g} m above the floor"
        )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _table(*columns: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        right, whole = column == "points", column in {"id", "point", "where"}
        table.add_column(column, justify="right" if right else "left", no_wrap=whole)
    return table


def _print(what: Any) -> None:
    from rich.console import Console

    wide = Console().is_terminal
    Console(width=None if wide else _WIDTH, highlight=False, markup=False).print(what)
