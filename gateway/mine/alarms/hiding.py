"""What operators are not shown: alarms that they have shelved or taken out of service.

Also those that another alarm says already. Hidden is never stopped: `AlarmBook` goes on with them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from gateway.mine.alarms.kept import HIDDEN_PREFIX, AlarmKey, Hiding, keep_hiding, recall_hidden
from gateway.mine.alarms.states import AlarmMode
from gateway.mine.change import Alarm
from gateway.mine.plan import AlarmRule
from gateway.mine.record import StepRecord

#: The mode of alarms, and until when they are hidden, where that ends by itself.
Shown = tuple[AlarmMode, int | None]


class HidingBook:
    """What is hidden by operators, by key; a key without a subject stands for its whole rule."""

    def __init__(self, state: Mapping[str, bytes]) -> None:
        """Takes up what was hidden before a restart."""
        self._hidden = recall_hidden(state)

    def __contains__(self, key: AlarmKey) -> bool:
        return key in self._hidden

    def ends_ns(self) -> list[int]:
        """When what is hidden comes back by itself."""
        return [hiding.end_ns for hiding in self._hidden.values()]

    def put(self, key: AlarmKey, hiding: Hiding, record: StepRecord) -> None:
        """Hides a key from now on."""
        self._hidden[key] = hiding
        record.state[HIDDEN_PREFIX + key.text] = keep_hiding(key, hiding)

    def drop(self, key: AlarmKey, record: StepRecord) -> None:
        """Hides it no more."""
        del self._hidden[key]
        record.state[HIDDEN_PREFIX + key.text] = None

    def move(self, old: AlarmKey, new: AlarmKey, record: StepRecord) -> None:
        """Hides another key instead, if this one is hidden."""
        hiding = self._hidden.get(old)
        if hiding:
            self.drop(old, record)
            self.put(new, hiding, record)

    def drop_over(self, record: StepRecord) -> set[str]:
        """Hides no more what was hidden until now; of which families there was any."""
        over = [key for key, hiding in self._hidden.items() if record.now_ns >= hiding.end_ns]
        for key in over:
            self.drop(key, record)
        return {key.rule for key in over}

    def usual(self, family: str, rule: AlarmRule, open_rules: Collection[str]) -> Shown:
        """How alarms of a family are shown now, but for single ones that operators have hidden.

        Alarms of `open_rules` are open.
        """
        hiding = self._hidden.get(AlarmKey(family))
        if hiding:
            return hiding.mode, hiding.until_t_ns
        suppressed = any(other in open_rules for other in rule.suppressed_by)
        return AlarmMode.SUPPRESSED if suppressed else AlarmMode.IN_SERVICE, None

    def judged(self, key: AlarmKey, alarm: Alarm, usual: Shown) -> Alarm:
        """The alarm with the mode that it has now; `usual` is that of its family."""
        hiding = self._hidden.get(key)
        mode, until_ns = (hiding.mode, hiding.until_t_ns) if hiding else usual
        if mode is alarm.mode and until_ns == alarm.hidden_until_ns:  # nearly all, each time
            return alarm
        return replace(alarm, mode=mode, hidden_until_ns=until_ns)
