"""Machines and readers: what each is doing, and what has changed.

What one step took in makes a version. A client is sent at once what has changed of each device
since it was last told of it; where it does not keep up, the newest value wins.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final

from equipment.report import LinkChange
from gateway.clock import Clock
from gateway.config.bundle import DeviceSetup
from gateway.serve.cursor import Kind
from gateway.serve.encode import delimited, heartbeat_message, sync_message
from gateway.serve.failure import RequestError
from gateway.serve.paging import page_of, scope
from gateway.serve.picture import DeviceNow, Picture
from gateway.serve.reasons import Reason
from gateway.serve.values import encode_values
from gateway.serve.wake import Signal
from lamproom.v1 import equipment_pb2
from lamproom.v1.equipment_pb2 import WatchEquipmentResponse

#: Since before anything came: every device, whether or not it was ever heard.
_ALL: Final = -1

_EQUIPMENT_FIELD: Final = WatchEquipmentResponse.EQUIPMENT_FIELD_NUMBER


class EquipmentHub:
    """Serves the streams and lists of equipment. On the event loop only."""

    def __init__(self, picture: Picture, epoch: int, heartbeat_s: float, now_ns: Clock) -> None:
        self._picture = picture
        self._epoch = epoch
        self._heartbeat_s = heartbeat_s
        self._now_ns = now_ns
        self._signal = Signal()
        self._version = 0
        #: The messages of the newest version, by device and since which version they tell.
        self._encoded: dict[tuple[str, int], bytes] = {}

    @property
    def gathering(self) -> int:
        """The version that what comes now will be of."""
        return self._version + 1

    def publish(self) -> None:
        """Tells clients of what has come into the picture."""
        self._version = self.gathering
        self._encoded.clear()
        self._signal.fire()

    def reload(self, setups: Iterable[DeviceSetup]) -> None:
        """Takes over other devices, and tells clients."""
        self._picture.use_devices(setups, self.gathering)
        self.publish()

    def close(self) -> None:
        """Ends all streams."""
        self._signal.close()

    async def watch(self, request: equipment_pb2.WatchEquipmentRequest) -> AsyncGenerator[bytes]:
        """The messages of one `WatchEquipment`, for ever.

        Raises:
            RequestError: there is no such device, or the gateway is stopping.
        """
        asked = [device.setup.device.id for device in self._asked_for(request.device_ids)]
        told, seen = dict.fromkeys(asked, _ALL), _ALL
        while True:
            self._signal.check()
            if seen < self._version:
                first, seen = seen == _ALL, self._version
                now = self._picture.devices
                for gone in [name for name in told if name not in now]:
                    del told[gone]
                    yield _wrap(removed_device_id=gone)
                told = dict.fromkeys(asked if request.device_ids else now, _ALL) | told
                for name, since in list(told.items()):
                    device = now.get(name)
                    if device and device.version > since:
                        told[name] = device.version
                        yield self._message(device, since)
                if first:
                    yield _wrap(sync=sync_message(self._now_ns()))
            elif not await self._signal.wait(self._heartbeat_s):
                yield _wrap(heartbeat=heartbeat_message(self._now_ns()))

    def list_equipment(
        self, request: equipment_pb2.ListEquipmentRequest
    ) -> equipment_pb2.ListEquipmentResponse:
        """One page of devices with all their values. Raises RequestError for a wrong page."""
        devices, token = page_of(
            list(self._picture.devices.values()),
            Kind.EQUIPMENT_PAGE,
            # Another configuration may have others: none is to be left out unnoticed.
            scope(self._epoch, *self._picture.devices),
            request.page_size,
            request.page_token,
        )
        return equipment_pb2.ListEquipmentResponse(
            equipment=[
                equipment_pb2.Equipment.FromString(encode(device, _ALL)) for device in devices
            ],
            next_page_token=token,
        )

    def _asked_for(self, ids: Iterable[str]) -> list[DeviceNow]:
        devices = self._picture.devices
        unknown = [one for one in ids if one not in devices]
        if unknown:
            raise RequestError(
                Reason.DEVICE_NOT_FOUND,
                f"there is no device {unknown[0]!r}",
                field="device_ids",
                remedy="ListEquipment tells which there are",
                resource=("device", unknown[0]),
            )
        return [devices[one] for one in dict.fromkeys(ids)] or list(devices.values())

    def _message(self, device: DeviceNow, since: int) -> bytes:
        key = (device.setup.device.id, since)
        message = self._encoded.get(key)
        if message is None:
            message = delimited(_EQUIPMENT_FIELD, encode(device, since))
            self._encoded[key] = message
        return message


def encode(device: DeviceNow, since: int) -> bytes:
    """An `Equipment`: a device with its link and the values that came after version `since`."""
    setup = device.setup.device
    message = equipment_pb2.Equipment(device_id=setup.id, profile=setup.profile, name=setup.name)
    describe_link(message, device.link)
    fresh = (sample for version, sample in device.samples.values() if version > since)
    return message.SerializeToString() + encode_values(fresh, device.units)


def describe_link(
    message: equipment_pb2.Equipment | equipment_pb2.DeviceHealth, link: LinkChange | None
) -> None:
    """Says how the link to a device is; None: nothing was told of it yet."""
    message.link_state = equipment_pb2.LINK_STATE_CONNECTING
    if link:
        message.link_state = equipment_pb2.LinkState.ValueType(link.state)
        message.link_reason = link.reason
        message.link_change_time.FromNanoseconds(link.t_ns)


def _wrap(**message: Any) -> bytes:
    return WatchEquipmentResponse(**message).SerializeToString()
