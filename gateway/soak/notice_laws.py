"""Lost and refused data: told at once, then in sums, and nothing of it is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from equipment.report import Notice
from gateway.mine.change import Changes, Event, EventKind
from gateway.soak.ledger import Complaint

#: While it goes on it is told so often, seconds; of the reasons so many are named.
EVERY_S: Final = 60.0
NAMED: Final = 3
#: A step is a second.
STEP_S: Final = 1.0

_Key = tuple[str, int]


class NoticeLaws:
    """What was given of each device and kind, and not yet told."""

    def __init__(self) -> None:
        self._counts: dict[_Key, int] = {}
        self._reasons: dict[_Key, list[str]] = {}
        self._told_s: dict[_Key, float] = {}  # in listened seconds

    def restarted(self) -> None:
        """A core that has died tells no more of what it was given."""
        for known in (self._counts, self._reasons, self._told_s):
            known.clear()

    def check(
        self, changes: Changes, given: Sequence[Notice], late: int, listened_s: float
    ) -> Iterator[Complaint]:
        """Compares after a step, in which `late` ranges were left out as too late."""
        for one in given:
            self._add((one.device, int(one.kind)), one.count, one.text)
        if late:
            self._add(("", int(EventKind.DATA_REFUSED)), late, "")
        yield from self._told(changes, listened_s)
        for key in self._counts:
            if listened_s - self._told_s.get(key, -EVERY_S) > EVERY_S + STEP_S:
                yield Complaint("lost data told", "", key[0], "an event: it is due", "none")

    def end(self, changes: Changes, listened_s: float) -> Iterator[Complaint]:
        """Compares at the end: all is told, due or not."""
        self._told_s.clear()
        yield from self._told(changes, listened_s)
        for key, count in self._counts.items():
            yield Complaint("lost data told", "", key[0], f"an event of {count}", "none")

    def _add(self, key: _Key, count: int, reason: str) -> None:
        self._counts[key] = self._counts.get(key, 0) + count
        reasons = self._reasons.setdefault(key, [])
        if reason not in reasons:
            reasons.append(reason)

    def _told(self, changes: Changes, listened_s: float) -> Iterator[Complaint]:
        for event in changes.events:
            if event.kind in (EventKind.DATA_LOST, EventKind.DATA_REFUSED):
                yield from self._one(event, listened_s)

    def _one(self, event: Event, listened_s: float) -> Iterator[Complaint]:
        key = event.device, int(event.kind)
        count, reasons = self._counts.pop(key, 0), self._reasons.pop(key, [])
        if event.count != count:
            yield Complaint("lost data adds up", "", key[0], str(count), str(event.count))
        missing = [reason for reason in reasons[:NAMED] if reason not in event.text]
        if missing or any(reason in event.text for reason in reasons[NAMED:]):
            yield Complaint("reasons told", "", key[0], str(reasons[:NAMED]), event.text)
        if listened_s - self._told_s.get(key, -EVERY_S) < EVERY_S - STEP_S:
            yield Complaint("lost data is grouped", "", key[0], f"once in {EVERY_S:g} s", "oftener")
        self._told_s[key] = listened_s
