"""What is written to the disk: what has changed, and no more."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.mine.change import Changes
from gateway.mine.devices.anchors import STATE_PREFIX as ANCHOR_PREFIX
from gateway.mine.machines.poses import STATE_PREFIX as MACHINE_PREFIX
from gateway.mine.plan import MinePlan
from gateway.soak.ledger import Complaint

#: What is learnt of anchors is halved now and then, so that what is new counts.
FADED_SHARE: Final = 0.45
#: So many times running: the end of an alarm may be put off and called off in each step.
AGAIN_MOST: Final = 4


class Writes:
    """What each step writes.

    What has changed within a step and is as it was again may be written once more as it was, but
    not for long. Anchors and machines are written when they are heard, whatever of that was used.
    """

    def __init__(self) -> None:
        self._again: Counter[str] = Counter()
        self._heard: dict[str, tuple[list[float], int]] = {}

    def use(self, plan: MinePlan) -> None:
        """Another configuration: what was learnt of anchors that stand elsewhere is over."""
        for one in plan.map.anchors:
            key = ANCHOR_PREFIX + one.id
            if self._heard.get(key, ([],))[0] != [one.x_m, one.y_m, one.z_m]:
                self._heard.pop(key, None)

    def restarted(self) -> None:
        """A core that began has written once more what goes on."""
        self._again.clear()

    def check(self, changes: Changes, state: Mapping[str, bytes]) -> Iterator[Complaint]:
        """Looks at what a step writes; `state` is what was kept before."""
        for key, value in changes.state.items():
            if value and key.startswith(ANCHOR_PREFIX):
                yield from self._learnt(key, value)
            if key.startswith((ANCHOR_PREFIX, MACHINE_PREFIX)):
                continue
            if state.get(key) != value:
                self._again.pop(key, None)
                continue
            self._again[key] += 1
            if self._again[key] > AGAIN_MOST:
                found = "the same again" if value else "it is forgotten again"
                yield Complaint("written", "", key, "only what has changed", found)

    def _learnt(self, key: str, value: bytes) -> Iterator[Complaint]:
        """How often an anchor was heard grows while it stands where it did, but for fading."""
        kept = json.loads(value)
        place_m, heard = kept["place_m"], kept["stats"]["heard"]
        before_m, before = self._heard.get(key, (place_m, 0))
        self._heard[key] = place_m, heard
        if before_m == place_m and heard < FADED_SHARE * before:
            yield Complaint("anchor learnt", "", key, f"heard {before} times", f"{heard}")
