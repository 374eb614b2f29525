"""What was told last, to compare it with what a core knows that was built of the kept state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.mine.alarms.states import AlarmState
from gateway.mine.change import Changes
from gateway.soak.ledger import Complaint


class Kept:
    """Alarms, hazards, the muster and who has which card, as they were told last."""

    def __init__(self) -> None:
        self._alarms: dict[str, Any] = {}
        self._hazards: dict[str, Any] = {}
        self._muster: Any = None
        self._issued: Mapping[str, str] | None = None

    def take(self, changes: Changes) -> None:
        """Takes what was told in a step."""
        _update(self._alarms, _alarms(changes))
        if changes.prevention:
            _update(self._hazards, changes.prevention.hazards)
        if changes.muster:
            self._muster = changes.muster.muster
        if changes.issued is not None:
            self._issued = changes.issued

    def compare(self, again: Changes) -> Iterator[Complaint]:
        """Compares with the first changes of a core of the kept state."""
        told: dict[str, Any] = {}
        _update(told, _alarms(again))
        yield from _differences("kept alarm", self._alarms, told)
        hazards: dict[str, Any] = {}
        if again.prevention:
            _update(hazards, again.prevention.hazards)
        yield from _differences("kept hazard", self._hazards, hazards)
        muster = again.muster.muster if again.muster else None
        if muster != self._muster:
            yield Complaint("kept muster", "", "", str(self._muster), str(muster))
        if again.issued is not None and again.issued != self._issued:
            yield Complaint("kept cards", "", "", str(self._issued), str(again.issued))


def _alarms(changes: Changes) -> dict[str, Any]:
    over = AlarmState.NORMAL
    return {id_: None if one.state is over else one for id_, one in changes.alarms.items()}


def _update(known: dict[str, Any], told: Mapping[str, Any]) -> None:
    for key, value in told.items():
        if value is None:
            known.pop(key, None)
        else:
            known[key] = value


def _differences(law: str, mine: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[Complaint]:
    for key in sorted(mine.keys() | told.keys()):
        if mine.get(key) != told.get(key):
            yield Complaint(law, "", key, str(mine.get(key)), str(told.get(key)))
