"""Names in words for people: those of the configuration that runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.mine.change import Changes
from gateway.mine.plan import MinePlan
from gateway.soak.ledger import Complaint

#: A zone or a machine with its name: `zone refuge_1 (refuge 1)`.
_NAMED: Final = re.compile(r"\b(zone|machine) (\w+) \(")


class Names:
    """Compares the names in what is told in a step."""

    def __init__(self, plan: MinePlan) -> None:
        self.use(plan)

    def use(self, plan: MinePlan, now_ns: int = 0) -> None:
        """Another configuration, from now on."""
        self._since_ns = now_ns
        self._names = {("zone", zone.id): zone.name for zone in plan.map.zones}
        self._names |= {("machine", machine.id): machine.name for machine in plan.machines}

    def check(self, changes: Changes) -> Iterator[Complaint]:
        """Compares after a step."""
        for event in changes.events:
            if event.alarm and event.alarm.start_t_ns <= self._since_ns:
                continue  # its words are of before
            for kind, id_ in _NAMED.findall(event.text):
                known = self._names.get((kind, id_))
                if known is not None and f"{kind} {id_} ({known})" not in event.text:
                    yield Complaint("names", event.card, id_, known, event.text)
