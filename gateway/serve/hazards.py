"""Hazards as a list, and operators' acts on them. On the event loop only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.mine.change import ActKind
from gateway.mine.prevention.hazard import Hazard
from gateway.serve.acting import NOTE_MOST, OPERATOR_MOST, Ask, Response, act_of, done, text_of
from gateway.serve.cursor import Kind, seal_page
from gateway.serve.failure import RequestError, invalid
from gateway.serve.paging import page_size, page_start, scope
from gateway.serve.reasons import Reason
from lamproom.v1 import alarm_pb2, event_pb2, hazard_pb2

#: A hazard with all its steps and their notes takes some 100 kB at the very most, a usual one 1 kB.
PAGE_HAZARDS_MOST: Final = 250
#: A title is a line; what else there is to say goes into the note.
TITLE_MOST: Final = 200
#: The longest id of a zone, a device, a risk point.
ID_MOST: Final = 64


class _OfHazard(Protocol):
    @property
    def act(self) -> alarm_pb2.ActHeader: ...
    @property
    def hazard_id(self) -> str: ...


class HazardAnswers:
    """Answers from what the core has told; acts go to the desk."""

    def __init__(self, epoch: int, ask: Ask) -> None:
        self._epoch = epoch
        self._ask = ask
        self._hazards: dict[int, Hazard] = {}
        self._by_request: dict[str, Hazard] = {}

    def publish(self, hazards: Mapping[str, Hazard | None]) -> None:
        """Takes over what a step has changed; None is listed no more."""
        for hazard_id, hazard in hazards.items():
            if hazard is not None:
                self._hazards[hazard.number] = self._by_request[hazard.request_id] = hazard
            elif gone := self._hazards.pop(_number(hazard_id), None):
                self._by_request.pop(gone.request_id, None)

    def list_hazards(
        self, request: hazard_pb2.ListHazardsRequest
    ) -> hazard_pb2.ListHazardsResponse:
        """One page, oldest first. Raises RequestError for a wrong page."""
        size = page_size(min(request.page_size or PAGE_HAZARDS_MOST, PAGE_HAZARDS_MOST))
        epoch = scope(self._epoch, *_filters(request))
        after = page_start(Kind.HAZARD_PAGE, request.page_token, epoch)
        numbers = sorted(
            number
            for number, hazard in self._hazards.items()
            if number > after and _is_asked_for(hazard, request)
        )
        page, token = numbers[:size], ""
        if len(numbers) > size:
            token = seal_page(Kind.HAZARD_PAGE, epoch, page[-1])
        return hazard_pb2.ListHazardsResponse(
            hazards=[hazard_message(self._hazards[number]) for number in page],
            next_page_token=token,
        )

    def get(self, request: hazard_pb2.GetHazardRequest) -> hazard_pb2.GetHazardResponse:
        """One hazard. Raises RequestError where there is none of this id."""
        hazard = self._hazards.get(_number(request.hazard_id))
        if hazard is None or hazard.id != request.hazard_id:
            raise RequestError(
                Reason.HAZARD_NOT_FOUND,
                f"there is no hazard {request.hazard_id!r}",
                field="hazard_id",
                remedy="ListHazards tells which there are",
                resource=("hazard", request.hazard_id),
            )
        return hazard_pb2.GetHazardResponse(hazard=hazard_message(hazard))

    async def report(
        self, request: hazard_pb2.ReportHazardRequest
    ) -> hazard_pb2.ReportHazardResponse:
        """A new one. Raises RequestError, as all acts do: a wrong request, refused, or stopping."""
        where = {
            "risk_point": _optional("risk_point_id", request.risk_point_id),
            "zone": _optional("zone_id", request.zone_id),
            "device": _optional("device_id", request.device_id),
        }
        subject = next((text for text in where.values() if text), "")
        if not subject:
            msg = "say where the hazard is: risk_point_id, zone_id or device_id"
            raise invalid(msg, "zone_id", Reason.FIELD_MISSING)
        level = request.level
        if level and level not in event_pb2.AlarmLevel.values():
            msg = f"level is {level}: it must be 1 (red) to 4 (blue)"
            raise invalid(msg, "level")
        title = text_of("title", request.title, TITLE_MOST)
        due = _due(request.due_time if request.HasField("due_time") else None)
        detail = _detail(title=title, level=str(level) if level else "", due_t_ns=due, **where)
        act = act_of(ActKind.HAZARD_REPORT, request.act, subject, detail=detail)
        response = await done(self._ask, act, hazard_pb2.ReportHazardResponse())
        if hazard := self._by_request.get(act.request_id):
            response.hazard_id = hazard.id
        return response

    async def assign(
        self, request: hazard_pb2.AssignHazardRequest
    ) -> hazard_pb2.AssignHazardResponse:
        """Says who is to mend it."""
        assignee = text_of("assignee", request.assignee, OPERATOR_MOST)
        due = _due(request.due_time if request.HasField("due_time") else None)
        detail = _detail(assignee=assignee, due_t_ns=due)
        response = hazard_pb2.AssignHazardResponse()
        return await self._do(ActKind.HAZARD_ASSIGN, request, response, detail)

    async def mend(self, request: hazard_pb2.MendHazardRequest) -> hazard_pb2.MendHazardResponse:
        """Says that it is mended."""
        return await self._do(ActKind.HAZARD_MEND, request, hazard_pb2.MendHazardResponse(), ())

    async def check(self, request: hazard_pb2.CheckHazardRequest) -> hazard_pb2.CheckHazardResponse:
        """Lets it pass, or sends it back."""
        if not request.passed:
            text_of("act.note, which says why it is sent back,", request.act.note, NOTE_MOST)
        due = _due(request.due_time if request.HasField("due_time") else None)
        if request.passed and due:
            msg = "due_time goes with a hazard that is sent back, not with one that has passed"
            raise invalid(msg, "due_time")
        detail = _detail(result="passed" if request.passed else "rejected", due_t_ns=due)
        response = hazard_pb2.CheckHazardResponse()
        return await self._do(ActKind.HAZARD_CHECK, request, response, detail)

    async def supervise(
        self, request: hazard_pb2.SuperviseHazardRequest
    ) -> hazard_pb2.SuperviseHazardResponse:
        """Puts it under supervision."""
        detail = _detail(supervisor=text_of("supervisor", request.supervisor, OPERATOR_MOST))
        response = hazard_pb2.SuperviseHazardResponse()
        return await self._do(ActKind.HAZARD_SUPERVISE, request, response, detail)

    async def clear(self, request: hazard_pb2.ClearHazardRequest) -> hazard_pb2.ClearHazardResponse:
        """Clears it."""
        detail = _detail(as_supervisor="yes" if request.as_supervisor else "")
        response = hazard_pb2.ClearHazardResponse()
        return await self._do(ActKind.HAZARD_CLEAR, request, response, detail)

    async def _do(
        self,
        kind: ActKind,
        request: _OfHazard,
        response: Response,
        detail: tuple[tuple[str, str], ...],
    ) -> Response:
        subject = text_of("hazard_id", request.hazard_id, ID_MOST)
        return await done(self._ask, act_of(kind, request.act, subject, detail=detail), response)


def _number(hazard_id: str) -> int:
    """The number in an id; -1 where it has none."""
    number = hazard_id.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < ID_MOST else -1


def _optional(field: str, text: str) -> str:
    return text_of(field, text, ID_MOST) if text else ""


def _due(due: Timestamp | None) -> str:
    return str(due.ToNanoseconds()) if due else ""


def _detail(**given: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, text) for name, text in given.items() if text))


def _filters(request: hazard_pb2.ListHazardsRequest) -> tuple[str, ...]:
    states = ",".join(str(state) for state in sorted(set(request.states)))
    about = (request.zone_id, request.risk_point_id, request.assignee)
    return states, *about, str(request.level), str(request.only_overdue)


def _is_asked_for(hazard: Hazard, request: hazard_pb2.ListHazardsRequest) -> bool:
    return (
        (not request.states or int(hazard.state) in map(int, request.states))
        and request.zone_id in ("", hazard.zone)
        and request.risk_point_id in ("", hazard.risk_point)
        and request.assignee in ("", hazard.assignee)
        and request.level in (0, hazard.level)
        and (hazard.overdue or not request.only_overdue)
    )


def hazard_message(hazard: Hazard) -> hazard_pb2.Hazard:
    """A hazard as clients see it."""
    message = hazard_pb2.Hazard(
        hazard_id=hazard.id,
        title=hazard.title,
        level=event_pb2.AlarmLevel.ValueType(hazard.level),
        state=hazard_pb2.HazardState.ValueType(hazard.state),
        risk_point_id=hazard.risk_point,
        zone_id=hazard.zone,
        device_id=hazard.device,
        assignee=hazard.assignee,
        overdue=hazard.overdue,
        supervisor=hazard.supervisor,
        found_by=hazard.found_by,
    )
    message.due_time.FromNanoseconds(hazard.due_t_ns)
    message.found_time.FromNanoseconds(hazard.found_t_ns)
    for step in hazard.steps:
        told = message.steps.add(
            kind=hazard_pb2.HazardStepKind.ValueType(step.what),
            state=hazard_pb2.HazardState.ValueType(step.state),
            operator=step.operator,
            note=step.note,
        )
        told.step_time.FromNanoseconds(step.t_ns)
    return message
