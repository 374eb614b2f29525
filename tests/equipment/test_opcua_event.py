"""Profiles of OPC UA readers: what their events must and may have, and what is refused."""

import pytest

from equipment import catalogue
from equipment.opcua_profile import OpcUaProfile
from equipment.profile import Kind
from equipment.toml_source import ConfigurationError

TOP = """id = "gate"
title = { en = "Gate", zh = "门" }
kind = "rfid_reader"
protocol = "opcua"
namespaces = { aid = "urn:aid" }
"""
EVENT = '[event]\ntype = "aid:SeenType"\n'
TIME = '[[event.field]]\nname = "t_us"\npath = "Time"\n'
CARD = '[[event.field]]\nname = "card"\npath = "aid:Result"\nmember = "Data/Text"\n'
SIDE = '[[event.field]]\nname = "side"\npath = "aid:Result"\nmember = ["A", "B/C"]\n'
POINT = '[[point]]\nname = "a"\nmeaning = { en = "a", zh = "a" }\npath = "aid:A"\n'
GATE = TOP + EVENT + TIME + CARD + SIDE
PLACES = "".join(
    f'[[event.field]]\nname = "{name}"\npath = "aid:Result"\nmember = "At/{name}"\n'
    for name in ("x_m", "y_m")
)


def mistakes(text: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        catalogue.parse_profile(text, "gate.toml")
    return str(error.value)


def test_a_reader_has_events_and_maybe_points() -> None:
    for text in (GATE, GATE + POINT):
        profile = catalogue.parse_profile(text, "gate.toml")
        assert isinstance(profile, OpcUaProfile)
        assert profile.event is not None
        assert profile.event.step == ("aid", "SeenType")
        assert profile.event.prefixes == {"", "aid"}
        assert [one.members for one in profile.event.field] == [
            (),
            (("Data", "Text"),),
            (("A",), ("B", "C")),
        ]


def test_an_engine_has_places() -> None:
    engine = GATE.replace("rfid_reader", "positioning_engine").replace(SIDE, PLACES)
    assert catalogue.parse_profile(engine, "gate.toml").kind is Kind.POSITIONING_ENGINE
    assert "events of a positioning_engine need a field 'x_m'" in mistakes(
        engine.replace(PLACES, "")
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TOP, "a rfid_reader needs an [event]"),
        (TOP + POINT, "a rfid_reader needs an [event]"),
        (GATE.replace("rfid_reader", "machine"), "a machine has no [event]"),
        (
            GATE.replace("rfid_reader", "uwb_reader"),
            "a uwb_reader is not read over OPC UA, but: ma",
        ),
        (TOP + EVENT + TIME, "events of a rfid_reader need a field 'card'"),
        (TOP + EVENT + CARD, "events of a rfid_reader need a field 't_us'"),
        (GATE.replace('"side"', '"sides"'), "has no column 'sides' (did you mean 'side'?)"),
        (GATE.replace('"side"', '"x_m"'), "a rfid_reader has no column 'x_m'"),
        (GATE + CARD, "two fields have the name card"),
        (GATE.replace("aid:SeenType", "ai:SeenType"), "event: prefix 'ai' is not in [namespaces]"),
        (GATE.replace("aid:SeenType", "aid:A/aid:B"), "must be the type's browse name alone"),
        (GATE.replace('"aid:Result"', '"ai:Result"'), "event: prefix 'ai' is not in [namespaces]"),
        (GATE.replace('"aid:Result"', '"aid:"'), "a step without a browse name"),
        (GATE.replace("Data/Text", "Data//Text"), "event.field[2].member"),
        (GATE + "scale = 0", "scale must not be 0"),
        (GATE + "scale = 2\nvalues = { 1 = 1 }", "give no scale and offset"),
        (GATE + 'bytes = "text"', "bytes and last_bytes go with card"),
        (GATE + "last_bytes = 2", "bytes and last_bytes go with card"),
        (TOP + EVENT + CARD + TIME + "offset = 5", "go with numbers, not with t_us"),
        (TOP + EVENT + TIME + CARD + "values = { 1 = 1 }", "go with numbers, not with card"),
        (TOP + EVENT + TIME + CARD + "last_bytes = 0", "event.field[2].last_bytes"),
        (GATE + "typ = 1", "event.field[3].typ: unknown key"),
    ],
)
def test_events_that_can_not_be_taken_as_written(text: str, told: str) -> None:
    assert told in mistakes(text)
