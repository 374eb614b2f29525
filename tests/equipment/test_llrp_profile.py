"""Profiles of LLRP readers: the card in an EPC, antennas and sides."""

import pytest

from equipment import catalogue
from equipment.llrp_profile import Epc, LlrpProfile
from equipment.toml_source import ConfigurationError
from protocols.llrp.report import card_of

TOP = 'id = "x"\ntitle = { en = "X", zh = "X" }\nprotocol = "llrp"\nkind = "rfid_reader"\n'
EPC = bytes.fromhex("300833B2DDD9014000000001")


def read(more: str = "", top: str = TOP) -> LlrpProfile:
    profile = catalogue.parse_profile(top + more, "x.toml")
    assert isinstance(profile, LlrpProfile)
    return profile


@pytest.mark.parametrize(
    ("rule", "epc", "card"),
    [
        (Epc(), EPC, "B2DDD9014000000001"),
        (Epc(last_bytes=5), EPC, "4000000001"),
        (Epc(), b"\x01\xab", "01AB"),
        (Epc(form="decimal", last_bytes=4), b"\x00\x00\x30\x39", "12345"),
        (Epc(form="decimal", last_bytes=7, digits=17), EPC, "61081444335747073"),
        (Epc(form="decimal", last_bytes=2, digits=9), b"\x30\x39", "000012345"),
        (Epc(form="text", last_bytes=12), b"\0\0ZK0000123\0", "ZK0000123"),
        (Epc(form="text", last_bytes=3), b"\xff\xfe\xfd", "\ufffd\ufffd\ufffd"),
    ],
)
def test_a_card_is_the_last_bytes_in_the_form_that_the_profile_says(
    rule: Epc, epc: bytes, card: str
) -> None:
    assert card_of(epc, rule) == card


def test_all_that_a_profile_may_say_is_read() -> None:
    profile = read('[epc]\nform = "decimal"\nlast_bytes = 7\ndigits = 10\n[sides]\n1 = 1\n4 = 2\n')
    assert profile.epc == Epc(form="decimal", last_bytes=7, digits=10)
    assert profile.sides == {1: 1, 4: 2}
    assert read().epc == Epc(form="hex", last_bytes=9)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('[epc]\nform = "hex"\nlast_bytes = 10', "at most 9 for form 'hex'"),
        ('[epc]\nform = "decimal"', "at most 7 for form 'decimal'"),
        ('[epc]\nform = "text"\nlast_bytes = 19', "at most 18 for form 'text'"),
        ("[epc]\ndigits = 5", "digits goes with form 'decimal'"),
        ("[sides]\n1 = 3", "sides"),
        ("[sides]\n0 = 1", "sides"),
        ('[[point]]\nname = "a"\nmeaning = { en = "a", zh = "a" }', "an LLRP reader has none"),
    ],
)
def test_what_does_not_fit_is_told(more: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read(more)


def test_only_rfid_readers_speak_it() -> None:
    with pytest.raises(ConfigurationError, match="a uwb_reader does not speak LLRP"):
        read(top=TOP.replace("rfid_reader", "uwb_reader"))
