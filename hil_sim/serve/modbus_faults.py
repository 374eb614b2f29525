"""What faults make of a Modbus unit's answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hil_sim.faults.book import Faults
from hil_sim.faults.kinds import FaultKind


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and what is to be wrong with the frame around it.

    `delay_s`: how late it comes. `garbage`: any bytes instead, as many.
    """

    pdu: bytes
    delay_s: float = 0.0
    wrong_id: Literal["default", "transaction", "unit"] | None = None
    garbage: bool = False


def spoiled(pdu: bytes, faults: Faults) -> Reply | None:
    """What comes instead of the right answer `pdu`; None: nothing."""
    if not faults:
        return Reply(pdu)
    if FaultKind.SILENT in faults:
        return None
    if refusal := faults.get(FaultKind.EXCEPTION):
        pdu = bytes((pdu[0] | 0x80, refusal.fault.code))
    elif FaultKind.SHORT_ANSWER in faults:
        pdu = _shortened(pdu)
    slow = faults.get(FaultKind.SLOW)
    wrong = faults.get(FaultKind.WRONG_ID)
    return Reply(
        pdu,
        delay_s=slow.fault.delay_s if slow else 0.0,
        wrong_id=(wrong.fault.id or "default") if wrong else None,
        garbage=FaultKind.GARBAGE in faults,
    )


def _shortened(pdu: bytes) -> bytes:
    """A read's answer with its last register, or its last eight bits, left out; well formed."""
    if pdu[0] & 0x80:
        return pdu
    data = pdu[2 : -2 if pdu[0] in (3, 4) else -1]
    return bytes((pdu[0], len(data))) + data
