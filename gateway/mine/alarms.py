"""Open alarms: exactly one for a rule, a subject and a place."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from gateway.mine.change import Alarm, EventKind, Place
from gateway.mine.record import StepRecord

#: Where the journal's state holds open alarms.
STATE_PREFIX: Final = "alarm/"


class AlarmKey(NamedTuple):
    """What an alarm is about: a rule and a subject (a card or a device), in a zone or anywhere."""

    rule: str
    card: str = ""
    device: str = ""
    zone: str = ""

    @property
    def state_key(self) -> str:
        """Where the journal keeps the open alarm. Of all ids only a card's may hold a slash."""
        return STATE_PREFIX + "/".join(self)


class AlarmBook:
    """The alarms that are open, and how they open and close."""

    def __init__(self, state: Mapping[str, bytes]) -> None:
        """Takes up the alarms that were open before a restart."""
        self._open: dict[AlarmKey, Alarm] = {}
        for key, value in state.items():
            if key.startswith(STATE_PREFIX):
                kept = json.loads(value)
                self._open[AlarmKey(*kept["key"])] = Alarm(**kept["alarm"])

    def __contains__(self, key: AlarmKey) -> bool:
        return key in self._open

    def __iter__(self) -> Iterator[AlarmKey]:
        return iter(tuple(self._open))

    def open(
        self,
        key: AlarmKey,
        level: int,
        t_ns: int,
        record: StepRecord,
        text: str,
        *,
        place: Place | None = None,
    ) -> None:
        """Raises the alarm, unless it is open; `place` is where its card is, if that is known."""
        if key in self._open:
            return
        alarm = Alarm(f"{key.rule}-{record.next_sequence}", key.rule, level, t_ns)
        self._open[key] = alarm
        kept = {"key": key, "alarm": dataclasses.asdict(alarm)}
        record.state[key.state_key] = json.dumps(kept).encode()
        _tell(EventKind.ALARM_RAISED, key, alarm, record, text, place=place)

    def close(self, key: AlarmKey, t_ns: int, record: StepRecord, text: str) -> None:
        """Clears the alarm, if it is open. It never ends before it began."""
        alarm = self._open.pop(key, None)
        if alarm is None:
            return
        ended = dataclasses.replace(alarm, end_t_ns=max(t_ns, alarm.start_t_ns))
        record.state[key.state_key] = None
        _tell(EventKind.ALARM_CLEARED, key, ended, record, text)


def _tell(
    kind: EventKind,
    key: AlarmKey,
    alarm: Alarm,
    record: StepRecord,
    text: str,
    *,
    place: Place | None = None,
) -> None:
    record.event(
        kind,
        alarm.start_t_ns if alarm.end_t_ns is None else alarm.end_t_ns,
        card=key.card,
        device=key.device,
        zone=key.zone,
        alarm=alarm,
        place=place,
        text=text,
    )
