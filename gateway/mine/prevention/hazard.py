"""The life of a hazard as a table, from found to cleared, and what the journal keeps of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Final

#: Where the journal's state holds hazards.
HAZARD_PREFIX: Final = "hazard/"


class HazardState(IntEnum):
    """Where a hazard is in its life; the numbers are those of the contract's `HazardState`."""

    FOUND = 1
    ASSIGNED = 2
    MENDED = 3
    CHECKED = 4
    CLEARED = 5


class HazardInput(IntEnum):
    """What is done to a hazard; the numbers are those of the contract's `HazardStepKind`."""

    REPORT = 1
    ASSIGN = 2
    MEND = 3
    PASS = 4
    REJECT = 5
    SUPERVISE = 6
    CLEAR = 7
    CLEAR_AS_SUPERVISOR = 8


#: In these it is still to be mended, and can be overdue.
UNMENDED: Final = frozenset({HazardState.FOUND, HazardState.ASSIGNED})

_Table = Mapping[tuple[HazardState, HazardInput], HazardState]

#: What is not here can't be done.
_ORDINARY: Final[_Table] = {
    (HazardState.FOUND, HazardInput.ASSIGN): HazardState.ASSIGNED,
    (HazardState.FOUND, HazardInput.SUPERVISE): HazardState.FOUND,
    (HazardState.ASSIGNED, HazardInput.ASSIGN): HazardState.ASSIGNED,
    (HazardState.ASSIGNED, HazardInput.SUPERVISE): HazardState.ASSIGNED,
    (HazardState.ASSIGNED, HazardInput.MEND): HazardState.MENDED,
    (HazardState.MENDED, HazardInput.PASS): HazardState.CHECKED,
    (HazardState.MENDED, HazardInput.REJECT): HazardState.ASSIGNED,
    (HazardState.MENDED, HazardInput.SUPERVISE): HazardState.MENDED,
    (HazardState.CHECKED, HazardInput.REJECT): HazardState.ASSIGNED,
    (HazardState.CHECKED, HazardInput.SUPERVISE): HazardState.CHECKED,
    (HazardState.CHECKED, HazardInput.CLEAR): HazardState.CLEARED,
}

_BY_ANYONE: Final = (HazardState.CHECKED, HazardInput.CLEAR)

_SUPERVISED: Final[_Table] = {
    **{step: state for step, state in _ORDINARY.items() if step != _BY_ANYONE},
    (HazardState.CHECKED, HazardInput.CLEAR_AS_SUPERVISOR): HazardState.CLEARED,
}


def following(
    state: HazardState, happened: HazardInput, *, supervised: bool = False
) -> HazardState | None:
    """The state after `happened`; None where it can't be done."""
    return (_SUPERVISED if supervised else _ORDINARY).get((state, happened))


def possible(state: HazardState, *, supervised: bool = False) -> list[HazardInput]:
    """What can be done to a hazard in this state."""
    table = _SUPERVISED if supervised else _ORDINARY
    return [happened for before, happened in table if before is state]


@dataclass(frozen=True, slots=True)
class HazardStep:
    """Something that was done to a hazard: when, by whom, and the state that it led to."""

    t_ns: int
    operator: str
    what: HazardInput
    state: HazardState
    note: str = ""


@dataclass(frozen=True, slots=True)
class Hazard:
    """A found deficiency and its life; `level` is 1 (most severe) to 4.

    `risk_point`, `zone` and `device` say where it is, empty where they do not apply. It is to be
    mended by `due_t_ns`; `overdue`: it was not. `supervisor` is who alone may clear it, empty where
    it is not supervised. `request_id` is that of the act that reported it. `steps` are the newest
    ones, the last that which led to the state of now.
    """

    id: str
    title: str
    level: int
    due_t_ns: int
    steps: tuple[HazardStep, ...]
    risk_point: str = ""
    zone: str = ""
    device: str = ""
    assignee: str = ""
    supervisor: str = ""
    overdue: bool = False
    found_by: str = ""
    found_t_ns: int = 0
    request_id: str = ""

    @property
    def state(self) -> HazardState:
        """Where it is in its life."""
        return self.steps[-1].state

    @property
    def is_open(self) -> bool:
        """Whether it is not cleared yet."""
        return self.state is not HazardState.CLEARED

    @property
    def number(self) -> int:
        """That of the event which told it: it grows from hazard to hazard."""
        return int(self.id.rpartition("-")[2])


def keep_hazard(hazard: Hazard) -> bytes:
    """What the journal keeps of a hazard: all of it."""
    return json.dumps(asdict(hazard), ensure_ascii=False).encode()


def recall_hazard(value: bytes) -> Hazard:
    """The same again."""
    kept = json.loads(value)
    steps = tuple(
        HazardStep(
            **{**step, "what": HazardInput(step["what"]), "state": HazardState(step["state"])}
        )
        for step in kept["steps"]
    )
    return Hazard(**{**kept, "steps": steps})
