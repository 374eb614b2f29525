"""What the journal's tests share: what a writer stores, and one that is killed."""

import subprocess
import sys
from pathlib import Path

from gateway.journal.journal import Gap, Record
from tests.gateway.journal_writer import payload_of

WRITER = Path(__file__).with_name("journal_writer.py")


def records(first: int, last: int) -> list[Record | Gap]:
    return [Record(n, payload_of(n)) for n in range(first, last + 1)]


def killed_writer(folder: Path, acks: int) -> list[int]:
    """Runs a writer, kills it after so many acknowledgements; returns all that it gave."""
    with subprocess.Popen(
        [sys.executable, WRITER, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout
        assert writer.stderr
        given = [int(writer.stdout.readline()) for _ in range(acks)]
        writer.kill()
        given += [int(line) for line in writer.stdout if line.endswith("\n")]
        assert writer.stderr.read() == ""
    return given
