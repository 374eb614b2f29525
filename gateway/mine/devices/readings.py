"""Values of devices beyond their limits. A value that can't be had is neither good nor bad."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from equipment.report import Quality, Sample, Value
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.alarms.states import OPEN
from gateway.mine.plan import ValueLimit
from gateway.mine.record import StepRecord

LIMIT_EXCEEDED: Final = "limit_exceeded"
MACHINE_FAULT: Final = "machine_fault"


class Readings:
    """Looks at every sample of a point that has limits."""

    def __init__(self, limits: Sequence[ValueLimit], alarms: AlarmBook) -> None:
        self._alarms = alarms
        #: The newest of each point, for limits to come.
        self._newest: dict[tuple[str, str], Sample] = {}
        self._set(limits)

    def _set(self, limits: Sequence[ValueLimit]) -> None:
        self._limits = frozenset(limits)
        self._by_point: defaultdict[tuple[str, str], list[ValueLimit]] = defaultdict(list)
        for limit in limits:
            self._by_point[limit.device, limit.point].append(limit)
        self._keys = {_key(limit) for limit in limits}
        self._musters = {limit.id: limit.muster for limit in limits if limit.muster}

    @property
    def newest(self) -> Mapping[tuple[str, str], Sample]:
        """The last value of each point, by device and point."""
        return self._newest

    def reload(
        self, limits: Sequence[ValueLimit], devices: Collection[str], record: StepRecord
    ) -> None:
        """Takes over other limits; those that are new judge the newest values at once."""
        before = self._limits
        self._set(limits)
        self._newest = {key: one for key, one in self._newest.items() if key[0] in devices}
        self.drop_unknown(record)
        for limit in limits:
            sample = self._newest.get((limit.device, limit.point))
            if limit not in before and sample:
                self._look_at(sample, (limit,), record)

    def drop_unknown(self, record: StepRecord) -> None:
        """Ends the alarms of limits that are no longer configured."""
        for key in self._alarms:
            if key.rule in (LIMIT_EXCEEDED, MACHINE_FAULT) and key not in self._keys:
                text = f"the limit {key.limit} is no longer configured"
                self._alarms.close(key, record.now_ns, record, text)

    def note(self, samples: Sequence[Sample], record: StepRecord) -> None:
        """Takes samples in their order."""
        for sample in samples:
            point = (sample.device, sample.point)
            self._newest[point] = sample
            limits = self._by_point.get(point)
            if limits:
                self._look_at(sample, limits, record)

    def _look_at(self, sample: Sample, limits: Sequence[ValueLimit], record: StepRecord) -> None:
        if sample.value is None or sample.quality is Quality.BAD:
            return
        for limit in limits:
            self._judge(limit, sample.value, sample.receive_t_ns, record)

    def musters(self, record: StepRecord) -> list[tuple[tuple[str, ...], str, str]]:
        """What the alarms that were raised in this step ask for: (zones, by whom, why)."""
        raised = (alarm for alarm in record.alarms.values() if alarm.raised_t_ns == record.now_ns)
        return [
            (self._musters[alarm.limit], f"limit {alarm.limit}", alarm.text)
            for alarm in raised
            if alarm.limit in self._musters and alarm.state in OPEN
        ]

    def _judge(self, limit: ValueLimit, value: Value, t_ns: int, record: StepRecord) -> None:
        key = _key(limit)
        text = f"{limit.name}: {limit.device} {limit.point} is {_shown(value)}"
        if is_beyond(limit, value, 0.0):
            words = f"{text}, {_limit_words(limit)}"
            self._alarms.begin(key, t_ns, record, words, level=limit.level)
        elif key not in self._alarms or not is_beyond(limit, value, limit.deadband):
            # The deadband is for what is raised: before, a good value ends what was to be raised.
            self._alarms.end(key, t_ns, record, text)


def is_beyond(limit: ValueLimit, value: Value, deadband: float) -> bool:
    """Whether a value is not good, or not yet good again by the deadband."""
    if limit.equals is not None:
        return value == limit.equals
    if isinstance(value, str):
        return False
    if limit.above is not None:
        return value > limit.above - deadband
    return limit.below is not None and value < limit.below + deadband


def _key(limit: ValueLimit) -> AlarmKey:
    rule = MACHINE_FAULT if limit.fault else LIMIT_EXCEEDED
    return AlarmKey(rule, device=limit.device, zone=limit.zone, limit=limit.id)


def _limit_words(limit: ValueLimit) -> str:
    if limit.above is not None:
        return f"above {limit.above:g}"
    if limit.below is not None:
        return f"below {limit.below:g}"
    return "which is not good"


def _shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
