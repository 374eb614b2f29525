"""The gateway's own disk: an alarm while the journal can't be written, or soon can't."""

from __future__ import annotations

from typing import Final

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.record import StepRecord

JOURNAL_FAILING: Final = AlarmKey("journal_failing")


def note_journal(failure: str | None, alarms: AlarmBook, record: StepRecord) -> None:
    """Takes word of the journal: why it fails, empty where it works, None for no news."""
    if failure:
        alarms.begin(JOURNAL_FAILING, record.now_ns, record, failure)
    elif failure is not None:
        alarms.end(JOURNAL_FAILING, record.now_ns, record, "the journal can be written again")
