"""Lost and refused data, told at once and then in sums, so that a flood is grouped, not hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from equipment.report import Notice, NoticeKind
from gateway.mine.change import EventKind
from gateway.mine.record import StepRecord

#: How often one device's losses (or refusals) are told while they go on.
TELL_EVERY_NS: Final = 60_000_000_000


class NoticeBook:
    """What has yet to be told, by device and kind."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, NoticeKind], Notice] = {}
        self._counts: dict[tuple[str, NoticeKind], int] = {}
        self._told_ns: dict[tuple[str, NoticeKind], int] = {}

    def note(self, notices: Sequence[Notice], record: StepRecord) -> None:
        """Takes notices over and tells what is due: the newest text, and the sum of the counts."""
        for notice in notices:
            key = (notice.device, notice.kind)
            self._waiting[key] = notice
            self._counts[key] = self._counts.get(key, 0) + notice.count
        for key, notice in list(self._waiting.items()):
            told_ns = self._told_ns.get(key)
            if told_ns is None or record.now_ns - told_ns >= TELL_EVERY_NS:
                self._tell(key, notice, record)

    def _tell(self, key: tuple[str, NoticeKind], notice: Notice, record: StepRecord) -> None:
        self._told_ns[key] = record.now_ns
        del self._waiting[key]
        record.event(
            EventKind(notice.kind),
            notice.t_ns,
            device=notice.device,
            text=f"device {notice.device}: {notice.text}",
            count=self._counts.pop(key),
        )
