"""Streams of positions of some cards, and of some columns."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.serve import positions
from gateway.serve.encode import COLUMN_NAMES
from lamproom.v1.mine_pb2 import (
    CARD_KIND_PERSON,
    CARD_KIND_UNSPECIFIED,
    CARD_KIND_VEHICLE,
    CardKind,
)
from lamproom.v1.position_pb2 import (
    SAMPLING_EVERY_FIX,
    SAMPLING_LATEST,
    PositionFilter,
    PositionFrame,
    Sampling,
    WatchPositionsRequest,
    WatchPositionsResponse,
)
from tests.gateway.serve_rig import Rig, bundle_of, changes, fixes_of, served
from tests.gateway.stream_client import StreamClient

BOTH = pytest.mark.parametrize("sampling", [SAMPLING_LATEST, SAMPLING_EVERY_FIX])


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path, cards=4) as running:
        yield running


class Filtered(StreamClient[WatchPositionsResponse]):
    """A client of some cards."""

    def __init__(
        self,
        rig: Rig,
        wanted: PositionFilter,
        sampling: Sampling.ValueType = SAMPLING_LATEST,
        cursor: bytes = b"",
    ) -> None:
        request = WatchPositionsRequest(filter=wanted, sampling=sampling, cursor=cursor)
        super().__init__(rig.positions().WatchPositions(request))

    async def frame(self) -> PositionFrame:
        return (await self.until("frame")).frame

    async def told(self) -> tuple[list[tuple[int, int]], list[int]]:
        """The next frame: (handle, x in m) of its rows, and who has left."""
        frame = await self.frame()
        rows = [(n, x // 1000) for n, x in zip(frame.tag_handles, frame.x_mm, strict=True)]
        return rows, list(frame.left_tag_handles)


def step(rig: Rig, *rows: tuple[int, float], **zones: tuple[str, ...]) -> None:
    """Fixes (handle, x), and the zones that cards are in now, as c0=("Z1",)."""
    by_handle = {int(name.removeprefix("c")): ids for name, ids in zones.items()}
    rig.server.publish(changes(fixes_of(rows), zones=by_handle))


@BOTH
async def test_cards_come_and_go_with_their_zones(rig: Rig, sampling: Sampling.ValueType) -> None:
    step(rig, (0, 1.0), (1, 2.0), c0=("Z1",), c1=("Z2",))
    everyone = StreamClient(rig.positions().WatchPositions(WatchPositionsRequest()))
    while not (await everyone.until("frame")).frame.x_mm:
        pass
    watch = Filtered(rig, PositionFilter(zone_ids=["Z1", "Z0"]), sampling)
    assert await watch.told() == ([(0, 1)], [])
    await watch.until("sync")
    step(rig, (0, 3.0), (1, 4.0), (2, 5.0), c2=("Z0", "Z2"))
    assert await watch.told() == ([(0, 3), (2, 5)], [])
    # One leaves with a fix, one comes with none: where it was last is told.
    step(rig, (0, 6.0), c0=("Z2",), c1=("Z1",))
    assert await watch.told() == ([(1, 4)], [0])
    # Whoever is elsewhere is of no interest: the stream says only that it is alive.
    step(rig, (0, 7.0))
    assert await watch.kind() == "heartbeat"
    step(rig, c1=())
    assert await watch.told() == ([], [1])


async def test_who_reads_slowly_is_told_who_has_left_meanwhile(rig: Rig) -> None:
    watch = Filtered(rig, PositionFilter(zone_ids=["Z1"]))
    await watch.until("sync")
    step(rig, (0, 1.0), (1, 1.0), c0=("Z1",), c1=("Z1",))
    frame = await watch.frame()
    watch.call.cancel()
    quick = Filtered(rig, PositionFilter(zone_ids=["Z1"]))
    await quick.until("sync")
    step(rig, (0, 2.0), (1, 2.0))
    await quick.frame()
    step(rig, (0, 3.0), (1, 3.0), (2, 3.0), c0=(), c2=("Z1",))
    await quick.frame()
    again = Filtered(rig, PositionFilter(zone_ids=["Z1"]), cursor=frame.cursor)
    missed = await again.frame()
    assert list(missed.tag_handles) == [1, 2]
    assert list(missed.left_tag_handles) == [0]
    # Fixes of the two that were in the zone, and the first of the one that came.
    assert missed.coalesced_count == 4 - 2


async def test_a_cursor_from_before_its_filter_was_looked_at_gives_a_reset(rig: Rig) -> None:
    everyone = StreamClient(rig.positions().WatchPositions(WatchPositionsRequest()))
    cursor = (await everyone.until("sync")).sync.cursor
    step(rig, (0, 1.0), c0=("Z1",))
    await everyone.until("frame")
    watch = Filtered(rig, PositionFilter(zone_ids=["Z1"]), cursor=cursor)
    assert "which cards the filter let through" in (await watch.read()).reset.reason
    assert (await watch.frame()).snapshot


@pytest.mark.parametrize(
    ("kinds", "handles"),
    [
        ([CARD_KIND_PERSON], [0]),
        ([CARD_KIND_VEHICLE], [1]),
        ([CARD_KIND_VEHICLE, CARD_KIND_UNSPECIFIED], [1, 2, 3]),
    ],
)
async def test_cards_are_told_by_their_kinds(
    rig: Rig, kinds: list[CardKind.ValueType], handles: list[int]
) -> None:
    watch = Filtered(rig, PositionFilter(card_kinds=kinds))
    await watch.until("sync")
    step(rig, *((n, 1.0) for n in range(4)))
    assert list((await watch.frame()).tag_handles) == handles


async def test_kinds_follow_the_roster(rig: Rig) -> None:
    watch = Filtered(rig, PositionFilter(card_kinds=[CARD_KIND_VEHICLE]))
    await watch.until("sync")
    step(rig, *((n, 1.0) for n in range(4)))
    assert await watch.told() == ([(1, 1)], [])
    # The vehicle, which is listed by its card 1002, has card 1003 now.
    issued = {"1001": "1001", "1003": "1002"}
    rig.server.publish(replace(changes(), issued=issued))
    assert await watch.told() == ([(2, 1)], [1])
    people = tuple(one for one in bundle_of().people if one.card != "1002")
    rig.server.reload(bundle_of(people=people))
    assert await watch.told() == ([], [2])


async def test_cards_are_told_by_their_numbers_also_before_they_are_known(rig: Rig) -> None:
    watch = Filtered(rig, PositionFilter(cards=["1002", "7777"]))
    await watch.until("sync")
    step(rig, *((n, 1.0) for n in range(4)))
    assert list((await watch.frame()).tag_handles) == [1]
    new = rig.cards.handle("7777")
    step(rig, (new, 9.0), (0, 9.0))
    assert list((await watch.frame()).tag_handles) == [new]


@pytest.mark.parametrize(
    ("wanted", "code", "text"),
    [
        (
            PositionFilter(zone_ids=["Z1", "nowhere"]),
            grpc.StatusCode.NOT_FOUND,
            "no zone 'nowhere'",
        ),
        (PositionFilter(zone_ids=["nowhere"]), grpc.StatusCode.NOT_FOUND, "there are Z0, Z1"),
        (PositionFilter(mine_codes=["1"]), grpc.StatusCode.NOT_FOUND, "'620000000001'"),
        (PositionFilter(card_kinds=[99]), grpc.StatusCode.INVALID_ARGUMENT, "99 is no kind"),  # type: ignore[list-item]  # none
    ],
)
async def test_what_there_is_not_is_refused_with_what_there_is(
    rig: Rig, wanted: PositionFilter, code: grpc.StatusCode, text: str
) -> None:
    refusal = await Filtered(rig, wanted).refusal()
    assert refusal.code() is code
    assert text in str(refusal.details())


async def test_a_filter_of_this_mine_alone_lets_all_through(rig: Rig) -> None:
    watch = Filtered(rig, PositionFilter(mine_codes=["620000000001"]))
    await watch.until("sync")
    step(rig, *((n, 1.0) for n in range(4)))
    assert len((await watch.frame()).tag_handles) == 4


async def test_filters_that_nobody_uses_make_room_and_too_many_are_refused(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "FILTERS_MAX", 2)
    used = [Filtered(rig, PositionFilter(cards=[card])) for card in ("1", "2")]
    for one in used:
        await one.until("sync")
    refusal = await Filtered(rig, PositionFilter(cards=["3"])).refusal()
    assert refusal.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    used[0].call.cancel()
    while True:
        try:
            await Filtered(rig, PositionFilter(cards=["3"])).until("sync")
            break
        except grpc.aio.AioRpcError:
            continue
    await Filtered(rig, PositionFilter(cards=["2"])).until("sync")


async def test_only_the_columns_that_are_asked_for_come(rig: Rig) -> None:
    mask = FieldMask(paths=["x_mm", "frame.fix_classes", "tag_handles"])
    masked, whole = (
        StreamClient(rig.positions().WatchPositions(WatchPositionsRequest(read_mask=one)))
        for one in (mask, FieldMask())
    )
    for one in (masked, whole):
        await one.until("sync")
    step(rig, (0, 1.0), (3, 2.0))
    some, all_ = [(await one.until("frame")).frame for one in (masked, whole)]
    for name in COLUMN_NAMES:
        found = list(getattr(some, name))
        expected = list(getattr(all_, name)) if name in {"x_mm", "fix_classes"} else []
        assert np.array_equal(found, expected, equal_nan=True), name
    assert list(some.tag_handles) == [0, 3]
    assert some.cursor == all_.cursor


async def test_a_column_that_there_is_not_is_refused(rig: Rig) -> None:
    request = WatchPositionsRequest(read_mask=FieldMask(paths=["colour"]))
    refusal = await StreamClient(rig.positions().WatchPositions(request)).refusal()
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "no column 'colour'; there are tag_handles, t_ns" in str(refusal.details())
