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
