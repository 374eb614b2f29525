"""`devices.toml`: each device has an id of its own, and what it can't be is told."""

import pytest

from equipment.device import parse_devices
from equipment.toml_source import ConfigurationError

DEVICES = """
[[device]]
id = "shearer-1"
profile = "shearer_modbus"
name = "采煤机 1"
host = "10.0.0.5"
unit = 3

[[device]]
id = "R-01"
profile = "uwb_reader"
host = "10.0.0.6"
"""


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as failed:
        parse_devices(text)
    return list(map(str, failed.value.mistakes))


def test_devices_in_their_order_with_the_keys_for_the_driver() -> None:
    one, two = parse_devices(DEVICES)
    assert (one.id, one.profile, one.name) == ("shearer-1", "shearer_modbus", "采煤机 1")
    assert one.options == {"host": "10.0.0.5", "unit": 3}
    assert (two.name, two.options) == ("", {"host": "10.0.0.6"})


def test_a_mine_may_have_no_devices_yet() -> None:
    assert parse_devices("") == ()


def test_two_devices_with_one_id_are_told_with_both_lines() -> None:
    assert mistakes_in(DEVICES.replace("R-01", "shearer-1")) == [
        "devices.toml:10: device[2].id: 'shearer-1' is already the id of the device at line 3 "
        "(give it another)"
    ]


@pytest.mark.parametrize("name", ["", "-1", "a b", "采", "a/b", "x" * 65, "a\\n"])
def test_ids_that_would_not_do_in_a_file_name_or_topic(name: str) -> None:
    (mistake,) = mistakes_in(f'[[device]]\nid = "{name}"\nprofile = "p"\n')
    assert mistake.startswith("devices.toml:2: device[1].id: ")


def test_what_is_missing_or_unknown_is_told() -> None:
    assert mistakes_in('[[devices]]\nid = "a"\n') == [
        "devices.toml:1: devices: unknown key (did you mean 'device'?)"
    ]
    assert mistakes_in('[[device]]\nid = "a"\n') == [
        "devices.toml:1: device[1].profile: is missing"
    ]


SUPPORTS = """
[[device]]
id = "support-{n}"
name = "{n} 号支架"
profile = "roof_support_modbus"
host = "10.0.7.{n}"
unit = 11
namespaces = { app = "urn:face:{n}", list = ["{n}"] }
repeat = { count = 3, first = 5, step = { unit = 2 } }
"""


def test_many_devices_of_one_form_are_written_once() -> None:
    devices = parse_devices(SUPPORTS)
    assert [one.id for one in devices] == ["support-5", "support-6", "support-7"]
    assert devices[2].name == "7 号支架"
    assert devices[2].options == {
        "host": "10.0.7.7",
        "unit": 15,
        "namespaces": {"app": "urn:face:7", "list": ["7"]},
    }


@pytest.mark.parametrize(
    ("written", "wrong", "mistake"),
    [
        ("support-{n}", "support", "3: device[1].id: must hold {n}, the number of the device"),
        ("count = 3", "count = 0", "9: device[1].repeat.count: "),
        (
            "step = { unit = 2 }",
            "step = { port = 2 }",
            "9: device[1].repeat.step.port: the device has no number 'port'",
        ),
        (
            "first = 5",
            "from = 5",
            "9: device[1].repeat.from: unknown key (known: count, first, step)",
        ),
        ('profile = "roof_support_modbus"\n', "", "2: device[1].profile: is missing"),
    ],
)
def test_a_mistake_in_many_devices_is_told_once(written: str, wrong: str, mistake: str) -> None:
    (told,) = mistakes_in(SUPPORTS.replace(written, wrong))
    assert told.startswith(f"devices.toml:{mistake}")


def test_devices_of_one_form_are_not_named_as_others_are() -> None:
    one = '[[device]]\nid = "support-6"\nprofile = "p"\n'
    assert mistakes_in(SUPPORTS + one) == [
        "devices.toml:11: device[2].id: 'support-6' is already the id of the device at line 3 "
        "(give it another)"
    ]
