"""Steps for ever, as a gateway does, and says each event aloud once it is told as stored.

`python disk_writer.py FOLDER`: ended by the tests, or by a disk that takes no more.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.journal.journal import Journal
from gateway.journal.records import EventRow
from gateway.journal.retention import Keep
from gateway.journal.waiting import Portion
from gateway.journal.writer import JournalWriter
from tests.gateway.journal_writer import act_of, payload_of

STEPS_MOST = 100_000
#: Short, so that several wait for the disk at a time.
STEP_S = 0.0005


class Aloud:
    """A listener that prints."""

    def __init__(self) -> None:
        self.failed = False

    def stored(self, first_sequence: int, payloads: Sequence[bytes]) -> None:
        print(first_sequence + len(payloads) - 1, flush=True)

    def unstored(self, events: Sequence[EventRow], reason: str) -> None:
        self.failed = True

    def health(self, reason: str) -> None:
        self.failed |= bool(reason)


async def main(folder: Path) -> None:
    journal = Journal.open(folder)
    aloud = Aloud()
    writer = JournalWriter(journal, aloud, time.time_ns, reserve_bytes=0, keep=Keep(365))
    following, act = journal.last_sequence + 1, journal.last_audit.sequence + 1
    for _ in range(STEPS_MOST):
        if aloud.failed:
            break
        count = 1 + following % 3
        events = [(n, n * 1000, payload_of(n)) for n in range(following, following + count)]
        following += count
        state = {"last": str(following - 1).encode(), f"k{following % 50}": bytes(200)}
        writer.put(Portion(events, state, [act_of(act, following - 1)]))
        act += 1
        await asyncio.sleep(STEP_S)
    print("failed", flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
