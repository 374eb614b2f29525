"""The decoder of Sparkplug payloads against protocol buffers themselves."""

import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocols.mqtt.wire
from protocols.mqtt.wire import MalformedError, Metric, decode
from tests.protocols.sparkplug_messages import METRIC, PAYLOAD, VALUES, payload

U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
BY_FIELD = {
    "int_value": U32,
    "long_value": U64,
    "float_value": st.floats(width=32),
    "double_value": st.floats(),
    "boolean_value": st.booleans(),
    "string_value": TEXT,
    "bytes_value": st.binary(max_size=40),
}
VALUE = st.sampled_from(VALUES).flatmap(lambda f: st.tuples(st.just(f), BY_FIELD[f]))
METRICS = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {},
            optional={
                "name": TEXT,
                "alias": U64,
                "timestamp": U64,
                "datatype": U32,
                "is_historical": st.booleans(),
                "is_transient": st.booleans(),
                "is_null": st.booleans(),
            },
        ),
        st.none() | VALUE,
        st.none() | U32,
    ),
    max_size=6,
)
NUMBER = {name: number for name, number, _ in METRIC}


def same(one: Any, other: Any) -> bool:
    both_nan = isinstance(one, float) and math.isnan(one) and math.isnan(other)
    return both_nan or bool(one == other)


@given(st.none() | U64, st.none() | U64, METRICS)
def test_what_protocol_buffers_write_is_read(
    seq: int | None, timestamp: int | None, metrics: list[Any]
) -> None:
    made = PAYLOAD(uuid="a", body=b"\1\2")
    if seq is not None:
        made.seq = seq
    if timestamp is not None:
        made.timestamp = timestamp
    for fields, value, quality in metrics:
        metric = made.metrics.add(**fields)
        if value is not None:
            setattr(metric, *value)
        if quality is not None:
            metric.properties.keys.extend(["other", "Quality"])
            metric.properties.values.add(string_value="x")
            metric.properties.values.add(int_value=quality)
    found = decode(made.SerializeToString())
    assert (found.seq, found.timestamp_ms) == (seq, timestamp)
    assert len(found.metrics) == len(metrics)
    for got, (fields, value, quality) in zip(found.metrics, metrics, strict=True):
        assert got.name == fields.get("name")
        assert got.alias == fields.get("alias")
        assert got.timestamp_ms == fields.get("timestamp")
        assert got.datatype == fields.get("datatype")
        assert got.is_historical == fields.get("is_historical", False)
        assert got.is_null == fields.get("is_null", False)
        assert got.quality == quality
        assert got.kind == (NUMBER[value[0]] if value else None)
        assert same(got.value, value[1] if value else None)
    assert decode(made.SerializeToString(), metrics=False).seq == seq


@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_refused(data: bytes) -> None:
    with suppress(MalformedError):
        decode(data)


@given(METRICS, st.data())
def test_a_payload_that_was_cut_or_changed_is_read_or_refused(
    metrics: list[Any], data: st.DataObject
) -> None:
    made = PAYLOAD(seq=3)
    for fields, value, _ in metrics:
        metric = made.metrics.add(**fields)
        if value is not None:
            setattr(metric, *value)
    whole = bytearray(made.SerializeToString())
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for wrong in (bytes(whole), bytes(whole[: data.draw(st.integers(0, len(whole)))])):
        with suppress(MalformedError):
            decode(wrong)


def test_unknown_fields_are_skipped_and_the_last_of_a_value_counts() -> None:
    more = b"\x78\x05" + b"\x81\x01" + b"\0" * 8 + b"\x8d\x01" + b"\0" * 4 + b"\x92\x01\x01x"
    inner = b"\x0a\x01P" + more + b"\x50\x07" + b"\x70\x01"
    found = decode(more + b"\x12" + bytes([len(inner)]) + inner)
    assert found.metrics == (Metric(name="P", kind=14, value=True),)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x08", "a number that does not end"),
        (b"\x08" + b"\xff" * 11, "a number that does not end"),
        (b"\x12\x05\x0a", "ends within a field"),
        (b"\x00\x01", "a field that there is not"),
        (b"\x0b", "wire type 3"),
        (b"\x12\x03\x0a\x01\xff", "not UTF-8"),
    ],
)
def test_what_is_no_payload_is_told(data: bytes, problem: str) -> None:
    with pytest.raises(MalformedError, match=problem):
        decode(data)


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols.mqtt.wire, "METRICS_MOST", 3)
    metrics = [{"name": "a", "double": 1.0}] * 4
    assert len(decode(payload(1, *metrics[:3])).metrics) == 3
    with pytest.raises(MalformedError, match="more than 3 metrics"):
        decode(payload(1, *metrics))
    monkeypatch.setattr(protocols.mqtt.wire, "PAYLOAD_BYTES_MAX", 10)
    with pytest.raises(MalformedError, match="longer than 10 bytes"):
        decode(payload(1, *metrics[:3]))
    monkeypatch.setattr(protocols.mqtt.wire, "PAYLOAD_BYTES_MAX", 10_000)
    many = PAYLOAD()
    many.metrics.add().properties.keys.extend(["k"] * 101)
    with pytest.raises(MalformedError, match="more than 100 properties"):
        decode(many.SerializeToString())
