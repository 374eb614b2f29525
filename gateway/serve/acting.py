"""What operators ask for: checked, done by the core, and answered when it is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import grpc

from gateway.config.section import has_unprintable
from gateway.desk import DeskClosedError, DeskFullError
from gateway.mine.change import Act, ActKind, Answer
from gateway.serve.failure import RequestError, invalid
from lamproom.v1 import alarm_pb2

#: A random UUID has 36; shorter ones than 8 would not be random.
REQUEST_ID_LEAST: Final = 8
REQUEST_ID_MOST: Final = 64
OPERATOR_MOST: Final = 64
NOTE_MOST: Final = 500

Ask = Callable[[Act], Awaitable[Answer]]


class _Result(Protocol):
    @property
    def result(self) -> alarm_pb2.ActResult: ...


Response = TypeVar("Response", bound=_Result)


async def done(ask: Ask, act: Act, response: Response) -> Response:
    """Asks for an act; `response` with what became of it, when that is stored, or can't be now.

    Raises:
        RequestError: it is refused, too many wait, or the gateway is stopping.
    """
    try:
        answer = await ask(act)
    except (DeskFullError, DeskClosedError) as error:
        raise refused_by_desk(error) from None
    if answer.refusal:
        raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, answer.refusal)
    response.result.act_time.FromNanoseconds(answer.act_t_ns)
    response.result.repeated_request = answer.again
    response.result.unstored = answer.unstored
    return response


def refused_by_desk(error: DeskFullError | DeskClosedError) -> RequestError:
    """What a client is told of an act that was not taken."""
    if isinstance(error, DeskFullError):
        msg = "too many acts wait to be done: send it again in a second"
        return RequestError(grpc.StatusCode.RESOURCE_EXHAUSTED, msg)
    msg = "the gateway is stopping: send the act again with the same request_id"
    return RequestError(grpc.StatusCode.UNAVAILABLE, msg)


def act_of(
    kind: ActKind,
    header: alarm_pb2.ActHeader,
    subject: str,
    until_ns: int | None = None,
    *,
    detail: tuple[tuple[str, str], ...] = (),
) -> Act:
    """The act. Raises RequestError where a field is missing or can't be kept."""
    request_id = text_of("act.request_id", header.request_id, REQUEST_ID_MOST)
    if len(request_id) < REQUEST_ID_LEAST:
        msg = f"act.request_id {request_id!r} is too short: send a random UUID"
        raise invalid(msg)
    operator = text_of("act.operator", header.operator, OPERATOR_MOST)
    note = text_of("act.note", header.note, NOTE_MOST) if header.note else ""
    return Act(request_id, operator, kind, subject, note, until_ns, detail)


def text_of(field: str, text: str, most: int) -> str:
    """A request's text. Raises RequestError where it is missing or can't be kept."""
    if not text.strip():
        msg = f"{field} is missing"
        raise invalid(msg)
    if len(text) > most or has_unprintable(text):
        msg = f"{field} must be at most {most} characters, none of them control characters"
        raise invalid(msg)
    return text
