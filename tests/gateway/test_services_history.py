"""HistoryService with a real server: tracks, everyone at an instant, replay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.journal.tracks.keeper import Keeper, KeeperSettings
from gateway.journal.tracks.places import HOUR_MS
from gateway.serve.history import REQUESTS_MAX
from lamproom.v1 import history_pb2
from tests.gateway.serve_rig import T0_NS as EVENTS_NS
from tests.gateway.serve_rig import Rig, code_of, served
from tests.gateway.tracks_rig import ROADS, T0_MS, Book, Row, cards_table, compact_all, walk
from tests.support.waiting import LONG_S, until

SETTINGS = KeeperSettings.of(days=90, gb=None, reserve_mb=16)


def time_of(t_ms: int) -> Timestamp:
    return Timestamp(seconds=t_ms // 1000, nanos=t_ms % 1000 * 1_000_000)


def track(card: str, start_ms: int, end_ms: int, **more: Any) -> history_pb2.QueryTrackRequest:
    return history_pb2.QueryTrackRequest(
        card=card, start_time=time_of(start_ms), end_time=time_of(end_ms), **more
    )


def replay(start_ms: int, end_ms: int, **more: Any) -> history_pb2.ReplayRequest:
    return history_pb2.ReplayRequest(start_time=time_of(start_ms), end_time=time_of(end_ms), **more)


class Answer:
    """What a stream has told, with names in place of handles."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.snapshot: list[Row] = []
        self.ages_s: dict[str, float] = {}
        self.roadways: dict[str, str] = {}
        self.gaps: list[str] = []
        self.kinds: list[str] = []
        self.times_ms: list[int] = []
        self._names: dict[int, str] = {}
        self._roads: list[str] = []

    def take(self, message: Any) -> None:
        kind = message.WhichOneof("message")
        self.kinds.append(kind)
        if kind == "directory":
            self._names.update({one.tag_handle: one.card for one in message.directory.entries})
            self._roads = list(message.directory.roadway_ids) or self._roads
        elif kind == "gap":
            self.gaps.append(message.gap.reason)
        elif kind == "frame":
            self._take_frame(message.frame)
        elif kind == "event":
            self.times_ms.append(message.event.record_time.ToMilliseconds())

    def _take_frame(self, frame: Any) -> None:
        columns = (
            frame.tag_handles, frame.t_ns, frame.x_mm, frame.fix_classes, frame.ages_s,
            frame.roadways, frame.y_mm, frame.z_mm, frame.chainages_mm, frame.var_x_m2,
            frame.cov_xy_m2, frame.var_y_m2,
        )  # fmt: skip
        assert len({len(column) for column in columns}) == 1
        for handle, t_ns, x_mm, fix_class, age_s, road, *_ in zip(*columns, strict=True):
            card = self._names[handle]
            row = (card, t_ns // 1_000_000, x_mm // 10, fix_class)
            (self.snapshot if frame.snapshot else self.rows).append(row)
            self.ages_s[card] = age_s
            self.roadways[card] = self._roads[road - 1]
        self.times_ms.append(max(frame.t_ns) // 1_000_000)


async def answer_of(call: Any) -> Answer:
    answer = Answer()
    async with asyncio.timeout(LONG_S):
        async for message in call:
            answer.take(message)
    return answer


@asynccontextmanager
async def served_history(folder: Path, book: Book) -> AsyncIterator[Rig]:
    """What the book has written, in `folder`/tracks, and a server that keeps nothing more."""
    keeper = Keeper(folder, SETTINGS, book.table, lambda: (T0_MS + 10 * HOUR_MS) * 1_000_000)
    with closing(keeper):
        async with served(folder, tracks=keeper) as rig:
            yield rig


@pytest.fixture
def book(tmp_path: Path) -> Book:
    book = Book(tmp_path / "tracks", 5)
    book.walk(range(3550, 3700))
    book.writer.end(T0_MS + 3_700_000)
    return book


async def test_a_cards_track_is_in_order_over_files_of_several_hours(
    tmp_path: Path, book: Book
) -> None:
    async with served_history(tmp_path, book) as rig:
        start_ms, end_ms = T0_MS + 3_560_000, T0_MS + 3_690_000
        answer = await answer_of(rig.history().QueryTrack(track("1003", start_ms, end_ms)))
        of_card = [row for row in book.rows if row[0] == "1003"]
        assert answer.rows == [row for row in of_card if start_ms <= row[1] < end_ms]
        assert answer.roadways == {"1003": "main"}
        assert answer.gaps == []


async def test_a_track_may_be_thinned(tmp_path: Path, book: Book) -> None:
    async with served_history(tmp_path, book) as rig:
        request = track("1001", T0_MS, T0_MS + 2 * HOUR_MS, least_interval_s=10)
        answer = await answer_of(rig.history().QueryTrack(request))
        apart = np.diff([row[1] for row in answer.rows])
        assert len(answer.rows) in range(13, 16)
        assert (apart >= 10_000).all()
        assert set(answer.rows) <= set(book.rows)


async def test_a_gap_stands_in_its_place(tmp_path: Path, book: Book) -> None:
    book.begun_anew(T0_MS + 3_800_000)
    book.walk(range(3800, 3810))
    book.writer.give_up()
    async with served_history(tmp_path, book) as rig:
        request = track("1001", T0_MS + 3_680_000, T0_MS + 3_810_000)
        answer = await answer_of(rig.history().QueryTrack(request))
        assert len(answer.rows) == 30
        assert answer.gaps == ["not recorded: the gateway did not run"]


async def test_everyone_at_an_instant_with_the_age_of_then(tmp_path: Path, book: Book) -> None:
    t_ms = T0_MS + 3_610_400
    request = history_pb2.GetPositionsAtRequest(time=time_of(t_ms))
    async with served_history(tmp_path, book) as rig:
        answer = await answer_of(rig.history().GetPositionsAt(request))
        right = book.last_at(t_ms)
        assert {row[0]: row for row in answer.rows} == right
        assert [row[1] for row in answer.rows] == sorted(row[1] for row in answer.rows)
        for card, row in right.items():
            assert answer.ages_s[card] == pytest.approx((t_ms - row[1]) / 1000, abs=1e-3)
        request.cards[:] = ["1002"]
        answer = await answer_of(rig.history().GetPositionsAt(request))
        assert answer.rows == [right["1002"]]


async def test_a_replay_has_everyone_first_then_frames_and_events_in_order(
    tmp_path: Path, book: Book
) -> None:
    assert EVENTS_NS // 1_000_000 == T0_MS
    book.walk(range(-5, 6))
    book.writer.end(T0_MS + 6_000)
    async with served_history(tmp_path, book) as rig:
        await rig.happen(3)
        request = replay(T0_MS - 2_000, T0_MS + 3_000)
        answer = await answer_of(rig.history().Replay(request))
    assert {row[0]: row for row in answer.snapshot} == book.last_at(T0_MS - 2_001)
    within = [row for row in book.rows if T0_MS - 2_000 <= row[1] < T0_MS + 3_000]
    assert sorted(answer.rows) == sorted(within)
    assert answer.kinds.index("sync") < answer.kinds.index("event")
    assert answer.kinds.count("event") == 3
    assert answer.kinds[-1] == "end"
    after_sync = answer.times_ms[1:]
    assert [ms // 1000 for ms in after_sync] == sorted(ms // 1000 for ms in after_sync)


async def test_a_replay_without_events_of_some_cards(tmp_path: Path, book: Book) -> None:
    book.walk(range(5))
    book.writer.end(T0_MS + 6_000)
    async with served_history(tmp_path, book) as rig:
        await rig.happen(3)
        request = replay(T0_MS, T0_MS + 5_000, without_events=True, cards=["1004"])
        answer = await answer_of(rig.history().Replay(request))
    assert {row[0] for row in answer.rows} == {"1004"}
    assert "event" not in answer.kinds


async def test_a_slow_replay_says_how_far_it_is_and_ends_when_the_gateway_stops(
    tmp_path: Path, book: Book
) -> None:
    async with served_history(tmp_path, book) as rig:
        call = rig.history().Replay(replay(T0_MS + 3_600_000, T0_MS + 3_690_000, speed=0.01))
        async with asyncio.timeout(LONG_S):
            async for message in call:
                if message.WhichOneof("message") == "clock":
                    break
            await rig.server.stop(0.5)
            code = await call.code()
        assert code == grpc.StatusCode.UNAVAILABLE


async def drained(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_what_was_kept_a_moment_ago_is_found(tmp_path: Path) -> None:
    table = cards_table(3)
    now_ns = (T0_MS + 5_000) * 1_000_000
    keeper = Keeper(tmp_path, SETTINGS, table, lambda: now_ns)
    with closing(keeper):
        async with served(tmp_path, tracks=keeper) as rig:
            keeper.offer(walk(3, 4), ROADS, now_ns)
            await until(lambda: (keeper.status.newest_ms or 0) >= T0_MS + 4_000)
            request = track("1002", T0_MS, T0_MS + 60_000)
            answer = await answer_of(rig.history().QueryTrack(request))
            assert len(answer.rows) == 1


async def test_compacted_hours_answer_as_before(tmp_path: Path, book: Book) -> None:
    requests = track("1002", T0_MS, T0_MS + 2 * HOUR_MS), replay(T0_MS, T0_MS + 2 * HOUR_MS)
    found = []
    for _ in range(2):
        async with served_history(tmp_path, book) as rig:
            tracked = await answer_of(rig.history().QueryTrack(requests[0]))
            replayed = await answer_of(rig.history().Replay(requests[1]))
            found.append((tracked.rows, replayed.rows))
        compact_all(book.folder)
    assert found[0] == found[1]


async def test_a_card_that_was_never_heard_is_not_found(tmp_path: Path, book: Book) -> None:
    async with served_history(tmp_path, book) as rig:
        history = rig.history()
        at = history_pb2.GetPositionsAtRequest(time=time_of(T0_MS), cards=["77"])
        for call in (
            history.QueryTrack(track("77", T0_MS, T0_MS + HOUR_MS)),
            history.GetPositionsAt(at),
            history.Replay(replay(T0_MS, T0_MS + HOUR_MS, cards=["77"])),
        ):
            code, text = await code_of(drained(call))
            assert code == grpc.StatusCode.NOT_FOUND
            assert "77" in text


async def test_wrong_requests_are_refused_with_what_is_wrong(tmp_path: Path, book: Book) -> None:
    empty = history_pb2.QueryTrackRequest(card="1001")
    turned = track("1001", T0_MS + 1, T0_MS)
    beyond = track("1001", T0_MS, T0_MS + 1)
    beyond.end_time.seconds = 1 << 60
    async with served_history(tmp_path, book) as rig:
        history = rig.history()
        for call, word in (
            (history.QueryTrack(empty), "start_time"),
            (history.QueryTrack(turned), "not after"),
            (history.QueryTrack(beyond), "1970 to 9999"),
            (history.QueryTrack(track("", 1, 2)), "card"),
            (history.QueryTrack(track("1", 1, 2, least_interval_s=-1)), "least_interval_s"),
            (history.GetPositionsAt(history_pb2.GetPositionsAtRequest()), "time"),
            (history.Replay(replay(1, 2, speed=float("nan"))), "speed"),
            (history.Replay(replay(1, 2, speed=-2)), "speed"),
        ):
            code, text = await code_of(drained(call))
            assert code == grpc.StatusCode.INVALID_ARGUMENT
            assert word in text


async def test_more_requests_than_there_is_room_for_are_refused(tmp_path: Path, book: Book) -> None:
    async with served_history(tmp_path, book) as rig:
        history = rig.history()
        slow = replay(T0_MS + 3_600_000, T0_MS + 3_690_000, speed=0.01)
        calls = [history.Replay(slow) for _ in range(REQUESTS_MAX)]
        for call in calls:
            await call.read()
        code, text = await code_of(drained(history.Replay(slow)))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "run already" in text
        for call in calls:
            call.cancel()
        request = track("1001", T0_MS, T0_MS + 2 * HOUR_MS)
        await until(lambda: rig.server.services.history._running == 0)
        assert (await answer_of(history.QueryTrack(request))).rows


async def test_a_time_of_thousands_of_years_is_answered(tmp_path: Path, book: Book) -> None:
    async with served_history(tmp_path, book) as rig:
        request = track("1001", 0, 253_402_300_799_000)
        answer = await answer_of(rig.history().QueryTrack(request))
        assert len(answer.rows) == 150
        answer = await answer_of(rig.history().Replay(replay(0, 253_402_300_799_000)))
        assert len(answer.rows) == 750
