"""Hazards through their life: what operators do, and what must come of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway.mine.change import Act, ActKind, Answer, Changes
from gateway.mine.prevention.hazard import Hazard, HazardState
from gateway.soak.ledger import Complaint, Ledger

_S_NS: Final = 1_000_000_000
#: In how many seconds hazards are to be mended.
MEND_S: Final = (60.0, 600.0)
#: So many are open at once, at most.
OPEN_MOST: Final = 12
WHERE: Final = ("face_3101", "substation", "heading_3105")

#: What operators do, and in which states it may be done, and what comes of it: written down once
#: more, for the core's own table is what is tried.
_MAY: Final = {
    ActKind.HAZARD_ASSIGN: {"FOUND": "ASSIGNED", "ASSIGNED": "ASSIGNED"},
    ActKind.HAZARD_MEND: {"ASSIGNED": "MENDED"},
    ActKind.HAZARD_CHECK: {"MENDED": "CHECKED"},
    ActKind.HAZARD_SUPERVISE: {s: s for s in ("FOUND", "ASSIGNED", "MENDED", "CHECKED")},
    ActKind.HAZARD_CLEAR: {"CHECKED": "CLEARED"},
}
_REJECTED: Final = {"MENDED": "ASSIGNED", "CHECKED": "ASSIGNED"}
_NEXT: Final = {
    "FOUND": ActKind.HAZARD_ASSIGN,
    "ASSIGNED": ActKind.HAZARD_MEND,
    "MENDED": ActKind.HAZARD_CHECK,
    "CHECKED": ActKind.HAZARD_CLEAR,
}


@dataclass(slots=True)
class _Known:
    """A hazard as it must be."""

    id: str
    zone: str
    due_ns: int
    state: str = "FOUND"
    supervisor: str = ""


class HazardRoom:
    """Asks for acts on hazards, and knows what they must have led to."""

    def __init__(self, seed: int, ledger: Ledger) -> None:
        self._rng = np.random.default_rng((seed, 6))
        self._ledger = ledger
        self._known: dict[str, _Known] = {}
        self.cleared = 0

    def think(self, request_id: str, now_ns: int) -> Act:
        """Something to be done: mostly what comes next, now and then what can't be."""
        rng, known = self._rng, list(self._known.values())
        if not known or (len(known) < OPEN_MOST and rng.random() < 0.3):
            due_ns = now_ns + round(float(rng.uniform(*MEND_S)) * _S_NS)
            found = (
                ("title", "a hazard"),
                ("zone", str(rng.choice(WHERE))),
                ("level", str(int(rng.integers(1, 5)))),
                ("due_t_ns", str(due_ns)),
            )
            return Act(request_id, "safety", ActKind.HAZARD_REPORT, "", detail=found)
        one = known[int(rng.integers(len(known)))]
        kind = _NEXT[one.state]
        if rng.random() < 0.3:
            kind = list(_MAY)[int(rng.integers(len(_MAY)))]
        details: dict[ActKind, tuple[tuple[str, str], ...]] = {
            ActKind.HAZARD_ASSIGN: (("assignee", "mender"),),
            ActKind.HAZARD_SUPERVISE: (("supervisor", "safety"),),
            ActKind.HAZARD_CHECK: (("result", "rejected" if rng.random() < 0.3 else "passed"),),
            ActKind.HAZARD_CLEAR: (("as_supervisor", "yes" if rng.random() < 0.6 else "no"),),
        }
        return Act(request_id, "safety", kind, one.id, detail=details.get(kind, ()))

    def check(self, changes: Changes) -> Iterator[Complaint]:
        """Takes the answers of a step, and compares all that is told of hazards."""
        for answer in changes.answers:
            if answer.act.kind.startswith("hazard.") and not answer.again:
                yield from self._answered(answer, changes)
        told = changes.prevention.hazards if changes.prevention else {}
        for name, hazard in told.items():
            yield from self._compare(name, hazard, changes.now_ns)
        for one in self._known.values():
            overdue = one.state in ("FOUND", "ASSIGNED") and one.due_ns <= changes.now_ns
            key = ("hazard_overdue", "", "", one.zone, "", one.id, "")
            if overdue != (key in self._ledger.open):
                expected = f"overdue: {overdue}; it is {one.state}"
                yield Complaint("hazard overdue", "", one.id, expected, "otherwise")

    def _answered(self, answer: Answer, changes: Changes) -> Iterator[Complaint]:
        act, refused = answer.act, bool(answer.refusal)
        detail = dict(act.detail)
        if act.kind is ActKind.HAZARD_REPORT:
            found = [
                hazard
                for hazard in (changes.prevention.hazards if changes.prevention else {}).values()
                if hazard and hazard.request_id == act.request_id
            ]
            if refused or len(found) != 1:
                late = int(detail["due_t_ns"]) <= changes.now_ns
                if not (late and refused):
                    yield Complaint("hazard found", "", "", "a hazard", answer.refusal or "none")
                return
            hazard = found[0]
            self._known[hazard.id] = _Known(hazard.id, detail["zone"], int(detail["due_t_ns"]))
            return
        one = self._known.get(act.subject)
        after = self._after(one, act) if one else None
        if refused != (after is None):
            was = one.state if one else "cleared"
            expected = f"{act.kind} of {act.subject}, which is {was}: {after or 'refused'}"
            yield Complaint("hazard act", "", act.subject, expected, answer.refusal or "done")
        if refused or one is None or after is None:
            return
        one.state = after
        one.supervisor = detail.get("supervisor", one.supervisor)
        if after == "CLEARED":
            del self._known[one.id]
            self.cleared += 1

    def _after(self, one: _Known, act: Act) -> str | None:
        detail = dict(act.detail)
        if act.kind is ActKind.HAZARD_CHECK and detail["result"] == "rejected":
            return _REJECTED.get(one.state)
        as_supervisor = detail.get("as_supervisor") == "yes"
        if act.kind is ActKind.HAZARD_CLEAR and as_supervisor != bool(one.supervisor):
            return None
        return _MAY[act.kind].get(one.state)

    def _compare(self, name: str, hazard: Hazard | None, now_ns: int) -> Iterator[Complaint]:
        one = self._known.get(name)
        if hazard is None:
            return
        expected = one.state if one else HazardState.CLEARED.name
        if hazard.state.name != expected:
            yield Complaint("hazard state", "", name, expected, hazard.state.name)
        if one and (hazard.due_t_ns, hazard.supervisor) != (one.due_ns, one.supervisor):
            expected, found = f"{one.due_ns} {one.supervisor}", f"{hazard.due_t_ns}"
            yield Complaint("hazard kept", "", name, expected, f"{found} {hazard.supervisor}")
        if hazard.overdue and hazard.due_t_ns > now_ns:
            yield Complaint("hazard early", "", name, "in time yet", "overdue")
