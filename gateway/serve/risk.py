"""The risk of zones as a list and as a stream, and the risk points. On the event loop only.

What a client has not been sent is told by versions: the newest score wins, so that a slow client
costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Final

import numpy as np

from gateway.clock import Clock
from gateway.config.bundle import Bundle
from gateway.mine.prevention.risk import PARTS
from gateway.serve.cursor import Kind
from gateway.serve.encode import heartbeat_message, sync_message
from gateway.serve.paging import page_of, scope
from gateway.serve.wake import Signal
from lamproom.v1 import event_pb2, risk_pb2
from lamproom.v1.risk_pb2 import WatchRisksResponse
from positioning.observation import Records

#: Zones of one message of a stream: at 100 bytes each 50 kB.
MESSAGE_ZONES_MOST: Final = 500

_SHOWN: Final = ["score", "grade", *PARTS]


class RiskHub:
    """Serves the risk of zones."""

    def __init__(self, bundle: Bundle, epoch: int, heartbeat_s: float, now_ns: Clock) -> None:
        self._epoch = self._lists = epoch
        self._heartbeat_s = heartbeat_s
        self._now_ns = now_ns
        self._signal = Signal()
        self._version = 0
        self._use(bundle)

    def _use(self, bundle: Bundle) -> None:
        self._zones = [zone.id for zone in bundle.map.zones]
        self._points = bundle.risk_points
        self._risk: Records | None = None
        #: By zone, the version in which its score was told last to be another.
        self._versions = np.zeros(len(self._zones), np.int64)

    def reload(self, bundle: Bundle, number: int) -> None:
        """Takes over zones and risk points of configuration `number`.

        All scores are told anew when they come; where zones and risk points are the same, those
        of now stand. Lists that were begun before it have to be begun anew.
        """
        self._lists = scope(self._epoch, str(number))
        zones = [zone.id for zone in bundle.map.zones]
        if (zones, bundle.risk_points) != (self._zones, self._points):
            self._use(bundle)

    def publish(self, risk: Records) -> None:
        """Takes over (zones,) RISK; wakes those who watch where something has changed."""
        before, self._risk = self._risk, risk
        changed = np.ones(len(risk), np.bool_)
        if before is not None:
            changed = np.logical_or.reduce([risk[name] != before[name] for name in _SHOWN])
        if changed.any():
            self._version += 1
            self._versions[changed] = self._version
            self._signal.fire()

    def close(self) -> None:
        """Ends all streams."""
        self._signal.close()

    def list_risks(self, request: risk_pb2.ListRisksRequest) -> risk_pb2.ListRisksResponse:
        """One page of zones. Raises RequestError for a wrong page."""
        zones = range(len(self._zones) if self._risk is not None else 0)
        size, token = request.page_size, request.page_token
        page, token = page_of(zones, Kind.RISK_PAGE, self._lists, size, token)
        return risk_pb2.ListRisksResponse(risks=self._messages(page), next_page_token=token)

    def list_points(
        self, request: risk_pb2.ListRiskPointsRequest
    ) -> risk_pb2.ListRiskPointsResponse:
        """One page of risk points. Raises RequestError for a wrong page."""
        size, token = request.page_size, request.page_token
        page, token = page_of(self._points, Kind.RISK_POINT_PAGE, self._lists, size, token)
        points = [
            risk_pb2.RiskPoint(
                risk_point_id=point.id,
                name=point.name,
                level=event_pb2.AlarmLevel.ValueType(point.level),
                owner=point.owner,
                zone_id=point.zone or "",
                device_id=point.device or "",
            )
            for point in page
        ]
        return risk_pb2.ListRiskPointsResponse(risk_points=points, next_page_token=token)

    async def watch(self, _request: risk_pb2.WatchRisksRequest) -> AsyncGenerator[bytes]:
        """The messages of one `WatchRisks`, for ever.

        Raises:
            RequestError: the gateway is stopping.
        """
        seen, synced = 0, False
        while True:
            self._signal.check()
            if seen < self._version:
                zones = np.flatnonzero(self._versions > seen).tolist()
                seen = self._version
                for first in range(0, len(zones), MESSAGE_ZONES_MOST):
                    risks = self._messages(zones[first : first + MESSAGE_ZONES_MOST])
                    told = risk_pb2.ZoneRisks(risks=risks)
                    yield WatchRisksResponse(risks=told).SerializeToString()
            if not synced:
                yield WatchRisksResponse(sync=sync_message(self._now_ns())).SerializeToString()
                synced = True
            elif seen == self._version and not await self._signal.wait(self._heartbeat_s):
                beat = heartbeat_message(self._now_ns())
                yield WatchRisksResponse(heartbeat=beat).SerializeToString()

    def _messages(self, zones: Iterable[int]) -> list[risk_pb2.ZoneRisk]:
        if self._risk is None:
            return []
        messages = []
        for zone in zones:
            if zone >= len(self._risk):  # another map has come meanwhile
                break
            risk = self._risk[zone]
            message = risk_pb2.ZoneRisk(
                zone_id=self._zones[zone],
                score=float(risk["score"]),
                grade=event_pb2.AlarmLevel.ValueType(int(risk["grade"])),
            )
            for part in PARTS:  # the message's fields have the same names
                setattr(message, part, float(risk[part]))
            message.risk_time.FromNanoseconds(int(risk["t_ns"]))
            messages.append(message)
        return messages
