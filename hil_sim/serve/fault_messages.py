"""Faults as messages of the simulator's contract, and back."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError

from equipment.wording import problem_of
from hil_sim.faults.book import Active, is_endless
from hil_sim.faults.kinds import DETAILS, Fault, FaultKind
from lamproom.sim.v1 import simulator_pb2 as pb

_SECOND_NS: Final = 1_000_000_000

_PREFIX: Final = "FAULT_KIND_"


def timestamp(t_ns: int) -> Timestamp:
    """Nanoseconds since the Unix epoch as a message."""
    return Timestamp(seconds=t_ns // _SECOND_NS, nanos=t_ns % _SECOND_NS)


def fault_of(spec: pb.FaultSpec) -> Fault:
    """What is wished.

    Raises:
        ValueError: it is not right; the text says which field and why.
    """
    if spec.kind == pb.FAULT_KIND_UNSPECIFIED or spec.kind not in pb.FaultKind.values():
        msg = "kind must be given"
        raise ValueError(msg)
    name = pb.FaultKind.Name(spec.kind).removeprefix(_PREFIX).lower()
    keys: dict[str, Any] = {"device": spec.device_id, "kind": FaultKind(name)}
    keys |= {key: getattr(spec, key) for key in DETAILS if spec.HasField(key)}
    try:
        return Fault.model_validate(keys)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'spec'}: {problem_of(one)}"
            for one in error.errors()
        ]
        raise ValueError("; ".join(problems)) from None


def fault_message(active: Active) -> pb.Fault:
    """A fault that there is."""
    fault = active.fault
    details = {key: getattr(fault, key) for key in DETAILS if key in fault.model_fields_set}
    spec = pb.FaultSpec(
        device_id=fault.device,
        kind=pb.FaultKind.Value(_PREFIX + fault.kind.name),
        **details,
    )
    return pb.Fault(
        number=active.number,
        spec=spec,
        device_ids=active.devices,
        begin_time=timestamp(active.begin_t_ns),
        begin_s=active.begin_s,
        end_s=None if is_endless(active) else active.end_s,
    )
