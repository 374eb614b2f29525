"""Requests and answers of EtherNet/IP as bytes, against those that the public manuals show."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.logix_tag import parse_tag
from protocols.ethernetip import cip, gate
from protocols.ethernetip.cip import NonsenseError, Part


@pytest.mark.parametrize(
    ("tag", "request_in_hex"),
    [
        # 1756-PM020, "Read Tag Service", has this of a tag "rate"; the others are laid out so.
        ("rate", "4c 03 91 04 72 61 74 65 01 00"),
        ("Rate", "4c 03 91 04 52 61 74 65 01 00"),
        ("abc", "4c 03 91 03 61 62 63 00 01 00"),
        ("a[5]", "4c 03 91 01 61 00 28 05 01 00"),
        ("a[256]", "4c 04 91 01 61 00 29 00 00 01 01 00"),
        ("a[65536]", "4c 05 91 01 61 00 2a 00 00 00 01 00 01 00"),
        ("a[1,2].b", "4c 06 91 01 61 00 28 01 28 02 91 01 62 00 01 00"),
        ("a.7", "4c 02 91 01 61 00 01 00"),
    ],
)
def test_a_request_is_as_the_manual_shows_it(tag: str, request_in_hex: str) -> None:
    assert cip.read_tag(parse_tag(tag)) == bytes.fromhex(request_in_hex)


def test_requests_go_together_and_their_answers_come_apart() -> None:
    # As 1756-PM020, "Multiple Service Packet Service", lays it out, with two Read Tag requests.
    parts, rate = (cip.read_tag(parse_tag(name)) for name in ("parts", "rate"))
    expected = "02 00 06 00 12 00 4c 04 91 05 70 61 72 74 73 00 01 00 4c 03 91 04 72 61 74 65 01 00"
    assert cip.merged([parts, rate]) == bytes.fromhex(expected)
    answer = "02 00 06 00 10 00 cc 00 00 00 c4 00 2a 00 00 00 cc 00 00 00 c4 00 7f 00 00 00"
    found = cip.parts_of(bytes.fromhex(answer), 2)
    assert [cip.number_of(part.data) for part in found] == [42, 127]
    assert {(part.service, part.status) for part in found} == {(0x4C, 0)}


def test_a_refused_part_has_its_status_and_what_that_says_besides() -> None:
    answer = bytes.fromhex("01 00 04 00 cc 00 ff 01 05 21")
    assert cip.parts_of(answer, 1) == [Part(0x4C, 0xFF, 0x2105, b"")]


@given(st.binary(max_size=80), st.integers(1, 4))
def test_whatever_comes_is_an_answer_or_nonsense(data: bytes, count: int) -> None:
    try:
        found = cip.parts_of(data, count)
    except NonsenseError:
        return
    assert len(found) == count


@given(st.binary(max_size=80))
def test_whatever_a_value_is_it_is_one_or_none(data: bytes) -> None:
    for read in (cip.number_of, cip.bool_of, cip.text_of, lambda raw: cip.bit_of(raw, 9)):
        try:
            value = read(data)
        except NonsenseError:
            assert len(data) < 2
        else:
            assert value is None or isinstance(value, float | int | str)


@given(st.binary(max_size=120))
def test_whatever_is_to_be_sent_is_let_through_or_refused(data: bytes) -> None:
    with suppress(gate.ReadOnlyError):
        gate.check(data)
