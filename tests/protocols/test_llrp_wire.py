"""Messages of LLRP as bytes: cut out of a stream, put together, and whatever else comes."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.llrp_profile import LlrpProfile
from protocols.llrp import rospec, wire
from protocols.llrp.clock import ReaderClock
from protocols.llrp.report import ReportReader, event_of
from protocols.llrp.wire import Message, NonsenseError, Splitter
from tests.protocols.llrp_peer import message, profile, status, tag, tlv

#: The gateway's ROSpec 1, parameter by parameter as LLRP 1.1 lays it out (its binary encoding).
ROSPEC = """
00b1 0048 00000001 07 00
  00b2 0012  00b3 0005 01  00b6 0009 00 00000000
  00b7 0018 0001 0000  00b8 0009 00 00000000  00ba 0007 0001 01
  00ed 000d 01 0001  00ee 0006 1600
"""


def test_the_rospec_is_as_the_standard_lays_it_out() -> None:
    expected = bytes.fromhex("".join(ROSPEC.split()))
    made = rospec.own(1)
    assert struct.unpack_from(">H", made, 2) == (len(made),)
    assert made[:2] + made[4:] == expected[:2] + expected[4:]


def test_the_settings_are_as_the_standard_lays_them_out() -> None:
    events = "".join(f"00f5 0007 {event:04x} 80" for event in (3, 4, 8))
    expected = f"00 00f4 0019 {events} 00dc 0009 01 000009c4"
    assert rospec.config(2.5) == bytes.fromhex(expected.replace(" ", ""))


@given(st.lists(st.binary(max_size=30), max_size=5), st.lists(st.integers(1, 20), min_size=1))
def test_messages_are_the_same_however_the_stream_is_cut(
    bodies: list[bytes], sizes: list[int]
) -> None:
    stream = b"".join(message(61, n, body) for n, body in enumerate(bodies))
    splitter, at, turn = Splitter(), 0, 0
    found: list[Message] = []
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += splitter.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == [Message(61, n, body) for n, body in enumerate(bodies)]


@given(st.binary(max_size=100))
def test_whatever_comes_is_read_or_nonsense(data: bytes) -> None:
    def parameters(raw: bytes) -> object:
        return list(wire.parameters(raw))

    def rospecs(raw: bytes) -> object:
        return list(rospec.rospecs_of(raw))

    def messages(raw: bytes) -> object:
        return list(Splitter().feed(raw))

    for read in (parameters, rospecs, messages, wire.status_of, event_of):
        for given_data in (data, tlv(246, data), tlv(177, data), tlv(287, data)):
            with suppress(NonsenseError):
                read(given_data)


@given(st.binary(max_size=100))
def test_a_report_of_whatever_gives_what_can_be_read_and_says_what_can_not(data: bytes) -> None:
    reader = ReportReader(profile())
    for body in (data, tlv(240, data), tag("01") + tlv(240, data)):
        seen = reader.read(body)
        rows = sum(len(c["card"]) for c in (seen.timed, seen.bare) if c is not None)
        assert rows + len(seen.refused) <= 4
    assert seen.timed is not None
    assert "01" in seen.timed["card"].tolist()


def test_a_status_has_its_words() -> None:
    assert wire.status_of(status(101, "no room")) == (101, "no room")
    with pytest.raises(NonsenseError, match="without a status"):
        wire.status_of(b"")


def test_a_gate_tells_the_side_of_its_antennas_and_others_have_no_such_column() -> None:
    assert isinstance(profile(), LlrpProfile)
    plain = ReportReader(profile()).read(tag("01")).timed
    gate = ReportReader(profile("[sides]\n1 = 2\n")).read(tag("01")).timed
    assert plain is not None
    assert gate is not None
    assert "side" not in plain
    assert gate["side"].tolist() == [2]


def test_a_clock_is_known_by_the_greeting_until_what_is_seen_tells_it() -> None:
    second = 1_000_000_000
    clock = ReaderClock()
    assert clock.shows_ns(5 * second, 100 * second) is None
    clock.note(1_000 * second, 100 * second)
    # What the reader had kept is old, and does not tell what its clock shows now.
    assert clock.shows_ns(400 * second, 101 * second) == 1_001 * second
    # One that was set since has shown no less than what it gave a tag.
    assert clock.shows_ns(5_000 * second, 102 * second) == 5_000 * second
    for t in range(4):
        shown_ns = clock.shows_ns((5_000 + t) * second, (102 + t) * second)
    assert shown_ns == 5_003 * second
    assert clock.shows_ns(None, 110 * second) == 110 * second + 4_898 * second
