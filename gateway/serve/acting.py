"""What operators ask for: checked, done by the core, and answered when it is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from gateway.config.section import has_unprintable
from gateway.desk import WAITING_MOST, DeskClosedError, DeskFullError
from gateway.mine.change import Act, ActKind, Answer
from gateway.serve.caller import Caller, current
from gateway.serve.failure import RequestError, invalid
from gateway.serve.reasons import Reason
from lamproom.v1 import alarm_pb2

#: A random UUID has 36; shorter ones than 8 would not be random.
REQUEST_ID_LEAST: Final = 8
REQUEST_ID_MOST: Final = 64
OPERATOR_MOST: Final = 64
NOTE_MOST: Final = 500

#: Under which name an act's detail, and so the audit log, says who was authenticated.
CALLER: Final = "caller"

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
        raise RequestError(Reason.ACT_REFUSED, answer.refusal, resource=("act", act.kind))
    response.result.act_time.FromNanoseconds(answer.act_t_ns)
    response.result.repeated_request = answer.again
    response.result.unstored = answer.unstored
    return response


def refused_by_desk(error: DeskFullError | DeskClosedError) -> RequestError:
    """What a client is told of an act that was not taken."""
    if isinstance(error, DeskFullError):
        msg = "too many acts wait to be done"
        limit = {"limit": str(WAITING_MOST)}
        return RequestError(
            Reason.TOO_MANY_ACTS, msg, remedy="send it again in a second", metadata=limit
        )
    remedy = "send the act again with the same request_id"
    return RequestError(Reason.STOPPING, "the gateway is stopping", remedy=remedy)


def act_of(
    kind: ActKind,
    header: alarm_pb2.ActHeader,
    subject: str,
    until_ns: int | None = None,
    *,
    detail: tuple[tuple[str, str], ...] = (),
) -> Act:
    """The act. Raises RequestError where a field is missing or can't be kept.

    Who was authenticated is in its detail; without `act.operator` it is theirs.
    """
    request_id = text_of("act.request_id", header.request_id, REQUEST_ID_MOST)
    if len(request_id) < REQUEST_ID_LEAST:
        msg = f"act.request_id {request_id!r} is too short"
        raise invalid(msg, "act.request_id", remedy="send a random UUID")
    caller = current()
    operator = _operator(header.operator, caller)
    if caller.name:
        detail = (*detail, (CALLER, caller.name))
    note = text_of("act.note", header.note, NOTE_MOST) if header.note else ""
    return Act(request_id, operator, kind, subject, note, until_ns, detail)


def _operator(asked: str, caller: Caller) -> str:
    """Under whose name an act is done. Raises RequestError where it is not the caller's to give."""
    if not caller.name:
        return text_of("act.operator", asked, OPERATOR_MOST)
    if asked in ("", caller.name):
        return caller.name
    if not caller.on_behalf:
        msg = f"act.operator is {asked!r}, but you are {caller.name!r}"
        raise RequestError(Reason.OTHER_OPERATOR, msg, field="act.operator")
    return text_of("act.operator", asked, OPERATOR_MOST)


def text_of(words: str, text: str, most: int, *, field: str = "") -> str:
    """A request's text. Raises RequestError where it is missing or can't be kept.

    `words` name the field, `field` where they are not its name and what may follow a comma.
    """
    field = field or words.partition(",")[0]
    if not text.strip():
        msg = f"{words} is missing"
        raise invalid(msg, field, Reason.FIELD_MISSING)
    if len(text) > most or has_unprintable(text):
        msg = f"{words} must be at most {most} characters, none of them control characters"
        raise RequestError(Reason.FIELD_UNFIT, msg, field=field, metadata={"limit": str(most)})
    return text
