"""Alarms by key and by family, for a mine in which thousands wait to be acknowledged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.alarms.states import OPEN
from gateway.mine.change import Alarm


class AlarmShelf:
    """All alarms, in the order in which they came; `by_key` is for others to read only."""

    def __init__(self, alarms: Mapping[AlarmKey, Alarm]) -> None:
        """Takes the alarms of before a restart, in their order."""
        self._by_key: dict[AlarmKey, Alarm] = {}
        self._of_rule: defaultdict[str, dict[AlarmKey, Alarm]] = defaultdict(dict)
        self._open: Counter[str] = Counter()
        self.by_key: Mapping[AlarmKey, Alarm] = self._by_key
        for key, alarm in alarms.items():
            self.put(key, alarm)

    def put(self, key: AlarmKey, alarm: Alarm) -> None:
        """Takes an alarm as it is now; one that is there keeps its place in the order."""
        before = self._by_key.get(key)
        self._open[key.rule] += (alarm.state in OPEN) - (
            before is not None and before.state in OPEN
        )
        self._by_key[key] = self._of_rule[key.rule][key] = alarm

    def pop(self, key: AlarmKey) -> Alarm | None:
        """Takes an alarm away, where there is one."""
        alarm = self._by_key.pop(key, None)
        if alarm:
            del self._of_rule[key.rule][key]
            self._open[key.rule] -= alarm.state in OPEN
        return alarm

    def open_rules(self) -> set[str]:
        """The families of which an alarm is open."""
        return {rule for rule, count in self._open.items() if count}

    def of_rules(self, rules: Collection[str]) -> list[tuple[AlarmKey, Alarm]]:
        """The alarms of these families, in their order."""
        if len(rules) == 1:
            (rule,) = rules
            return list(self._of_rule[rule].items())
        return [one for one in self._by_key.items() if one[0].rule in rules]
