from __future__ import annotations

import pytest

from equipment.catalogue import parse_profile
from equipment.json_pointer import split_pointer
from equipment.mqtt_profile import MqttProfile, check_topic
from equipment.toml_source import ConfigurationError

HEAD = """
id = "pump"
title = { en = "Pump", zh = "水泵" }
kind = "machine"
protocol = "mqtt"
"""
POINT = '[[point]]\nname = "{}"\nmeaning = {{ en = "x", zh = "x" }}\n{}\n'
RECORDS = """
[records]
pointer = "/records"
field = [
  { name = "t_us", pointer = "/t", type = "time", unit = "ms" },
  { name = "card", pointer = "/card", type = "text" },
]
"""


def read(*points: str, more: str = "", after: str = "") -> MqttProfile:
    text = HEAD + more + "\n"
    text += "".join(POINT.format(f"p{n}", lines) for n, lines in enumerate(points)) + after
    profile = parse_profile(text, "pump.toml")
    assert isinstance(profile, MqttProfile)
    return profile


def problem(*points: str, more: str = "", after: str = "") -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(*points, more=more, after=after)
    return str(caught.value)


def test_points_of_json_and_of_sparkplug() -> None:
    json = read('pointer = "/a~1b"\ntopic = "x/y"', 'pointer = ""')
    assert json.topics == ("x/y", "")
    assert json.format == "json"
    sparkplug = read('metric = "A/B"\ntype = "bool"', more='format = "sparkplug"')
    assert sparkplug.point[0].metric == "A/B"


@pytest.mark.parametrize(
    ("points", "more", "after", "words"),
    [
        (
            ['pointer = "/a"'],
            "scan = { classes = { slow = 10.0 } }",
            "",
            "classes have no use over mqtt, the device sends by itself",
        ),
        ((), "", "", "there is no [[point]]"),
        (('metric = "A"',), "", "", "format 'json' needs pointer, and no metric"),
        (('pointer = "/a"',), 'format = "sparkplug"', "", "needs metric, and no topic, pointer"),
        (('metric = "A"\ntopic = "x"',), 'format = "sparkplug"', "", "needs metric, and no topic"),
        (('pointer = "a"',), "", "", "begin it with '/'"),
        (('pointer = "/a~2"',), "", "", "write ~0 for '~'"),
        (('pointer = "/a"\ntopic = "x/#"',), "", "", "must be one topic"),
        (('pointer = "/a"\ntopic = "/x"',), "", "", "an empty level"),
        (('pointer = "/a"\ntype = "text"\nscale = 2.0',), "", "", "go with numbers, not with type"),
        (('pointer = "/a"\ntype = "bool"\nstates = { 0 = "x" }',), "", "", "go with numbers"),
        (('pointer = "/a"\ntype = "int16"',), "", "", "must be 'number', 'text' or 'bool'"),
        (('pointer = "/a"',), 'format = "xml"', "", "must be 'json' or 'sparkplug'"),
        (('pointer = "/a"',), 'time = { pointer = "/t", unit = "h" }', "", "must be 's', 'ms'"),
        (
            ('metric = "A"',),
            'format = "sparkplug"\ntime = { pointer = "/t", unit = "s" }',
            "",
            "[time] and [records] are for format 'json'",
        ),
        (('pointer = "/a"',), "", RECORDS, "a reader needs [records], a machine has none"),
        (
            tuple(f'pointer = "/a"\ntopic = "t{n}"' for n in range(65)),
            "",
            "",
            "65 topics; at most 64 can be subscribed",
        ),
    ],
)
def test_a_mistake_is_told(points: tuple[str, ...], more: str, after: str, words: str) -> None:
    assert words in problem(*points, more=more, after=after)


def read_reader(text: str, kind: str = "rfid_reader") -> MqttProfile:
    profile = parse_profile(HEAD.replace('"machine"', f'"{kind}"') + text, "pump.toml")
    assert isinstance(profile, MqttProfile)
    return profile


def test_a_reader_has_records() -> None:
    profile = read_reader(RECORDS)
    assert profile.topics == ("",)
    assert profile.records is not None


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        (RECORDS, "", "rfid_reader", "a reader needs [records]"),
        ("", "", "uwb_reader", "records of a uwb_reader need a field 'anchor'"),
        ('"card"', '"tag"', "rfid_reader", "records of a rfid_reader need a field 'card'"),
        (
            'type = "text"',
            'type = "whole"',
            "rfid_reader",
            "'card' of a rfid_reader must be one of: text",
        ),
        (', unit = "ms"', "", "rfid_reader", "unit of a 'time' must be one of: s, ms, us, ns"),
        ('type = "text"', 'type = "text", scale = 2.0', "rfid_reader", "go with type 'number'"),
        ('type = "text"', 'type = "number", scale = 0.0', "rfid_reader", "scale must not be 0"),
        ('"card"', '"t_us"', "rfid_reader", "two fields have the name t_us"),
    ],
)
def test_a_mistake_in_records_is_told(old: str, new: str, kind: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_reader(RECORDS.replace(old, new) if old else RECORDS, kind)
    assert words in str(caught.value)


def test_pointers_are_unescaped_in_the_order_of_the_standard() -> None:
    assert split_pointer("/a~01/~1~0") == ("a~1", "/~")
    assert split_pointer("") == ()
    assert split_pointer("/") == ("",)


@pytest.mark.parametrize("topic", ["", "a//b", "/a", "a/", "+/a", "a/#", "a\0b"])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        check_topic(topic)
