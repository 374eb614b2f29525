"""Bytes of a connection become the same lines however they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from protocols.text.splitter import Splitter


def test_every_end_of_a_line_is_one() -> None:
    splitter = Splitter(64)
    lines = splitter.feed(b"a\r\nb\nc\rd\n\re")
    assert [line for line in lines if line] == [b"a", b"b", b"c", b"d"]
    assert splitter.feed(b"f\r") == [b"ef"]
    assert [line for line in splitter.feed(b"\ng\r\n") if line] == [b"g"]


def test_a_line_without_end_is_counted_once_and_not_kept() -> None:
    splitter = Splitter(16)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
    assert splitter.too_long == 1
    assert splitter.excerpt == b"x" * 16
    assert splitter.feed(b"xx\ngood\n") == [b"good"]
    assert splitter.too_long == 1


def test_a_whole_line_can_be_too_long() -> None:
    splitter = Splitter(16)
    assert splitter.feed(b"good\n" + b"y" * 17 + b"\nfine\n") == [b"good", b"fine"]
    assert splitter.whole(b"z" * 17 + b"\nok") == [b"ok"]
    assert splitter.too_long == 2


def test_another_connection_begins_anew() -> None:
    splitter = Splitter(16)
    splitter.feed(b"half a li")
    assert splitter.begin() == b"half a li"
    assert splitter.feed(b"ne\n") == [b"ne"]
    splitter.feed(b"x" * 20)
    assert splitter.begin() == b""
    assert splitter.feed(b"a\n") == [b"a"]


@given(st.lists(st.binary(max_size=12)), st.binary(max_size=60))
def test_how_bytes_are_cut_is_no_matter(pieces: list[bytes], tail: bytes) -> None:
    whole, parts = Splitter(16), Splitter(16)
    expected = whole.feed(b"".join(pieces) + tail + b"\n")
    found = [line for piece in (*pieces, tail, b"\n") for line in parts.feed(piece)]
    assert [line for line in found if line] == [line for line in expected if line]
    assert parts.too_long == whole.too_long
