"""What is told of alarms, in words and as events."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.mine.alarms.states import AlarmMode
from gateway.mine.change import Alarm, EventKind, Place
from gateway.mine.plan import AlarmRule
from gateway.mine.record import StepRecord

#: Why operators are shown an alarm, or not.
WHY: Final = {
    AlarmMode.IN_SERVICE: "it is shown again",
    AlarmMode.SHELVED: "it is shelved",
    AlarmMode.SUPPRESSED: "another alarm says it already",
    AlarmMode.OUT_OF_SERVICE: "it is out of service",
}


def said(by: str, note: str) -> str:
    """An operator's words."""
    return f"{by}: {note}" if note else by


def by_rule(alarm: Alarm, before: AlarmRule, rule: AlarmRule) -> tuple[Alarm, str]:
    """The alarm with the level and the audience of its family's rule, and that in words.

    A level that was not that of the rule `before` is its own, and stays.
    """
    if before == rule:
        return alarm, ""
    level = rule.level if alarm.level == before.level else alarm.level
    told = (*rule.tell, *(rule.escalate_to if alarm.escalated else ()))
    text = f"its family has changed: level {level}, told to {', '.join(told) or 'nobody'}"
    return replace(alarm, level=level, tell=told), text


def tell(
    kind: EventKind,
    alarm: Alarm,
    t_ns: int,
    record: StepRecord,
    text: str,
    *,
    place: Place | None = None,
) -> None:
    """Puts an event about an alarm into the record."""
    record.event(
        kind,
        t_ns,
        card=alarm.card,
        device=alarm.device,
        zone=alarm.zone,
        hazard=alarm.hazard,
        alarm=alarm,
        place=place,
        text=text,
    )
