"""The audit log's entries, their bytes and their chain: who did what, and proof that it is whole.

An entry's canonical bytes are its fields as one JSON object, with sorted keys, no spaces, numbers
as whole decimals and all text as it is, in UTF-8. Entries are chained by SHA-256:

    digest(0) = SHA-256("lamproom audit 1" || epoch of the journal, 8 bytes, big-endian)
    digest(n) = SHA-256(digest(n - 1) || canonical bytes of entry n)

Each row keeps the digest that it was chained to, so that it can be checked where the one before it
is lost. A chain alone does not miss its tail: the newest digest is also kept outside the database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

#: What an act did that was not refused.
DONE: Final = "done"

#: A note of an operator is some sentences; what is larger than this is no note.
ENTRY_BYTES_MAX: Final = 64 << 10

#: SQLite's whole numbers have 64 bits with a sign.
_NUMBER_MAX: Final = (1 << 63) - 1

_ORIGIN: Final = b"lamproom audit 1"
_DIGEST_BYTES: Final = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act of an operator, done or refused.

    `act` is a name such as `alarm.acknowledge`; `subject` what it was done to, such as an alarm's
    id; `detail` whatever else was given (note, until ...); `outcome` is `DONE`, or why not.
    """

    sequence: int
    t_ns: int
    operator: str
    act: str
    request_id: str
    subject: str
    detail: Mapping[str, str]
    outcome: str


_FIELDS: Final = tuple(field.name for field in fields(AuditEntry))
_NUMBERS: Final = {"sequence": 1, "t_ns": 0}
_TEXTS: Final = tuple(name for name in _FIELDS if name not in (*_NUMBERS, "detail"))


@dataclass(frozen=True, slots=True)
class Head:
    """How far a log goes: its newest entry and that one's digest."""

    sequence: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A row as it is stored; what it holds may be damaged, and then of any type."""

    sequence: int
    raw: bytes
    previous: bytes
    digest: bytes

    def entry(self) -> AuditEntry | None:
        """The entry, under whatever sequence it was written; None where the row was changed."""
        for part in (self.previous, self.digest):
            if not isinstance(part, bytes) or len(part) != _DIGEST_BYTES:
                return None
        if not isinstance(self.raw, bytes) or self.digest != digest_of(self.previous, self.raw):
            return None
        try:
            return parse(self.raw)
        except ValueError:
            return None

    def intact(self) -> AuditEntry | None:
        """The entry, if it is stored whole and under its own sequence."""
        entry = self.entry()
        return entry if entry and entry.sequence == self.sequence else None


def canonical(entry: AuditEntry) -> bytes:
    """The one form of `entry` in bytes. Raises ValueError for what has none."""
    values = {name: getattr(entry, name) for name in _FIELDS}
    values["detail"] = dict(entry.detail)
    problem = _problem(values)
    if not problem:
        text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        try:
            raw = text.encode()
        except UnicodeEncodeError:
            problem = "a text has half a character"
        else:
            if len(raw) <= ENTRY_BYTES_MAX:
                return raw
            problem = f"it has {len(raw)} bytes, more than {ENTRY_BYTES_MAX}"
    msg = f"audit entry {entry.sequence}: {problem}"
    raise ValueError(msg)


def parse(raw: bytes) -> AuditEntry:
    """The entry whose canonical bytes are `raw`. Raises ValueError where there is none."""
    problem = f"it has more than {ENTRY_BYTES_MAX} bytes" if len(raw) > ENTRY_BYTES_MAX else ""
    if not problem:
        try:
            values = json.loads(raw.decode())
        except RecursionError:
            values = None
        problem = _problem(values)
    if problem:
        msg = f"no audit entry: {problem}"
        raise ValueError(msg)
    entry = AuditEntry(**values)
    if canonical(entry) != raw:
        msg = "no audit entry: it is not in its canonical form"
        raise ValueError(msg)
    return entry


def _problem(values: Any) -> str:
    """What keeps `values` from being the fields of an entry; empty where nothing does."""
    if not isinstance(values, dict) or sorted(values) != sorted(_FIELDS):
        return f"it is no object with {', '.join(_FIELDS)}"
    for name, least in _NUMBERS.items():
        # By its type: True is an int as well.
        if type(values[name]) is not int or not least <= values[name] <= _NUMBER_MAX:
            return f"{name} is no whole number from {least} on"
    for name in _TEXTS:
        if not isinstance(values[name], str):
            return f"{name} is no text"
    detail = values["detail"]
    parts = [*detail, *detail.values()] if isinstance(detail, dict) else [None]
    return "" if all(isinstance(part, str) for part in parts) else "detail is not text by text"


def origin(epoch: int) -> Head:
    """What the first entry of the journal `epoch` is chained to."""
    return Head(0, hashlib.sha256(_ORIGIN + epoch.to_bytes(8, "big")).digest())


def digest_of(previous: bytes, raw: bytes) -> bytes:
    """The digest of an entry with the canonical bytes `raw` after one with `previous`."""
    return hashlib.sha256(previous + raw).digest()


def chain(head: Head, entries: Sequence[AuditEntry]) -> list[StoredEntry]:
    """The rows of entries that go on after `head`.

    Raises:
        ValueError: the sequences do not go on from it, or an entry has no canonical form.
    """
    rows = []
    for entry in entries:
        if entry.sequence != head.sequence + 1:
            msg = f"audit entry {entry.sequence} does not follow: {head.sequence + 1} is the next"
            raise ValueError(msg)
        raw = canonical(entry)
        digest = digest_of(head.digest, raw)
        rows.append(StoredEntry(entry.sequence, raw, head.digest, digest))
        head = Head(entry.sequence, digest)
    return rows


class Fault(StrEnum):
    """What is wrong with a stretch of the log."""

    CHANGED = "changed"
    MISSING = "missing"
    OUT_OF_ORDER = "out of order"
    #: Of another journal, or written anew with a chain of its own.
    FOREIGN = "foreign"
    #: Nothing outside the database says how far the log goes.
    UNMARKED = "unmarked"


@dataclass(frozen=True, slots=True)
class Finding:
    """Rows `first` to `last` (inclusive) are not as they were written; `text` says why."""

    fault: Fault
    first: int
    last: int
    text: str


class Verification:
    """Looks at rows in their order, one after the other; `end` tells what is wrong with them."""

    def __init__(self, before: Head | None, mark: Head | None, first: int = 1) -> None:
        """Begins at `first`, after `before` where that is known; `mark` is known from outside."""
        self.entries = 0
        self.oldest: AuditEntry | None = None
        self.newest: AuditEntry | None = None
        #: The newest entry that is as it was written.
        self.head = before
        # What the next row is chained to; None where that was damaged.
        self._before = before
        self._mark = mark
        self._next = first
        self._findings: list[Finding] = []
        # Behind the newest sound row: the number of a damaged one may be what is damaged, so that
        # what seems to be missing before it need not be.
        self._doubtful: list[Finding] = []

    def take(self, row: StoredEntry) -> None:
        """Looks at the next row."""
        number = row.sequence
        if number > self._next:
            self._doubtful.append(_missing(self._next, number - 1))
        self._next = max(self._next, number + 1)
        entry = row.entry()
        if entry is None or entry.sequence != number:
            self._doubtful.append(_out_of_order(number, entry) if entry else _changed(number))
            self._before = None
            return
        self._findings += self._doubtful
        self._doubtful.clear()
        self._look_at_chain(row)
        self.entries += 1
        self.oldest = self.oldest or entry
        self.newest = entry
        self.head = Head(number, row.digest)

    def _look_at_chain(self, row: StoredEntry) -> None:
        number, before = row.sequence, self._before
        self._before = Head(number, row.digest)
        if before and before.sequence + 1 == number and before.digest != row.previous:
            self._findings.append(_foreign(number))
            # One finding for one row put in between.
            self._before = None
        if self._mark and self._mark.sequence == number and self._mark.digest != row.digest:
            self._findings.append(_not_the_marked(number))

    def end(self) -> list[Finding]:
        """All that is wrong, in the order of the rows."""
        marked = self._mark.sequence if self._mark else 0
        found = list(self._findings)
        for doubt in self._doubtful:
            if doubt.fault is not Fault.MISSING:
                found.append(doubt)
            elif doubt.first <= marked:
                found.append(_missing(doubt.first, min(doubt.last, marked)))
        if self._next <= marked:
            found.append(_missing(self._next, marked))
        if not self._mark and (found or self.entries or self._doubtful):
            found.append(_unmarked(self.newest))
        return found


def verify(rows: Iterable[StoredEntry], epoch: int, mark: Head | None) -> Verification:
    """A whole log's verification: `rows` are all that are stored, by ascending sequence."""
    verification = Verification(origin(epoch), mark)
    for row in rows:
        verification.take(row)
    return verification


def _missing(first: int, last: int) -> Finding:
    what = f"entries {first} to {last} were" if last > first else f"entry {first} was"
    text = f"audit {what} stored and {'are' if last > first else 'is'} lost"
    return Finding(Fault.MISSING, first, last, text)


def _changed(number: int) -> Finding:
    text = f"audit entry {number} was changed: it does not fit its digest"
    return Finding(Fault.CHANGED, number, number, text)


def _out_of_order(number: int, entry: AuditEntry) -> Finding:
    text = f"audit entry {entry.sequence} is out of order: it is stored as {number}"
    return Finding(Fault.OUT_OF_ORDER, number, number, text)


def _foreign(number: int) -> Finding:
    what = f"does not follow on entry {number - 1}: one of them" if number > 1 else "is foreign: it"
    text = f"audit entry {number} {what} is of another journal, or was written anew"
    return Finding(Fault.FOREIGN, number, number, text)


def _not_the_marked(number: int) -> Finding:
    text = (
        f"audit entry {number} is not the one that the mark outside the database names:"
        " it was written anew, maybe with others before it"
    )
    return Finding(Fault.FOREIGN, number, number, text)


def _unmarked(newest: AuditEntry | None) -> Finding:
    number = newest.sequence if newest else 0
    text = (
        "the mark outside the database is missing, damaged or of another journal:"
        f" whether audit entries after {number} are lost can't be told"
    )
    return Finding(Fault.UNMARKED, number + 1, number + 1, text)
