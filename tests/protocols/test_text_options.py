"""What devices.toml says of a device that sends lines of text."""

import pytest
from pydantic import ValidationError

from protocols.driver import driver_class
from protocols.text.driver import TextDriver
from protocols.text.options import TextOptions
from protocols.text.words import plain
from tests.protocols.text_profiles import shipped


def options(**given: object) -> TextOptions:
    return TextOptions.model_validate({"host": "10.0.0.5", "port": 5000, **given})


def test_the_protocol_s_driver_is_found() -> None:
    assert driver_class("text") is TextDriver


@pytest.mark.parametrize(
    ("given", "words", "address", "line"),
    [
        ({}, "text tcp 10.0.0.5:5000", ("tcp", "10.0.0.5", 5000), ()),
        (
            {"transport": "udp"},
            "text udp 10.0.0.5 on port 5000",
            ("udp", 5000, "10.0.0.5"),
            ("udp", 5000),
        ),
        (
            {"transport": "tcp_listen", "bind": "10.0.0.1"},
            "text tcp_listen 10.0.0.5 on port 5000",
            ("tcp_listen", 5000, "10.0.0.5"),
            ("tcp_listen", 5000),
        ),
    ],
)
def test_where_a_device_is(
    given: dict[str, object], words: str, address: tuple[object, ...], line: tuple[object, ...]
) -> None:
    made = options(**given)
    assert made.describe() == words
    assert tuple(getattr(made, key) for key in made.address_keys) == address
    assert tuple(getattr(made, key) for key in made.line_keys) == line
    assert made.agreed_keys == (("bind",) if line else ())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"transport": "serial"}, "Input should be 'tcp', 'tcp_listen' or 'udp'"),
        ({"bind": "0.0.0.0"}, 'has no use with transport = "tcp", only with "tcp_listen" or "udp"'),
        ({"transport": "udp", "timeout_s": 1.0}, 'has no use with transport = "udp", only with "t'),
        ({"transport": "udp", "bind": "eth0"}, "must be an IP address of this computer"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"speed": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_told(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as failed:
        options(**given)
    assert told in str(failed.value)


@pytest.mark.parametrize(
    ("profile", "card", "told"),
    [
        ("uwb_dwm1001", None, "card: is missing, as the lines do not say of which card they are"),
        ("uwb_text", "14010000000100001", "card: has no use, as the lines say of which card"),
        ("uwb_dwm1001", "a b", "card: must be a card's id"),
    ],
)
def test_a_card_goes_with_the_profile(profile: str, card: str | None, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TextDriver("kit", shipped(profile), options(card=card))


@pytest.mark.parametrize(
    ("address", "one"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("fe80::1%eth0", "fe80::1"),
        ("FE80:0::1", "fe80::1"),
    ],
)
def test_an_address_has_one_form(address: str, one: str) -> None:
    assert plain(address) == one
