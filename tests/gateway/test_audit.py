"""The audit log's chain without any database: whatever is done to its rows is found and named."""

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.audit import (
    DONE,
    ENTRY_BYTES_MAX,
    AuditEntry,
    Fault,
    Finding,
    Head,
    StoredEntry,
    canonical,
    chain,
    origin,
    parse,
    verify,
)
from tests.gateway.journal_writer import act_of

EPOCH = 0x0102030405060708

ENTRIES = st.builds(
    AuditEntry,
    sequence=st.integers(1, 2**63 - 1),
    t_ns=st.integers(0, 2**63 - 1),
    operator=st.text(),
    act=st.text(),
    request_id=st.text(),
    subject=st.text(),
    detail=st.dictionaries(st.text(), st.text()),
    outcome=st.text(),
)


def log_of(count: int, epoch: int = EPOCH) -> list[StoredEntry]:
    return chain(origin(epoch), [act_of(n) for n in range(1, count + 1)])


def head_of(rows: list[StoredEntry]) -> Head:
    return Head(rows[-1].sequence, rows[-1].digest)


def with_field(row: StoredEntry, field: str, value: object) -> StoredEntry:
    """`row` with another value, of whatever type: SQLite has no types."""
    return replace(row, **{field: value})  # type: ignore[arg-type]  # see above


def findings(rows: list[StoredEntry], mark: Head | None) -> list[Finding]:
    return verify(rows, EPOCH, mark).end()


def found(rows: list[StoredEntry], mark: Head | None) -> list[tuple[Fault, int, int]]:
    return [(one.fault, one.first, one.last) for one in findings(rows, mark)]


def test_the_bytes_of_an_entry_and_its_digest_are_as_documented() -> None:
    entry = AuditEntry(
        sequence=1,
        t_ns=1_800_000_000_123_456_789,
        operator="王强",
        act="alarm.acknowledge",
        request_id="r-1",
        subject="alarm-7",
        detail={"until": "08:00", "note": 'said "wait"'},
        outcome=DONE,
    )
    raw = (
        '{"act":"alarm.acknowledge","detail":{"note":"said \\"wait\\"","until":"08:00"},'
        '"operator":"王强","outcome":"done","request_id":"r-1","sequence":1,"subject":"alarm-7",'
        '"t_ns":1800000000123456789}'
    ).encode()
    assert canonical(entry) == raw
    first = hashlib.sha256(b"lamproom audit 1" + bytes(range(1, 9))).digest()
    (row,) = chain(origin(EPOCH), [entry])
    assert row == StoredEntry(1, raw, first, hashlib.sha256(first + raw).digest())


@given(entry=ENTRIES)
def test_an_entry_comes_back_from_its_bytes(entry: AuditEntry) -> None:
    raw = canonical(entry)
    assert parse(raw) == entry
    assert canonical(parse(raw)) == raw


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"sequence": 0}, "audit entry 0: sequence is no whole number from 1 on"),
        ({"sequence": True}, "sequence is no whole number"),
        ({"t_ns": -1}, "t_ns is no whole number from 0 on"),
        ({"t_ns": 2**63}, "t_ns is no whole number from 0 on"),
        ({"t_ns": 1.5}, "t_ns is no whole number from 0 on"),
        ({"operator": None}, "operator is no text"),
        ({"subject": 7}, "subject is no text"),
        ({"detail": {"until": 7}}, "detail is not text by text"),
        ({"detail": {7: "until"}}, "detail is not text by text"),
        ({"outcome": "half \ud800"}, "a text has half a character"),
        ({"detail": {"note": "x" * ENTRY_BYTES_MAX}}, f"more than {ENTRY_BYTES_MAX}"),
    ],
)
def test_what_has_no_canonical_form_is_refused(change: dict[str, object], text: str) -> None:
    entry = replace(act_of(1), **change)  # type: ignore[arg-type]  # mistakes of a caller
    with pytest.raises(ValueError, match=text):
        canonical(entry)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 60_000,
        b"9" * 5_000,
        b" " * (ENTRY_BYTES_MAX + 1),
        canonical(act_of(1)) + b" ",
        canonical(act_of(1)).replace(b'"sequence":1', b'"sequence":1.0'),
        canonical(act_of(1)).replace(b'"sequence":1', b'"sequence":1,"sequence":1'),
        canonical(act_of(1)).replace(b'"operator":"wang"', b'"operator":"\\u0077ang"'),
        canonical(act_of(1)).replace(b'"operator":"wang"', b'"operator":"\\ud800"'),
        canonical(act_of(1)).replace(b'"outcome"', b'"outcomes"'),
        json.dumps(json.loads(canonical(act_of(1))) | {"detail": []}).encode(),
    ],
)
def test_other_bytes_are_no_entry(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"no audit entry|a text has half|codec|JSON|Expect|limit"):
        parse(raw)
    before = origin(EPOCH)
    row = StoredEntry(1, raw, before.digest, hashlib.sha256(before.digest + raw).digest())
    assert found([row], Head(1, row.digest)) == [(Fault.CHANGED, 1, 1)]


@pytest.mark.parametrize("sequences", [(3,), (5,), (4, 6), (4, 4)])
def test_entries_must_go_on_from_the_head(sequences: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="is the next"):
        chain(Head(3, bytes(32)), [act_of(n) for n in sequences])


def test_a_whole_log_has_no_findings() -> None:
    rows = log_of(9)
    verification = verify(rows, EPOCH, head_of(rows))
    assert verification.end() == []
    assert (verification.entries, verification.head) == (9, head_of(rows))
    assert (verification.oldest, verification.newest) == (act_of(1), act_of(9))


def test_an_empty_log_has_no_findings() -> None:
    assert findings([], origin(EPOCH)) == []
    assert findings([], None) == []


def test_the_mark_may_lag_behind() -> None:
    rows = log_of(9)
    for known in range(1, 10):
        assert findings(rows, head_of(rows[:known])) == []
    assert findings(rows, origin(EPOCH)) == []


@given(data=st.data(), count=st.integers(1, 12))
def test_any_changed_byte_is_found_and_named(data: st.DataObject, count: int) -> None:
    rows = log_of(count)
    mark = head_of(rows)
    number = data.draw(st.integers(1, count))
    field = data.draw(st.sampled_from(["raw", "previous", "digest"]))
    value = bytearray(getattr(rows[number - 1], field))
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    rows[number - 1] = with_field(rows[number - 1], field, bytes(value))
    assert found(rows, mark) == [(Fault.CHANGED, number, number)]
    assert f"audit entry {number} was changed" in findings(rows, mark)[0].text


@pytest.mark.parametrize("field", ["raw", "previous", "digest"])
@pytest.mark.parametrize("value", [None, "text", 7, b""])
def test_a_value_of_another_type_is_a_change(field: str, value: object) -> None:
    rows = log_of(3)
    mark = head_of(rows)
    rows[1] = with_field(rows[1], field, value)
    assert found(rows, mark) == [(Fault.CHANGED, 2, 2)]


@given(data=st.data(), count=st.integers(2, 12))
def test_swapped_rows_are_found_and_named(data: st.DataObject, count: int) -> None:
    rows = log_of(count)
    mark = head_of(rows)
    pair = st.lists(st.integers(1, count), min_size=2, max_size=2, unique=True)
    one, other = sorted(data.draw(pair))
    first, second = rows[one - 1], rows[other - 1]
    rows[one - 1] = replace(second, sequence=one)
    rows[other - 1] = replace(first, sequence=other)
    assert found(rows, mark) == [(Fault.OUT_OF_ORDER, n, n) for n in (one, other)]
    assert findings(rows, mark)[0].text == (
        f"audit entry {other} is out of order: it is stored as {one}"
    )


@given(data=st.data(), count=st.integers(1, 12))
def test_removed_rows_are_found_and_named(data: st.DataObject, count: int) -> None:
    rows = log_of(count)
    mark = head_of(rows)
    first = data.draw(st.integers(1, count))
    last = data.draw(st.integers(first, count))
    del rows[first - 1 : last]
    assert found(rows, mark) == [(Fault.MISSING, first, last)]
    named = f"entry {first} was" if first == last else f"entries {first} to {last} were"
    assert findings(rows, mark)[0].text.startswith(f"audit {named} stored and ")


@given(count=st.integers(1, 12), kept=st.integers(0, 11))
def test_a_cut_tail_is_found_by_the_mark_alone(count: int, kept: int) -> None:
    rows = log_of(count)
    mark = head_of(rows)
    rest = rows[:kept]
    expected = [(Fault.MISSING, kept + 1, count)] if kept < count else []
    assert found(rest, mark) == expected
    # The chain of what is left is whole: without a mark nothing would be missed, which is told.
    assert [fault for fault, _, _ in found(rest, None)] == [Fault.UNMARKED] * bool(rest)


@given(
    count=st.integers(1, 10),
    harm=st.dictionaries(st.integers(1, 10), st.sampled_from(["remove", "change"]), min_size=1),
)
def test_the_first_wrong_row_is_named_first(count: int, harm: dict[int, str]) -> None:
    rows = log_of(count)
    mark = head_of(rows)
    harmed = {number for number in harm if number <= count}
    left = [
        replace(row, raw=row.raw + b" ") if harm.get(row.sequence) == "change" else row
        for row in rows
        if harm.get(row.sequence) != "remove"
    ]
    got = found(left, mark)
    named = [n for _, first, last in got for n in range(first, last + 1)]
    assert named == sorted(harmed)


def test_after_a_loss_later_entries_verify_and_the_gap_stays() -> None:
    rows = log_of(5)
    later = chain(head_of(rows), [act_of(n) for n in (6, 7)])
    got = verify([*rows[:3], *later], EPOCH, head_of(later))
    assert [one.text for one in got.end()] == ["audit entries 4 to 5 were stored and are lost"]
    assert (got.entries, got.head) == (5, head_of(later))


def test_a_log_of_another_journal_is_foreign() -> None:
    rows = log_of(4, epoch=EPOCH + 1)
    assert found(rows, head_of(rows)) == [(Fault.FOREIGN, 1, 1)]
    assert "is of another journal, or was written anew" in findings(rows, head_of(rows))[0].text


@pytest.mark.parametrize("number", [2, 3])
def test_an_entry_of_another_journal_is_foreign(number: int) -> None:
    rows, others = log_of(4), log_of(4, epoch=EPOCH + 1)
    mark = head_of(rows)
    rows[number - 1] = others[number - 1]
    assert found(rows, mark) == [(Fault.FOREIGN, number, number)]


def test_an_entry_with_a_new_digest_does_not_fit_the_next() -> None:
    rows = log_of(4)
    mark = head_of(rows)
    forged = replace(act_of(2), operator="li")
    rows[1:2] = chain(head_of(rows[:1]), [forged])
    assert found(rows, mark) == [(Fault.FOREIGN, 3, 3)]
    assert "entry 3 does not follow on entry 2" in findings(rows, mark)[0].text


@given(count=st.integers(1, 8), first=st.integers(1, 8), marked=st.integers(1, 8))
def test_a_tail_that_is_written_anew_is_found_by_the_mark(
    count: int, first: int, marked: int
) -> None:
    first, marked = min(first, count), min(marked, count)
    rows = log_of(count)
    before = head_of(rows[: first - 1]) if first > 1 else origin(EPOCH)
    forged = chain(before, [replace(act_of(n), operator="li") for n in range(first, count + 1)])
    got = found(rows[: first - 1] + forged, head_of(rows[:marked]))
    # What lies beyond the mark is not known outside the database.
    assert got == ([(Fault.FOREIGN, marked, marked)] if first <= marked else [])


def test_a_damaged_number_hides_nothing_and_invents_nothing() -> None:
    rows = log_of(4)
    mark = head_of(rows)
    moved = replace(rows[2], sequence=1 << 62)
    assert found([rows[0], rows[1], rows[3], moved], mark) == [
        (Fault.MISSING, 3, 3),
        (Fault.OUT_OF_ORDER, 1 << 62, 1 << 62),
    ]
    negative = replace(rows[2], sequence=-5)
    assert found([negative, rows[0], rows[1], rows[3]], mark) == [
        (Fault.OUT_OF_ORDER, -5, -5),
        (Fault.MISSING, 3, 3),
    ]


def test_what_is_lost_before_a_damaged_number_ends_at_the_mark() -> None:
    rows = log_of(4)
    moved = replace(rows[3], sequence=9000)
    assert found([rows[0], rows[1], moved], head_of(rows)) == [
        (Fault.MISSING, 3, 4),
        (Fault.OUT_OF_ORDER, 9000, 9000),
    ]
    assert found([rows[0], rows[1], moved], head_of(rows[:2])) == [(Fault.OUT_OF_ORDER, 9000, 9000)]
