"""What operators do: each act once, however often it is asked for, and each is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic_core import from_json, to_json

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey, Hiding
from gateway.mine.alarms.states import AlarmMode
from gateway.mine.change import Act, ActKind, Answer
from gateway.mine.record import StepRecord

#: Where the journal's state holds acts that have been answered.
STATE_PREFIX: Final = "act/"
#: Answers that are kept, for requests that come again: weeks of a busy control room.
ANSWERS_MOST: Final = 10_000
#: The longest that an alarm may be shelved: a shift and its hand-over.
SHELVED_MOST_S: Final = 12 * 3600

_S_NS: Final = 1_000_000_000

#: Does an act that is not about alarms: why it is refused, or nothing.
Doer = Callable[[Act, StepRecord], str]


class ActBook:
    """The acts of before, by request, and how each kind is done."""

    def __init__(
        self,
        alarms: AlarmBook,
        state: Mapping[str, bytes],
        doers: Mapping[ActKind, Doer] | None = None,
    ) -> None:
        """Takes up the answers of before a restart. `doers` do what is not about alarms."""
        self._alarms = alarms
        self._doers = dict(doers or {})
        kept = [from_json(value) for key, value in state.items() if key.startswith(STATE_PREFIX)]
        # As they are kept: there are thousands, and hardly one is asked for again.
        self._kept: dict[str, dict[str, Any]] = {
            one["request_id"]: one for one in sorted(kept, key=lambda one: one["act_t_ns"])
        }
        self._answered: dict[str, Answer] = {}

    def has_answered(self, request_id: str) -> bool:
        """Whether an act was answered before."""
        return request_id in self._answered or request_id in self._kept

    def _before(self, request_id: str) -> Answer | None:
        kept = self._kept.get(request_id)
        return _answer_of(kept) if kept else self._answered.get(request_id)

    def take(self, acts: tuple[Act, ...], record: StepRecord) -> None:
        """Does the acts in order, and puts an answer to each into the record."""
        for act in acts:
            before = self._before(act.request_id)
            if before is None:
                answer = Answer(act, self._do(act, record), record.now_ns)
                self._remember(answer, record)
            elif _same(before.act, act):
                answer = Answer(act, before.refusal, before.act_t_ns, again=True)
            else:
                refusal = f"request_id {act.request_id} was used for another act; use a new one"
                answer = Answer(act, refusal, record.now_ns)
            record.answers.append(answer)

    def _do(self, act: Act, record: StepRecord) -> str:
        """Why it is refused, or nothing."""
        if act.kind in self._doers:
            return self._doers[act.kind](act, record)
        if act.kind in (ActKind.OUT_OF_SERVICE, ActKind.IN_SERVICE):
            return self._do_service(act, record)
        key = self._alarms.key_of(act.subject)
        if key is None:
            return f"there is no alarm {act.subject}: it is over and acknowledged, or never was"
        by, note = act.operator, act.note
        if act.kind is ActKind.ACKNOWLEDGE:
            return self._alarms.acknowledge(key, by, record, note)
        if act.kind is ActKind.RESET:
            return self._alarms.reset(key, by, record, note)
        if act.kind is ActKind.UNSHELVE:
            return self._alarms.show(key, by, record, note)
        until_ns = act.until_t_ns or 0
        if not record.now_ns < until_ns <= record.now_ns + SHELVED_MOST_S * _S_NS:
            return f"it can be shelved for at most {SHELVED_MOST_S // 3600} h, until a time to come"
        hiding = Hiding(AlarmMode.SHELVED, until_ns, by)
        return self._alarms.hide(key, hiding, record, note)

    def _do_service(self, act: Act, record: StepRecord) -> str:
        parts = act.subject.split("/")
        key = AlarmKey(*parts) if len(parts) <= len(AlarmKey._fields) else None
        if key is None or not self._alarms.has_rule(key.rule):
            return f"there is no alarm family {parts[0]!r}"
        if act.kind is ActKind.IN_SERVICE:
            return self._alarms.show(key, act.operator, record, act.note)
        if not act.note:
            return "say in the note why it is taken out of service"
        hiding = Hiding(AlarmMode.OUT_OF_SERVICE, None, act.operator)
        return self._alarms.hide(key, hiding, record, act.note)

    def _remember(self, answer: Answer, record: StepRecord) -> None:
        act = answer.act
        self._answered[act.request_id] = answer
        kept = {**_fields(act), "refusal": answer.refusal, "act_t_ns": answer.act_t_ns}
        record.state[STATE_PREFIX + act.request_id] = to_json(kept)
        if len(self._kept) + len(self._answered) > ANSWERS_MOST:
            older: dict[str, Any] = self._kept or self._answered
            oldest = next(iter(older))
            del older[oldest]
            record.state[STATE_PREFIX + oldest] = None


def _fields(act: Act) -> dict[str, Any]:
    return {name: getattr(act, name) for name in Act.__slots__}


def _same(one: Act, other: Act) -> bool:
    """The same act, though the operator's note or clock may have been sent anew."""
    return _of(one) == _of(other)


def _of(act: Act) -> tuple[object, ...]:
    return (act.operator, act.kind, act.subject, act.detail)


def _answer_of(kept: dict[str, Any]) -> Answer:
    fields = dict(kept)
    refusal, act_t_ns = fields.pop("refusal"), fields.pop("act_t_ns")
    fields["kind"] = ActKind(fields["kind"])
    fields["detail"] = tuple((name, text) for name, text in fields.get("detail", ()))
    return Answer(Act(**fields), refusal, act_t_ns)
