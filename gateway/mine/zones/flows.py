"""How many have come in and gone out, of the mine and of each zone: in = out + below, always."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.mine.change import Event, EventKind, Flow
from gateway.mine.record import StepRecord

#: Where the journal's state holds the counts, those of the mine itself without an id.
STATE_PREFIX: Final = "flows/"
#: The mine itself, beside the ids of zones.
MINE: Final = ""

_INTO: Final = (EventKind.ZONE_ENTERED, EventKind.MINE_ENTERED)
_OUT: Final = (EventKind.ZONE_LEFT, EventKind.MINE_LEFT)


class FlowBook:
    """Counts the crossings that each step tells, and keeps the counts with them."""

    def __init__(self, state: Mapping[str, bytes]) -> None:
        """Takes up the counts of before a restart."""
        #: A new one whenever it changes: the one before is told already.
        self._flows: dict[str, Flow] = {
            key.removeprefix(STATE_PREFIX): Flow(*json.loads(value))
            for key, value in state.items()
            if key.startswith(STATE_PREFIX)
        }

    def begin(self, inside: Mapping[str, int], record: StepRecord) -> None:
        """After a restart: `inside` is how many are in each zone, and in the mine.

        What an older gateway did not count, or damage has taken, is made up for, so that the law
        holds from here on.
        """
        self.note(record.events, record)
        into, out = Counter[str](), Counter[str]()
        for zone, count in inside.items():
            flow = self._flows.get(zone, Flow())
            missing = count - (flow.entered - flow.left)
            into[zone], out[zone] = max(missing, 0), max(-missing, 0)
        self._add(into, out, record)

    def note(self, events: Sequence[Event], record: StepRecord) -> None:
        """Takes what was told since this was called last."""
        into = Counter(event.zone for event in events if event.kind in _INTO)
        out = Counter(event.zone for event in events if event.kind in _OUT)
        if into or out:
            self._add(into, out, record)

    def all(self) -> Mapping[str, Flow]:
        """By id of the zone; the mine itself is `MINE`."""
        return self._flows

    def _add(self, into: Counter[str], out: Counter[str], record: StepRecord) -> None:
        flows = dict(self._flows)
        for zone in {**into, **out}:
            before = flows.get(zone, Flow())
            entered, left = before.entered + into[zone], before.left + out[zone]
            flows[zone] = Flow(entered, left)
            record.state[STATE_PREFIX + zone] = json.dumps([entered, left]).encode()
        self._flows = flows
