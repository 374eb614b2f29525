import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mine.change import Event, EventKind
from gateway.serve.cursor import (
    CURSOR_BYTES,
    CursorError,
    Kind,
    seal,
    seal_page,
    unseal,
    unseal_page,
)
from gateway.serve.encode import (
    COORDINATE_MAX_M,
    delimited,
    encode_event,
    encode_frame,
    representable,
    varint,
)
from lamproom.v1 import event_pb2
from lamproom.v1.position_pb2 import PositionFrame, WatchPositionsResponse
from positioning.observation import Records, new_fixes
from tests.gateway.serve_rig import T0_NS, event, fixes_of

U64 = st.integers(0, 2**64 - 1)


def random_fixes(rows: int, anchors_most: int) -> Records:
    chance = np.random.default_rng(rows)
    fixes = new_fixes(rows)
    fixes["card"] = chance.integers(0, 2**32, rows)
    fixes["t_ns"] = chance.integers(0, 2**62, rows)
    for name in ("x_m", "y_m", "z_m", "vx_m_s", "vy_m_s"):
        fixes[name] = chance.uniform(-COORDINATE_MAX_M, COORDINATE_MAX_M, rows)
    for name in ("var_x_m2", "cov_xy_m2", "var_y_m2"):
        fixes[name] = chance.normal(size=rows)
    fixes["fix_class"] = chance.integers(1, 7, rows)
    for name in ("anchors_used", "anchors_rejected"):
        fixes[name] = chance.integers(0, anchors_most, rows)
    # From tens of roadways to thousands and more.
    fixes["roadway"] = chance.integers(-1, anchors_most**3 // 1000, rows)
    for name in ("chainage_m", "age_s", "hdop", "nis", "protection_m"):
        fixes[name] = np.where(chance.random(rows) < 0.3, np.nan, chance.normal(size=rows))
    return fixes


def by_generated_classes(
    fixes: Records, cursor: bytes, coalesced_count: int, *, snapshot: bool
) -> bytes:
    def milli(name: str) -> list[int]:
        return [round(value * 1000) for value in fixes[name].tolist()]

    frame = PositionFrame(
        cursor=cursor,
        snapshot=snapshot,
        coalesced_count=coalesced_count,
        tag_handles=fixes["card"].tolist(),
        t_ns=fixes["t_ns"].tolist(),
        x_mm=milli("x_m"),
        y_mm=milli("y_m"),
        z_mm=milli("z_m"),
        vx_mm_s=milli("vx_m_s"),
        vy_mm_s=milli("vy_m_s"),
        var_x_m2=fixes["var_x_m2"].tolist(),
        cov_xy_m2=fixes["cov_xy_m2"].tolist(),
        var_y_m2=fixes["var_y_m2"].tolist(),
        fix_classes=fixes["fix_class"].tolist(),
        anchors_used=fixes["anchors_used"].tolist(),
        roadways=(fixes["roadway"] + 1).tolist(),
        chainages_mm=[
            -(2**31) if np.isnan(value) else round(value * 1000)
            for value in fixes["chainage_m"].tolist()
        ],
        ages_s=fixes["age_s"].tolist(),
        hdops=fixes["hdop"].tolist(),
        anchors_rejected=fixes["anchors_rejected"].tolist(),
        nis=fixes["nis"].tolist(),
        protections_m=fixes["protection_m"].tolist(),
    )
    return WatchPositionsResponse(frame=frame).SerializeToString(deterministic=True)


@pytest.mark.parametrize("rows", [0, 1, 2, 300])
@pytest.mark.parametrize("anchors_most", [13, 100, 256])
@pytest.mark.parametrize(
    ("cursor", "snapshot", "coalesced_count"),
    [(b"", True, 0), (b"c" * CURSOR_BYTES, False, 0), (b"x", False, 2**40)],
)
def test_a_frame_is_what_the_generated_classes_write(
    rows: int, anchors_most: int, cursor: bytes, *, snapshot: bool, coalesced_count: int
) -> None:
    fixes = random_fixes(rows, anchors_most)
    ours = encode_frame(fixes, cursor, snapshot=snapshot, coalesced_count=coalesced_count)
    assert ours == by_generated_classes(fixes, cursor, coalesced_count, snapshot=snapshot)


def test_a_frame_of_a_slice_is_the_same() -> None:
    fixes = random_fixes(10, 5)
    assert encode_frame(fixes[::2], b"") == encode_frame(fixes[::2].copy(), b"")


@pytest.mark.parametrize("name", ["x_m", "y_m", "z_m", "vx_m_s", "vy_m_s", "var_x_m2", "var_y_m2"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_representable(name: str, value: float) -> None:
    fixes = fixes_of([(0, 1.0), (1, 2.0)])
    fixes[name][1] = value
    assert representable(fixes).tolist() == [True, False]


def test_the_largest_coordinates_are_representable_and_come_through() -> None:
    fixes = fixes_of([(0, COORDINATE_MAX_M), (1, -COORDINATE_MAX_M), (2, COORDINATE_MAX_M + 1)])
    good = representable(fixes)
    assert good.tolist() == [True, True, False]
    frame = WatchPositionsResponse.FromString(encode_frame(fixes[good], b"")).frame
    assert list(frame.x_mm) == [2_147_483_000, -2_147_483_000]


@given(U64)
def test_varint(number: int) -> None:
    field = event_pb2.EventGap(first_sequence=number).SerializeToString()
    assert field == (b"\x08" + varint(number) if number else b"")


def test_a_stored_event_is_a_whole_response() -> None:
    inside = event(7)
    response = event_pb2.WatchEventsResponse.FromString(encode_event(inside, 99))
    assert response.SerializeToString() == encode_event(inside, 99)
    found = response.event
    assert (found.sequence, found.card) == (7, "1001")
    assert found.kind == event_pb2.EVENT_KIND_ALARM_RAISED
    assert (found.zone_id, found.device_id, found.text) == ("Z1", "", "someone went in")
    assert found.event_time.ToNanoseconds() == T0_NS + 7
    assert found.record_time.ToNanoseconds() == T0_NS + 8
    assert (found.alarm.alarm_id, found.alarm.rule) == ("a-7", "restricted_entry")
    assert found.alarm.level == event_pb2.ALARM_LEVEL_RED
    assert found.alarm.start_time.ToNanoseconds() == T0_NS
    assert not found.alarm.HasField("end_time")
    assert (found.place.x_m, found.place.y_m, found.place.z_m) == (1.0, 2.0, 3.0)
    assert found.place.measure_time.ToNanoseconds() == T0_NS
    assert unseal(Kind.EVENTS, found.cursor) == (99, 7)


def test_an_event_without_alarm_and_place_has_none() -> None:
    inside = Event(1, EventKind.DATA_LOST, T0_NS, T0_NS, device="uwb-1", count=12)
    found = event_pb2.WatchEventsResponse.FromString(encode_event(inside, 1)).event
    assert not found.HasField("alarm")
    assert not found.HasField("place")
    assert (found.device_id, found.count) == ("uwb-1", 12)


def test_delimited_takes_high_field_numbers() -> None:
    assert delimited(16, b"ab") == b"\x82\x01\x02ab"


@given(st.sampled_from(Kind), U64, U64)
def test_a_cursor_comes_back_as_it_was(kind: Kind, epoch: int, position: int) -> None:
    assert unseal(kind, seal(kind, epoch, position)) == (epoch, position)
    assert unseal_page(kind, seal_page(kind, epoch, position), epoch) == position


@given(st.binary(max_size=40))
def test_made_up_cursors_are_refused(cursor: bytes) -> None:
    with pytest.raises(CursorError):
        unseal(Kind.EVENTS, cursor)


@given(st.integers(0, CURSOR_BYTES * 8 - 1))
def test_a_cursor_with_a_flipped_bit_is_refused(bit: int) -> None:
    cursor = bytearray(seal(Kind.EVENTS, 123456789, 42))
    cursor[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CursorError):
        unseal(Kind.EVENTS, bytes(cursor))


def test_a_cursor_of_another_kind_is_refused() -> None:
    with pytest.raises(CursorError, match="belongs to another method"):
        unseal(Kind.EVENTS, seal(Kind.POSITIONS, 1, 1))


@given(st.text(min_size=1, max_size=40))
def test_made_up_page_tokens_are_refused(token: str) -> None:
    with pytest.raises(CursorError, match="was not given out"):
        unseal_page(Kind.EVENT_PAGE, token, 1)


def test_a_page_token_of_another_run_is_refused() -> None:
    with pytest.raises(CursorError, match="earlier run"):
        unseal_page(Kind.EVENT_PAGE, seal_page(Kind.EVENT_PAGE, 1, 10), 2)
