"""How each device does, as a list for engineers."""

from __future__ import annotations

from gateway.clock import Clock
from gateway.device_health import DeviceHealth, HealthBook
from gateway.serve.cursor import Kind
from gateway.serve.equipment import describe_link
from gateway.serve.paging import page_of, scope
from gateway.serve.picture import DeviceNow, Picture
from lamproom.v1 import equipment_pb2


class DeviceAnswers:
    """Answers about devices, from the picture and the book of their health. On the event loop."""

    def __init__(self, picture: Picture, health: HealthBook, epoch: int, now_ns: Clock) -> None:
        self._picture = picture
        self._health = health
        self._epoch = epoch
        self._now_ns = now_ns

    def list_devices(
        self, request: equipment_pb2.ListDevicesRequest
    ) -> equipment_pb2.ListDevicesResponse:
        """One page of devices, in the order of the configuration. Raises RequestError."""
        page, token = page_of(
            list(self._picture.devices.values()),
            Kind.DEVICE_PAGE,
            # Another configuration may have others: none is to be left out unnoticed.
            scope(self._epoch, *self._picture.devices),
            request.page_size,
            request.page_token,
        )
        now_ns = self._now_ns()
        answer = equipment_pb2.ListDevicesResponse(
            devices=[self._message(device, now_ns) for device in page], next_page_token=token
        )
        answer.time.FromNanoseconds(now_ns)
        return answer

    def _message(self, device: DeviceNow, now_ns: int) -> equipment_pb2.DeviceHealth:
        setup = device.setup.device
        message = equipment_pb2.DeviceHealth(
            device_id=setup.id, profile=setup.profile, name=setup.name
        )
        describe_link(message, device.link)
        health = self._health.get(setup.id)
        if health:
            _fill(message, health, now_ns)
        return message


def _fill(message: equipment_pb2.DeviceHealth, health: DeviceHealth, now_ns: int) -> None:
    message.address = health.address
    message.begin_time.FromNanoseconds(health.begun_ns)
    if health.heard_ns is not None:
        message.heard_time.FromNanoseconds(health.heard_ns)
    if health.good_ns is not None:
        message.good_time.FromNanoseconds(health.good_ns)
    message.value_count, message.bad_value_count = health.values, health.bad_values
    message.record_count = health.records
    message.lost_count, message.refused_count = health.lost, health.refused
    message.up_count, message.down_count = health.ups, health.downs
    if health.failure:
        message.last_failure = health.failure.reason
        message.last_failure_time.FromNanoseconds(health.failure.t_ns)
    recent = health.recent(now_ns)
    message.values_per_s, message.records_per_s = recent.values_per_s, recent.records_per_s
    if recent.round_trip_mean_s is not None and recent.round_trip_most_s is not None:
        message.round_trip_mean_s = recent.round_trip_mean_s
        message.round_trip_max_s = recent.round_trip_most_s
    if recent.clock_ahead_s is not None:
        message.clock_ahead_s = recent.clock_ahead_s
