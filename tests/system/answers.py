"""What a running gateway answers, asked over gRPC as any client would."""

from __future__ import annotations

import grpc

from lamproom.v1 import (
    alarm_pb2,
    alarm_pb2_grpc,
    equipment_pb2,
    equipment_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
    mine_pb2,
    mine_pb2_grpc,
)
from tests.support.waiting import LONG_S


def equipment(port: int) -> dict[str, equipment_pb2.Equipment]:
    """Every device with its values, by id."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = equipment_pb2_grpc.EquipmentServiceStub(channel)
        answer = stub.ListEquipment(equipment_pb2.ListEquipmentRequest(), timeout=LONG_S)
    return {device.device_id: device for device in answer.equipment}


def value(port: int, device: str, point: str) -> equipment_pb2.PointValue | None:
    """One value of a device, if it has one."""
    values = equipment(port)[device].values
    return next((found for found in values if found.point == point), None)


def good_since(port: int, device: str, point: str, since_s: float) -> bool:
    """Whether the device gave a good value of the point after `since_s` (Unix time)."""
    found = value(port, device, point)
    if found is None or found.quality != equipment_pb2.QUALITY_GOOD:
        return False
    return found.receive_time.ToNanoseconds() > since_s * 1e9


def events(port: int) -> list[event_pb2.Event]:
    """All stored events, page by page."""
    found: list[event_pb2.Event] = []
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = event_pb2_grpc.EventServiceStub(channel)
        request = event_pb2.ListEventsRequest()
        while True:
            answer = stub.ListEvents(request, timeout=LONG_S)
            assert not answer.gaps
            found += answer.events
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token


def alarms(port: int, rule: str) -> list[tuple[str, str]]:
    """The changes of a rule's alarms so far, in order: (`raised` or `cleared`, device)."""
    kinds = {
        event_pb2.EVENT_KIND_ALARM_RAISED: "raised",
        event_pb2.EVENT_KIND_ALARM_CLEARED: "cleared",
    }
    return [
        (kinds[event.kind], event.device_id)
        for event in events(port)
        if event.kind in kinds and event.alarm.rule == rule
    ]


def headcount(port: int) -> mine_pb2.GetHeadcountResponse:
    """How many are below."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = mine_pb2_grpc.MineServiceStub(channel)
        return stub.GetHeadcount(mine_pb2.GetHeadcountRequest(), timeout=LONG_S)


def open_alarms(port: int) -> list[event_pb2.Alarm]:
    """Every alarm that is open or not acknowledged, as far as one page goes."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = alarm_pb2_grpc.AlarmServiceStub(channel)
        return list(stub.ListAlarms(alarm_pb2.ListAlarmsRequest(), timeout=LONG_S).alarms)
