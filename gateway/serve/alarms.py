"""The alarms as a list, and operators' acts on them. On the event loop only."""

from __future__ import annotations

from typing import Protocol

from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.change import Act, ActKind
from gateway.serve.acting import OPERATOR_MOST, Ask, Response, act_of, done, text_of
from gateway.serve.cursor import Kind, seal_page
from gateway.serve.encode import alarm_message
from gateway.serve.failure import invalid
from gateway.serve.paging import page_size, page_start
from gateway.serve.picture import Picture
from gateway.serve.reasons import Reason
from lamproom.v1 import alarm_pb2


class _OfAlarm(Protocol):
    @property
    def act(self) -> alarm_pb2.ActHeader: ...
    @property
    def alarm_id(self) -> str: ...


class AlarmAnswers:
    """Answers from the picture; acts go to the desk, and are answered when they are stored."""

    def __init__(self, picture: Picture, epoch: int, ask: Ask) -> None:
        self._picture = picture
        self._epoch = epoch
        self._ask = ask

    def list_alarms(self, request: alarm_pb2.ListAlarmsRequest) -> alarm_pb2.ListAlarmsResponse:
        """One page of alarms, oldest first. Raises RequestError for a wrong page."""
        size = page_size(request.page_size)
        after = page_start(Kind.ALARM_PAGE, request.page_token, self._epoch)
        alarms = self._picture.alarms
        numbers = sorted(number for number in alarms if number > after)
        page, token = numbers[:size], ""
        if len(numbers) > size:
            token = seal_page(Kind.ALARM_PAGE, self._epoch, page[-1])
        return alarm_pb2.ListAlarmsResponse(
            alarms=[alarm_message(alarms[number]) for number in page], next_page_token=token
        )

    async def acknowledge(
        self, request: alarm_pb2.AcknowledgeAlarmRequest
    ) -> alarm_pb2.AcknowledgeAlarmResponse:
        """Raises RequestError, as all acts do: a wrong request, refused, or stopping."""
        act = _act(ActKind.ACKNOWLEDGE, request)
        return await self._do(act, alarm_pb2.AcknowledgeAlarmResponse())

    async def reset(self, request: alarm_pb2.ResetAlarmRequest) -> alarm_pb2.ResetAlarmResponse:
        """Ends a latched alarm."""
        return await self._do(_act(ActKind.RESET, request), alarm_pb2.ResetAlarmResponse())

    async def shelve(self, request: alarm_pb2.ShelveAlarmRequest) -> alarm_pb2.ShelveAlarmResponse:
        """Puts an alarm aside for a while."""
        if not request.HasField("until_time"):
            msg = "until_time is missing"
            remedy = "say when the alarm is to be shown again"
            raise invalid(msg, "until_time", Reason.FIELD_MISSING, remedy=remedy)
        until_ns = request.until_time.ToNanoseconds()
        act = _act(ActKind.SHELVE, request, until_ns)
        return await self._do(act, alarm_pb2.ShelveAlarmResponse())

    async def unshelve(
        self, request: alarm_pb2.UnshelveAlarmRequest
    ) -> alarm_pb2.UnshelveAlarmResponse:
        """Brings it back."""
        return await self._do(_act(ActKind.UNSHELVE, request), alarm_pb2.UnshelveAlarmResponse())

    async def set_service(
        self, request: alarm_pb2.SetAlarmServiceRequest
    ) -> alarm_pb2.SetAlarmServiceResponse:
        """Takes a family or one subject of it out of service, or puts it back."""
        kind = ActKind.IN_SERVICE if request.in_service else ActKind.OUT_OF_SERVICE
        about = (request.card, request.device_id, request.zone_id, request.limit_id)
        more = {"hazard": request.hazard_id, "machine": request.machine_id}
        key = AlarmKey(request.rule, *about, **more)
        subject = text_of(
            "the rule and its subject", key.text, len(key) * OPERATOR_MOST, field="rule"
        )
        act = act_of(kind, request.act, subject, None)
        return await self._do(act, alarm_pb2.SetAlarmServiceResponse())

    async def _do(self, act: Act, response: Response) -> Response:
        return await done(self._ask, act, response)


def _act(kind: ActKind, request: _OfAlarm, until_ns: int | None = None) -> Act:
    subject = text_of("alarm_id", request.alarm_id, OPERATOR_MOST)
    return act_of(kind, request.act, subject, until_ns)
