"""Lost and refused data, told at once and then in sums, so that a flood is grouped, not hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from equipment.report import Notice, NoticeKind
from gateway.mine.change import EventKind
from gateway.mine.record import StepRecord

#: How often one device's losses (or refusals) are told while they go on.
TELL_EVERY_NS: Final = 60_000_000_000

#: Reasons that one telling names. Some hold what the device gave, so there may be any number.
REASONS_MOST: Final = 3

Key = tuple[str, NoticeKind]


class _Waiting:
    """What of one device and kind has yet to be told."""

    def __init__(self) -> None:
        self.count = 0
        self.t_ns = 0
        self.reasons: list[str] = []
        self.more = False

    def add(self, notice: Notice) -> None:
        self.count += notice.count
        self.t_ns = notice.t_ns
        if notice.text in self.reasons:
            return
        if len(self.reasons) < REASONS_MOST:
            self.reasons.append(notice.text)
        else:
            self.more = True

    def text(self) -> str:
        return "; ".join(self.reasons) + ("; and more like these" if self.more else "")


class NoticeBook:
    """What has yet to be told, by device and kind."""

    def __init__(self) -> None:
        self._waiting: dict[Key, _Waiting] = {}
        self._told_ns: dict[Key, int] = {}

    def shift(self, by_ns: int) -> None:
        """Follows a leap of time."""
        self._told_ns = {key: told_ns + by_ns for key, told_ns in self._told_ns.items()}

    def note(self, notices: Sequence[Notice], record: StepRecord) -> None:
        """Takes notices over and tells what is due: the reasons, and the sum of the counts."""
        for notice in notices:
            self._waiting.setdefault((notice.device, notice.kind), _Waiting()).add(notice)
        for key in list(self._waiting):
            told_ns = self._told_ns.get(key)
            if told_ns is None or record.now_ns - told_ns >= TELL_EVERY_NS:
                self._tell(key, record)

    def tell_all(self, record: StepRecord) -> None:
        """Tells what is left, due or not."""
        for key in list(self._waiting):
            self._tell(key, record)

    def _tell(self, key: Key, record: StepRecord) -> None:
        device, kind = key
        waiting = self._waiting.pop(key)
        self._told_ns[key] = record.now_ns
        text = f"device {device}: {waiting.text()}" if device else waiting.text()
        record.event(EventKind(kind), waiting.t_ns, device=device, text=text, count=waiting.count)
