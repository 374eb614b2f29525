"""The live picture of `lamproom demo`: what any client sees over gRPC."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

import grpc
from rich.console import Console
from rich.live import Live

from gateway.cli.live_picture import PEOPLE_MOST, Seen, picture
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

#: How often the picture is drawn on a terminal, and printed elsewhere.
DRAW_S: Final = 0.5
PRINT_S: Final = 5.0

#: How large it is where there is no terminal.
PRINT_SIZE: Final = (110, 40)

#: Other people are shown so often, and only instead of those who stand still.
CHOOSE_S: Final = 5.0
MOVING_M_S: Final = 0.3


class LiveView:
    """Follows a gateway's streams and draws what they say."""

    def __init__(self, address: str) -> None:
        """`address`: the gateway's `host:port`."""
        self._seen = Seen(address)
        self._cards: dict[int, str] = {}
        #: Of each card: its last speed, and when it was heard.
        self._moved: dict[str, tuple[float, float]] = {}
        self._last_sequence = 0

    async def show(self) -> None:
        """Draws until it is cancelled or nobody reads; the last picture stays."""
        async with grpc.aio.insecure_channel(self._seen.address) as channel:
            following = [
                asyncio.create_task(_again_and_again(follow, channel))
                for follow in (self._positions, self._events, self._equipment, self._mine)
            ]
            try:
                await self._draw()
            finally:
                for task in following:
                    task.cancel()
                await asyncio.gather(*following, return_exceptions=True)

    async def _draw(self) -> None:
        console = Console()
        if not console.is_terminal or console.is_dumb_terminal:
            await self._print(Console(width=PRINT_SIZE[0], no_color=True))
            return
        # The whole picture is drawn anew, so it must fit: the cursor can't leave the screen.
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(picture(self._seen, *console.size), refresh=True)
                await asyncio.sleep(DRAW_S)

    async def _print(self, console: Console) -> None:
        """Prints a picture now and then, and one at the end unless that was just now."""
        printed_s = -PRINT_S
        try:
            while True:
                await asyncio.sleep(DRAW_S)
                if time.monotonic() - printed_s >= PRINT_S and self._seen.positions:
                    printed_s = time.monotonic()
                    self._write(console)
        except BrokenPipeError:
            return  # whoever read has seen enough
        finally:
            if time.monotonic() - printed_s > PRINT_S / 2 and not sys.stdout.closed:
                self._write(console)

    def _write(self, console: Console) -> None:
        with console.capture() as drawn:
            console.print(picture(self._seen, *PRINT_SIZE))
        lines = (line.rstrip() for line in drawn.get().splitlines())
        sys.stdout.write("\n".join(lines) + "\n\n")
        sys.stdout.flush()

    async def _positions(self, channel: grpc.aio.Channel) -> None:
        stub = position_pb2_grpc.PositionServiceStub(channel)
        async for answer in stub.WatchPositions(position_pb2.WatchPositionsRequest()):
            for entry in answer.directory.entries:
                self._cards[entry.tag_handle] = entry.card
            frame = answer.frame
            if not frame.snapshot:
                self._seen.fixes += len(frame.tag_handles) + frame.coalesced_count
            now_s = time.monotonic()
            columns = (frame.tag_handles, frame.vx_mm_s, frame.vy_mm_s)
            for handle, vx, vy in zip(*columns, strict=True):
                self._moved[self._cards[handle]] = ((vx * vx + vy * vy) ** 0.5 / 1000, now_s)

    async def _events(self, channel: grpc.aio.Channel) -> None:
        stub = event_pb2_grpc.EventServiceStub(channel)
        request = event_pb2.WatchEventsRequest(sequence=self._last_sequence + 1)
        async for answer in stub.WatchEvents(request):
            if answer.HasField("event"):
                self._last_sequence = answer.event.sequence
                self._seen.take_event(answer.event)

    async def _equipment(self, channel: grpc.aio.Channel) -> None:
        stub = equipment_pb2_grpc.EquipmentServiceStub(channel)
        async for answer in stub.WatchEquipment(equipment_pb2.WatchEquipmentRequest()):
            if answer.HasField("equipment"):
                self._seen.take_equipment(answer.equipment)

    async def _mine(self, channel: grpc.aio.Channel) -> None:
        mine = mine_pb2_grpc.MineServiceStub(channel)
        positions = position_pb2_grpc.PositionServiceStub(channel)
        seen = self._seen
        seen.map = await mine.GetMap(mine_pb2.GetMapRequest())
        page = ""
        while page or not seen.names:
            listed = await mine.ListPeople(mine_pb2.ListPeopleRequest(page_token=page))
            seen.names |= {person.card: person.name for person in listed.people}
            page = listed.next_page_token
        chosen_s = -CHOOSE_S
        shown: list[str] = []
        while True:
            if time.monotonic() - chosen_s >= CHOOSE_S or len(shown) < PEOPLE_MOST:
                chosen_s = time.monotonic()
                shown = self._choose(shown)
            seen.count(time.monotonic())
            seen.headcount = await mine.GetHeadcount(mine_pb2.GetHeadcountRequest())
            if shown:
                asked = position_pb2.ListPositionsRequest(cards=shown)
                seen.positions = list((await positions.ListPositions(asked)).positions)
            await asyncio.sleep(DRAW_S)

    def _choose(self, shown: list[str]) -> list[str]:
        """Who is shown next: those of `shown` who move, others who do, then anybody."""
        heard_s = time.monotonic() - CHOOSE_S

        def rank(card: str) -> tuple[bool, bool]:
            speed_m_s, at_s = self._moved[card]
            return speed_m_s < MOVING_M_S or at_s < heard_s, card not in shown

        return sorted(sorted(self._moved, key=rank)[:PEOPLE_MOST])


async def _again_and_again(
    follow: Callable[[grpc.aio.Channel], Awaitable[None]], channel: grpc.aio.Channel
) -> None:
    """Follows until cancelled; a stream that breaks off is begun anew."""
    while True:
        try:
            await follow(channel)
        except grpc.aio.AioRpcError:
            await asyncio.sleep(DRAW_S)
