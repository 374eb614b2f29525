"""Limits of callers: how often, how many streams, how large; and wrong tokens."""

from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.security.roles import Role
from gateway.serve import guard as guard_module
from gateway.serve.access import WRONG_TOKENS_AT_ONCE, host_of
from gateway.serve.guard import CALLS_AT_ONCE, LOGGED_AT_ONCE
from gateway.serve.limits import BUCKETS_MOST, RateLimit
from lamproom.v1 import event_pb2, event_pb2_grpc
from tests.gateway.serve_rig import code_of, served
from tests.gateway.tls_rig import Secured, outcome

EVENTS = "/lamproom.v1.EventService/WatchEvents"
ZONES = "/lamproom.v1.MineService/ListZones"


def test_a_bucket_gives_a_burst_and_then_its_rate() -> None:
    limit = RateLimit(8.0, 3.0)
    assert [limit.take("a", 5.0) for _ in range(3)] == [0.0] * 3
    assert limit.take("a", 5.0) == 0.125
    assert limit.wait_s("a", 5.0625) == 0.0625
    assert limit.take("a", 5.125) == 0.0
    assert limit.take("b", 5.0) == 0.0
    assert [limit.take("a", 1000.0) for _ in range(4)][:3] == [0.0] * 3
    assert limit.take("a", 1000.0) > 0


@given(st.lists(st.floats(0, 1), max_size=200))
def test_no_more_calls_are_granted_than_burst_and_rate_allow(pauses: list[float]) -> None:
    limit, at_s, granted = RateLimit(2.0, 5.0), 0.0, 0
    for pause in pauses:
        at_s += pause
        granted += limit.take("a", at_s) == 0.0
    assert granted <= 5 + 2 * at_s + 1e-6


def test_a_flood_of_callers_takes_no_more_memory() -> None:
    limit = RateLimit(1.0, 1.0)
    for n in range(BUCKETS_MOST + 100):
        limit.take(f"{n}", 1.0)
    assert len(limit._buckets) == BUCKETS_MOST
    assert limit.take(f"{BUCKETS_MOST + 99}", 1.0) > 0


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.1.0.7:4123", "10.1.0.7"),
        ("ipv6:[::1]:4123", "::1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:4123", "fe80::1%eth0"),
        ("unix:", "unix:"),
    ],
)
def test_a_peer_is_known_by_its_address(peer: str, host: str) -> None:
    assert host_of(peer) == host


async def test_a_caller_that_asks_too_often_is_told_how_long_to_wait(tmp_path: Path) -> None:
    mine = Secured(tmp_path)
    busy, other = mine.issue("busy", Role.VIEWER), mine.issue("other", Role.VIEWER)
    async with mine.serving():
        channels = [mine.by_certificate(busy) for _ in range(2)]
        codes, words = [], ""
        for n in range(int(CALLS_AT_ONCE) * 4):
            code, words = await outcome(channels[n % 2], ZONES)
            codes.append(code)
            if code is not grpc.StatusCode.OK:
                break
        assert codes[: int(CALLS_AT_ONCE)] == [grpc.StatusCode.OK] * int(CALLS_AT_ONCE)
        assert codes[-1] is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "at most 50 a second, 100 at once: ask again in 0.0" in words
        assert (await outcome(mine.by_certificate(other), ZONES))[0] is grpc.StatusCode.OK


async def test_who_is_on_this_computer_is_not_held_up(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        channel = rig.channel()
        for _ in range(int(CALLS_AT_ONCE) * 3):
            assert (await outcome(channel, ZONES))[0] is grpc.StatusCode.OK


async def test_a_caller_has_so_many_streams_over_all_its_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "STREAMS_MOST", 3)
    mine = Secured(tmp_path)
    pair = mine.issue("busy", Role.VIEWER)
    async with mine.serving():
        request = event_pb2.WatchEventsRequest()
        stubs = [event_pb2_grpc.EventServiceStub(mine.by_certificate(pair)) for _ in range(4)]
        calls = [stub.WatchEvents(request) for stub in stubs[:3]]
        for call in calls:
            await call.read()
        code, words = await code_of(stubs[3].WatchEvents(request).read())
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert words == "3 streams are open already"
        calls[0].cancel()
        # It is let in once the server has seen the end.
        last = mine.by_certificate(pair)
        while (await outcome(last, EVENTS))[0] is not grpc.StatusCode.OK:
            pass


async def test_metadata_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        ask: Any = rig.channel().unary_unary(ZONES)
        code, _ = await code_of(ask(b"", metadata=(("x-large", "x" * 20_000),)), of_grpc=True)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_guessing_of_tokens_is_slowed_and_shuts_out_nobody_else(tmp_path: Path) -> None:
    mine = Secured(tmp_path)
    token = mine.token("screen", Role.VIEWER)
    late = mine.token("late", Role.VIEWER)
    async with mine.serving():
        right = mine.by_token(token)
        assert (await outcome(right, ZONES))[0] is grpc.StatusCode.OK
        guess = mine.by_token("lamproom_guess")
        with structlog.testing.capture_logs() as logs:
            found = [await outcome(guess, ZONES) for _ in range(WRONG_TOKENS_AT_ONCE + 1)]
        codes = [code for code, _ in found]
        assert set(codes[:-1]) == {grpc.StatusCode.UNAUTHENTICATED}
        assert codes[-1] is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "too many wrong tokens from 127.0.0.1: wait" in found[-1][1]
        assert "lamproom_guess" not in str(logs)
        assert len(logs) == len(found)
        with structlog.testing.capture_logs() as logs:
            for _ in range(2 * int(LOGGED_AT_ONCE)):
                await outcome(guess, ZONES)
        assert len(logs) < LOGGED_AT_ONCE
        # A right one that was never shown from here tells nothing now, and one that was goes on.
        code, _ = await outcome(mine.by_token(late), ZONES)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await outcome(right, ZONES))[0] is grpc.StatusCode.OK
