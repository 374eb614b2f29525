"""What is written to the disk: what has changed, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.mine.change import Changes
from gateway.soak.ledger import Complaint


class Writes:
    """What each step writes.

    What has changed and is as it was again may be written once more as it was, but not twice
    running.
    """

    def __init__(self) -> None:
        self._again: set[str] = set()

    def check(self, changes: Changes, state: Mapping[str, bytes]) -> Iterator[Complaint]:
        """Looks at what a step writes; `state` is what was kept before."""
        for key, value in changes.state.items():
            if state.get(key) != value:
                self._again.discard(key)
            elif key in self._again:
                found = "the same again" if value else "it is forgotten again"
                yield Complaint("written", "", key, "only what has changed", found)
            else:
                self._again.add(key)
