"""The kinds of faults, what each needs to be told, and for which devices it is possible. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from equipment.device import DEVICES_FILE, DeviceId
from equipment.strict import Plain, Strict


class FaultKind(StrEnum):
    """What can go wrong."""

    DEAD = "dead"
    SILENT = "silent"
    SLOW = "slow"
    SHORT_ANSWER = "short_answer"
    WRONG_ID = "wrong_id"
    EXCEPTION = "exception"
    GARBAGE = "garbage"
    FROZEN = "frozen"
    WORD_ORDER = "word_order"
    DRIFT = "drift"
    CLOCK_JUMP = "clock_jump"
    CLOCK_DRIFT = "clock_drift"
    NAMESPACE_SHIFT = "namespace_shift"
    LATE_NODES = "late_nodes"
    LINK_LOST = "link_lost"


class Wire(StrEnum):
    """How a device is reached, as messages name it."""

    MODBUS = "Modbus TCP"
    RTU = "Modbus RTU over TCP"
    OPC_UA = "OPC UA"
    MQTT = "MQTT"
    TEXT = "text over TCP"
    DATAGRAMS = "text over UDP"


_MODBUS: Final = frozenset({Wire.MODBUS, Wire.RTU})
_LINES: Final = frozenset({Wire.TEXT, Wire.DATAGRAMS})

#: The wires on which each kind is possible.
WIRES: Final[Mapping[FaultKind, frozenset[Wire]]] = {
    FaultKind.DEAD: _MODBUS | {Wire.OPC_UA, Wire.TEXT},
    FaultKind.SILENT: frozenset(Wire),
    FaultKind.SLOW: frozenset(Wire),
    FaultKind.SHORT_ANSWER: _MODBUS,
    FaultKind.WRONG_ID: _MODBUS,
    FaultKind.EXCEPTION: _MODBUS | {Wire.OPC_UA},
    FaultKind.GARBAGE: _MODBUS | _LINES,
    FaultKind.FROZEN: _MODBUS | {Wire.OPC_UA, Wire.MQTT},
    FaultKind.WORD_ORDER: _MODBUS,
    FaultKind.DRIFT: _MODBUS | {Wire.OPC_UA, Wire.MQTT},
    FaultKind.CLOCK_JUMP: _MODBUS | _LINES,
    FaultKind.CLOCK_DRIFT: _MODBUS | _LINES,
    FaultKind.NAMESPACE_SHIFT: frozenset({Wire.OPC_UA}),
    FaultKind.LATE_NODES: frozenset({Wire.OPC_UA}),
    FaultKind.LINK_LOST: frozenset({Wire.MQTT}),
}

#: What else is to be said where a kind is not possible.
_INSTEAD: Final[Mapping[tuple[FaultKind, Wire], str]] = {
    (FaultKind.DEAD, Wire.MQTT): "the broker is not the simulator's to end: 'link_lost' is near",
    (FaultKind.DEAD, Wire.DATAGRAMS): "who sends datagrams refuses no connection: take 'silent'",
}

#: Of readers only, and of machines only.
_OF_READERS: Final = frozenset({FaultKind.CLOCK_JUMP, FaultKind.CLOCK_DRIFT})
_OF_MACHINES: Final = frozenset({FaultKind.FROZEN, FaultKind.WORD_ORDER, FaultKind.DRIFT})

#: What befalls all devices at one address together, by the wire.
_TOGETHER: Final[Mapping[Wire, frozenset[FaultKind]]] = {
    Wire.MODBUS: frozenset({FaultKind.DEAD}),
    Wire.RTU: frozenset({FaultKind.DEAD}),
    Wire.OPC_UA: frozenset(
        {FaultKind.DEAD, FaultKind.SILENT, FaultKind.SLOW, FaultKind.NAMESPACE_SHIFT}
    ),
    Wire.MQTT: frozenset({FaultKind.SILENT, FaultKind.SLOW, FaultKind.LINK_LOST}),
}

#: Keys beside those that all kinds have: which each kind needs, and which it may have.
_NEEDED: Final[Mapping[FaultKind, frozenset[str]]] = {
    FaultKind.DRIFT: frozenset({"point", "per_s"}),
    FaultKind.CLOCK_JUMP: frozenset({"by_s"}),
    FaultKind.CLOCK_DRIFT: frozenset({"per_s"}),
}
_MAY: Final[Mapping[FaultKind, frozenset[str]]] = {
    FaultKind.SLOW: frozenset({"delay_s"}),
    FaultKind.WRONG_ID: frozenset({"id"}),
    FaultKind.EXCEPTION: frozenset({"code", "status"}),
    FaultKind.FROZEN: frozenset({"point"}),
}
#: All of them.
DETAILS: Final = ("delay_s", "code", "status", "point", "per_s", "by_s", "id")

Status = Literal[
    "BadCommunicationError",
    "BadDeviceFailure",
    "BadNoCommunication",
    "BadNotConnected",
    "BadOutOfService",
    "BadSensorFailure",
    "BadWaitingForInitialData",
]


class Fault(Strict):
    """What is to go wrong with a device.

    `delay_s` (slow): answers come so late. `code`: Modbus exception; `status`: of OPC UA values.
    `point`, `per_s`: what drifts or is frozen, and how fast it drifts, in its units; of a clock,
    seconds a second. `by_s`: how far a clock jumps. `id`: what of an answer is wrong.
    """

    device: DeviceId
    kind: FaultKind
    delay_s: float = Field(default=5.0, gt=0, le=600)
    code: int = Field(default=4, ge=1, le=255, strict=True)
    status: Status = "BadDeviceFailure"
    point: Plain | None = None
    per_s: float = Field(default=0.0, ge=-1e6, le=1e6)
    by_s: float = Field(default=0.0, ge=-1e8, le=1e8)
    id: Literal["transaction", "unit"] | None = None

    @model_validator(mode="after")
    def _has_its_keys(self) -> Self:
        given = self.model_fields_set.intersection(DETAILS)
        needed = _NEEDED.get(self.kind, frozenset())
        takes = needed | _MAY.get(self.kind, frozenset())
        missing = sorted(needed - given)
        if missing:
            msg = f"kind {self.kind.value!r} needs {' and '.join(missing)}"
            raise ValueError(msg)
        other = sorted(given - takes)
        if other:
            what = f"takes {', '.join(sorted(takes))}" if takes else "takes no more keys"
            msg = f"{other[0]} is not of kind {self.kind.value!r}, which {what}"
            raise ValueError(msg)
        return self


class TimedFault(Fault):
    """One `[[fault]]` of a scenario: it begins at `at_s` of the world's time.

    `for_s`: how long it lasts by the world's time; without it, to the end.
    """

    at_s: float = Field(ge=0, le=1e9)
    for_s: float | None = Field(default=None, gt=0, le=1e9)


Count = Annotated[int, Field(ge=0, strict=True)]


class RandomFaults(Strict):
    """`[random_faults]`: faults that come by chance, the same ones for the same seed.

    `mean_s`: mean time between the beginnings of two; `for_s`: how long one lasts on average.
    `kinds`, `devices`: only these; all that are possible where left out.
    """

    seed: Count = 1
    mean_s: float = Field(gt=0, le=1e9)
    for_s: float = Field(default=20.0, gt=0, le=1e9)
    kinds: tuple[FaultKind, ...] = ()
    devices: tuple[DeviceId, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A device that faults can befall.

    `points`: all points of a machine; `spans`: those that are numbers, with how far they reach.
    `beside`: the other devices at its address.
    """

    device: str
    wire: Wire
    reader: bool
    points: tuple[str, ...] = ()
    spans: Mapping[str, float] | None = None
    beside: tuple[str, ...] = ()


#: Garbage is by chance, and the same on each connection.
GARBAGE_SEED: Final = 1


class FaultError(ValueError):
    """A fault is not possible; `key` is what is wrong of it."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key, self.problem = key, problem


def possible(kind: FaultKind, target: Target) -> bool:
    """Whether a kind can befall a device."""
    if kind is FaultKind.DRIFT and not target.spans:
        return False
    of_kind = _OF_MACHINES if target.reader else _OF_READERS
    return target.wire in WIRES[kind] and kind not in of_kind


def check(fault: Fault, targets: Mapping[str, Target]) -> Target:
    """The device that a fault is for.

    Raises:
        FaultError: there is no such device or point, or the kind is not possible for it.
    """
    target = targets.get(fault.device)
    if target is None:
        raise FaultError("device", no_device(fault.device))
    if not possible(fault.kind, target):
        raise FaultError("kind", _why_not(fault.kind, target))
    if fault.kind is FaultKind.DRIFT and fault.point not in (target.spans or {}):
        msg = f"{fault.device!r} has no number {fault.point!r}: {_some(target.spans or ())}"
        raise FaultError("point", msg)
    if fault.point is not None and fault.point not in target.points:
        msg = f"{fault.device!r} has no point {fault.point!r}: {_some(target.points)}"
        raise FaultError("point", msg)
    if target.wire is Wire.RTU and fault.id == "transaction":
        raise FaultError("id", f"{target.wire.value} has no transaction: write 'unit'")
    given = fault.model_fields_set
    for key, wires in (("code", WIRES[FaultKind.WRONG_ID]), ("status", {Wire.OPC_UA})):
        if key in given and target.wire not in wires:
            raise FaultError(key, f"{target.wire.value} has no such thing: leave it out")
    return target


def no_device(device: str) -> str:
    """What is wrong with a device that is not there."""
    return f"{DEVICES_FILE} has no device {device!r} that is simulated"


def _why_not(kind: FaultKind, target: Target) -> str:
    what = f"{'a reader' if target.reader else 'a machine'} over {target.wire.value}"
    can = ", ".join(one.value for one in FaultKind if possible(one, target))
    instead = _INSTEAD.get((kind, target.wire))
    beside = f" ({instead})" if instead else ""
    return f"{kind.value!r} is not possible for {target.device!r}, {what}{beside}; it can be {can}"


def _some(names: Iterable[str]) -> str:
    return f"it has {', '.join(sorted(names)) or 'none'}"


def befallen(fault: Fault, target: Target) -> tuple[str, ...]:
    """The devices that a fault befalls: the one that it is for, then others at its address."""
    together = fault.kind in _TOGETHER.get(target.wire, frozenset())
    return (target.device, *target.beside) if together else (target.device,)


def made(**keys: Any) -> Fault:
    """A fault from keys that are known to be right."""
    return Fault.model_validate(keys)
