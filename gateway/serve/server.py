"""The gRPC server: its services, health and reflection, over one picture and one journal."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from operator import methodcaller
from typing import Any, Final, TypeVar

import grpc
import structlog
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.clock import Clock
from gateway.config.bundle import Bundle
from gateway.journal.journal import Journal
from gateway.mine.change import Changes
from gateway.serve.acting import Ask
from gateway.serve.alarms import AlarmAnswers
from gateway.serve.anchors import AnchorAnswers
from gateway.serve.attendance import AttendanceAnswers, ExposureAnswers
from gateway.serve.configuration import AskReload, ConfigurationHub
from gateway.serve.cursor import Kind
from gateway.serve.equipment import EquipmentHub
from gateway.serve.events import EventHub
from gateway.serve.failure import RequestError
from gateway.serve.hazards import HazardAnswers
from gateway.serve.mine import MineAnswers
from gateway.serve.muster import MusterHub
from gateway.serve.picture import Picture
from gateway.serve.positions import PositionHub
from gateway.serve.risk import RiskHub
from gateway.serve.roadways import StableRoadways
from gateway.serve.roster import RosterAnswers
from lamproom.v1 import (
    alarm_pb2,
    attendance_pb2,
    configuration_pb2,
    equipment_pb2,
    event_pb2,
    exposure_pb2,
    hazard_pb2,
    mine_pb2,
    muster_pb2,
    position_pb2,
    risk_pb2,
    roster_pb2,
)
from positioning.observation import IdTable

#: How often a stream without news says that it is alive.
HEARTBEAT_S: Final = 5.0
#: Requests are small; the largest names 10,000 cards.
REQUEST_BYTES_MAX: Final = 256 << 10
#: Of all clients together: a screen has four streams, so this serves 250 screens.
CALLS_MAX: Final = 1000
#: Of one connection, so that one client can't take all of the above.
STREAMS_PER_CONNECTION_MAX: Final = 100
#: A client that has vanished is found after 10 + 5 s.
KEEPALIVE_INTERVAL_MS: Final = 10_000
KEEPALIVE_TIMEOUT_MS: Final = 5_000
#: Clients may ask for signs of life this often; the default would break off the connection.
CLIENT_PING_INTERVAL_MS: Final = 5_000
#: Saying "not serving" waits for health's watchers, of which one may be stalled.
HEALTH_CHANGE_S: Final = 0.5

_OPTIONS: Final = (
    # Two gateways must not share a port unnoticed.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", REQUEST_BYTES_MAX),
    ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", CLIENT_PING_INTERVAL_MS),
)

Request = TypeVar("Request", bound=Message)

log = structlog.get_logger(__name__)


class ServeError(Exception):
    """The services can't be offered; the text is for an operator: what, where, what to do."""


class Server:
    """The services of one gateway. All methods are called on the event loop."""

    def __init__(
        self,
        bundle: Bundle,
        cards: IdTable,
        journal: Journal,
        ask: Ask,
        *,
        reload: AskReload | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        now_ns: Clock = time.time_ns,
    ) -> None:
        """`reload` has the configuration read again; None: this gateway can't."""
        settings = bundle.settings
        epoch = secrets.randbits(64)
        self._picture = picture = Picture(bundle.devices)
        self._roadways = StableRoadways(bundle.map)
        roadways = self._roadways.table
        hub = partial(
            PositionHub,
            cards,
            roadways,
            epoch=epoch,
            frame_interval_s=settings.positions.frame_interval_ms / 1000,
            heartbeat_s=heartbeat_s,
            now_ns=now_ns,
        )
        self._positions = hub()
        lag_s = settings.positioning.lag_s
        #: None where nothing is smoothed.
        self._smoothed = hub(kind=Kind.SMOOTHED_POSITIONS) if lag_s else None
        self._equipment = EquipmentHub(picture, epoch, heartbeat_s, now_ns)
        self._events = EventHub(journal, heartbeat_s, now_ns)
        self._anchors = AnchorAnswers(bundle.map.anchors, picture, epoch)
        self._alarms = AlarmAnswers(picture, epoch, ask)
        self._muster = MusterHub(
            bundle,
            cards,
            roadways,
            picture,
            ask,
            epoch=epoch,
            heartbeat_s=heartbeat_s,
            now_ns=now_ns,
        )
        self._configuration = ConfigurationHub(bundle, reload, heartbeat_s, now_ns)
        self._answers = MineAnswers(
            bundle,
            cards,
            roadways,
            picture,
            configuration=self._configuration.message,
            epoch=epoch,
            now_ns=now_ns,
        )
        self._hazards = HazardAnswers(epoch, ask)
        self._risk = RiskHub(bundle, epoch, heartbeat_s, now_ns)
        self._roster = RosterAnswers(bundle, epoch, ask)
        self._attendance = AttendanceAnswers(settings.attendance, epoch, now_ns)
        self._exposure = ExposureAnswers(epoch, settings.attendance.shifts_kept)
        self._host, self._port = settings.grpc.address, settings.grpc.port
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Listens; returns the port.

        Raises:
            ServeError: the address is taken, or is not one of this machine.
        """
        address = f"[{self._host}]" if ":" in self._host else self._host
        _check_free(self._host, self._port)
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=CALLS_MAX)
        services = self._services()
        for name, methods in services.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        try:
            port = server.add_insecure_port(f"{address}:{self._port}")
        except RuntimeError as error:
            raise _cannot_listen(self._host, self._port, str(error)) from error
        await server.start()
        self._server = server
        for name in services:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        if not _is_loopback(self._host):
            log.warning(
                "clients are neither encrypted nor checked: keep this port in a trusted network",
                address=self._host,
                port=port,
            )
        log.info("serving gRPC", address=self._host, port=port)
        return port

    def publish(self, changes: Changes) -> None:
        """Sends one step's positions and equipment; its events wait for `publish_events`."""
        changes = self._roadways.named(changes)
        if self._picture.update(changes, self._equipment.gathering):
            self._equipment.publish()
        if changes.muster:
            self._muster.publish(changes.muster)
        if changes.issued is not None:
            self._roster.publish(changes.issued)
            self._answers.assign(changes.issued)
            self._muster.assign(changes.issued)
        self._attendance.publish(changes.visits)
        self._exposure.publish(changes.exposure)
        if changes.prevention:
            self._hazards.publish(changes.prevention.hazards)
            if changes.prevention.risk is not None:
                self._risk.publish(changes.prevention.risk)
        self._positions.publish(changes.fixes)
        if self._smoothed:
            self._smoothed.publish(changes.lagged)

    def reload(self, bundle: Bundle) -> None:
        """Takes over a configuration that the core has taken over, before its changes."""
        self._roadways.use(bundle.map)
        self._configuration.use(bundle)
        self._answers.reload(bundle, self._configuration.message)
        self._anchors.reload(bundle.map.anchors)
        self._muster.reload(bundle)
        self._risk.reload(bundle)
        self._equipment.reload(bundle.devices)

    def publish_events(self, first_sequence: int, payloads: Sequence[bytes]) -> None:
        """Sends events that the journal has stored, as the bytes that it stored.

        Raises:
            ValueError: the first does not follow the last one that was published.
        """
        self._events.publish(first_sequence, payloads)

    async def stop(self, grace_s: float) -> None:
        """Ends all streams at once, with UNAVAILABLE; other calls have `grace_s` to end."""
        self._positions.close()
        if self._smoothed:
            self._smoothed.close()
        self._equipment.close()
        self._muster.close()
        self._configuration.close()
        self._risk.close()
        if self._server:
            try:
                async with asyncio.timeout(HEALTH_CHANGE_S):
                    await self._health.enter_graceful_shutdown()
            except TimeoutError:
                log.warning("a client that watches health does not read")
        self._events.close()
        if self._server:
            await self._server.stop(grace_s)

    def _watch_positions(
        self, request: position_pb2.WatchPositionsRequest
    ) -> AsyncGenerator[bytes]:
        """The stream that is asked for. Raises RequestError for one that there is not."""
        if request.sampling != position_pb2.SAMPLING_SMOOTHED:
            return self._positions.watch(request)
        if self._smoothed is None:
            msg = (
                "this gateway does not smooth positions: set [positioning] lag_s in its mine.toml"
                " to 0.5 to 1 and start it anew, or ask for another sampling"
            )
            raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, msg)
        return self._smoothed.watch(request)

    def _services(self) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        answers = self._answers
        return {
            "lamproom.v1.PositionService": {
                "WatchPositions": _stream(
                    position_pb2.WatchPositionsRequest, self._watch_positions
                ),
                "ListPositions": _unary(position_pb2.ListPositionsRequest, answers.list_positions),
            },
            "lamproom.v1.EventService": {
                "WatchEvents": _stream(event_pb2.WatchEventsRequest, self._events.watch),
                "ListEvents": _unary(event_pb2.ListEventsRequest, self._events.list_events),
            },
            "lamproom.v1.AlarmService": {
                "ListAlarms": _unary(alarm_pb2.ListAlarmsRequest, self._alarms.list_alarms),
                "AcknowledgeAlarm": _unary(
                    alarm_pb2.AcknowledgeAlarmRequest, self._alarms.acknowledge
                ),
                "ResetAlarm": _unary(alarm_pb2.ResetAlarmRequest, self._alarms.reset),
                "ShelveAlarm": _unary(alarm_pb2.ShelveAlarmRequest, self._alarms.shelve),
                "UnshelveAlarm": _unary(alarm_pb2.UnshelveAlarmRequest, self._alarms.unshelve),
                "SetAlarmService": _unary(
                    alarm_pb2.SetAlarmServiceRequest, self._alarms.set_service
                ),
            },
            "lamproom.v1.MusterService": {
                "OpenMuster": _unary(muster_pb2.OpenMusterRequest, self._muster.open),
                "CloseMuster": _unary(muster_pb2.CloseMusterRequest, self._muster.end),
                "GetMuster": _unary(muster_pb2.GetMusterRequest, self._muster.get),
                "WatchMuster": _stream(muster_pb2.WatchMusterRequest, self._muster.watch),
            },
            **self._prevention_services(),
            "lamproom.v1.EquipmentService": {
                "ListEquipment": _unary(
                    equipment_pb2.ListEquipmentRequest, self._equipment.list_equipment
                ),
                "ListAnchors": _unary(equipment_pb2.ListAnchorsRequest, self._anchors.list_anchors),
                "WatchEquipment": _stream(
                    equipment_pb2.WatchEquipmentRequest, self._equipment.watch
                ),
            },
            "lamproom.v1.ConfigurationService": {
                "GetConfiguration": _unary(
                    configuration_pb2.GetConfigurationRequest, self._configuration.get
                ),
                "WatchConfiguration": _stream(
                    configuration_pb2.WatchConfigurationRequest, self._configuration.watch
                ),
                "Reload": _unary(configuration_pb2.ReloadRequest, self._configuration.reload),
            },
            "lamproom.v1.MineService": {
                "GetMap": _unary(mine_pb2.GetMapRequest, answers.get_map),
                "ListZones": _unary(mine_pb2.ListZonesRequest, answers.list_zones),
                "ListPeople": _unary(mine_pb2.ListPeopleRequest, answers.list_people),
                "GetHeadcount": _unary(mine_pb2.GetHeadcountRequest, answers.get_headcount),
            },
            **self._lamp_room(),
        }

    def _lamp_room(self) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        roster, attendance = self._roster, self._attendance
        return {
            "lamproom.v1.RosterService": {
                "ListCards": _unary(roster_pb2.ListCardsRequest, roster.list_cards),
                "IssueCard": _unary(roster_pb2.IssueCardRequest, roster.issue),
                "ReturnCard": _unary(roster_pb2.ReturnCardRequest, roster.take_back),
                "ReplaceCard": _unary(roster_pb2.ReplaceCardRequest, roster.replace),
            },
            "lamproom.v1.AttendanceService": {
                "ListShifts": _unary(attendance_pb2.ListShiftsRequest, attendance.list_shifts),
                "ListAttendance": _unary(
                    attendance_pb2.ListAttendanceRequest, attendance.list_visits
                ),
            },
            "lamproom.v1.ExposureService": {
                "ListExposure": _unary(
                    exposure_pb2.ListExposureRequest, self._exposure.list_exposure
                ),
            },
        }

    def _prevention_services(self) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        hazards, risk = self._hazards, self._risk
        return {
            "lamproom.v1.HazardService": {
                "ListHazards": _unary(hazard_pb2.ListHazardsRequest, hazards.list_hazards),
                "GetHazard": _unary(hazard_pb2.GetHazardRequest, hazards.get),
                "ReportHazard": _unary(hazard_pb2.ReportHazardRequest, hazards.report),
                "AssignHazard": _unary(hazard_pb2.AssignHazardRequest, hazards.assign),
                "MendHazard": _unary(hazard_pb2.MendHazardRequest, hazards.mend),
                "CheckHazard": _unary(hazard_pb2.CheckHazardRequest, hazards.check),
                "SuperviseHazard": _unary(hazard_pb2.SuperviseHazardRequest, hazards.supervise),
                "ClearHazard": _unary(hazard_pb2.ClearHazardRequest, hazards.clear),
            },
            "lamproom.v1.RiskService": {
                "ListRisks": _unary(risk_pb2.ListRisksRequest, risk.list_risks),
                "WatchRisks": _stream(risk_pb2.WatchRisksRequest, risk.watch),
                "ListRiskPoints": _unary(risk_pb2.ListRiskPointsRequest, risk.list_points),
            },
        }


def _stream(
    request_type: type[Request], watch: Callable[[Request], AsyncGenerator[bytes]]
) -> grpc.RpcMethodHandler[Request, bytes]:
    """A stream whose messages are bytes already: they pass through."""

    async def handle(request: Request, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        try:
            async with aclosing(watch(request)) as messages:
                async for message in messages:
                    await context.write(message)
        except RequestError as error:
            await context.abort(error.code, error.text)

    return grpc.unary_stream_rpc_method_handler(
        handle, request_deserializer=request_type.FromString
    )


def _unary(
    request_type: type[Request], answer: Callable[[Request], Message | Awaitable[Message]]
) -> grpc.RpcMethodHandler[Request, Message]:
    async def handle(request: Request, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        try:
            found = answer(request)
            return found if isinstance(found, Message) else await found
        except RequestError as error:
            await context.abort(error.code, error.text)

    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=request_type.FromString,
        response_serializer=methodcaller("SerializeToString"),
    )


def _check_free(host: str, port: int) -> None:
    """Raises ServeError where nothing can listen, with the system's own reason."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise _cannot_listen(host, port, error.strerror or str(error)) from error


def _cannot_listen(host: str, port: int, reason: str) -> ServeError:
    return ServeError(
        f"gRPC can't listen at {host} port {port}: {reason};"
        " end the program that does, or change [grpc] address or port"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
