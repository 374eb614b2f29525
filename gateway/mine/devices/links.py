"""Which devices are not heard, and the alarm about it."""

from __future__ import annotations

from collections.abc import Sequence

from equipment.report import LinkChange, LinkState
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.families import DEVICE_DOWN
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.plan import AlarmRule
from gateway.mine.record import StepRecord


class Links:
    """Since when each device has been down."""

    def __init__(self, devices: Sequence[str], rule: AlarmRule, alarms: AlarmBook) -> None:
        self._devices = frozenset(devices)
        self._rule = rule
        self._alarms = alarms
        #: What went wrong first, and when it has lasted for too long.
        self._down: dict[str, tuple[LinkChange, int]] = {}

    @property
    def down(self) -> frozenset[str]:
        """The devices that are not heard now."""
        return frozenset(self._down)

    def reload(self, devices: Sequence[str], rule: AlarmRule, record: StepRecord) -> None:
        """Takes over other devices and another delay; who is down stays so, since when it is."""
        later_ns = round(rule.after_s * 1e9) - round(self._rule.after_s * 1e9)
        self._devices, self._rule = frozenset(devices), rule
        self._down = {
            device: (link, due_ns + later_ns)
            for device, (link, due_ns) in self._down.items()
            if device in self._devices
        }
        self.drop_unknown(record)

    def drop_unknown(self, record: StepRecord) -> None:
        """Ends the alarms of devices that are no longer configured."""
        for key in self._alarms:
            if key.rule == DEVICE_DOWN and key.device not in self._devices:
                text = f"device {key.device} is no longer configured"
                self._alarms.close(key, record.now_ns, record, text)

    def shift(self, by_ns: int) -> None:
        """Puts the alarms off by a time in which the gateway did not listen."""
        self._down = {device: (link, due + by_ns) for device, (link, due) in self._down.items()}

    def note(self, links: Sequence[LinkChange], record: StepRecord) -> None:
        """Takes changes over; raises the alarm for devices that have been down for long enough."""
        after_ns = round(self._rule.after_s * 1e9)
        for link in links:
            if link.state is LinkState.UP:
                self._down.pop(link.device, None)
                key = AlarmKey(DEVICE_DOWN, device=link.device)
                self._alarms.close(key, link.t_ns, record, f"device {link.device} is heard again")
            elif link.state is LinkState.DOWN:
                # The first failure counts: trying again in vain does not put the alarm off.
                self._down.setdefault(link.device, (link, link.t_ns + after_ns))
        for device, (link, due_ns) in self._down.items():
            if record.now_ns >= due_ns:
                key = AlarmKey(DEVICE_DOWN, device=device)
                text = f"device {device} is down: {link.reason}"
                self._alarms.open(key, link.t_ns, record, text)
