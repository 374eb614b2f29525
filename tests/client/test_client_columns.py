"""Frames as columns: what the gateway encodes is what a client has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamproom
from gateway.serve.encode import encode_frame
from lamproom.columns import COLUMNS, Directory, Positions, joined, read_frame
from lamproom.v1.position_pb2 import PositionDirectory, PositionFrame, WatchPositionsResponse
from positioning.observation import FixClass
from tests.gateway.serve_rig import T0_NS, fixes_of


def directory_of(*cards: tuple[int, str], roadways: tuple[str, ...] = ("main",)) -> Directory:
    directory = Directory()
    message = PositionDirectory(roadway_ids=roadways)
    for handle, card in cards:
        message.entries.add(tag_handle=handle, card=card)
    directory.take(message)
    return directory


TWO = ((0, "1001"), (1, "1002"))


def test_columns_are_what_the_gateway_has_encoded() -> None:
    fixes = fixes_of([(0, 12.5), (1, -3.25)])
    fixes["roadway"][1], fixes["chainage_m"][1] = -1, np.nan
    fixes["hdop"], fixes["protection_m"] = [1.5, np.nan], [np.nan, 7.0]
    fixes["anchors_used"] = [4, 200]
    data = encode_frame(fixes, b"cursor", coalesced_count=5)
    frame = WatchPositionsResponse.FromString(data).frame
    rows = read_frame(frame, directory_of(*TWO))
    assert (len(rows), rows.cursor, rows.coalesced, rows.snapshot) == (2, b"cursor", 5, False)
    assert list(rows.cards) == ["1001", "1002"]
    assert list(rows.times) == [np.datetime64(T0_NS, "ns"), np.datetime64(T0_NS + 1, "ns")]
    assert list(rows.x_m) == [12.5, -3.25]
    assert list(rows.vy_m_s) == [-0.25, -0.25]
    assert rows.var_y_m2 == pytest.approx([0.09, 0.09])
    assert list(rows.roadways) == ["main", ""]
    np.testing.assert_array_equal(rows.chainage_m, [12.5, np.nan])
    np.testing.assert_array_equal(rows.hdop, np.array([1.5, np.nan], np.float32))
    np.testing.assert_array_equal(rows.protection_m, np.array([np.nan, 7.0], np.float32))
    assert list(rows.anchors_used) == [4, 200]
    precise = int(lamproom.FixClass.Value("FIX_CLASS_PRECISE"))
    assert rows.fix_class.tolist() == [precise, precise] == 2 * [int(FixClass.PRECISE)]


def test_columns_that_were_not_sent_are_unknown() -> None:
    rows = read_frame(PositionFrame(tag_handles=[0, 1], x_mm=[1, 2]), directory_of(*TWO))
    assert list(rows.x_m) == [0.001, 0.002]
    for name in ("y_m", "chainage_m", "var_x_m2", "age_s"):
        assert np.isnan(getattr(rows, name)).tolist() == [True, True]
    assert np.isnat(rows.times).all()
    assert list(rows.roadways) == ["", ""]
    assert list(rows.fix_class) == [0, 0]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 rows has a column of 1"):
        read_frame(PositionFrame(tag_handles=[0, 1], x_mm=[1]), directory_of(*TWO))


@given(
    st.dictionaries(st.integers(0, (1 << 32) - 1), st.text(max_size=5)),
    st.lists(st.integers(0, (1 << 32) - 1), max_size=10),
)
def test_any_handles_are_named_as_the_directory_says(
    names: dict[int, str], others: list[int]
) -> None:
    # As they come, and 0, 1, 2 … as the gateway gives them.
    for known in (names, dict(enumerate(names.values()))):
        handles = [*known, *others]
        found = directory_of(*known.items()).cards(np.array(handles, np.uint32))
        assert list(found) == [known.get(handle, "") for handle in handles]


def test_a_directory_grows() -> None:
    directory = directory_of((0, "1001"))
    more = PositionDirectory(roadway_ids=["main", "other"])
    more.entries.add(tag_handle=1, card="1002")
    directory.take(more)
    assert list(directory.cards(np.array([1, 0], np.uint32))) == ["1002", "1001"]
    assert list(directory.roadways(np.array([2, 0, 9], np.uint32))) == ["other", "", ""]


def frame(
    *rows: tuple[str, float], left: tuple[str, ...] = (), snapshot: bool = False
) -> Positions:
    """Positions of (card, x in metres)."""
    handles = {card: at for at, card in enumerate([*(card for card, _ in rows), *left])}
    message = PositionFrame(
        tag_handles=[handles[card] for card, _ in rows],
        x_mm=[round(1000 * x_m) for _, x_m in rows],
        left_tag_handles=[handles[card] for card in left],
        snapshot=snapshot,
    )
    return read_frame(message, directory_of(*((at, card) for card, at in handles.items())))


def shown(picture: lamproom.LivePicture) -> dict[str, float]:
    now = picture.positions()
    return dict(zip(now.cards, now.x_m.tolist(), strict=True))


def test_a_picture_has_the_newest_row_of_each_card() -> None:
    picture = lamproom.LivePicture()
    assert len(picture.positions()) == 0
    picture.take(frame(("a", 1), ("b", 2), snapshot=True))
    assert not picture.whole
    picture.take(lamproom.Synced())
    assert picture.whole
    picture.take(frame(("b", 3), ("c", 4), ("b", 5)))
    assert shown(picture) == {"a": 1, "b": 5, "c": 4}
    picture.take(frame(("d", 6), left=("a", "unknown")))
    assert shown(picture) == {"b": 5, "c": 4, "d": 6}
    assert "a" not in picture
    picture.take(frame(("a", 7), left=("d",)))
    assert shown(picture) == {"a": 7, "b": 5, "c": 4}
    picture.take(lamproom.Reset())
    assert (len(picture), picture.whole) == (0, False)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 99))),
            st.lists(st.sampled_from("abcdef"), unique=True),
        )
    )
)
def test_a_picture_is_what_a_dictionary_would_be(
    frames: list[tuple[list[tuple[str, int]], list[str]]],
) -> None:
    picture, expected = lamproom.LivePicture(), dict[str, float]()
    for rows, left in frames:
        picture.take(frame(*rows, left=tuple(left)))
        expected |= dict(rows)
        expected = {card: x_m for card, x_m in expected.items() if card not in left}
    assert shown(picture) == expected


def test_rows_are_taken_and_joined() -> None:
    rows = frame(("a", 1), ("b", 2), ("c", 3))
    some = rows.take(rows.x_m > 1)
    assert list(some.cards) == ["b", "c"]
    both = joined([some, rows.take(slice(1))])
    assert list(both.cards) == ["b", "c", "a"]
    assert {len(getattr(both, name)) for name in COLUMNS} == {3}
    assert len(joined([])) == 0
