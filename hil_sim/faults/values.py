"""What faults make of a machine's values, before they are on any wire. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from equipment.report import Value
from hil_sim.faults.book import Faults
from hil_sim.faults.kinds import FaultKind


class FaultyValues:
    """One machine's values: as they are, frozen or drifting."""

    def __init__(self, faults: Faults) -> None:
        """`faults`: those of the machine, always of now."""
        self._faults = faults
        self._frozen: tuple[int, dict[str, Value]] | None = None

    def seen(self, values: Mapping[str, Value], world_s: float) -> dict[str, Value]:
        """What the machine shows where it should show `values`."""
        shown = dict(values)
        drift = self._faults.get(FaultKind.DRIFT)
        if drift is not None and drift.fault.point in shown:
            start = shown[drift.fault.point]
            shown[drift.fault.point] = float(start) + drift.fault.per_s * (world_s - drift.begin_s)
        frozen = self._faults.get(FaultKind.FROZEN)
        if frozen is None:
            self._frozen = None
            return shown
        if self._frozen is None or self._frozen[0] != frozen.number:
            point = frozen.fault.point
            held = {name: v for name, v in shown.items() if point in (None, name)}
            self._frozen = frozen.number, held
        return shown | self._frozen[1]
