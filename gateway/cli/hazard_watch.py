"""What `lamproom hazards watch` follows and prints: hazards as they change, line by line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import tzinfo

import typer
from google.protobuf.json_format import MessageToDict

from gateway.cli.channel import Target
from gateway.cli.show import local, plain, show, zone_of
from gateway.cli.watch_streams import again_and_again, channel_to
from lamproom.v1 import configuration_pb2, configuration_pb2_grpc, hazard_pb2, hazard_pb2_grpc


class HazardFollower:
    """Follows a gateway's hazards and prints each that changes."""

    def __init__(self, target: Target, *, as_json: bool) -> None:
        self._target = target
        self._as_json = as_json
        self._cursor = b""
        #: Whether the gateway has ever answered.
        self.connected = False

    async def run(self) -> None:
        """Runs until cancelled. Raises WatchError: the gateway refuses the request."""
        await again_and_again("hazards", self._target.address, self._follow, self._hear)

    def _hear(self) -> None:
        self.connected = True

    async def _follow(self, heard: Callable[[], None]) -> None:
        async with channel_to(self._target) as channel:
            configurations = configuration_pb2_grpc.ConfigurationServiceStub(channel)
            answer = await configurations.GetConfiguration(
                configuration_pb2.GetConfigurationRequest()
            )
            zone = zone_of(answer.configuration.timezone)
            stub = hazard_pb2_grpc.HazardServiceStub(channel)
            request = hazard_pb2.WatchHazardsRequest(cursor=self._cursor)
            async for message in stub.WatchHazards(request):
                heard()
                self._take(message, zone)

    def _take(self, message: hazard_pb2.WatchHazardsResponse, zone: tzinfo) -> None:
        """Prints first, then goes on: after a break-off a line may come twice, never not at all."""
        match message.WhichOneof("message"):
            case "hazards":
                for hazard in message.hazards.hazards:
                    show(_json(hazard) if self._as_json else line_of(hazard, zone))
                sys.stdout.flush()
                self._cursor = message.hazards.cursor
            case "sync":
                self._cursor = message.sync.cursor
            case "heartbeat":
                self._cursor = message.heartbeat.cursor
            case "reset":
                typer.echo(f"hazards: {message.reset.reason}; all are told anew", err=True)


def state_of(hazard: hazard_pb2.Hazard) -> str:
    """Where a hazard is in its life, in words."""
    state = hazard_pb2.HazardState.Name(hazard.state).removeprefix("HAZARD_STATE_").lower()
    return f"{state}, OVERDUE" if hazard.overdue else state


def line_of(hazard: hazard_pb2.Hazard, zone: tzinfo) -> str:
    """A hazard as it is now, in one line: since when, and who did what to it last."""
    last = hazard.steps[-1] if hazard.steps else hazard_pb2.HazardStep()
    kind = hazard_pb2.HazardStepKind.Name(last.kind).removeprefix("HAZARD_STEP_KIND_").lower()
    where = " ".join(filter(None, (hazard.risk_point_id, hazard.zone_id, hazard.device_id)))
    parts = [
        local(last.step_time.ToNanoseconds(), zone),
        hazard.hazard_id,
        f"level {hazard.level}",
        state_of(hazard),
        f"{kind} by {last.operator}{f': {last.note}' if last.note else ''}",
        f"due {local(hazard.due_time.ToNanoseconds(), zone)}",
        *([f"to {hazard.assignee}"] if hazard.assignee else []),
        where,
        hazard.title,
    ]
    return "  ".join(plain(part) for part in parts)


def _json(hazard: hazard_pb2.Hazard) -> str:
    return json.dumps(MessageToDict(hazard, preserving_proto_field_name=True), ensure_ascii=False)
