"""JSON documents, pointers, values and times: what is given, and that nothing else ever raises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocols.mqtt.values
from protocols.mqtt.values import MISSING, Pointer, WrongError, parse, raw_of, time_ns

#: RFC 6901, clause 5.
DOCUMENT = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6,
    " ": 7, "m~n": 8,
}  # fmt: skip
LEADS_TO = {
    "": DOCUMENT, "/foo": ["bar", "baz"], "/foo/0": "bar", "/": 0, "/a~1b": 1, "/c%d": 2,
    "/e^f": 3, "/g|h": 4, "/i\\j": 5, '/k"l': 6, "/ ": 7, "/m~0n": 8,
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("pointer", "value"), LEADS_TO.items())
def test_the_pointers_of_the_standard_lead_where_it_says(pointer: str, value: Any) -> None:
    assert Pointer(pointer).find(DOCUMENT) == value


@pytest.mark.parametrize(
    "pointer",
    ["/none", "/foo/2", "/foo/-", "/foo/-1", "/foo/01", "/foo/1.0", "/foo/ 1", "/foo/0/x", "/foo/٠",
     "/a~1b/0", "/foo/99999999999999999999"],
)  # fmt: skip
def test_a_pointer_to_nothing_finds_nothing(pointer: str) -> None:
    assert Pointer(pointer).find(DOCUMENT) is MISSING


def paths(value: Any) -> list[tuple[tuple[str, ...], Any]]:
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = ((str(index), part) for index, part in enumerate(value))
    found: list[tuple[tuple[str, ...], Any]] = [((), value)]
    return found + [((step, *rest), end) for step, part in inner for rest, end in paths(part)]


@given(JSON)
def test_every_place_in_a_document_has_a_pointer_that_finds_it(document: Any) -> None:
    for path, value in paths(document):
        text = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)
        assert Pointer(text).find(document) is value


@given(JSON, st.text(), st.sampled_from(["number", "text", "bool", "s", "ns", "rfc3339"]))
def test_no_value_raises_anything_else(document: Any, text: str, kind: str) -> None:
    for value in (document, text):
        try:
            found = (
                raw_of(value, kind) if kind in ("number", "text", "bool") else time_ns(value, kind)
            )
        except WrongError:
            continue
        assert type(found) in (float, str, bool, int)


@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(str.encode)
    | JSON.map(json.dumps).map(str.encode)
)
def test_any_payload_is_a_document_or_refused(payload: bytes) -> None:
    try:
        parse(payload)
    except WrongError:
        return


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"", "empty"),
        (b"{", "no JSON"),
        (b"NaN", "no JSON"),
        (b"\xef\xbb\xbf{}", "no JSON"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested deeper than 64"),
        (b"[" * 100_000, "no JSON"),
        (b"9" * 10_000, "no JSON"),
    ],
)
def test_what_is_no_document_is_told(payload: bytes, problem: str) -> None:
    with pytest.raises(WrongError, match=problem):
        parse(payload)


def test_a_payload_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols.mqtt.values, "PAYLOAD_BYTES_MAX", 10)
    with pytest.raises(WrongError, match="longer than 10 bytes"):
        parse(b'"0123456789"')


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [
        (3, "number", 3.0),
        (2.5, "number", 2.5),
        (True, "bool", True),
        ("采煤机", "text", "采煤机"),
        (True, "number", "is true or false, the profile says number"),
        ("3", "number", "is text, the profile says number"),
        (float("inf"), "number", "is no finite number"),
        (10**400, "number", "is no finite number"),
        (1, "bool", "is a number, the profile says bool"),
        ([1], "number", "is an array, the profile says number"),
        ({}, "text", "is an object, the profile says text"),
        ("x" * 1025, "text", "is a text longer than 1024 letters"),
        ("a\x1b[31m", "text", "is a text that can't be printed"),
    ],
)
def test_values_are_of_the_type_of_the_profile(value: Any, kind: str, found: Any) -> None:
    try:
        assert raw_of(value, kind) == found
    except WrongError as error:
        got = str(error)
    else:
        return
    assert got == found


NS = 1_772_366_400_250_000_000


@pytest.mark.parametrize(
    ("value", "unit", "t_ns"),
    [
        (1_772_366_400, "s", NS - 250_000_000),
        (1_772_366_400.25, "s", NS),
        (1_772_366_400_250, "ms", NS),
        (1_772_366_400_250.0, "ms", NS),
        (NS // 1000, "us", NS),
        (NS, "ns", NS),
        (NS + 1, "ns", NS + 1),
        ("2026-03-01T12:00:00.250Z", "rfc3339", NS),
        ("2026-03-01T20:00:00.25+08:00", "rfc3339", NS),
        ("2026-03-01T20:00:00", "rfc3339", None),
        ("yesterday", "rfc3339", None),
        (1_772_366_400, "rfc3339", None),
        ("1772366400", "s", None),
        (True, "s", None),
        (0, "ms", None),
        (-5, "ms", None),
        (10**30, "ms", None),
        (1e308, "s", None),
        ("1900-01-01T00:00:00Z", "rfc3339", None),
    ],
)
def test_times_are_exact_or_refused(value: Any, unit: Any, t_ns: int | None) -> None:
    if t_ns is None:
        with pytest.raises(WrongError):
            time_ns(value, unit)
    else:
        assert time_ns(value, unit) == t_ns
