import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

from gateway.serve import position_directory, position_view, positions
from gateway.serve.cursor import Kind, seal
from lamproom.v1.position_pb2 import (
    SAMPLING_EVERY_FIX,
    SAMPLING_LATEST,
    SAMPLING_SMOOTHED,
    PositionFrame,
    Sampling,
    WatchPositionsRequest,
    WatchPositionsResponse,
)
from positioning.observation import FIX
from tests.gateway.serve_rig import (
    T0_NS,
    Rig,
    bundle_of,
    changes,
    fixes_of,
    served,
)
from tests.gateway.stream_client import StreamClient
from tests.support.waiting import LONG_S


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


class Watch(StreamClient[WatchPositionsResponse]):
    """A client that keeps what it was told."""

    def __init__(
        self, rig: Rig, cursor: bytes = b"", sampling: Sampling.ValueType = SAMPLING_EVERY_FIX
    ) -> None:
        request = WatchPositionsRequest(cursor=cursor, sampling=sampling)
        super().__init__(rig.positions().WatchPositions(request))
        self.names: dict[int, str] = {}
        self.cursor = cursor

    async def read(self) -> WatchPositionsResponse:
        message = await super().read()
        inner = getattr(message, str(message.WhichOneof("message")))
        self.cursor = getattr(inner, "cursor", b"") or self.cursor
        for entry in message.directory.entries:
            self.names[entry.tag_handle] = entry.card
        return message

    async def frame(self) -> PositionFrame:
        return (await self.until("frame")).frame

    async def rows(self, count: int) -> list[tuple[str, float]]:
        """So many fixes, as (card, x in metres)."""
        got: list[tuple[str, float]] = []
        while len(got) < count:
            got += self.told(await self.frame())
        return got

    def told(self, frame: PositionFrame) -> list[tuple[str, float]]:
        named = [self.names[handle] for handle in frame.tag_handles]
        return [(card, x / 1000) for card, x in zip(named, frame.x_mm, strict=True)]


async def settled(rig: Rig) -> None:
    """Waits until all that was published is in frames."""
    watch = Watch(rig)
    await watch.until("heartbeat")


async def test_snapshot_then_sync_then_deltas_then_heartbeat(rig: Rig) -> None:
    rig.move((0, 1.0), (1, 2.0), (0, 3.0))
    await settled(rig)
    watch = Watch(rig)
    assert await watch.kind() == "directory"
    assert watch.names == {0: "1001", 1: "1002"}
    snapshot = (await watch.read()).frame
    assert snapshot.snapshot
    assert snapshot.cursor == b""
    assert watch.told(snapshot) == [("1001", 3.0), ("1002", 2.0)]
    assert await watch.kind() == "sync"
    rig.move((1, 4.0))
    delta = (await watch.read()).frame
    assert not delta.snapshot
    assert watch.told(delta) == [("1002", 4.0)]
    assert list(delta.t_ns) == [T0_NS]
    assert await watch.kind() == "heartbeat"
    assert await watch.kind() == "heartbeat"


async def test_without_any_card_there_is_still_a_sync(tmp_path: Path) -> None:
    async with served(tmp_path, cards=0) as rig:
        watch = Watch(rig)
        directory = (await watch.read()).directory
        assert (list(directory.roadway_ids), len(directory.entries)) == (["main"], 0)
        assert [await watch.kind() for _ in range(2)] == ["sync", "heartbeat"]


async def test_a_new_card_is_named_before_its_first_fix(rig: Rig) -> None:
    watch = Watch(rig)
    await watch.until("sync")
    rig.cards.handle("9999")
    rig.move((2, 7.0))
    assert await watch.kind() == "directory"
    assert await watch.rows(1) == [("9999", 7.0)]


async def test_every_fix_comes_in_order(rig: Rig) -> None:
    watch = Watch(rig)
    await watch.until("sync")
    walked = [(n % 2, float(n)) for n in range(200)]
    for n in range(0, 200, 10):
        rig.move(*walked[n : n + 10])
        await asyncio.sleep(0.002)
    assert await watch.rows(200) == [(f"{1001 + card}", x) for card, x in walked]


async def test_latest_has_one_row_a_card_and_counts_the_rest(rig: Rig) -> None:
    watch = Watch(rig, sampling=SAMPLING_LATEST)
    await watch.until("sync")
    rig.move((0, 1.0), (1, 2.0), (0, 3.0), (0, 4.0))
    frame = await watch.frame()
    assert watch.told(frame) == [("1002", 2.0), ("1001", 4.0)]
    assert frame.coalesced_count == 2


async def test_resumes_after_its_cursor_without_loss_or_repeat(rig: Rig) -> None:
    watch = Watch(rig)
    await watch.until("sync")
    rig.move((0, 1.0))
    assert await watch.rows(1) == [("1001", 1.0)]
    watch.call.cancel()
    for x_m in (2.0, 3.0, 4.0):
        rig.move((0, x_m))
        await settled(rig)
    again = Watch(rig, watch.cursor)
    assert await again.kind() == "directory"
    assert await again.rows(3) == [("1001", 2.0), ("1001", 3.0), ("1001", 4.0)]
    assert await again.kind() == "sync"
    third = Watch(rig, again.cursor)
    assert [await third.kind() for _ in range(3)] == ["directory", "sync", "heartbeat"]


async def test_resuming_with_latest_merges_what_was_missed(rig: Rig) -> None:
    watch = Watch(rig, sampling=SAMPLING_LATEST)
    await watch.until("sync")
    watch.call.cancel()
    for x_m in (2.0, 3.0, 4.0):
        rig.move((0, x_m), (1, -x_m), (0, x_m + 0.5))
        await settled(rig)
    again = Watch(rig, watch.cursor, SAMPLING_LATEST)
    frame = await again.frame()
    assert again.told(frame) == [("1001", 4.5), ("1002", -4.0)]
    assert (frame.coalesced_count, frame.snapshot) == (7, False)


async def test_a_cursor_that_is_too_old_gives_a_reset_and_a_snapshot(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "RING_FRAMES_MAX", 2)
    watch = Watch(rig)
    old = (await watch.until("sync")).sync.cursor
    for x_m in (2.0, 3.0, 4.0):
        rig.move((0, x_m))
        await watch.rows(1)
    again = Watch(rig, old)
    first = await again.read()
    assert first.reset.reason == "what came after this cursor is no longer held"
    assert await again.kind() == "directory"
    assert (await again.read()).frame.snapshot
    assert await again.kind() == "sync"


async def test_a_cursor_of_an_earlier_run_gives_a_reset(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        cursor = (await Watch(rig).until("sync")).sync.cursor
    async with served(tmp_path) as rig:
        watch = Watch(rig, cursor)
        assert "has started anew" in (await watch.read()).reset.reason
        assert [await watch.kind() for _ in range(2)] == ["directory", "sync"]


@pytest.mark.parametrize(
    ("forge", "text"),
    [
        (lambda _: b"x", "has 1 bytes"),
        (lambda good: good[:-1], "has 21 bytes"),
        (lambda good: good + b"\0", "has 23 bytes"),
        (lambda good: good[:-1] + bytes([good[-1] ^ 1]), "checksum is wrong"),
        (lambda good: seal(Kind.EVENTS, 1, 1), "belongs to another method"),
        (
            lambda good: seal(Kind.POSITIONS, int.from_bytes(good[2:10], "big"), 99),
            "beyond the newest frame",
        ),
    ],
)
async def test_an_impossible_cursor_is_refused(
    rig: Rig, forge: Callable[[bytes], bytes], text: str
) -> None:
    good = (await Watch(rig).until("sync")).sync.cursor
    refusal = await Watch(rig, forge(good)).refusal()
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert text in str(refusal.details())


async def test_a_sampling_that_there_is_not_is_refused(rig: Rig) -> None:
    refusal = await Watch(rig, sampling=Sampling.ValueType(17)).refusal()
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_large_snapshot_comes_in_fragments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position_view, "FRAME_ROWS_MAX", 1000)
    monkeypatch.setattr(position_directory, "DIRECTORY_ENTRIES_MAX", 1500)
    async with served(tmp_path, cards=3500) as rig:
        everyone = [(card, float(card)) for card in range(3500)]
        first = Watch(rig, sampling=SAMPLING_LATEST)
        await first.until("sync")
        rig.move(*everyone)
        seen = await first.rows(3500)
        assert sorted(seen) == sorted((f"{1001 + card}", x) for card, x in everyone)
        watch = Watch(rig)
        kinds = [await watch.kind() for _ in range(3)]
        assert kinds == ["directory"] * 3
        sizes = [len((await watch.read()).frame.tag_handles) for _ in range(4)]
        assert sizes == [1000, 1000, 1000, 500]
        assert await watch.kind() == "sync"


@pytest.mark.parametrize("sampling", [SAMPLING_LATEST, SAMPLING_EVERY_FIX])
async def test_a_client_that_does_not_read_is_merged_told_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampling: Sampling.ValueType
) -> None:
    monkeypatch.setattr(positions, "RING_FRAMES_MAX", 10)
    cards, steps = 5000, 250
    bundle = bundle_of(frame_interval_ms=10)
    async with served(tmp_path, bundle, cards=cards, heartbeat_s=5.0) as rig:
        handles = np.arange(cards)
        slow, quick = Watch(rig, sampling=sampling), Watch(rig, sampling=sampling)
        await slow.until("sync")
        await quick.until("sync")
        before_mb = _memory_mb()
        made = 0
        for step in range(steps):
            fixes = np.zeros(cards, FIX)
            fixes["card"], fixes["x_m"], fixes["t_ns"] = handles, float(step), T0_NS + step
            fixes["fix_class"] = 1
            rig.server.publish(changes(fixes))
            made += cards
            got = 0
            while got < cards:
                frame = await quick.frame()
                assert frame.coalesced_count == 0
                got += len(frame.tag_handles)
        grown_mb = _memory_mb() - before_mb
        # 250 frames are 100 MB encoded; the client's own receive window is in this process too.
        assert grown_mb < 40
        frames, rows, merged, newest_m = 0, 0, 0, -1.0
        while rows + merged < made:
            frame = await slow.frame()
            frames += 1
            rows += len(frame.tag_handles)
            merged += frame.coalesced_count
            newest_m = frame.x_mm[-1] / 1000
        assert rows + merged == made
        assert merged > 0
        assert frames < steps
        assert newest_m == steps - 1


def _memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


async def test_a_fix_that_no_frame_can_hold_is_left_out_and_counted(rig: Rig) -> None:
    watch = Watch(rig)
    await watch.until("sync")
    rig.move((0, 1.0), (1, float("nan")), (0, 3.0))
    assert await watch.rows(2) == [("1001", 1.0), ("1001", 3.0)]
    assert rig.server.services.positions.refused == 1


async def test_roadways_are_named_once_in_a_stream(rig: Rig) -> None:
    rig.move((0, 12.5))
    await settled(rig)
    watch = Watch(rig)
    directory, frame = (await watch.read()).directory, (await watch.read()).frame
    assert list(directory.roadway_ids) == ["main"]
    assert (list(frame.roadways), list(frame.chainages_mm)) == ([1], [12_500])
    await watch.until("sync")
    rig.cards.handle("9999")
    unplaced = fixes_of([(2, 1.0)])
    unplaced["roadway"], unplaced["chainage_m"] = -1, np.nan
    rig.server.publish(changes(unplaced))
    assert list((await watch.until("directory")).directory.roadway_ids) == []
    frame = await watch.frame()
    assert (list(frame.roadways), list(frame.chainages_mm)) == ([0], [-(2**31)])
    assert np.isnan([*frame.hdops, *frame.protections_m]).all()


async def test_smoothed_positions_are_a_stream_of_their_own(tmp_path: Path) -> None:
    async with served(tmp_path, bundle_of(lag_s=0.5)) as rig:
        smoothed = Watch(rig, sampling=SAMPLING_SMOOTHED)
        await smoothed.until("sync")
        rig.move((0, 1.0))
        rig.server.publish(changes(lagged=fixes_of([(0, 7.0), (0, 8.0)])))
        # Every one of them, and none of the others.
        assert await smoothed.rows(2) == [("1001", 7.0), ("1001", 8.0)]
        assert await Watch(rig).rows(1) == [("1001", 1.0)]
        rig.server.publish(changes(lagged=fixes_of([(0, 9.0)])))
        await smoothed.rows(1)
        again = Watch(rig, sampling=SAMPLING_SMOOTHED)
        assert await again.rows(1) == [("1001", 9.0)]
        # The cursor of the one is none of the other.
        refusal = await Watch(rig, smoothed.cursor).refusal()
        assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
        await rig.server.stop(grace_s=1)
        assert (await smoothed.refusal()).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_gateway_that_does_not_smooth_says_what_to_do(rig: Rig) -> None:
    refusal = await Watch(rig, sampling=SAMPLING_SMOOTHED).refusal()
    assert refusal.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "set [positioning] lag_s" in str(refusal.details())


async def test_stopping_ends_streams_at_once(rig: Rig) -> None:
    watch = Watch(rig)
    await watch.until("sync")
    async with asyncio.timeout(2):
        await rig.server.stop(grace_s=10)
    refusal = await watch.refusal()
    assert refusal.code() is grpc.StatusCode.UNAVAILABLE
    assert "come back with the last cursor" in str(refusal.details())


async def test_stopping_does_not_wait_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    cards = 5000
    async with served(tmp_path, bundle_of(frame_interval_ms=10), cards=cards) as rig:
        slow, quick = Watch(rig), Watch(rig)
        await slow.until("sync")
        await quick.until("sync")
        for step in range(20):
            rig.move(*((card, float(step)) for card in range(cards)))
            await quick.frame()
        async with asyncio.timeout(2):
            await rig.server.stop(grace_s=0.2)


async def test_streams_that_end_leave_no_task_behind(rig: Rig) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(20):
        watch = Watch(rig)
        await watch.until("sync")
        watch.call.cancel()
    deadline = asyncio.get_running_loop().time() + LONG_S
    # A cancelled stream ends on the server a moment later.
    while len(asyncio.all_tasks()) > before + 5:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
