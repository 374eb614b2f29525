"""Alarms by key and by family, for a mine in which thousands wait to be acknowledged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.alarms.states import OPEN
from gateway.mine.change import Alarm


class AlarmIndex:
    """All alarms, in the order in which they came; `by_key` and `open` are for others to read."""

    def __init__(self, alarms: Mapping[AlarmKey, Alarm]) -> None:
        """Takes the alarms of before a restart, in their order."""
        self._by_key: dict[AlarmKey, Alarm] = {}
        self._of_rule: defaultdict[str, dict[AlarmKey, Alarm]] = defaultdict(dict)
        self._open_of: Counter[str] = Counter()
        # In the order of all: none that is over is ever open again, a new one takes its place.
        self._open: dict[AlarmKey, None] = {}
        self.open: Collection[AlarmKey] = self._open
        self.by_key: Mapping[AlarmKey, Alarm] = self._by_key
        for key, alarm in alarms.items():
            self.put(key, alarm)

    def put(self, key: AlarmKey, alarm: Alarm) -> None:
        """Takes an alarm as it is now; one that is there keeps its place in the order."""
        if alarm.state not in OPEN:
            self._close(key)
        elif key not in self._open:
            self._open[key] = None
            self._open_of[key.rule] += 1
        self._by_key[key] = self._of_rule[key.rule][key] = alarm

    def pop(self, key: AlarmKey) -> Alarm | None:
        """Takes an alarm away, where there is one."""
        alarm = self._by_key.pop(key, None)
        if alarm:
            del self._of_rule[key.rule][key]
            self._close(key)
        return alarm

    def _close(self, key: AlarmKey) -> None:
        if key in self._open:
            del self._open[key]
            self._open_of[key.rule] -= 1

    def open_rules(self) -> set[str]:
        """The families of which an alarm is open."""
        return {rule for rule, count in self._open_of.items() if count}

    def of_rules(self, rules: Collection[str]) -> list[tuple[AlarmKey, Alarm]]:
        """The alarms of these families, in their order."""
        if len(rules) == 1:
            (rule,) = rules
            return list(self._of_rule[rule].items())
        return [one for one in self._by_key.items() if one[0].rule in rules]
