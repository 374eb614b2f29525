"""The life of every alarm by the events alone: who has seen it, who is shown it, how late it was.

The same table as the core's, told another way: whether its condition lasts, whether it is latched,
and whether someone has acknowledged it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.alarms.states import AlarmMode, AlarmState
from gateway.mine.change import ActKind, Alarm, Answer, Changes, Event, EventKind
from gateway.mine.plan import AlarmRule, MinePlan
from gateway.soak.ledger import Complaint, key_of

_S: Final = 1e9
#: Alarms are remembered for so many of the windows of floods.
KEPT_WINDOWS: Final = 3
#: Families that come and go at once, whatever delays they have: they count their time themselves.
_AT_ONCE: Final = ("signal_lost", "device_down")
#: Families that begin by the time of a step; how late they may be besides their delay, seconds.
_BY_STEPS: Final = ("out_of_boundary",)
LATE_S: Final = 3.0
_SERVICE: Final = (ActKind.OUT_OF_SERVICE, ActKind.IN_SERVICE)
_LATCHED: Final = (AlarmState.LATCHED_ACKNOWLEDGED, AlarmState.LATCHED_UNACKNOWLEDGED)


@dataclass(slots=True)
class Life:
    """What is known of an alarm that is open, or over and not acknowledged."""

    id: str
    key: AlarmKey
    raised_ns: int
    is_open: bool = True
    latched: bool = False
    acked: bool = False
    escalated: bool = False
    mode: AlarmMode = AlarmMode.IN_SERVICE
    level: int = 0
    tell: tuple[str, ...] = ()

    @property
    def state(self) -> AlarmState:
        """In the core's words."""
        if self.is_open and self.latched:
            acked, waiting = AlarmState.LATCHED_ACKNOWLEDGED, AlarmState.LATCHED_UNACKNOWLEDGED
        elif self.is_open:
            acked, waiting = AlarmState.ACKNOWLEDGED, AlarmState.UNACKNOWLEDGED
        else:
            acked, waiting = AlarmState.NORMAL, AlarmState.RETURNED_UNACKNOWLEDGED
        return acked if self.acked else waiting


class AlarmLife:
    """Checks states, modes, delays, escalation and floods. `alive` are the alarms by id."""

    def __init__(self, plan: MinePlan) -> None:
        self._use(plan)
        self._before = plan.rules
        self.alive: dict[str, Life] = {}
        self._by_key: dict[AlarmKey, str] = {}
        self._of_rule: dict[str, dict[str, Life]] = {}
        #: Of those that the step at hand has ended or moved: what they were about before.
        self._past: dict[str, AlarmKey] = {}
        #: What operators are not shown: how, and until when (None: until it is undone).
        self.hidden: dict[AlarmKey, tuple[AlarmMode, int | None]] = {}
        self._unseen: dict[str, Life] = {}  # those that others are told of, in time
        self._open_of: dict[str, int] = {}
        self._recent: dict[str, deque[int]] = {}
        self._floods: dict[str, tuple[str, int]] = {}  # by family: its group and its last alarm
        self._now_ns = 0
        self._blind_ns = 0  # before this alarms may have been forgotten by a restart
        #: What may be shown otherwise after the step at hand; without a subject: the whole rule.
        self._dirty: set[AlarmKey] = set()

    def _use(self, plan: MinePlan) -> None:
        self._rules = plan.rules
        self._flood = plan.flood
        self._hides: dict[str, list[str]] = {}
        for name, rule in plan.rules.items():
            for other in rule.suppressed_by:
                self._hides.setdefault(other, []).append(name)

    def reload(self, plan: MinePlan) -> None:
        """The rules have changed; of a flood the core knows what its window before held."""
        self._before = self._rules
        if self._flood:
            self._blind_ns = max(self._blind_ns, self._now_ns - round(self._flood.window_s * _S))
        self._use(plan)
        self._dirty.update(map(AlarmKey, self._of_rule))

    def restarted(self, now_ns: int) -> None:
        """What is over and acknowledged does not count for floods any more."""
        self._blind_ns = now_ns

    def check(self, changes: Changes, *, ticks: bool = True) -> Iterator[Complaint]:
        """Takes what a step has told. Not `ticks`: nothing came of time alone in it."""
        self._past.clear()
        self._now_ns = changes.now_ns
        for event in changes.events:
            yield from self._take(event, changes.now_ns)
        for answer in changes.answers:
            if not answer.refusal and not answer.again:
                self._hide(answer)
        if ticks:
            yield from self._tick(changes.now_ns)
        for name, alarm in changes.alarms.items():
            yield from self._compare(name, alarm)
        yield from self._shown()

    def _shown(self) -> Iterator[Complaint]:
        dirty, self._dirty = self._dirty, set()
        for key in sorted(dirty):
            lives = self._of_rule.get(key.rule, {})
            if key != AlarmKey(key.rule):
                name = self._by_key.get(key, "")
                lives = {name: lives[name]} if name in lives else {}
            for life in lives.values():
                if life.mode is not self._mode(life.key):
                    expected, found = self._mode(life.key).name, life.mode.name
                    yield Complaint("shown", life.key.card, life.id, expected, found)

    def _take(self, event: Event, now_ns: int) -> Iterator[Complaint]:
        kind, alarm = event.kind, event.alarm
        if alarm is None:
            yield from self._flood_told(event, now_ns)
            return
        if kind is EventKind.ALARM_RAISED:
            yield from self._raise(alarm, event)
            return
        life = self.alive.get(alarm.id)
        if life is None:
            yield Complaint("known alarm", alarm.card, alarm.id, "one that was raised", kind.name)
            return
        if kind is EventKind.ALARM_CLEARED:
            yield from self._clear(life, alarm, event)
        elif kind is EventKind.ALARM_ACKNOWLEDGED:
            if life.acked:
                yield Complaint("acknowledged once", alarm.card, alarm.id, "waiting", "again")
            life.acked = True
        elif kind is EventKind.ALARM_CHANGED:
            yield from self._change(life, alarm)
        elif kind is EventKind.ALARM_ESCALATED:
            yield from self._escalate(life, alarm, now_ns)
        elif kind in (EventKind.ALARM_HIDDEN, EventKind.ALARM_SHOWN):
            life.mode = alarm.mode
            self._dirty.add(life.key)
        life.level, life.tell = alarm.level, alarm.tell
        if life.state is AlarmState.NORMAL:
            self._forget(life)

    def _raise(self, alarm: Alarm, event: Event) -> Iterator[Complaint]:
        key = key_of(alarm)
        before = self.alive.get(self._by_key.get(key, ""))
        if before:
            self._forget(before)
        life = Life(
            alarm.id, key, event.record_t_ns, mode=alarm.mode, level=alarm.level, tell=alarm.tell
        )
        self.alive[alarm.id], self._by_key[key] = life, alarm.id
        self._of_rule.setdefault(key.rule, {})[alarm.id] = life
        self._count(key.rule, 1)
        rule = self._rules[key.rule]
        if rule.escalate_after_s:
            self._unseen[life.id] = life
        waited_s = (event.record_t_ns - alarm.start_t_ns) / _S
        delayed = rule.after_s > 0.0 and key.rule not in _AT_ONCE
        if delayed and waited_s < rule.after_s - 1e-6:
            expected, found = f"after {rule.after_s:g} s", f"after {waited_s:g} s"
            yield Complaint("raised too early", key.card, key.rule, expected, found)
        # What has waited by a longer delay is raised at once where a new one is shorter.
        most_s = max(rule.after_s, self._before[key.rule].after_s)
        if key.rule in _BY_STEPS and waited_s > most_s + LATE_S:
            expected, found = f"after {rule.after_s:g} s", f"after {waited_s:g} s"
            yield Complaint("raised too late", key.card, key.rule, expected, found)
        if alarm.tell != rule.tell or alarm.escalated:
            yield Complaint("told", key.card, key.rule, str(rule.tell), str(alarm.tell))
        if not (key.hazard or key.limit) and alarm.level != rule.level:
            yield Complaint("level", key.card, key.rule, str(rule.level), str(alarm.level))
        recent = self._recent.setdefault(key.rule, deque())
        recent.append(event.record_t_ns)
        flood = self._floods.get(key.rule)
        if flood:
            self._floods[key.rule] = (flood[0], event.record_t_ns)
            if alarm.group != flood[0]:
                yield Complaint("of the flood", key.card, key.rule, flood[0], alarm.group)

    def _clear(self, life: Life, alarm: Alarm, event: Event) -> Iterator[Complaint]:
        if life.is_open:
            self._count(life.key.rule, -1)
        life.is_open = life.latched = False
        rule = self._rules[life.key.rule]
        over_s = (event.record_t_ns - (alarm.end_t_ns or 0)) / _S
        at_once = (
            not rule.clear_after_s or life.key.rule in _AT_ONCE or rule.latch or "map" in event.text
        )
        if not at_once and over_s < rule.clear_after_s - 1e-6:
            expected, found = f"after {rule.clear_after_s:g} s", f"after {over_s:g} s"
            yield Complaint("cleared too early", life.key.card, life.key.rule, expected, found)

    def _change(self, life: Life, alarm: Alarm) -> Iterator[Complaint]:
        """It is latched, lasts again, or is another card's."""
        if alarm.state is AlarmState.NORMAL:  # its new card has such an alarm already
            self._forget(life)
            return
        if alarm.card != life.key.card:
            if self._by_key.get(life.key) == life.id:
                del self._by_key[life.key]
            # What was shelved in this step, before it went on with another card, is so with that.
            if life.mode is not AlarmMode.SHELVED or life.key in self.hidden:
                self._past.setdefault(life.id, life.key)
            was, life.key = life.key, key_of(alarm)
            if was in self.hidden:
                self.hidden[life.key] = self.hidden.pop(was)
            before = self.alive.get(self._by_key.get(life.key, ""))
            if before:
                self._forget(before)
            self._by_key[life.key] = life.id
            self._dirty.add(life.key)
            return
        latched = alarm.state in _LATCHED
        if latched and not self._rules[life.key.rule].latch:
            yield Complaint("latched", life.key.card, life.key.rule, "no latch", alarm.state.name)
        if life.latched and not latched:
            life.acked = False  # it lasts again: that is new
        life.latched = latched

    def _escalate(self, life: Life, alarm: Alarm, now_ns: int) -> Iterator[Complaint]:
        rule = self._rules[life.key.rule]
        after_s = rule.escalate_after_s
        waited_s = (now_ns - life.raised_ns) / _S
        if after_s is None or waited_s < after_s or life.acked or life.escalated:
            found = f"after {waited_s:g} s, acknowledged: {life.acked}, before: {life.escalated}"
            yield Complaint("escalated", life.key.card, life.id, f"once, after {after_s} s", found)
        if alarm.tell != (*rule.tell, *rule.escalate_to):
            yield Complaint("escalated to", life.key.card, life.id, "all of them", str(alarm.tell))
        life.escalated = True

    def _tick(self, now_ns: int) -> Iterator[Complaint]:
        for key, (_, until_ns) in list(self.hidden.items()):
            if until_ns is not None and until_ns <= now_ns:
                del self.hidden[key]
                self._dirty.add(key)
        yield from self._overdue(now_ns)
        yield from self._flooded(now_ns)

    def _overdue(self, now_ns: int) -> Iterator[Complaint]:
        for life in list(self._unseen.values()):
            if life.acked or life.escalated or life.id not in self.alive:
                del self._unseen[life.id]
                continue
            after_s = self._rules[life.key.rule].escalate_after_s or 0.0
            shown = life.mode is AlarmMode.IN_SERVICE
            if shown and now_ns - life.raised_ns >= after_s * _S:
                expected = f"told to others after {after_s:g} s"
                yield Complaint("not escalated", life.key.card, life.id, expected, "it was not")

    def _flooded(self, now_ns: int) -> Iterator[Complaint]:
        if self._flood is None:
            return
        window_ns = round(self._flood.window_s * _S)
        for rule, recent in self._recent.items():
            # Another configuration may look back farther.
            while recent and now_ns - recent[0] > KEPT_WINDOWS * window_ns:
                recent.popleft()
            flood = self._floods.get(rule)
            if flood or not recent or recent[-1] != now_ns:
                continue
            since_ns = max(self._blind_ns, now_ns - window_ns - 1)
            known = sum(t_ns > since_ns for t_ns in recent)
            if known >= self._flood.count:
                yield Complaint("a flood", "", rule, "FLOOD_BEGUN", f"{known} alarms")
        for rule, (group, last_ns) in self._floods.items():
            if now_ns - last_ns >= window_ns:
                yield Complaint("a flood ends", "", rule, "FLOOD_ENDED", f"{group} goes on")

    def _flood_told(self, event: Event, now_ns: int) -> Iterator[Complaint]:
        if event.kind is EventKind.FLOOD_BEGUN:
            yield from self._begin_flood(event)
        elif event.kind is EventKind.FLOOD_ENDED:
            yield from self._end_flood(event, now_ns)

    def _begin_flood(self, event: Event) -> Iterator[Complaint]:
        # It is told behind the alarm that makes it a flood, whose group it is.
        raised = [one for one in self.alive.values() if event.group == f"flood-{_number(one.id)}"]
        rule = raised[0].key.rule if raised else ""
        if not raised or rule in self._floods:
            yield Complaint("flood begins", "", event.group, "once, with an alarm", event.text)
            return
        self._floods[rule] = (event.group, raised[0].raised_ns)
        window_ns = round((self._flood.window_s if self._flood else 0.0) * _S)
        recent = [t for t in self._recent[rule] if raised[0].raised_ns - t <= window_ns]
        if self._flood is None or len(recent) < self._flood.count:
            found = f"{len(recent)} alarms"
            yield Complaint("no flood", "", rule, f"{self._flood} for a flood", found)

    def _end_flood(self, event: Event, now_ns: int) -> Iterator[Complaint]:
        found = [rule for rule, (group, _) in self._floods.items() if group == event.group]
        if not found:
            yield Complaint("flood ends", "", event.group, "one that has begun", event.text)
            return
        _, last_ns = self._floods.pop(found[0])
        if self._flood and now_ns - last_ns < self._flood.window_s * _S:
            yield Complaint("flood ends", "", event.group, "later", event.text)

    def _hide(self, answer: Answer) -> None:
        act = answer.act
        if act.kind in (ActKind.SHELVE, ActKind.UNSHELVE):
            key = self._past.get(act.subject) or self.alive[act.subject].key
        else:
            key = AlarmKey(*act.subject.split("/")) if act.kind in _SERVICE else AlarmKey("")
        if act.kind is ActKind.SHELVE:
            self.hidden[key] = (AlarmMode.SHELVED, act.until_t_ns)
        elif act.kind is ActKind.OUT_OF_SERVICE:
            self.hidden[key] = (AlarmMode.OUT_OF_SERVICE, None)
        elif act.kind in (ActKind.UNSHELVE, ActKind.IN_SERVICE):
            self.hidden.pop(key, None)
        else:
            return
        self._dirty.add(key)

    def _compare(self, name: str, alarm: Alarm) -> Iterator[Complaint]:
        life = self.alive.get(name)
        expected = life.state if life else AlarmState.NORMAL
        if alarm.state is not expected:
            yield Complaint("state", alarm.card, name, expected.name, alarm.state.name)
        if life:
            if (alarm.level, alarm.tell) != (life.level, life.tell):
                said, now = f"{life.level}, {life.tell}", f"{alarm.level}, {alarm.tell}"
                yield Complaint("changed unsaid", alarm.card, name, said, now)
            life.mode = alarm.mode
            mode = self._mode(life.key)
            if alarm.mode is not mode:
                yield Complaint("mode", alarm.card, name, mode.name, alarm.mode.name)

    def _mode(self, key: AlarmKey) -> AlarmMode:
        hiding = self.hidden.get(key) or self.hidden.get(AlarmKey(key.rule))
        if hiding:
            return hiding[0]
        rule: AlarmRule = self._rules[key.rule]
        suppressed = any(self._open_of.get(other) for other in rule.suppressed_by)
        return AlarmMode.SUPPRESSED if suppressed else AlarmMode.IN_SERVICE

    def _count(self, rule: str, by: int) -> None:
        before = self._open_of.get(rule, 0)
        self._open_of[rule] = before + by
        if bool(before) != bool(before + by):
            self._dirty.update(map(AlarmKey, self._hides.get(rule, ())))

    def _forget(self, life: Life) -> None:
        if life.is_open:
            self._count(life.key.rule, -1)
            life.is_open = False
        self._past.setdefault(life.id, life.key)
        self.alive.pop(life.id, None)
        self._of_rule.get(life.key.rule, {}).pop(life.id, None)
        if self._by_key.get(life.key) == life.id:
            del self._by_key[life.key]


def _number(name: str) -> str:
    return name.rpartition("-")[2]
