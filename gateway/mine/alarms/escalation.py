"""When an alarm that nobody acknowledges is told to others besides, and to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.mine.alarms.kept import NEVER_NS, AlarmKey
from gateway.mine.alarms.states import WAITING, AlarmMode
from gateway.mine.change import Alarm
from gateway.mine.plan import AlarmRule

_S: Final = 1e9


class Escalations:
    """The alarms that are told to others in time, and when."""

    def __init__(self) -> None:
        """There is none yet."""
        self._due_ns: dict[AlarmKey, int] = {}
        self._numbers: dict[AlarmKey, int] = {}

    def note(self, key: AlarmKey, alarm: Alarm, rule: AlarmRule) -> int:
        """Takes an alarm as it is now; when it is told to others, `NEVER_NS` where it is not."""
        due_ns = escalates_ns(alarm, rule)
        if due_ns == NEVER_NS:
            self.drop(key)
        else:
            self._due_ns[key], self._numbers[key] = due_ns, alarm.number
        return due_ns

    def drop(self, key: AlarmKey) -> None:
        """There is no such alarm any more."""
        self._due_ns.pop(key, None)
        self._numbers.pop(key, None)

    def due(self, now_ns: int) -> list[AlarmKey]:
        """What has to be told to others by now, in the order in which it had to be."""
        due = [key for key, due_ns in self._due_ns.items() if now_ns >= due_ns]
        return sorted(due, key=lambda key: (self._due_ns[key], self._numbers[key]))

    def next_ns(self) -> int:
        """When the next one is due; `NEVER_NS` where none is."""
        return min(self._due_ns.values(), default=NEVER_NS)


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
