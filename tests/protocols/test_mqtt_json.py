"""JSON messages of a device, message by message: points, records, times, repeats."""

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocols.mqtt.records
from equipment.profile import Kind
from equipment.report import Quality
from protocols.mqtt.json_format import JsonFormat
from protocols.mqtt.message import Message, Taken
from protocols.mqtt.records import Repeats
from protocols.pace import Pace
from tests.protocols.mqtt_peer import UWB, machine, parsed

NOW_NS = 1_772_366_400_000_000_000
POINTS = ('name="a"; pointer="/a"', 'name="b"; pointer="/b"; type="text"')
TIME = 'time = { pointer = "/t", unit = "rfc3339" }'


def format_of(*points: str, more: str = "") -> JsonFormat:
    return JsonFormat("dev", machine(*points, more=more), "mine/pump1")


def take(of: JsonFormat, payload: Any, topic: str = "mine/pump1", **more: Any) -> Taken:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return of.take(Message(topic, data, **more), NOW_NS)


def found(taken: Taken) -> dict[str, tuple[Any, Quality, str]]:
    return {s.point: (s.value, s.quality, s.reason) for s in taken.samples}


def test_what_a_message_does_not_say_stays_as_it_was() -> None:
    of = format_of(*POINTS)
    assert found(take(of, {"a": 1, "b": "x"})).keys() == {"a", "b"}
    assert found(take(of, {"a": 2})) == {"a": (2.0, Quality.GOOD, "")}


def test_what_was_never_there_is_bad_and_told_once() -> None:
    of = format_of(*POINTS)
    value, quality, reason = found(take(of, {"a": 1}))["b"]
    assert (value, quality) == (None, Quality.BAD)
    assert reason.startswith("messages of mine/pump1 have nothing at /b; compare the profile")
    assert found(take(of, {"a": 1})).keys() == {"a"}
    of.begin(NOW_NS)
    assert found(take(of, {"a": 1})).keys() == {"a", "b"}


def test_null_is_no_value() -> None:
    assert found(take(format_of(POINTS[0]), {"a": None}))["a"] == (
        None,
        Quality.BAD,
        "the device gives no value (null)",
    )


def test_a_message_without_the_time_that_it_should_have_is_not_good() -> None:
    of = format_of(POINTS[0], more=TIME)
    good = take(of, {"a": 1, "t": "2026-03-01T11:59:59Z"})
    assert good.samples[0].source_t_ns == NOW_NS - 1_000_000_000
    for wrong in ({"a": 1}, {"a": 1, "t": 5}, {"a": 1, "t": None}):
        taken = take(of, wrong)
        assert (taken.samples[0].source_t_ns, taken.samples[0].quality) == (None, Quality.UNCERTAIN)
        assert len(taken.refused) == 1
        assert taken.heard


def test_a_topic_that_nobody_asked_for_is_told() -> None:
    taken = take(format_of(*POINTS), {"a": 1}, "mine/other")
    assert (taken.samples, taken.heard) == ((), False)
    assert "not asked for" in taken.refused[0].reason


@given(st.binary(max_size=100) | st.text().map(str.encode))
def test_nothing_raises_and_nonsense_is_no_sign_of_life(payload: bytes) -> None:
    taken = take(format_of(*POINTS, more=TIME), payload)
    assert all(sample.quality is not Quality.GOOD for sample in taken.samples)
    assert taken.heard == bool(taken.samples)


ROW = {"t": NOW_NS // 1000, "card": "14010000000100003", "anchor": "A1", "mm": 1500, "rssi": -70.5}


def reader() -> JsonFormat:
    return JsonFormat("dev", parsed(UWB, "uwb_mqtt.toml"), "mine/uwb")


def records(*rows: Any, of: JsonFormat | None = None, **more: Any) -> Taken:
    return take(
        of or reader(), {"sent": NOW_NS // 1_000_000, "records": rows}, "mine/uwb/ranges", **more
    )


def test_records_become_columns() -> None:
    taken = records(ROW, ROW | {"flags": 3, "rssi": None, "mm": None})
    assert taken.columns is not None
    lists = {name: column.tolist() for name, column in taken.columns.items()}
    assert lists["t_us"] == [NOW_NS // 1000] * 2
    assert lists["card"] == ["14010000000100003"] * 2
    assert lists["anchor"] == ["A1", "A1"]
    assert lists["range_m"][0] == 1.5
    assert np.isnan(lists["range_m"][1])
    assert lists["rssi_dbm"][0] == -70.5
    assert np.isnan(lists["flags"][0])
    assert lists["flags"][1] == 3.0
    assert (taken.heard, taken.refused) == (True, ())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"card": None}, "records without card (at '/card')"),
        ({"card": 14010000000100003}, "records whose card is a number, the profile says text"),
        ({"t": "now"}, "records whose t_us is text, the profile says a time in us"),
        ({"t": 0}, "records whose t_us is no time that can be true"),
        ({"mm": "1.5"}, "records whose range_m is text, the profile says number"),
        ({"mm": float("1e400")}, "no JSON"),
        ({"flags": 1.5}, "records whose flags is no whole number"),
        ({"flags": 1 << 64}, "records whose flags is no whole number"),
        ({"anchor": "x" * 2000}, "records whose anchor is a text longer than 1024 letters"),
    ],
)
def test_wrong_records_are_refused_and_counted_and_the_others_given(
    wrong: dict[str, Any], reason: str
) -> None:
    taken = records(ROW, ROW | wrong, ROW | wrong, "no record")
    if reason == "no JSON":
        assert (taken.columns, taken.heard) == (None, False)
        return
    assert taken.columns is not None
    assert len(taken.columns["card"]) == 1
    told = {loss.reason: loss.count for loss in taken.refused}
    assert told.pop(f"mine/uwb/ranges: {reason}") >= 2
    assert all("records without" in other for other in told)


@pytest.mark.parametrize("document", [{"records": 5}, {"records": None}, {}, [], {"records": [5]}])
def test_a_message_without_a_good_record_is_no_sign_of_life(document: Any) -> None:
    taken = take(reader(), document, "mine/uwb/ranges")
    assert (taken.columns, taken.heard) == (None, False)
    assert taken.refused


def test_no_records_are_a_sign_of_life() -> None:
    taken = records()
    assert (taken.columns, taken.heard, taken.refused) == (None, True, ())


def test_a_message_may_be_one_record_itself() -> None:
    text = UWB.replace('pointer = "/records"', 'pointer = ""')
    of = JsonFormat("dev", parsed(text, "uwb_mqtt.toml"), "mine/uwb")
    taken = take(of, ROW, "mine/uwb/ranges")
    assert taken.columns is not None
    assert taken.columns["card"].tolist() == ["14010000000100003"]


def test_records_of_one_message_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols.mqtt.records, "RECORDS_MOST", 3)
    taken = records(*[ROW] * 5)
    assert taken.columns is not None
    assert len(taken.columns["card"]) == 3
    assert [(loss.count, "beyond the first 3" in loss.reason) for loss in taken.refused] == [
        (2, True)
    ]


def test_records_that_the_broker_had_kept_are_refused() -> None:
    taken = records(ROW, retain=True)
    assert (taken.columns, taken.heard) == (None, False)
    assert "publish without retain" in taken.refused[0].reason


def test_a_message_that_comes_again_is_taken_once_where_it_may_be_sent_again() -> None:
    of = reader()
    assert records(ROW, of=of, qos=1).columns is not None
    again = records(ROW, of=of, qos=1)
    assert (again.columns, again.heard) == (None, True)
    of.begin(NOW_NS)
    assert records(ROW, of=of, qos=1).columns is None
    assert records(ROW | {"mm": 1501}, of=of, qos=1).columns is not None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols.mqtt.records, "REMEMBERED_MOST", 3)
    repeats = Repeats()
    for number in range(5):
        assert not repeats.known("t", bytes([number]))
    assert [repeats.known("t", bytes([number])) for number in (4, 3, 2, 1)] == [True] * 3 + [False]
    assert not repeats.known("u", bytes([4]))


SECOND = 1_000_000_000


def test_messages_that_come_as_they_are_made_tell_the_clock() -> None:
    pace, noise = Pace(), random.Random(1)
    told = [
        pace.settled(
            NOW_NS - 7 * SECOND + n * SECOND // 10,
            NOW_NS + n * SECOND // 10 + noise.randrange(10**8),
        )
        for n in range(100)
    ]
    assert not any(told[:15])
    assert all(told[25:])


@given(st.floats(1.5, 1000.0), st.integers(1, 500))
def test_what_the_broker_had_kept_tells_no_clock(speed: float, count: int) -> None:
    pace = Pace()
    told = [
        pace.settled(NOW_NS - 3600 * SECOND + n * SECOND, NOW_NS + round(n * SECOND / speed))
        for n in range(count)
    ]
    assert not any(told)


def test_the_device_clock_is_given_once_messages_come_as_they_are_made() -> None:
    of, given_ns = reader(), []
    for n in range(30):
        sent_ms = (NOW_NS + n * SECOND // 4) // 1_000_000
        payload = {"sent": sent_ms, "records": [ROW | {"mm": n}]}
        message = Message("mine/uwb/ranges", json.dumps(payload).encode(), 1)
        given_ns.append(of.take(message, NOW_NS + n * SECOND // 4).device_t_ns)
    assert given_ns[:8] == [None] * 8
    assert given_ns[-1] == NOW_NS + 29 * SECOND // 4


def test_a_sighting_needs_no_anchor() -> None:
    text = UWB.replace("uwb_reader", "rfid_reader").replace("uwb_mqtt", "rfid_mqtt")
    lines = [line for line in text.splitlines() if "anchor" not in line and "range_m" not in line]
    lines = [*lines[:-1], '  { name = "side", pointer = "/side", type = "whole" },', "]"]
    profile = parsed("\n".join(lines), "rfid_mqtt.toml")
    assert profile.kind is Kind.RFID_READER
    taken = take(
        JsonFormat("dev", profile, "mine/gate"),
        {"records": [ROW | {"side": 1}]},
        "mine/gate/ranges",
    )
    assert taken.columns is not None
    assert taken.columns["side"].tolist() == [1]
