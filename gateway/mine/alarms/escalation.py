"""When an alarm that nobody acknowledges is told to others besides, and to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.mine.alarms.kept import NEVER_NS
from gateway.mine.alarms.states import WAITING, AlarmMode
from gateway.mine.change import Alarm
from gateway.mine.plan import AlarmRule

_S: Final = 1e9


def escalates_ns(alarm: Alarm, rule: AlarmRule) -> int:
    """When others are told; `NEVER_NS` where they are not, or are already."""
    waits = alarm.state in WAITING and alarm.mode is AlarmMode.IN_SERVICE
    if rule.escalate_after_s is None or alarm.escalated or not waits:
        return NEVER_NS
    return alarm.raised_t_ns + round(rule.escalate_after_s * _S)


def escalated(alarm: Alarm, rule: AlarmRule) -> tuple[Alarm, str]:
    """The alarm that is told to others too, and that in words."""
    told = replace(alarm, escalated=True, tell=(*rule.tell, *rule.escalate_to))
    text = (
        f"nobody has acknowledged it for {rule.escalate_after_s:g} s; "
        f"{', '.join(rule.escalate_to)} must be told"
    )
    return told, text
