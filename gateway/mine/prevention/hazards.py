"""Hazards: each goes from found to cleared by operators' acts, one step of the table at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.alarms.words import said
from gateway.mine.change import Act, ActKind, EventKind
from gateway.mine.plan import MinePlan
from gateway.mine.prevention.hazard import (
    HAZARD_PREFIX,
    UNMENDED,
    Hazard,
    HazardInput,
    HazardState,
    HazardStep,
    following,
    keep_hazard,
    possible,
    recall_hazard,
)
from gateway.mine.record import StepRecord

HAZARD_OVERDUE: Final = "hazard_overdue"
#: In these a check may pass it or send it back.
_MENDED: Final = (HazardState.MENDED, HazardState.CHECKED)

#: Hazards that may be open: more than a large mine finds in a year.
OPEN_MOST: Final = 10_000
#: Cleared ones that are still listed, some months of a large mine. Older ones are in the events and
#: in the audit log.
CLEARED_MOST: Final = 5_000
#: Steps that are kept of a hazard: far more than one has that is not sent back for ever.
STEPS_MOST: Final = 64
#: A time to mend that is farther away than this, a year, is a mistake.
DUE_MOST_NS: Final = 366 * 86_400_000_000_000

_NEVER_NS: Final = 1 << 63

_DONE: Final = {
    HazardInput.ASSIGN: "assigned",
    HazardInput.MEND: "mended",
    HazardInput.PASS: "checked",
    HazardInput.REJECT: "sent back",
    HazardInput.SUPERVISE: "supervised",
    HazardInput.CLEAR: "cleared",
    HazardInput.CLEAR_AS_SUPERVISOR: "cleared by its supervisor",
}


class HazardBook:
    """All hazards that are not cleared, and the newest of those that are, oldest first."""

    def __init__(self, plan: MinePlan, alarms: AlarmBook, state: Mapping[str, bytes]) -> None:
        """Takes up the hazards of before a restart; it goes on with `begin`."""
        self._use(plan)
        self._alarms = alarms
        kept = [recall_hazard(v) for key, v in state.items() if key.startswith(HAZARD_PREFIX)]
        self._hazards = {one.id: one for one in sorted(kept, key=lambda one: one.number)}
        #: In the order in which they were cleared.
        cleared = [one for one in self._hazards.values() if not one.is_open]
        cleared.sort(key=lambda one: (one.steps[-1].t_ns, one.number))
        self._cleared = dict.fromkeys(one.id for one in cleared)
        self._changed: dict[str, Hazard | None] = dict(self._hazards)
        self._due_ns = 0  #: None comes to be overdue before this.

    def _use(self, plan: MinePlan) -> None:
        self._plan = plan.prevention
        self._points = {point.id: point for point in plan.prevention.points}
        self._zones = frozenset(zone.id for zone in plan.map.zones)
        self._devices = frozenset(plan.devices)

    @property
    def doers(self) -> dict[ActKind, Callable[[Act, StepRecord], str]]:
        """How each kind of act is done: why it is refused, or nothing."""
        return {
            ActKind.HAZARD_REPORT: self._report,
            ActKind.HAZARD_ASSIGN: self._assign,
            ActKind.HAZARD_MEND: self._mend,
            ActKind.HAZARD_CHECK: self._check,
            ActKind.HAZARD_SUPERVISE: self._supervise,
            ActKind.HAZARD_CLEAR: self._clear,
        }

    def begin(self, record: StepRecord) -> None:
        """Goes on after a restart: alarms are those of the hazards that are overdue now."""
        self.look(record)
        late = {_key(one) for one in self._hazards.values() if one.overdue}
        for key in list(self._alarms):
            if key.rule == HAZARD_OVERDUE and key not in late:
                self._alarms.end(key, record.now_ns, record, f"hazard {key.hazard} is not overdue")
        for hazard in self._hazards.values():
            if hazard.overdue and _key(hazard) not in self._alarms:
                self._raise(hazard, record)

    def reload(self, plan: MinePlan) -> None:
        """Takes over another configuration; hazards stay as they are, whatever is gone."""
        self._use(plan)

    def all(self) -> list[Hazard]:
        """All that are listed, oldest first."""
        return list(self._hazards.values())

    def look(self, record: StepRecord) -> None:
        """Tells which hazards have not been mended in their time."""
        if record.now_ns < self._due_ns:
            return
        for hazard in list(self._hazards.values()):
            self._judge(hazard, record, "it has more time")
        self._due_ns = min(
            (one.due_t_ns for one in self._hazards.values() if _waits(one) and not one.overdue),
            default=_NEVER_NS,
        )

    def take(self) -> dict[str, Hazard | None]:
        """What has changed since this was asked last; None for what is no longer listed."""
        changed, self._changed = self._changed, {}
        return changed

    def _report(self, act: Act, record: StepRecord) -> str:
        given = dict(act.detail)
        point = self._points.get(given.get("risk_point", ""))
        if given.get("risk_point") and point is None:
            return f"there is no risk point {given['risk_point']!r}"
        zone = given.get("zone") or (point.zone if point else "")
        device = given.get("device") or (point.device if point else "")
        if zone and zone not in self._zones:
            return f"there is no zone {zone!r} on the map"
        if device and device not in self._devices:
            return f"there is no device {device!r}"
        if not zone and not device:
            return "say where the hazard is: a risk point, a zone or a device"
        level = int(given.get("level") or (point.level if point else 0))
        if not level:
            return "say of which level the hazard is: only one at a risk point has a level by it"
        due_ns = int(given.get("due_t_ns") or record.now_ns + self._plan.mend_ns(level))
        if refusal := _due_refusal(due_ns, record):
            return refusal
        if len(self._hazards) - len(self._cleared) >= OPEN_MOST:
            return f"{OPEN_MOST} hazards are open: clear some first"
        step = HazardStep(
            record.now_ns, act.operator, HazardInput.REPORT, HazardState.FOUND, act.note
        )
        hazard = Hazard(
            id=f"hazard-{record.next_sequence}",
            title=given.get("title", ""),
            level=level,
            due_t_ns=due_ns,
            steps=(step,),
            risk_point=point.id if point else "",
            zone=zone,
            device=device,
            found_by=act.operator,
            found_t_ns=record.now_ns,
            request_id=act.request_id,
        )
        self._keep(hazard, record)
        text = (
            f"{hazard.id}, level {level}: {hazard.title}; found by {said(act.operator, act.note)}"
        )
        self._say(EventKind.HAZARD_FOUND, hazard, record, text)
        return ""

    def _assign(self, act: Act, record: StepRecord) -> str:
        assignee = dict(act.detail).get("assignee", "")
        if not assignee:
            return "say to whom it is assigned"
        return self._go(act, HazardInput.ASSIGN, record, assignee=assignee)

    def _mend(self, act: Act, record: StepRecord) -> str:
        return self._go(act, HazardInput.MEND, record)

    def _check(self, act: Act, record: StepRecord) -> str:
        passed = dict(act.detail).get("result") == "passed"
        hazard = self._hazards.get(act.subject)
        if hazard and hazard.state in _MENDED and (refusal := _own_work(hazard, act.operator)):
            return refusal
        return self._go(act, HazardInput.PASS if passed else HazardInput.REJECT, record)

    def _supervise(self, act: Act, record: StepRecord) -> str:
        hazard = self._hazards.get(act.subject)
        if hazard and hazard.supervisor and act.operator != hazard.supervisor:
            return f"{hazard.supervisor} supervises {hazard.id}, and alone may hand that over"
        supervisor = dict(act.detail).get("supervisor", "")
        if not supervisor:
            return "say who supervises it"
        return self._go(act, HazardInput.SUPERVISE, record, supervisor=supervisor)

    def _clear(self, act: Act, record: StepRecord) -> str:
        hazard = self._hazards.get(act.subject)
        supervised = bool(hazard and hazard.supervisor)
        as_supervisor = dict(act.detail).get("as_supervisor") == "yes"
        if hazard and supervised and (not as_supervisor or act.operator != hazard.supervisor):
            return f"{hazard.id} is supervised: {hazard.supervisor} alone, as supervisor, clears it"
        if hazard and as_supervisor and not supervised:
            return f"{hazard.id} is not supervised: clear it without saying that you supervise it"
        what = HazardInput.CLEAR_AS_SUPERVISOR if as_supervisor else HazardInput.CLEAR
        return self._go(act, what, record)

    def _go(
        self,
        act: Act,
        what: HazardInput,
        record: StepRecord,
        *,
        assignee: str = "",
        supervisor: str = "",
    ) -> str:
        """Takes a hazard one step on. Returns why not, or nothing."""
        hazard = self._hazards.get(act.subject)
        if hazard is None:
            return f"there is no hazard {act.subject}"
        supervised = bool(hazard.supervisor)
        state = following(hazard.state, what, supervised=supervised)
        if state is None:
            can = [_DONE[one] for one in possible(hazard.state, supervised=supervised)]
            then = f"what it can be is {', '.join(can)}" if can else "nothing is left to be done"
            return f"{hazard.id} is {hazard.state.name.lower()}, not to be {_DONE[what]}: {then}"
        due = dict(act.detail).get("due_t_ns")
        if due and (refusal := _due_refusal(int(due), record)):
            return refusal
        step = HazardStep(record.now_ns, act.operator, what, state, act.note)
        changed = replace(
            _after(hazard, step),
            due_t_ns=int(due) if due else hazard.due_t_ns,
            assignee=assignee or hazard.assignee,
            supervisor=supervisor or hazard.supervisor,
        )
        self._keep(changed, record)
        kind = EventKind.HAZARD_CHANGED if changed.is_open else EventKind.HAZARD_CLEARED
        text = f"{hazard.id} is {_words(what, changed)}: {said(act.operator, act.note)}"
        self._say(kind, changed, record, text)
        self._judge(changed, record, text)
        if not changed.is_open:
            self._forget_oldest(hazard.id, record)
        return ""

    def _judge(self, hazard: Hazard, record: StepRecord, text: str) -> None:
        """Whether a hazard is overdue now: raises its alarm, or ends it, saying why."""
        overdue = _waits(hazard) and hazard.due_t_ns <= record.now_ns
        if overdue == hazard.overdue:
            return
        changed = replace(hazard, overdue=overdue)
        self._keep(changed, record)
        if overdue:
            self._raise(changed, record)
        else:
            self._alarms.end(_key(hazard), record.now_ns, record, text)

    def _raise(self, hazard: Hazard, record: StepRecord) -> None:
        who = hazard.assignee or "nobody yet"
        text = f"{hazard.id}, level {hazard.level}: {hazard.title}; not mended in time by {who}"
        # The more severe of the hazard's level and the family's.
        level = min(hazard.level, self._alarms.level_of(HAZARD_OVERDUE))
        self._alarms.begin(_key(hazard), hazard.late_t_ns, record, text, level=level)

    def _keep(self, hazard: Hazard, record: StepRecord) -> None:
        self._hazards[hazard.id] = self._changed[hazard.id] = hazard
        record.state[HAZARD_PREFIX + hazard.id] = keep_hazard(hazard)
        if _waits(hazard) and not hazard.overdue:
            self._due_ns = min(self._due_ns, hazard.due_t_ns)

    def _forget_oldest(self, cleared: str, record: StepRecord) -> None:
        self._cleared[cleared] = None
        if len(self._cleared) > CLEARED_MOST:
            oldest = next(iter(self._cleared))
            del self._cleared[oldest], self._hazards[oldest]
            record.state[HAZARD_PREFIX + oldest] = self._changed[oldest] = None

    def _say(self, kind: EventKind, hazard: Hazard, record: StepRecord, text: str) -> None:
        record.event(
            kind, record.now_ns, zone=hazard.zone, device=hazard.device, hazard=hazard.id, text=text
        )


def _waits(hazard: Hazard) -> bool:
    return hazard.state in UNMENDED


def _after(hazard: Hazard, step: HazardStep) -> Hazard:
    """A hazard after a step: who has mended it, and when it was sent back, are kept."""
    return replace(
        hazard,
        steps=(*hazard.steps, step)[-STEPS_MOST:],
        mended_by=step.operator if step.what is HazardInput.MEND else hazard.mended_by,
        back_t_ns=step.t_ns if step.what is HazardInput.REJECT else hazard.back_t_ns,
    )


def _own_work(hazard: Hazard, checker: str) -> str:
    """Why someone can't check a hazard: nobody checks what they mended, or had to."""
    mended_by = hazard.mended_by
    if checker not in (mended_by, hazard.assignee):
        return ""
    was = f"mended by {mended_by}" if mended_by else "mended"
    if hazard.assignee != mended_by:
        was = f"{was}, and assigned to {hazard.assignee}"
    return f"{hazard.id} was {was}: someone else than {checker} has to check it"


def _key(hazard: Hazard) -> AlarmKey:
    return AlarmKey(HAZARD_OVERDUE, device=hazard.device, zone=hazard.zone, hazard=hazard.id)


def _due_refusal(due_ns: int, record: StepRecord) -> str:
    if record.now_ns < due_ns <= record.now_ns + DUE_MOST_NS:
        return ""
    return "the time to mend it by must be to come, and within a year"


def _words(what: HazardInput, hazard: Hazard) -> str:
    if what is HazardInput.ASSIGN:
        return f"assigned to {hazard.assignee}"
    if what is HazardInput.SUPERVISE:
        return f"supervised by {hazard.supervisor}"
    return _DONE[what]
