"""A book of alarms by itself, an operator's desk, and what comes of each step."""

import itertools

from gateway.mine.acts import ActBook
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.change import Act, ActKind, Alarm, Answer, Event
from gateway.mine.plan import AlarmRule
from gateway.mine.record import StepRecord

S = 1_000_000_000
T0 = 1_800_000_000 * S
CARD = AlarmKey("restricted_entry", card="1001", zone="sealed")
OTHER = AlarmKey("restricted_entry", card="1002", zone="sealed")
DOWN = AlarmKey("device_down", device="uwb-1")
LOST = AlarmKey("signal_lost", card="1001")

RULES = {
    "restricted_entry": AlarmRule(1, tell=("dispatcher",)),
    "device_down": AlarmRule(2),
    "signal_lost": AlarmRule(3, suppressed_by=("device_down",)),
    "slow": AlarmRule(2, after_s=5, clear_after_s=3),
    "latched": AlarmRule(1, latch=True),
    "urgent": AlarmRule(
        1, tell=("dispatcher",), escalate_after_s=60, escalate_to=("chief", "rescue")
    ),
}


class Room:
    """A book, an operator's desk, and what came of each step."""

    def __init__(self, rules: dict[str, AlarmRule] | None = None) -> None:
        self.rules = rules or RULES
        self.state: dict[str, bytes] = {}
        self.events: list[Event] = []
        self.alarms: dict[str, Alarm] = {}
        self.answers: list[Answer] = []
        self.t_ns = T0
        self.numbers = itertools.count(1)
        self.next = 1
        self.restart()

    def restart(self, away_s: float = 0.0) -> None:
        self.t_ns += round(away_s * S)
        self.book = AlarmBook(self.rules, self.state)
        self.book.resume(self.t_ns)
        self.acts = ActBook(self.book, self.state)

    def step(self, seconds: float = 0.0) -> StepRecord:
        self.t_ns += round(seconds * S)
        return StepRecord(self.next, self.t_ns)

    def end(self, record: StepRecord) -> None:
        self.book.tick(record)
        self.next = record.next_sequence
        self.events += record.events
        self.answers += record.answers
        for alarm in record.alarms.values():
            self.alarms[alarm.id] = alarm
        for key, value in record.state.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def begin(self, key: AlarmKey, seconds: float = 0.0) -> None:
        record = self.step(seconds)
        self.book.begin(key, self.t_ns, record, "someone went in")
        self.end(record)

    def over(self, key: AlarmKey, seconds: float = 0.0) -> None:
        record = self.step(seconds)
        self.book.end(key, self.t_ns, record, "they left")
        self.end(record)

    def wait(self, seconds: float) -> None:
        self.end(self.step(seconds))

    def act(
        self,
        kind: ActKind,
        subject: str,
        *,
        request_id: str = "",
        operator: str = "Li",
        note: str = "",
        until_s: float | None = None,
    ) -> str:
        record = self.step()
        until_ns = None if until_s is None else self.t_ns + round(until_s * S)
        name = request_id or f"request-{next(self.numbers)}"
        self.acts.take((Act(name, operator, kind, subject, note, until_ns),), record)
        self.end(record)
        return self.answers[-1].refusal

    def told(self) -> list[str]:
        return [event.kind.name for event in self.events]

    def last(self) -> Alarm:
        alarm = self.events[-1].alarm
        assert alarm
        return self.alarms[alarm.id]
