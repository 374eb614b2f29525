"""Appends to a journal for ever and says each sequence aloud once it is stored.

`python journal_writer.py FOLDER`: started and killed by the tests. The state `next` changes with
each append, in the same transaction, so that the two can be compared afterwards.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.journal.journal import Journal

APPENDS_MOST = 100_000


def payload_of(sequence: int) -> bytes:
    return f"event {sequence} ".encode() * (1 + sequence % 7)


def main() -> None:
    journal = Journal.open(Path(sys.argv[1]))
    for _ in range(APPENDS_MOST):
        first = journal.last_sequence + 1
        events = [(n, n * 1000, payload_of(n)) for n in range(first, first + 1 + first % 3)]
        journal.append(events, {"last": str(events[-1][0]).encode()})
        print(events[-1][0], flush=True)


if __name__ == "__main__":
    main()
