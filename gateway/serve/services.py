"""The services, which all answer from one picture and one journal, and the table of their methods.

On the event loop only.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Sequence
from functools import partial

import grpc

from equipment.report import LinkChange, Sample
from gateway.clock import Clock
from gateway.config.bundle import Bundle
from gateway.device_health import HealthBook
from gateway.journal.journal import Journal
from gateway.journal.tracks.keeper import Keeper
from gateway.journal.tracks.places import TRACKS_FOLDER
from gateway.mine.change import Changes
from gateway.serve.acting import Ask
from gateway.serve.alarms import AlarmAnswers
from gateway.serve.anchors import AnchorAnswers
from gateway.serve.attendance import AttendanceAnswers, ExposureAnswers
from gateway.serve.calls import Methods, stream, unary
from gateway.serve.configuration import AskReload, ConfigurationHub
from gateway.serve.cursor import Kind
from gateway.serve.devices import DeviceAnswers
from gateway.serve.equipment import EquipmentHub
from gateway.serve.events import EventHub
from gateway.serve.failure import RequestError
from gateway.serve.hazard_stream import HazardStream
from gateway.serve.hazards import HazardAnswers
from gateway.serve.history import HistoryHub
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
    history_pb2,
    mine_pb2,
    muster_pb2,
    position_pb2,
    risk_pb2,
    roster_pb2,
)
from positioning.observation import IdTable


class Services:
    """All that clients of one gateway are served."""

    def __init__(
        self,
        bundle: Bundle,
        cards: IdTable,
        journal: Journal,
        ask: Ask,
        device_health: HealthBook,
        *,
        reload: AskReload | None,
        heartbeat_s: float,
        now_ns: Clock,
        tracks: Keeper | None = None,
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
        self.positions = hub()
        lag_s = settings.positioning.lag_s
        #: None where nothing is smoothed.
        self.smoothed = hub(kind=Kind.SMOOTHED_POSITIONS) if lag_s else None
        self.equipment = EquipmentHub(picture, epoch, heartbeat_s, now_ns)
        self.devices = DeviceAnswers(picture, device_health, epoch, now_ns)
        self.events = EventHub(journal, heartbeat_s, now_ns)
        self.anchors = AnchorAnswers(bundle.map.anchors, picture, epoch)
        self.alarms = AlarmAnswers(picture, epoch, ask)
        self.muster = MusterHub(
            bundle,
            cards,
            roadways,
            picture,
            ask,
            epoch=epoch,
            heartbeat_s=heartbeat_s,
            now_ns=now_ns,
        )
        self.configuration = ConfigurationHub(bundle, reload, heartbeat_s, now_ns)
        told = self.configuration.message
        self.answers = MineAnswers(
            bundle, cards, roadways, picture, configuration=told, epoch=epoch, now_ns=now_ns
        )
        self.hazards = HazardAnswers(epoch, ask)
        self.hazard_stream = HazardStream(epoch, heartbeat_s, now_ns)
        self.risk = RiskHub(bundle, epoch, heartbeat_s, now_ns)
        self.roster = RosterAnswers(bundle, epoch, ask)
        self.attendance = AttendanceAnswers(settings.attendance, epoch, now_ns)
        self.exposure = ExposureAnswers(epoch, settings.attendance.shifts_kept)
        folder = tracks.folder if tracks else bundle.journal_folder / TRACKS_FOLDER
        self.history = HistoryHub(folder, journal, tracks.gaps if tracks else list)

    def publish(self, changes: Changes) -> None:
        """Sends what one step has changed; its events wait for `publish_events`."""
        changes = self._roadways.named(changes)
        self._picture.update(changes)
        if changes.muster:
            self.muster.publish(changes.muster)
        if changes.issued is not None:
            self.roster.publish(changes.issued)
            self.answers.assign(changes.issued)
            self.muster.assign(changes.issued)
        self.attendance.publish(changes.visits)
        self.exposure.publish(changes.exposure)
        if changes.prevention:
            self.hazards.publish(changes.prevention.hazards)
            self.hazard_stream.publish(changes.prevention.hazards)
            if changes.prevention.risk is not None:
                self.risk.publish(changes.prevention.risk)
        self.positions.publish(changes.fixes)
        if self.smoothed:
            self.smoothed.publish(changes.lagged)

    def publish_devices(self, samples: Sequence[Sample], links: Sequence[LinkChange]) -> None:
        """Sends what has come of devices, which no step needs to have seen."""
        if self._picture.update_devices(samples, links, self.equipment.gathering):
            self.equipment.publish()

    def reload(self, bundle: Bundle) -> None:
        """Takes over a configuration that the core has taken over, before its changes."""
        self._roadways.use(bundle.map)
        self.configuration.use(bundle)
        self.answers.reload(bundle, self.configuration.message)
        self.anchors.reload(bundle.map.anchors)
        self.muster.reload(bundle)
        self.risk.reload(bundle, self.configuration.message.number)
        self.roster.reload(bundle, self.configuration.message.number)
        self.attendance.reload(bundle.settings.attendance)
        self.exposure.reload(bundle.settings.attendance.shifts_kept)
        self.equipment.reload(bundle.devices)

    def publish_events(self, first_sequence: int, payloads: Sequence[bytes]) -> None:
        """Sends events that the journal has stored, as the bytes that it stored.

        Raises:
            ValueError: the first does not follow the last one that was published.
        """
        self.events.publish(first_sequence, payloads)

    def close(self) -> None:
        """Ends all streams but those of events, which `close_events` does."""
        hubs = (self.positions, self.equipment, self.muster, self.configuration, self.risk)
        for hub in (*hubs, self.hazard_stream, self.history):
            hub.close()
        if self.smoothed:
            self.smoothed.close()

    def close_events(self) -> None:
        """Ends the streams of events: last, so that they tell how it ended."""
        self.events.close()

    def _watch_positions(
        self, request: position_pb2.WatchPositionsRequest
    ) -> AsyncGenerator[bytes]:
        """The stream that is asked for. Raises RequestError for one that there is not."""
        if request.sampling != position_pb2.SAMPLING_SMOOTHED:
            return self.positions.watch(request)
        if self.smoothed is None:
            msg = (
                "this gateway does not smooth positions: set [positioning] lag_s in its mine.toml"
                " to 0.5 to 1 and start it anew, or ask for another sampling"
            )
            raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, msg)
        return self.smoothed.watch(request)

    def table(self) -> dict[str, Methods]:
        """The methods of all services, by the services' names."""
        answers = self.answers
        return {
            "lamproom.v1.PositionService": {
                "WatchPositions": stream(position_pb2.WatchPositionsRequest, self._watch_positions),
                "ListPositions": unary(position_pb2.ListPositionsRequest, answers.list_positions),
            },
            "lamproom.v1.EventService": {
                "WatchEvents": stream(event_pb2.WatchEventsRequest, self.events.watch),
                "ListEvents": unary(event_pb2.ListEventsRequest, self.events.list_events),
            },
            "lamproom.v1.AlarmService": {
                "ListAlarms": unary(alarm_pb2.ListAlarmsRequest, self.alarms.list_alarms),
                "AcknowledgeAlarm": unary(
                    alarm_pb2.AcknowledgeAlarmRequest, self.alarms.acknowledge
                ),
                "ResetAlarm": unary(alarm_pb2.ResetAlarmRequest, self.alarms.reset),
                "ShelveAlarm": unary(alarm_pb2.ShelveAlarmRequest, self.alarms.shelve),
                "UnshelveAlarm": unary(alarm_pb2.UnshelveAlarmRequest, self.alarms.unshelve),
                "SetAlarmService": unary(alarm_pb2.SetAlarmServiceRequest, self.alarms.set_service),
            },
            "lamproom.v1.MusterService": {
                "OpenMuster": unary(muster_pb2.OpenMusterRequest, self.muster.open),
                "CloseMuster": unary(muster_pb2.CloseMusterRequest, self.muster.end),
                "GetMuster": unary(muster_pb2.GetMusterRequest, self.muster.get),
                "WatchMuster": stream(muster_pb2.WatchMusterRequest, self.muster.watch),
            },
            **self._prevention_services(),
            "lamproom.v1.EquipmentService": {
                "ListEquipment": unary(
                    equipment_pb2.ListEquipmentRequest, self.equipment.list_equipment
                ),
                "ListDevices": unary(equipment_pb2.ListDevicesRequest, self.devices.list_devices),
                "ListAnchors": unary(equipment_pb2.ListAnchorsRequest, self.anchors.list_anchors),
                "WatchEquipment": stream(equipment_pb2.WatchEquipmentRequest, self.equipment.watch),
            },
            "lamproom.v1.ConfigurationService": {
                "GetConfiguration": unary(
                    configuration_pb2.GetConfigurationRequest, self.configuration.get
                ),
                "WatchConfiguration": stream(
                    configuration_pb2.WatchConfigurationRequest, self.configuration.watch
                ),
                "Reload": unary(configuration_pb2.ReloadRequest, self.configuration.reload),
            },
            "lamproom.v1.MineService": {
                "GetMap": unary(mine_pb2.GetMapRequest, answers.get_map),
                "ListZones": unary(mine_pb2.ListZonesRequest, answers.list_zones),
                "ListPeople": unary(mine_pb2.ListPeopleRequest, answers.list_people),
                "GetHeadcount": unary(mine_pb2.GetHeadcountRequest, answers.get_headcount),
            },
            **self._lamp_room(),
            "lamproom.v1.HistoryService": self._history_methods(),
        }

    def _history_methods(self) -> Methods:
        history = self.history
        return {
            "QueryTrack": stream(history_pb2.QueryTrackRequest, history.query_track),
            "GetPositionsAt": stream(history_pb2.GetPositionsAtRequest, history.get_positions_at),
            "Replay": stream(history_pb2.ReplayRequest, history.replay),
        }

    def _lamp_room(self) -> dict[str, Methods]:
        roster, attendance = self.roster, self.attendance
        return {
            "lamproom.v1.RosterService": {
                "ListCards": unary(roster_pb2.ListCardsRequest, roster.list_cards),
                "IssueCard": unary(roster_pb2.IssueCardRequest, roster.issue),
                "ReturnCard": unary(roster_pb2.ReturnCardRequest, roster.take_back),
                "ReplaceCard": unary(roster_pb2.ReplaceCardRequest, roster.replace),
            },
            "lamproom.v1.AttendanceService": {
                "ListShifts": unary(attendance_pb2.ListShiftsRequest, attendance.list_shifts),
                "ListAttendance": unary(
                    attendance_pb2.ListAttendanceRequest, attendance.list_visits
                ),
            },
            "lamproom.v1.ExposureService": {
                "ListExposure": unary(
                    exposure_pb2.ListExposureRequest, self.exposure.list_exposure
                ),
            },
        }

    def _prevention_services(self) -> dict[str, Methods]:
        hazards, risk = self.hazards, self.risk
        return {
            "lamproom.v1.HazardService": {
                "ListHazards": unary(hazard_pb2.ListHazardsRequest, hazards.list_hazards),
                "GetHazard": unary(hazard_pb2.GetHazardRequest, hazards.get),
                "WatchHazards": stream(hazard_pb2.WatchHazardsRequest, self.hazard_stream.watch),
                "ReportHazard": unary(hazard_pb2.ReportHazardRequest, hazards.report),
                "AssignHazard": unary(hazard_pb2.AssignHazardRequest, hazards.assign),
                "MendHazard": unary(hazard_pb2.MendHazardRequest, hazards.mend),
                "CheckHazard": unary(hazard_pb2.CheckHazardRequest, hazards.check),
                "SuperviseHazard": unary(hazard_pb2.SuperviseHazardRequest, hazards.supervise),
                "ClearHazard": unary(hazard_pb2.ClearHazardRequest, hazards.clear),
            },
            "lamproom.v1.RiskService": {
                "ListRisks": unary(risk_pb2.ListRisksRequest, risk.list_risks),
                "WatchRisks": stream(risk_pb2.WatchRisksRequest, risk.watch),
                "ListRiskPoints": unary(risk_pb2.ListRiskPointsRequest, risk.list_points),
            },
        }
