"""Appends to a journal for ever and says each sequence aloud once it is stored.

`python journal_writer.py FOLDER`: started and killed by the tests. The state `last` changes with
each append, in the same transaction, and so does the audit log, whose new act names the last event,
so that the three can be compared afterwards.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.journal.audit import DONE, AuditEntry
from gateway.journal.consumers import Place
from gateway.journal.journal import Journal

APPENDS_MOST = 100_000


def payload_of(sequence: int) -> bytes:
    return f"event {sequence} ".encode() * (1 + sequence % 7)


def act_of(sequence: int, event: int = 0) -> AuditEntry:
    """What an operator did to `event`."""
    alarm = f"alarm-{sequence % 5}"
    note = {"note": f"看过 {sequence}", "event": str(event)}
    t_ns = sequence * 1_000_000_000
    return AuditEntry(
        sequence, t_ns, "wang", "alarm.acknowledge", f"r{sequence}", alarm, note, DONE
    )


def main() -> None:
    journal = Journal.open(Path(sys.argv[1]))
    for _ in range(APPENDS_MOST):
        first = journal.last_sequence + 1
        events = [(n, n * 1000, payload_of(n)) for n in range(first, first + 1 + first % 3)]
        act = act_of(journal.last_audit.sequence + 1, events[-1][0])
        journal.append(events, {"last": str(events[-1][0]).encode()}, [act])
        # A consumer that is told of each append at once, and acknowledges it.
        journal.store_places({"scada": Place(events[-1][0], first)})
        print(events[-1][0], flush=True)


if __name__ == "__main__":
    main()
