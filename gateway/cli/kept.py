"""What a gateway has kept, looked at from outside: whether it is whole, how much, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path
from typing import Any, Final

from gateway.cli.export import events, positions
from gateway.cli.export.table import Batch
from gateway.cli.show import iso, size
from gateway.journal.audit_reader import AuditReader
from gateway.journal.disk import held_bytes
from gateway.journal.event_reader import EventReader
from gateway.journal.tracks.places import TRACKS_FOLDER
from gateway.journal.tracks.reader import TracksReader
from gateway.journal.tracks.verification import verify as verify_tracks

_MS_NS: Final = 1_000_000
#: Rows of a table that are made at a time.
_BATCH_ROWS: Final = 5000
#: How the reason of a gap of kept positions begins that nobody meant to be.
_DAMAGED: Final = "damaged"


@dataclass(frozen=True, slots=True)
class Asked:
    """Of what time, in ns, from `start_ns` to before `until_ns` (None: all), and of which card."""

    start_ns: int | None
    until_ns: int | None
    card: str

    @property
    def is_empty(self) -> bool:
        """Whether no time can be one of it."""
        both = self.start_ns is not None and self.until_ns is not None
        return both and not self.holds(self.start_ns or 0)

    def holds(self, t_ns: int) -> bool:
        """Whether a time is one of it."""
        after = self.start_ns is None or t_ns >= self.start_ns
        return after and (self.until_ns is None or t_ns < self.until_ns)


def verify(kept: Path, tell: Callable[[str], None]) -> tuple[int, str]:
    """Looks at all in the folder `kept`; how many things are wrong, each told, and a summary.

    Raises:
        JournalError: the journal can't be read at all.
        OSError: the folder of positions can't be read.
    """
    findings = 0
    with EventReader.open(kept) as reader, AuditReader.open(kept) as audit:
        for sentence in reader.verify():
            tell(sentence)
            findings += 1
        seen, wrong = audit.verify()
        summary = [
            f"events {reader.first_sequence} to {reader.last_sequence}",
            f"acts {seen.entries}",
        ]
    for finding in wrong:
        tell(finding.text)
    findings += len(wrong)
    files = 0
    for checked in verify_tracks(kept / TRACKS_FOLDER):
        files += 1
        for gap in checked.gaps:
            if gap.reason.startswith(_DAMAGED):
                span = f"{iso(gap.start_ms * _MS_NS)} to {iso(gap.end_ms * _MS_NS)}"
                tell(f"positions of {checked.place.path.name}, {span}: {gap.reason}")
                findings += 1
    summary.append(f"files of positions {files}")
    return findings, ", ".join(summary)


def stats(kept: Path) -> dict[str, Any]:
    """Figures of all that is kept in a folder, by name.

    Raises as `verify` does.
    """
    kinds: Counter[str] = Counter()
    oldest_ns: int | None = None
    newest_ns: int | None = None
    gaps: list[dict[str, Any]] = []
    for batch in event_batches(kept, Asked(None, None, "")):
        kinds.update(batch["kind"])
        times = [one for one in batch["record_time"] if one is not None]
        oldest_ns = times[0] if times and oldest_ns is None else oldest_ns
        newest_ns = times[-1] if times else newest_ns
        gaps += _gaps(batch)
    del kinds[events.GAP]
    with EventReader.open(kept) as reader, AuditReader.open(kept) as audit:
        first, last, acts = reader.first_sequence, reader.last_sequence, audit.last_sequence()
    with closing(TracksReader(kept / TRACKS_FOLDER)) as tracks:
        span_ms = tracks.span_ms()
    folder = kept / TRACKS_FOLDER
    return {
        "events": {
            "first_sequence": first,
            "last_sequence": last,
            "oldest_time": iso(oldest_ns) if oldest_ns is not None else None,
            "newest_time": iso(newest_ns) if newest_ns is not None else None,
            "kinds": dict(kinds.most_common()),
            "gaps": gaps,
            "bytes": held_bytes(kept),
        },
        "acts": acts,
        "positions": {
            "oldest_time": iso(span_ms[0] * _MS_NS) if span_ms else None,
            "newest_time": iso(span_ms[1] * _MS_NS) if span_ms else None,
            "bytes": held_bytes(folder) if folder.is_dir() else 0,
        },
    }


def lines_of(figures: Mapping[str, Any]) -> Iterator[str]:
    """Figures as lines for people."""
    told, kept = figures["events"], figures["positions"]
    span = f", {told['oldest_time']} to {told['newest_time']}" if told["oldest_time"] else ""
    yield (
        f"events {told['first_sequence']} to {told['last_sequence']}{span}, {size(told['bytes'])}"
    )
    for kind, count in told["kinds"].items():
        yield f"  {count:>9} {kind}"
    for gap in told["gaps"]:
        yield f"  gap, {gap['first_sequence']} to {gap['last_sequence']}: {gap['reason']}"
    yield f"acts: {figures['acts']}"
    span = f" {kept['oldest_time']} to {kept['newest_time']}," if kept["oldest_time"] else ""
    yield f"positions:{span} {size(kept['bytes'])}"


def event_batches(kept: Path, asked: Asked) -> Iterator[Batch]:
    """The events that are asked for by their record time, and all gaps, by sequence.

    Raises:
        JournalError: the journal can't be read.
    """
    with EventReader.open(kept) as reader:
        items = iter(reader.read(1, reader.last_sequence))
        while part := list(islice(items, _BATCH_ROWS)):
            batch = events.batch_of(part)
            fits = [
                _fits(asked, *row) for row in zip(batch["record_time"], batch["card"], strict=True)
            ]
            yield {name: list(compress(cells, fits)) for name, cells in batch.items()}


def position_batches(kept: Path, asked: Asked) -> Iterator[Batch]:
    """The positions that are asked for, and what is missing of them, by time.

    Raises:
        OSError: the folder can't be read.
    """
    with closing(TracksReader(kept / TRACKS_FOLDER)) as reader:
        span_ms = reader.span_ms()
        if not span_ms:
            return
        start_ms = max(span_ms[0], (asked.start_ns or 0) // _MS_NS)
        until_ms = span_ms[1] + 1
        if asked.until_ns is not None:
            until_ms = min(until_ms, asked.until_ns // _MS_NS)
        yield from positions.batches(reader, start_ms, until_ms, asked.card)


def _gaps(batch: Batch) -> Iterator[dict[str, Any]]:
    rows = zip(batch["kind"], batch["sequence"], batch["count"], batch["text"], strict=True)
    for kind, first, count, reason in rows:
        if kind == events.GAP:
            yield {"first_sequence": first, "last_sequence": first + count - 1, "reason": reason}


def _fits(asked: Asked, record_t_ns: int | None, card: str | None) -> bool:
    if record_t_ns is None:
        return True  # a gap: nobody knows what was in it
    return asked.holds(record_t_ns) and asked.card in {"", card}
