"""Devices whose clocks are off: an alarm while it lasts, also over a restart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from equipment.report import ClockCheck
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.record import StepRecord

CLOCK_SKEW: Final = "clock_skew"


class Clocks:
    """Turns what was found of devices' clocks into alarms."""

    def __init__(self, devices: Collection[str], alarms: AlarmBook) -> None:
        self._devices = frozenset(devices)
        self._alarms = alarms

    def reload(self, devices: Collection[str], record: StepRecord) -> None:
        """Takes over other devices; what was found of those that stay stands."""
        self._devices = frozenset(devices)
        self.drop_unknown(record)

    def drop_unknown(self, record: StepRecord) -> None:
        """Ends the alarms of devices that are no longer configured."""
        for key in list(self._alarms):
            if key.rule == CLOCK_SKEW and key.device not in self._devices:
                text = f"device {key.device} is no longer configured"
                self._alarms.end(key, record.now_ns, record, text)

    def note(self, checks: Sequence[ClockCheck], record: StepRecord) -> None:
        """Takes checks: the first of each device, and each one that found something else."""
        for check in checks:
            key = AlarmKey(CLOCK_SKEW, device=check.device)
            if check.off_ns:
                text = (
                    f"the clock of device {check.device} is off by {check.off_ns / 1e9:+.1f} s "
                    "and not believed: set it"
                )
                self._alarms.begin(key, check.t_ns, record, text)
            else:
                text = f"the clock of device {check.device} is right again"
                self._alarms.end(key, check.t_ns, record, text)
