"""Births, aliases, deaths, gaps and values of Sparkplug, message by message."""

from typing import Any

import pytest

from equipment.report import Quality, Sample
from protocols.mqtt.message import Message, Taken
from protocols.mqtt.sparkplug import DOUBTFUL, SparkplugFormat
from tests.protocols.mqtt_peer import driver_for, machine
from tests.protocols.sparkplug_messages import payload

POINTS = (
    'name="pressure"; metric="Hydraulics/Pressure"; unit="MPa"; range=[0.0, 60.0]',
    'name="running"; metric="Running"; type="bool"',
    'name="model"; metric="Properties/Model"; type="text"',
    'name="state"; metric="State"; states={ 0 = "stopped", 1 = "running" }',
)
PROFILE = machine(*POINTS, more='format = "sparkplug"')
T_MS = 1_772_366_400_000
BIRTH: tuple[dict[str, Any], ...] = (
    {"name": "Hydraulics/Pressure", "alias": 0, "double": 31.5, "timestamp": T_MS},
    {"name": "Running", "alias": 1, "boolean": True},
    {"name": "Properties/Model", "alias": 2, "string": "P 90"},
    {"name": "State", "alias": 3, "int32": 1},
    {"name": "Not asked for", "alias": 9, "double": 1.0},
)


class Node:
    """What an edge node publishes, and what the gateway makes of it."""

    def __init__(self, root: str = "mine/face/pump1") -> None:
        self.format = SparkplugFormat("dev", PROFILE, root)
        self.now_ns = T_MS * 1_000_000
        self.last: dict[str, Sample] = {}
        self.keep(self.format.begin(self.now_ns))

    def keep(self, taken: Taken) -> Taken:
        self.last |= {sample.point: sample for sample in taken.samples}
        return taken

    def say(
        self, kind: str, data: bytes, device: str | None = "pump1", *, retain: bool = False
    ) -> Taken:
        topic = f"spBv1.0/mine/{kind}/face" + (f"/{device}" if device else "")
        self.now_ns += 1_000_000
        return self.keep(self.format.take(Message(topic, data, retain=retain), self.now_ns))

    def born(self, seq: int = 0, bd_seq: int = 4) -> None:
        self.say("NBIRTH", payload(seq, {"name": "bdSeq", "uint64": bd_seq}), None)
        self.say("DBIRTH", payload((seq + 1) % 256, *BIRTH, timestamp=T_MS))

    def values(self) -> dict[str, Any]:
        return {name: sample.value for name, sample in self.last.items()}

    def qualities(self) -> set[Quality]:
        return {sample.quality for sample in self.last.values()}


GOOD = {"pressure": 31.5, "running": True, "model": "P 90", "state": "running"}


def test_before_a_birth_all_is_bad_and_what_to_do_is_told() -> None:
    node = Node()
    assert node.qualities() == {Quality.BAD}
    assert "have the edge node mine/face send its births again" in node.last["pressure"].reason
    taken = node.say("DDATA", payload(7, {"alias": 0, "double": 30.0}))
    assert (taken.samples, taken.heard) == ((), True)


def test_a_birth_gives_values_and_aliases() -> None:
    node = Node()
    node.born()
    assert node.values() == GOOD
    assert node.last["pressure"].source_t_ns == T_MS * 1_000_000
    assert node.last["running"].source_t_ns == T_MS * 1_000_000
    taken = node.say(
        "DDATA",
        payload(
            2,
            {"alias": 0, "double": 32.5, "typed": False},
            {"alias": 3, "int32": 0, "typed": False},
            {"alias": 9, "double": 5.0, "typed": False},
            {"alias": 77, "double": 5.0},
            timestamp=T_MS + 250,
        ),
    )
    assert node.values() == GOOD | {"pressure": 32.5, "state": "stopped"}
    assert node.last["pressure"].source_t_ns == (T_MS + 250) * 1_000_000
    assert (taken.heard, taken.lost, taken.refused) == (True, (), ())


def test_a_named_metric_needs_no_birth_where_its_type_is_said() -> None:
    node = Node()
    pressure = {"name": "Hydraulics/Pressure", "double": 30.0}
    node.say("DDATA", payload(9, pressure, {"name": "State", "int_value": 1}))
    assert node.last["pressure"].value == 30.0
    assert "data type no birth" in node.last["state"].reason


def test_a_birth_without_a_metric_of_the_profile_says_so() -> None:
    node = Node()
    node.say("DBIRTH", payload(1, *BIRTH[1:]))
    assert "the birth has no metric 'Hydraulics/Pressure'" in node.last["pressure"].reason
    assert node.last["running"].quality is Quality.GOOD


def test_an_alias_that_is_given_twice_is_nobodys() -> None:
    node = Node()
    node.say("DBIRTH", payload(1, *BIRTH, {"name": "Other", "alias": 0, "double": 1.0}))
    assert "gives its alias to another metric too" in node.last["pressure"].reason
    node.say("DDATA", payload(2, {"alias": 0, "double": 40.0}))
    assert node.last["pressure"].quality is Quality.BAD


def test_another_birth_takes_the_place_of_the_first() -> None:
    node = Node()
    node.born()
    swapped = ({**BIRTH[0], "alias": 5}, {**BIRTH[4], "alias": 0}, *BIRTH[1:4])
    node.say("DBIRTH", payload(2, *swapped))
    node.say("DDATA", payload(3, {"alias": 0, "double": 55.0}, {"alias": 5, "double": 33.0}))
    assert node.last["pressure"].value == 33.0


def test_a_node_that_is_born_anew_takes_its_devices_aliases_along() -> None:
    node = Node()
    node.born()
    node.say("NBIRTH", payload(0, {"name": "bdSeq", "uint64": 5}), None)
    assert node.qualities() == {Quality.BAD}
    assert "the edge node was born anew, and the device not yet" in node.last["state"].reason
    node.say("DDATA", payload(1, {"alias": 0, "double": 40.0}))
    assert node.last["pressure"].quality is Quality.BAD
    node.say("DBIRTH", payload(2, *BIRTH))
    assert node.values() == GOOD


@pytest.mark.parametrize(
    ("kind", "device", "data"),
    [
        ("DDEATH", "pump1", payload(2)),
        ("NDEATH", None, payload(None, {"name": "bdSeq", "uint64": 4})),
        ("NDEATH", None, payload(None)),
    ],
)
def test_a_death_is_told_and_a_birth_ends_it(kind: str, device: str | None, data: bytes) -> None:
    node = Node()
    node.born()
    taken = node.say(kind, data, device)
    assert kind in taken.gone
    assert (taken.heard, node.qualities()) == (False, {Quality.BAD})
    assert node.format.waiting == taken.gone
    node.say("DDATA", payload(3, {"alias": 0, "double": 40.0}))
    assert "data came after a death, without a birth" in node.last["pressure"].reason
    node.born(10)
    assert node.values() == GOOD
    assert "nothing that can be used comes of" in node.format.waiting


def test_a_death_of_a_connection_that_was_replaced_is_none() -> None:
    node = Node()
    node.born(bd_seq=5)
    taken = node.say("NDEATH", payload(None, {"name": "bdSeq", "uint64": 4}), None)
    assert (taken.gone, node.values()) == ("", GOOD)


def test_a_neighbour_is_neither_heard_nor_mourned_nor_does_its_nonsense_matter() -> None:
    node = Node()
    node.born()
    for kind, data in (
        ("DBIRTH", payload(2, *BIRTH)),
        ("DDATA", payload(3, {"alias": 0, "double": 55.0})),
        ("DDEATH", payload(4)),
        ("DDATA", b"\xff\xff"),
    ):
        assert node.say(kind, data, "pump2") == Taken()
    node.say("DDATA", payload(6, {"alias": 0, "double": 33.0}))
    assert node.values() == GOOD | {"pressure": 33.0}
    assert node.qualities() == {Quality.GOOD}


def test_a_gap_is_counted_and_aliases_are_doubtful_until_the_next_birth() -> None:
    node = Node()
    node.born()
    taken = node.say("DDATA", payload(5, {"alias": 0, "double": 33.0}, {**BIRTH[1], "alias": 1}))
    assert [(loss.count, "mine/face" in loss.reason) for loss in taken.lost] == [(3, True)]
    pressure = node.last["pressure"]
    assert (pressure.quality, pressure.reason) == (Quality.UNCERTAIN, DOUBTFUL)
    assert node.last["running"].quality is Quality.GOOD
    node.say("DBIRTH", payload(6, *BIRTH))
    node.say("DDATA", payload(7, {"alias": 0, "double": 34.0}))
    assert node.last["pressure"].quality is Quality.GOOD


def test_numbers_begin_anew_after_255() -> None:
    node = Node()
    node.born(254)
    taken = node.say("DDATA", payload(0, {"alias": 0, "double": 33.0}))
    assert (taken.lost, node.last["pressure"].value) == ((), 33.0)


def test_what_comes_late_does_not_replace_what_is_newer() -> None:
    node = Node()
    node.born()
    node.say("DDATA", payload(2, {"alias": 0, "double": 33.0, "timestamp": T_MS + 200}))
    late = {"alias": 0, "double": 32.0, "timestamp": T_MS + 100}
    taken = node.say(
        "DDATA", payload(1, late, {"alias": 1, "boolean": False, "timestamp": T_MS + 1})
    )
    assert (taken.lost, node.last["pressure"].value) == ((), 33.0)
    assert node.last["running"].value is False


def test_a_node_that_counts_anew_unseen_is_followed_again() -> None:
    node = Node()
    node.born(100)
    for seq, value in ((1, 33.0), (2, 34.0), (3, 35.0)):
        data = {"alias": 0, "double": value, "timestamp": T_MS + 1000 + seq}
        node.say("DDATA", payload(seq, data))
        assert node.last["pressure"].value == value
    assert node.last["pressure"].quality is Quality.UNCERTAIN


def test_what_is_retained_is_refused() -> None:
    node = Node()
    taken = node.say("DBIRTH", payload(1, *BIRTH), retain=True)
    assert (taken.samples, taken.heard) == ((), False)
    assert "Sparkplug forbids it" in taken.refused[0].reason


def test_a_birth_that_can_not_be_read_leaves_no_aliases() -> None:
    node = Node()
    node.born()
    taken = node.say("DBIRTH", b"\x12\x05\x0a")
    assert "no Sparkplug payload: ends within a field" in taken.refused[0].reason
    assert node.qualities() == {Quality.BAD}
    taken = node.say("DDATA", b"\xff")
    assert (len(taken.refused), taken.heard) == (1, False)


@pytest.mark.parametrize(
    "topic",
    ["spBv1.0/mine/DCMD/face/pump1", "spBv1.0/mine/NDATA/face/pump1", "other", "spBv1.0/STATE/host",
     "spBv1.0/mine/DDATA/other/pump1", "spBv1.0/else/DDATA/face/pump1"],
)  # fmt: skip
def test_strange_topics_are_refused(topic: str) -> None:
    node = Node()
    taken = node.format.take(Message(topic, payload(1, *BIRTH)), 1)
    assert (taken.samples, taken.heard) == ((), False)
    assert "not asked for" in taken.refused[0].reason


def test_an_edge_node_has_metrics_of_its_own() -> None:
    node = Node("mine/face")
    node.say("NBIRTH", payload(0, *BIRTH), None)
    assert node.values() == GOOD
    assert node.say("DDATA", payload(1, {"alias": 0, "double": 1.0})) == Taken()
    node.say("NDATA", payload(2, {"alias": 0, "double": 33.0}), None)
    assert node.last["pressure"].value == 33.0


@pytest.mark.parametrize(
    ("metric", "value", "reason"),
    [
        ({"double": float("nan")}, None, "is no finite number"),
        ({"double": 61.0}, None, "61 MPa is outside 0 to 60"),
        ({"float": 2.5}, 2.5, ""),
        ({"int8": 256 - 3}, None, "-3 MPa is outside 0 to 60"),
        ({"int16": 2**32 - 3}, None, "-3 MPa is outside 0 to 60"),
        ({"int64": 2**64 - 3}, None, "-3 MPa is outside 0 to 60"),
        ({"uint8": 60}, 60.0, ""),
        ({"uint8": 300}, None, "is a number beyond its 8 bits"),
        ({"int8": 300}, None, "is a number beyond its 8 bits"),
        ({"long_value": 7, "datatype": 7}, 7.0, ""),
        ({"int_value": 7, "datatype": 4}, None, "is Int64 in field 10, the profile says number"),
        ({"string": "31"}, None, "is String in field 15, the profile says number"),
        ({"boolean": True}, None, "is Boolean in field 14, the profile says number"),
        (
            {"bytes_value": b"x", "datatype": 17},
            None,
            "is Bytes in field 16, the profile says number",
        ),
        ({"datatype": 10}, None, "the metric has no value"),
        ({"datatype": 10, "is_null": True}, None, "the device gives no value (null)"),
        ({"double": 3.0, "quality": 192}, 3.0, ""),
        ({"double": 3.0, "quality": 500}, 3.0, "the edge node says stale (Quality 500)"),
        ({"double": 3.0, "quality": 0}, None, "the edge node says that it is bad (Quality 0)"),
        ({"double": 3.0, "datatype": 9}, None, "is Float in field 13, the profile says number"),
    ],
)
def test_each_type_and_each_wrong_type(metric: dict[str, Any], value: Any, reason: str) -> None:
    node = Node()
    node.say("DBIRTH", payload(1, {"name": "Hydraulics/Pressure"} | metric))
    pressure = node.last["pressure"]
    assert (pressure.value, pressure.reason) == (value, reason)
    assert (pressure.quality is Quality.BAD) == (value is None)


def test_a_type_that_is_not_that_of_the_birth_is_refused() -> None:
    node = Node()
    node.born()
    taken = node.say("DDATA", payload(2, {"alias": 0, "float": 3.0}))
    assert node.last["pressure"].reason == "is Float, its birth says Double"
    assert [loss.count for loss in taken.refused] == [1]
    taken = node.say("DDATA", payload(3, {"name": "Running", "string": "yes", "typed": False}))
    assert [loss.count for loss in taken.refused] == [1]
    assert node.say("DDATA", payload(4, {"alias": 0, "double": 3.0})).refused == ()


def test_what_is_historical_is_no_value_of_now() -> None:
    node = Node()
    node.born()
    taken = node.say("DDATA", payload(2, {"alias": 0, "double": 3.0, "is_historical": True}))
    assert (taken.samples, taken.heard) == ((), True)


@pytest.mark.parametrize("topic", ["pump1", "a/b/c/d", "spBv1.0/mine/face"])
def test_a_topic_that_is_no_sparkplug_device_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="topic: must be group/node/device"):
        driver_for(PROFILE, 1883, topic=topic)
