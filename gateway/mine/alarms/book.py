"""The alarms: at most one open for a rule, a subject and a place, through their whole life."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from gateway.mine.alarms.escalation import Escalations, escalated
from gateway.mine.alarms.families import ENDED_BY_OPERATORS
from gateway.mine.alarms.floods import FloodBook
from gateway.mine.alarms.hiding import HidingBook
from gateway.mine.alarms.index import AlarmIndex
from gateway.mine.alarms.kept import (
    ALARM_PREFIX,
    AlarmKey,
    Hiding,
    Pending,
    keep_alarm,
    recall_alarms,
)
from gateway.mine.alarms.states import (
    LATCHED,
    OPEN,
    WAITING,
    AlarmInput,
    AlarmMode,
    AlarmState,
    following,
)
from gateway.mine.alarms.words import WHY, by_rule, said, tell
from gateway.mine.change import Alarm, EventKind, Place
from gateway.mine.plan import AlarmRule
from gateway.mine.record import StepRecord

#: Where the journal's state holds when something was last pending, and how exactly.
ALIVE_KEY: Final = "alarms_alive"
ALIVE_EVERY_NS: Final = 1_000_000_000

#: How an alarm that another version of the gateway has left goes on here.
_UNKNOWN: Final = AlarmRule(level=4)
_NO_KEY: Final = AlarmKey("")
_S: Final = 1e9


class AlarmBook:
    """All alarms that are open, or over and not acknowledged."""

    def __init__(
        self,
        rules: Mapping[str, AlarmRule],
        state: Mapping[str, bytes],
        floods: FloodBook | None = None,
    ) -> None:
        """Takes up the alarms of before a restart; `rules` by family."""
        alarms, self._pending = recall_alarms(state)
        self._index = AlarmIndex(alarms)
        self._alarms = self._index.by_key
        self._use(rules)
        self._hidden = HidingBook(state)
        self._ids = {alarm.id: key for key, alarm in self._alarms.items()}
        self._floods = floods or FloodBook()
        self._floods.recall(self._alarms.values())
        self._due_ns = 0  # nothing is to be done by itself before this
        self._is_kept = True  # what is pending, as it is
        #: When something was last known to be pending; kept, to know how long nobody looked.
        self._alive_ns = int(state.get(ALIVE_KEY, b"0"))

    def _use(self, rules: Mapping[str, AlarmRule]) -> None:
        self._rules = rules
        #: Families whose alarms hide others, and which.
        self._suppressed = {
            name: {other for other, one in rules.items() if name in one.suppressed_by}
            for rule in rules.values()
            for name in rule.suppressed_by
        }
        self._escalations = Escalations()
        for key, alarm in self._alarms.items():
            self._escalations.note(key, alarm, self._rule(key))

    def reload(self, rules: Mapping[str, AlarmRule], record: StepRecord) -> None:
        """Takes over other rules, for what is open and what is pending too."""
        before = self._rules
        self._use(rules)
        self._due_ns = 0
        for key, pending in self._pending.items():
            rule = self._rule(key)
            after_s = rule.after_s if pending.begins else rule.clear_after_s
            self._pending[key] = replace(pending, due_ns=pending.t_ns + round(after_s * _S))
            self._save(key, record)
        for key, alarm in list(self._alarms.items()):
            rule = self._rule(key)
            now, text = by_rule(alarm, before.get(key.rule, rule), rule)
            if now != alarm:
                self._keep(key, now, record)
                tell(EventKind.ALARM_CHANGED, now, record.now_ns, record, text)
        self.unlatch(record)
        self._look_again(record, "", {key.rule for key in self._alarms})

    def unlatch(self, record: StepRecord) -> None:
        """Ends what waits for a reset that its family no longer asks for."""
        for key, alarm in list(self._alarms.items()):
            if alarm.state in LATCHED and not self._rule(key).latch:
                state = following(alarm.state, AlarmInput.RESET, latch=True)
                text = "its family needs no reset any more"
                self._clear(key, replace(alarm, state=state), record.now_ns, record, text)

    def __contains__(self, key: AlarmKey) -> bool:
        alarm = self._alarms.get(key)
        return alarm is not None and alarm.state in OPEN

    def has_begun(self, key: AlarmKey) -> bool:
        """Whether it is open, or its condition has not lasted long enough."""
        return key in self or (key in self._pending and self._pending[key].begins)

    def __iter__(self) -> Iterator[AlarmKey]:
        """The keys of those that `has_begun`."""
        return iter([*self._index.open, *(key for key, one in self._pending.items() if one.begins)])

    def all(self) -> dict[str, Alarm]:
        """Every alarm that is open or not acknowledged, by id."""
        return {alarm.id: alarm for alarm in self._alarms.values()}

    def _rule(self, key: AlarmKey) -> AlarmRule:
        return self._rules.get(key.rule, _UNKNOWN)

    def has_rule(self, rule: str) -> bool:
        """Whether there is such a family."""
        return rule in self._rules

    def level_of(self, rule: str) -> int:
        """The level that a family has unless an alarm has its own."""
        return self._rule(AlarmKey(rule)).level

    def key_of(self, alarm_id: str) -> AlarmKey | None:
        """The key of an alarm that is open or not acknowledged."""
        return self._ids.get(alarm_id)

    def begin(
        self,
        key: AlarmKey,
        t_ns: int,
        record: StepRecord,
        text: str,
        place: Place | None = None,
        *,
        level: int | None = None,
    ) -> None:
        """The condition is there since `t_ns`: raises the alarm when it has lasted long enough.

        `level` is that of the family unless it is given.
        """
        pending = self._pending.get(key)
        if key in self:
            if pending and not pending.begins:
                self._wait(key, None, record)
            self._pass(key, AlarmInput.ALARM, record, text)
            return
        after_ns = round(self._rule(key).after_s * _S)
        if not after_ns:
            self.open(key, t_ns, record, text, place, level=level)
        elif pending is None:
            self._wait(key, Pending(t_ns, t_ns + after_ns, text, place, level=level), record)

    def end(self, key: AlarmKey, t_ns: int, record: StepRecord, text: str) -> None:
        """The condition is over since `t_ns`: clears the alarm when that has lasted long enough."""
        pending = self._pending.get(key)
        if pending and pending.begins:
            self._wait(key, None, record)
        if key not in self or (pending and not pending.begins):
            return
        state, latch = self._alarms[key].state, self._rule(key).latch
        if following(state, AlarmInput.RETURN, latch=latch) is state:
            return  # it is over, and waits for a reset
        after_ns = round(self._rule(key).clear_after_s * _S)
        if not after_ns:
            self.close(key, t_ns, record, text)
        else:
            self._wait(key, Pending(t_ns, t_ns + after_ns, text, begins=False), record)

    def open(
        self,
        key: AlarmKey,
        t_ns: int,
        record: StepRecord,
        text: str,
        place: Place | None = None,
        *,
        level: int | None = None,
    ) -> None:
        """Raises the alarm now, unless it is open; `place` is where its card is, if it is known."""
        self._pending.pop(key, None)
        before = self._alarms.get(key)
        if before and before.state in OPEN:
            self._pass(key, AlarmInput.ALARM, record, text)
            return
        rule = self._rule(key)
        if before:  # over and never acknowledged: the new one stands for both
            self._forget(key, before, record)
        alarm = Alarm(
            id=f"{key.rule}-{record.next_sequence}",
            **key._asdict(),
            level=level or rule.level,
            start_t_ns=t_ns,
            text=text,
            place=place,
            raised_t_ns=record.now_ns,
            tell=rule.tell,
        )
        usual = self._hidden.usual(key.rule, rule, self._index.open_rules())
        alarm = self._hidden.judged(key, alarm, usual)
        alarm = self._floods.take(alarm, lambda id_: self._ids.get(id_, _NO_KEY) in self)
        self._keep(key, alarm, record)
        tell(EventKind.ALARM_RAISED, alarm, t_ns, record, text, place=place)
        for other in (self._ids.get(id_) for id_ in self._floods.tell(alarm, record)):
            if other:
                self._keep(other, replace(self._alarms[other], group=alarm.group), record)
        if key.rule in self._suppressed:
            self._look_again(record, "", self._suppressed[key.rule])

    def close(self, key: AlarmKey, t_ns: int, record: StepRecord, text: str) -> None:
        """The condition is over: clears the alarm now, if it is open. None ends before it began."""
        self._pending.pop(key, None)
        alarm = self._alarms.get(key)
        if alarm is None or alarm.state not in OPEN:
            return
        state = following(alarm.state, AlarmInput.RETURN, latch=self._rule(key).latch)
        if state in OPEN:  # latched
            self._pass(key, AlarmInput.RETURN, record, text)
            return
        self._clear(key, replace(alarm, state=state), t_ns, record, text)

    def acknowledge(self, key: AlarmKey, by: str, record: StepRecord, note: str) -> str:
        """Someone has seen the alarm. Returns why not, or nothing."""
        alarm = self._alarms[key]
        if alarm.state not in WAITING:
            return f"{alarm.acknowledged_by} has acknowledged it already"
        state = following(alarm.state, AlarmInput.ACKNOWLEDGE, latch=self._rule(key).latch)
        alarm = replace(alarm, state=state, acknowledged_by=by, acknowledged_t_ns=record.now_ns)
        self._keep(key, alarm, record)
        tell(EventKind.ALARM_ACKNOWLEDGED, alarm, record.now_ns, record, said(by, note))
        return ""

    def reset(self, key: AlarmKey, by: str, record: StepRecord, note: str) -> str:
        """Ends a latched alarm whose condition is over, and any call for help.

        Returns why not, or nothing.
        """
        alarm, latch = self._alarms[key], self._rule(key).latch
        state = alarm.state
        if key.rule in ENDED_BY_OPERATORS:
            state = following(state, AlarmInput.RETURN, latch=latch)
        state = following(state, AlarmInput.RESET, latch=latch)
        if state is alarm.state:
            return "what raised it still lasts" if state in OPEN else "it is over already"
        self._clear(key, replace(alarm, state=state), record.now_ns, record, said(by, note))
        return ""

    def hide(self, key: AlarmKey, hiding: Hiding, record: StepRecord, note: str) -> str:
        """Shows operators no alarms of `key` any more, of a whole rule if it has no subject."""
        self._hidden.put(key, hiding, record)
        self._due_ns = 0
        self._look_again(record, said(hiding.by, note), {key.rule})
        return ""

    def show(self, key: AlarmKey, by: str, record: StepRecord, note: str) -> str:
        """Undoes `hide`. Returns why not, or nothing."""
        if key not in self._hidden:
            return "it is neither shelved nor out of service"
        self._hidden.drop(key, record)
        self._look_again(record, said(by, note), {key.rule})
        return ""

    def move(
        self, old: str, new: str, record: StepRecord, text: str, goes: Callable[[AlarmKey], bool]
    ) -> None:
        """What is wrong with the holder of card `old` is so with that of `new`, where it `goes`."""
        every = {**self._alarms, **self._pending}
        for key in [one for one in every if one.card == old and goes(one)]:
            moved, pending = key._replace(card=new), self._pending.pop(key, None)
            alarm = self._index.pop(key)
            self._escalations.drop(key)
            self._save(key, record)
            if pending and moved not in {**self._alarms, **self._pending}:
                self._wait(moved, pending, record)
            if alarm:
                state = AlarmState.NORMAL if moved in self else alarm.state
                if state is alarm.state:
                    self._hidden.move(key, moved, record)
                    if before := self._alarms.get(moved):  # as where it is raised once more
                        self._forget(moved, before, record)
                told = replace(alarm, card=new, state=state)
                self._keep(moved if state is alarm.state else key, told, record)
                tell(EventKind.ALARM_CHANGED, told, record.now_ns, record, text)

    def resume(self, now_ns: int) -> None:
        """After a restart: what is pending has not gone on while nobody looked."""
        if self._pending and self._alive_ns:
            self.shift(max(now_ns - self._alive_ns, 0))

    def tick(self, record: StepRecord) -> None:
        """What comes by itself as time goes on: delays, the end of shelving, escalation."""
        now_ns = record.now_ns
        if self._pending and now_ns - self._alive_ns >= ALIVE_EVERY_NS:
            self._alive_ns = now_ns
            record.state[ALIVE_KEY] = str(now_ns).encode()
        if not self._is_kept:
            self._is_kept = True
            for key in self._pending:
                self._save(key, record)
        self._floods.tick(record)
        if now_ns < self._due_ns:
            return
        for key, pending in list(self._pending.items()):
            if now_ns >= pending.due_ns:
                self._wait(key, None, record)
                if pending.begins:
                    self.open(
                        key, pending.t_ns, record, pending.text, pending.place, level=pending.level
                    )
                else:
                    self.close(key, pending.t_ns, record, pending.text)
        if over := self._hidden.drop_over(record):
            self._look_again(record, "", over)
        for key in self._escalations.due(now_ns):
            told, text = escalated(self._alarms[key], self._rule(key))
            self._keep(key, told, record)
            tell(EventKind.ALARM_ESCALATED, told, now_ns, record, text)
        self._due_ns = self._next_due_ns()

    def shift(self, by_ns: int) -> None:
        """Puts off what is pending by a time in which the gateway did not listen."""
        for key, pending in self._pending.items():
            self._pending[key] = pending.later(by_ns)
            self._is_kept = False

    def _pass(self, key: AlarmKey, happened: AlarmInput, record: StepRecord, text: str) -> None:
        """What happens to an alarm that stays open; told, where that changes something."""
        alarm = self._alarms[key]
        state = following(alarm.state, happened, latch=self._rule(key).latch)
        if state is not alarm.state:
            changed = replace(alarm, state=state)
            self._keep(key, changed, record)
            tell(EventKind.ALARM_CHANGED, changed, record.now_ns, record, text)

    def _clear(self, key: AlarmKey, alarm: Alarm, t_ns: int, record: StepRecord, text: str) -> None:
        ended = replace(alarm, end_t_ns=max(t_ns, alarm.start_t_ns))
        self._keep(key, ended, record)
        tell(EventKind.ALARM_CLEARED, ended, ended.end_t_ns or 0, record, text)
        if key.rule in self._suppressed:
            self._look_again(record, "", self._suppressed[key.rule])

    def _keep(self, key: AlarmKey, alarm: Alarm, record: StepRecord) -> None:
        """Takes over an alarm as it is now; one that is over and done with is forgotten."""
        if alarm.state is AlarmState.NORMAL:
            self._forget(key, alarm, record)
            return
        self._index.put(key, alarm)
        self._ids[alarm.id] = key
        self._due_ns = min(self._due_ns, self._escalations.note(key, alarm, self._rule(key)))
        record.alarms[alarm.id] = alarm
        self._save(key, record)

    def _forget(self, key: AlarmKey, alarm: Alarm, record: StepRecord) -> None:
        self._index.pop(key)
        self._escalations.drop(key)
        self._ids.pop(alarm.id, None)
        record.alarms[alarm.id] = replace(alarm, state=AlarmState.NORMAL)
        self._save(key, record)

    def _wait(self, key: AlarmKey, pending: Pending | None, record: StepRecord) -> None:
        if pending:
            self._pending[key] = pending
            self._due_ns = min(self._due_ns, pending.due_ns)
        else:
            self._pending.pop(key, None)
        self._save(key, record)

    def _save(self, key: AlarmKey, record: StepRecord) -> None:
        kept = keep_alarm(key, self._alarms.get(key), self._pending.get(key))
        record.state[ALARM_PREFIX + key.text] = kept

    def _look_again(self, record: StepRecord, text: str, rules: Collection[str]) -> None:
        """Tells which alarms of these families operators are no more shown, and which again."""
        open_rules = self._index.open_rules()
        usual = {
            rule: self._hidden.usual(rule, self._rule(AlarmKey(rule)), open_rules) for rule in rules
        }
        for key, alarm in self._index.of_rules(rules):
            now = self._hidden.judged(key, alarm, usual[key.rule])
            if now is not alarm:
                self._keep(key, now, record)
            if now.mode is not alarm.mode:
                shown = now.mode is AlarmMode.IN_SERVICE
                kind = EventKind.ALARM_SHOWN if shown else EventKind.ALARM_HIDDEN
                tell(kind, now, record.now_ns, record, text or WHY[now.mode])

    def _next_due_ns(self) -> int:
        pending_ns = (pending.due_ns for pending in self._pending.values())
        return min((*pending_ns, *self._hidden.ends_ns(), self._escalations.next_ns()))
