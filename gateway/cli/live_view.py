"""The live table of `lamproom demo`: what any client sees over gRPC."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from datetime import UTC, datetime
from typing import Final

import grpc
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lamproom.v1 import (
    equipment_pb2,
    equipment_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
    mine_pb2,
    mine_pb2_grpc,
    position_pb2,
    position_pb2_grpc,
)

#: How often the table is drawn, on a terminal and into a file.
DRAW_S: Final = 0.5
DRAW_PLAIN_S: Final = 5.0

#: How many people, and how many of the last events, are shown.
PEOPLE_SHOWN: Final = 8
EVENTS_SHOWN: Final = 8

#: The values of a machine that are shown, in the order of its profile.
VALUES_SHOWN: Final = 4


class LiveView:
    """Follows a gateway's streams and draws what they say."""

    def __init__(self, address: str) -> None:
        """`address`: the gateway's `host:port`."""
        self._address = address
        self._cards: dict[int, str] = {}
        self._places: dict[int, tuple[float, float, float, position_pb2.FixClass.ValueType]] = {}
        self._fixes = 0
        self._names: dict[str, str] = {}
        self._zones: dict[str, mine_pb2.Zone] = {}
        self._headcount = mine_pb2.GetHeadcountResponse()
        self._equipment: dict[str, equipment_pb2.Equipment] = {}
        self._events: deque[event_pb2.Event] = deque(maxlen=EVENTS_SHOWN)
        self._open: dict[str, event_pb2.Event] = {}
        self._crossings = 0

    async def show(self) -> None:
        """Draws until cancelled; at the end the last picture stays."""
        async with (
            grpc.aio.insecure_channel(self._address) as channel,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._follow_positions(channel))
            group.create_task(self._follow_events(channel))
            group.create_task(self._follow_equipment(channel))
            group.create_task(self._follow_mine(channel))
            await self._draw()

    async def _draw(self) -> None:
        console = Console()
        if not sys.stdout.isatty():
            await self._draw_plain(Console(width=110))
        with Live(self.picture(), console=console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(DRAW_S)
                live.update(self.picture(), refresh=True)

    async def _draw_plain(self, console: Console) -> None:
        try:
            while True:
                await asyncio.sleep(DRAW_PLAIN_S)
                console.print(self.picture())
        finally:
            console.print(self.picture())

    async def _follow_positions(self, channel: grpc.aio.Channel) -> None:
        stub = position_pb2_grpc.PositionServiceStub(channel)
        async for answer in stub.WatchPositions(position_pb2.WatchPositionsRequest()):
            for entry in answer.directory.entries:
                self._cards[entry.tag_handle] = entry.card
            frame = answer.frame
            self._fixes += len(frame.tag_handles) + frame.coalesced_count
            columns = (frame.x_mm, frame.y_mm, frame.vx_mm_s, frame.vy_mm_s, frame.fix_classes)
            for handle, x_mm, y_mm, vx, vy, fix_class in zip(
                frame.tag_handles, *columns, strict=True
            ):
                speed_m_s = (vx * vx + vy * vy) ** 0.5 / 1000
                self._places[handle] = (x_mm / 1000, y_mm / 1000, speed_m_s, fix_class)

    async def _follow_events(self, channel: grpc.aio.Channel) -> None:
        stub = event_pb2_grpc.EventServiceStub(channel)
        async for answer in stub.WatchEvents(event_pb2.WatchEventsRequest(sequence=1)):
            if not answer.HasField("event"):
                continue
            event = answer.event
            self._events.append(event)
            if event.kind == event_pb2.EVENT_KIND_ALARM_RAISED:
                self._open[event.alarm.alarm_id] = event
            elif event.kind == event_pb2.EVENT_KIND_ALARM_CLEARED:
                self._open.pop(event.alarm.alarm_id, None)
            elif event.zone_id:
                self._crossings += 1

    async def _follow_equipment(self, channel: grpc.aio.Channel) -> None:
        stub = equipment_pb2_grpc.EquipmentServiceStub(channel)
        async for answer in stub.WatchEquipment(equipment_pb2.WatchEquipmentRequest()):
            if not answer.HasField("equipment"):
                continue
            change = answer.equipment
            known = self._equipment.setdefault(change.device_id, change)
            values = {value.point: value for value in known.values}
            values |= {value.point: value for value in change.values}
            known.CopyFrom(change)
            del known.values[:]
            known.values.extend(values.values())

    async def _follow_mine(self, channel: grpc.aio.Channel) -> None:
        stub = mine_pb2_grpc.MineServiceStub(channel)
        zones = await stub.ListZones(mine_pb2.ListZonesRequest())
        self._zones = {zone.zone_id: zone for zone in zones.zones}
        people = await stub.ListPeople(mine_pb2.ListPeopleRequest())
        self._names = {person.card: person.name for person in people.people}
        while True:
            self._headcount = await stub.GetHeadcount(mine_pb2.GetHeadcountRequest())
            await asyncio.sleep(DRAW_S)

    def picture(self) -> RenderableType:
        """All tables, as they are now."""
        count = self._headcount
        title = Text(
            f"lamproom  {count.underground} underground, {count.silent} silent, "
            f"{self._fixes} fixes, {self._crossings} zone crossings",
            style="bold",
        )
        return Group(title, self._zone_table(), self._people(), self._machines(), self._happened())

    def _zone_table(self) -> Table:
        table = Table("zone", "kind", "people", title="zones", title_justify="left")
        for zone in self._headcount.zones:
            known = self._zones.get(zone.zone_id, mine_pb2.Zone())
            kind = mine_pb2.ZoneKind.Name(known.kind).removeprefix("ZONE_KIND_").lower()
            table.add_row(known.name or zone.zone_id, kind, str(zone.count))
        return table

    def _people(self) -> Table:
        table = Table("card", "name", "x m", "y m", "m/s", "fix", title="people (some)")
        table.title_justify = "left"
        for handle in sorted(self._places)[:PEOPLE_SHOWN]:
            x_m, y_m, speed_m_s, fix_class = self._places[handle]
            card = self._cards.get(handle, "?")
            quality = position_pb2.FixClass.Name(fix_class).removeprefix("FIX_CLASS_").lower()
            row = (f"{x_m:.1f}", f"{y_m:.1f}", f"{speed_m_s:.1f}", quality)
            table.add_row(card, self._names.get(card, ""), *row)
        return table

    def _machines(self) -> Table:
        table = Table("device", "link", "values", title="devices", title_justify="left")
        for device in self._equipment.values():
            link = equipment_pb2.LinkState.Name(device.link_state)
            values = ", ".join(_value_text(value) for value in device.values[:VALUES_SHOWN])
            text = values or device.link_reason
            table.add_row(device.device_id, link.removeprefix("LINK_STATE_").lower(), text)
        return table

    def _happened(self) -> Table:
        title = f"events (last {EVENTS_SHOWN}); {len(self._open)} alarms open"
        table = Table("no", "time", "what", title=title, title_justify="left")
        for event in self._events:
            time = datetime.fromtimestamp(event.event_time.seconds, UTC).strftime("%H:%M:%S")
            alarm = f"[level {event.alarm.level}] " if event.HasField("alarm") else ""
            kind = event_pb2.EventKind.Name(event.kind).removeprefix("EVENT_KIND_").lower()
            table.add_row(str(event.sequence), time, Text(f"{kind}: {alarm}{event.text}"))
        return table


def _value_text(value: equipment_pb2.PointValue) -> str:
    if value.quality != equipment_pb2.QUALITY_GOOD:
        return f"{value.point} ?"
    kind = value.WhichOneof("value")
    shown = f"{value.number:g}" if kind == "number" else str(getattr(value, kind or "text"))
    return f"{value.point} {shown} {value.unit}".rstrip()
