"""What the live picture looks like: people, machines, zones, alarms and events in one screen."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.show import zone_of
from lamproom.v1 import equipment_pb2, event_pb2, mine_pb2, position_pb2

#: The most rows of each part; fewer on a low terminal.
PEOPLE_MOST: Final = 8
ALARMS_MOST: Final = 5
EVENTS_MOST: Final = 8

#: Lines that are always there: title, headings, column names, two lines of zones, one of readers.
FIXED_LINES: Final = 11

#: The values of a machine that are shown.
VALUES_SHOWN: Final = 5

#: The fix rate is that of so long.
RATE_S: Final = 5.0

_LEVEL_STYLES: Final = ("", "bold red", "dark_orange", "yellow", "blue")


@dataclass(slots=True)
class Seen:
    """What was heard of a gateway until now."""

    address: str
    map: mine_pb2.GetMapResponse = field(default_factory=mine_pb2.GetMapResponse)
    names: dict[str, str] = field(default_factory=dict)
    headcount: mine_pb2.GetHeadcountResponse = field(default_factory=mine_pb2.GetHeadcountResponse)
    positions: list[position_pb2.Position] = field(default_factory=list)
    fixes: int = 0
    crossings: int = 0
    equipment: dict[str, equipment_pb2.Equipment] = field(default_factory=dict)
    events: deque[event_pb2.Event] = field(default_factory=lambda: deque(maxlen=EVENTS_MOST))
    open_alarms: dict[str, event_pb2.Event] = field(default_factory=dict)
    counted: deque[tuple[float, int]] = field(default_factory=deque)

    def take_event(self, event: event_pb2.Event) -> None:
        """Takes what happened."""
        self.events.append(event)
        if event.kind == event_pb2.EVENT_KIND_ALARM_RAISED:
            self.open_alarms[event.alarm.alarm_id] = event
        elif event.kind == event_pb2.EVENT_KIND_ALARM_CLEARED:
            self.open_alarms.pop(event.alarm.alarm_id, None)
        elif event.zone_id:
            self.crossings += 1

    def take_equipment(self, change: equipment_pb2.Equipment) -> None:
        """Takes a device with the values that changed."""
        known = self.equipment.setdefault(change.device_id, change)
        values = {value.point: value for value in (*known.values, *change.values)}
        whole = equipment_pb2.Equipment()
        whole.CopyFrom(change)
        del whole.values[:]
        whole.values.extend(values.values())
        self.equipment[change.device_id] = whole

    def count(self, now_s: float) -> None:
        """Notes how many fixes there are; `now_s` is of a clock that only goes on."""
        self.counted.append((now_s, self.fixes))
        while now_s - self.counted[0][0] > RATE_S:
            self.counted.popleft()

    def fixes_per_s(self) -> float:
        """The rate of the last seconds."""
        if len(self.counted) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self.counted[0], self.counted[-1]
        return (last - first) / (last_s - first_s)


def picture(seen: Seen, width: int, height: int) -> RenderableType:
    """All that was seen, on at most `width` x `height` letters."""
    machines = [device for device in seen.equipment.values() if not _is_reader(device)]
    spare = max(height - FIXED_LINES - len(machines), 6)
    people = min(PEOPLE_MOST, spare * 2 // 5)
    alarms = min(ALARMS_MOST, max(spare // 5, 1))
    events = min(EVENTS_MOST, spare - people - alarms)
    parts: list[RenderableType] = [
        *_title(seen),
        _zones(seen, wide=width >= 100),
        _people(seen, people, wide=width >= 100),
        _machines(machines),
        _readers(seen),
        _line(f"alarms open: {len(seen.open_alarms) or 'none'}", "bold"),
        _alarms(seen, alarms),
        _line("last events", "bold"),
        _events(seen, events),
    ]
    return Group(*parts)


def _title(seen: Seen) -> list[Text]:
    count = seen.headcount
    below = f"{count.underground} underground, {count.silent} silent"
    rates = f"{seen.fixes_per_s():.0f} fixes/s, {seen.crossings} zone crossings"
    return [
        _line(f"lamproom  {seen.map.mine_name}  clients: {seen.address}", "bold reverse"),
        _line(f"{below}, {rates}", "bold"),
    ]


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _zones(seen: Seen, *, wide: bool) -> Text:
    """A line or two: each zone with how many are in it."""
    zones = {zone.zone_id: zone for zone in seen.map.zones}
    line = Text("zones  ", "bold", no_wrap=False)
    for part in seen.headcount.zones:
        zone = zones.get(part.zone_id, mine_pb2.Zone(name=part.zone_id))
        kind = mine_pb2.ZoneKind.Name(zone.kind).removeprefix("ZONE_KIND_").lower()
        name = f"{zone.name} ({kind})" if wide else zone.name
        line.append(f"{name} ", "none").append(f"{part.count}  ", "bold cyan")
    return line


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for number, column in enumerate(columns, start=1):
        ratio = 1 if number == len(columns) else None  # the last one takes what is left
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=ratio)
    return table


def _people(seen: Seen, rows: int, *, wide: bool) -> Table:
    names = {zone.zone_id: zone.name for zone in seen.map.zones}
    extra = ("card",) if wide else ()
    table = _table("person", *extra, "x m", "y m", "m/s", "± m", "fix", "roadway", "age s", "zone")
    for person in seen.positions[:rows]:
        speed_m_s = (person.vx_m_s**2 + person.vy_m_s**2) ** 0.5
        sigma_m = max(person.var_x_m2, person.var_y_m2) ** 0.5
        fix = position_pb2.FixClass.Name(person.fix_class).removeprefix("FIX_CLASS_").lower()
        table.add_row(
            seen.names.get(person.card, person.card),
            *((person.card,) if wide else ()),
            f"{person.x_m:.1f}",
            f"{person.y_m:.1f}",
            f"{speed_m_s:.1f}",
            f"{sigma_m:.1f}",
            fix,
            _along(person),
            f"{person.age_s:.1f}",
            ", ".join(names.get(zone, zone) for zone in person.zone_ids) or "-",
        )
    return table


def _along(person: position_pb2.Position) -> str:
    """The roadway and how far along it: `main 412`."""
    if not person.HasField("chainage_m"):
        return person.roadway_id or "-"
    return f"{person.roadway_id} {person.chainage_m:.0f}"


def _is_reader(device: equipment_pb2.Equipment) -> bool:
    return device.profile.endswith("_reader")


def _machines(machines: list[equipment_pb2.Equipment]) -> Table:
    table = _table("machine", "link", "values")
    for device in machines:
        values = ", ".join(_value_text(value) for value in _telling(device)) or device.link_reason
        table.add_row(device.device_id, _link(device), values)
    return table


def _readers(seen: Seen) -> Text:
    readers = [device for device in seen.equipment.values() if _is_reader(device)]
    states = ", ".join(f"{device.device_id} {_link(device)}" for device in readers)
    return _line(f"readers  {states}")


def _link(device: equipment_pb2.Equipment) -> str:
    return equipment_pb2.LinkState.Name(device.link_state).removeprefix("LINK_STATE_").lower()


def _telling(device: equipment_pb2.Equipment) -> list[equipment_pb2.PointValue]:
    """The values that tell most: numbers with a unit, then flags that are set, then the rest."""

    def rank(value: equipment_pb2.PointValue) -> int:
        return 0 if value.unit else 1 if value.flag or value.WhichOneof("value") == "text" else 2

    return sorted(device.values, key=rank)[:VALUES_SHOWN]


def _value_text(value: equipment_pb2.PointValue) -> str:
    if value.quality != equipment_pb2.QUALITY_GOOD:
        return f"{value.point} ?"
    if value.WhichOneof("value") == "flag":
        return f"{value.point} {'yes' if value.flag else 'no'}"
    shown = f"{value.number:.4g}" if value.WhichOneof("value") == "number" else value.text
    return f"{value.point} {shown} {value.unit}".rstrip()


def _alarms(seen: Seen, rows: int) -> Table:
    alarms = sorted(
        seen.open_alarms.values(), key=lambda e: (e.alarm.level, e.alarm.start_time.ToNanoseconds())
    )
    table = _table("", "", "")
    table.show_header = False
    now_s = datetime.now().astimezone().timestamp()
    for event in alarms[:rows]:
        age_s = max(now_s - event.alarm.start_time.ToNanoseconds() / 1e9, 0)
        level = Text(f"level {event.alarm.level}", _LEVEL_STYLES[event.alarm.level])
        table.add_row(level, f"{age_s:.0f} s", _told(seen, event))
    return table


def _events(seen: Seen, rows: int) -> Table:
    table = _table("", "", "")
    table.show_header = False
    zone = zone_of(seen.map.configuration.timezone)
    for event in list(seen.events)[-rows:]:
        moment = datetime.fromtimestamp(event.event_time.seconds, zone)
        kind = event_pb2.EventKind.Name(event.kind).removeprefix("EVENT_KIND_").lower()
        table.add_row(f"{event.sequence}", f"{moment:%H:%M:%S}  {kind}", _told(seen, event))
    return table


def _told(seen: Seen, event: event_pb2.Event) -> Text:
    """An event's sentence, after the name of whom it is about."""
    name = seen.names.get(event.card, "")
    return Text(f"{name}  {event.text}" if name else event.text)
