"""Floods of alarms: many of one family at once are one group, and a cause explains its effects.

Nothing is hidden: each alarm of a group is raised, told and counted by itself.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.mine.alarms.families import DEVICE_DOWN, SIGNAL_LOST
from gateway.mine.alarms.states import OPEN
from gateway.mine.change import Alarm, EventKind
from gateway.mine.machines.plan import FloodRule
from gateway.mine.record import StepRecord

#: Where the journal's state holds the floods that have not ended.
STATE_PREFIX: Final = "flood/"

_S_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Flood:
    """A flood that lasts: its group, since when, when the last alarm came, and how many."""

    group: str
    since_ns: int
    last_ns: int
    count: int


class FloodBook:
    """Which families come in floods now, and which devices that are down explain silence."""

    def __init__(
        self,
        rule: FloodRule | None = None,
        state: Mapping[str, bytes] | None = None,
        readers: Iterable[str] = (),
        silent_after_s: float = 0.0,
    ) -> None:
        """`rule` None: there are no floods. `state` is what was kept before a restart.

        `readers` are the devices that hear cards; a card is told as silent after `silent_after_s`.
        """
        self._set(rule, readers, silent_after_s)
        self._recent: defaultdict[str, deque[tuple[int, str]]] = defaultdict(deque)
        self._causes: dict[str, Alarm] = {}  # readers that are, or were, down
        self._begun: list[str] = []  # families
        self._floods: dict[str, _Flood] = {
            key.removeprefix(STATE_PREFIX): _Flood(**json.loads(value))
            for key, value in (state or {}).items()
            if key.startswith(STATE_PREFIX)
        }

    def _set(self, rule: FloodRule | None, readers: Iterable[str], silent_after_s: float) -> None:
        self._rule = rule
        self._window_ns = round(rule.window_s * _S_NS) if rule else 0
        self._readers = frozenset(readers)
        self._silent_after_ns = round(silent_after_s * _S_NS)

    def reload(
        self,
        rule: FloodRule | None,
        readers: Iterable[str],
        silent_after_s: float,
        alarms: Iterable[Alarm],
        record: StepRecord,
    ) -> None:
        """Takes over another rule and other readers; `alarms` are all that there are.

        Floods that last go on by the new rule; without one they end.
        """
        self._set(rule, readers, silent_after_s)
        self._causes.clear()
        for alarm in alarms:
            self._note_cause(alarm)
        if rule is None:
            for family in list(self._floods):
                self._end(family, "alarms are no longer grouped", record)

    def recall(self, alarms: Iterable[Alarm]) -> None:
        """Takes up the alarms of before a restart: those may be the first of a flood."""
        for alarm in sorted(alarms, key=lambda alarm: (alarm.raised_t_ns, alarm.number)):
            self._recent[alarm.rule].append((alarm.raised_t_ns, alarm.id))
            self._note_cause(alarm)

    def take(self, alarm: Alarm, is_open: Callable[[str], bool]) -> Alarm:
        """A new alarm with its group and its cause, where it has any.

        `is_open` tells of an alarm's id whether it is open. `tell` must follow.
        """
        rule = self._rule
        if rule is None:
            return alarm
        self._note_cause(alarm)
        cause, now_ns = self._cause(alarm, is_open), alarm.raised_t_ns
        recent, flood = self._recent[alarm.rule], self._floods.get(alarm.rule)
        recent.append((now_ns, alarm.id))
        while now_ns - recent[0][0] > self._window_ns:
            recent.popleft()
        if flood:
            flood = replace(flood, last_ns=now_ns, count=flood.count + 1)
        elif len(recent) >= rule.count:
            flood = _Flood(f"flood-{alarm.number}", recent[0][0], now_ns, len(recent))
            self._begun.append(alarm.rule)
        if flood:
            self._floods[alarm.rule] = flood
        return replace(alarm, parent=cause, group=flood.group if flood else "")

    def tell(self, alarm: Alarm, record: StepRecord) -> list[str]:
        """Tells that a flood has begun with an alarm that has been taken, and keeps it.

        Returns the ids of the alarms before it that are of its group.
        """
        flood = self._floods.get(alarm.rule)
        if flood is None:
            return []
        self._keep(alarm.rule, flood, record)
        if alarm.rule not in self._begun:
            return []
        self._begun.remove(alarm.rule)
        seconds = self._window_ns / _S_NS
        text = f"{flood.count} alarms of {alarm.rule} within {seconds:g} s are one group"
        if alarm.parent:
            text += f"; {self._causes[alarm.parent].text}"
        record.event(
            EventKind.FLOOD_BEGUN, flood.since_ns, text=text, count=flood.count, group=flood.group
        )
        return [one for _, one in self._recent[alarm.rule] if one != alarm.id]

    def tick(self, record: StepRecord) -> None:
        """Ends the floods of which no more have come for a while."""
        for rule, flood in list(self._floods.items()):
            if record.now_ns - flood.last_ns < self._window_ns:
                continue
            self._end(rule, f"no more alarms of {rule} have come", record)

    def _end(self, rule: str, why: str, record: StepRecord) -> None:
        flood = self._floods[rule]
        text = f"{why}: there were {flood.count} in this flood"
        count, group = flood.count, flood.group
        record.event(EventKind.FLOOD_ENDED, flood.last_ns, text=text, count=count, group=group)
        self._keep(rule, None, record)

    def _note_cause(self, alarm: Alarm) -> None:
        if alarm.rule == DEVICE_DOWN and alarm.device in self._readers and alarm.state in OPEN:
            self._causes[alarm.id] = alarm

    def _cause(self, alarm: Alarm, is_open: Callable[[str], bool]) -> str:
        """The id of the reader's alarm that explains a card's silence, the newest of several.

        It does when the card was heard last at about the time at which the reader failed.
        """
        if alarm.rule != SIGNAL_LOST:
            return ""
        self._causes = {id_: one for id_, one in self._causes.items() if is_open(id_)}
        heard_ns = alarm.start_t_ns - self._silent_after_ns
        found = [
            (one.number, id_)
            for id_, one in self._causes.items()
            if abs(heard_ns - one.start_t_ns) <= self._window_ns
        ]
        return max(found, default=(0, ""))[1]

    def _keep(self, rule: str, flood: _Flood | None, record: StepRecord) -> None:
        if flood is None:
            del self._floods[rule]
            record.state[STATE_PREFIX + rule] = None
            return
        kept = {name: getattr(flood, name) for name in _Flood.__slots__}
        record.state[STATE_PREFIX + rule] = json.dumps(kept).encode()
