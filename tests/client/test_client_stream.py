"""The pure part of clients: places in streams, waits, what is kept when."""

from __future__ import annotations

from contextlib import suppress

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamproom
from lamproom.asks import Call, Wait
from lamproom.errors import LamproomError, RefusedError, UnavailableError
from lamproom.items import Alarm, Event, Gap, Reset, Synced, Unstored
from lamproom.keeping import Keeping
from lamproom.retry import WAIT_FIRST_S, WAIT_MOST_S, Backoff
from lamproom.stream import FOLLOW_POSITIONS, WATCH_POSITIONS, EventPlace, PositionPlace
from lamproom.v1 import event_pb2, position_pb2, stream_pb2


def event_answer(sequence: int) -> bytes:
    event = Event(sequence=sequence, cursor=b"%d" % sequence)
    return event_pb2.WatchEventsResponse(event=event).SerializeToString()


def asked(place: EventPlace) -> event_pb2.WatchEventsRequest:
    return event_pb2.WatchEventsRequest.FromString(place.open().request)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=30))
def test_each_event_is_told_once_wherever_calls_break_off(calls: list[tuple[int, int]]) -> None:
    """Each call brings so many events, the first of them some that were told before."""
    place = EventPlace(sequence=1)
    told: list[int] = []
    for count, again in calls:
        request = asked(place)
        first = int(request.cursor or b"0") + 1 if request.cursor else request.sequence
        first = max(first - again, 1)
        for sequence in range(first, first + count):
            item = place.take(event_answer(sequence))
            told += [item.sequence] if isinstance(item, Event) else []
    assert told == list(range(1, len(told) + 1))


def test_a_cursor_is_asked_for_rather_than_a_consumer_and_that_than_a_sequence() -> None:
    assert asked(EventPlace()).WhichOneof("start") is None
    assert asked(EventPlace(sequence=1)).WhichOneof("start") == "sequence"
    assert asked(EventPlace(sequence=1, consumer="me")).WhichOneof("start") == "consumer"
    place = EventPlace(sequence=1, consumer="me")
    place.take(event_answer(1))
    assert asked(place).cursor == b"1"


def test_after_a_reset_lower_sequences_are_news() -> None:
    place = EventPlace(cursor=b"7")
    assert place.take(event_answer(8)) is not None
    reset = event_pb2.WatchEventsResponse(reset=Reset(reason="another journal"))
    assert isinstance(place.take(reset.SerializeToString()), Reset)
    assert place.cursor == b"8"
    assert place.take(event_answer(1)) is not None
    assert place.cursor == b"1"


def test_heartbeats_and_syncs_move_the_place_and_unstored_events_do_not() -> None:
    place = EventPlace()
    beat = stream_pb2.Heartbeat(cursor=b"5")
    answer = event_pb2.WatchEventsResponse(heartbeat=beat)
    assert place.take(answer.SerializeToString()) is None
    assert place.cursor == b"5"
    answer = event_pb2.WatchEventsResponse(unstored=Unstored(events=[Event(sequence=6)]))
    assert isinstance(place.take(answer.SerializeToString()), Unstored)
    assert place.cursor == b"5"
    item = place.take(event_answer(6))
    assert isinstance(item, Event), "it comes again when it is stored"
    sync = event_pb2.WatchEventsResponse(sync=Synced(cursor=b"9"))
    assert isinstance(place.take(sync.SerializeToString()), Synced)
    assert place.cursor == b"9"


def frame_answer(cursor: bytes = b"f") -> bytes:
    frame = position_pb2.PositionFrame(cursor=cursor, tag_handles=[0], x_mm=[1500])
    return position_pb2.FollowPositionsResponse(frame=frame).SerializeToString()


def test_frames_are_acknowledged_in_all_and_anew_in_another_call() -> None:
    place = PositionPlace(position_pb2.WatchPositionsRequest())

    def done() -> int | None:
        message = place.acknowledgement()
        read = position_pb2.FollowPositionsRequest.FromString
        return None if message is None else read(message).frames_done

    opening = place.open()
    assert (opening.method, opening.talks) == (FOLLOW_POSITIONS, True)
    assert done() is None
    for n in range(1, 4):
        place.take(frame_answer(b"%d" % n))
        assert done() == n
        assert done() is None
    first = position_pb2.FollowPositionsRequest.FromString(place.open().request)
    assert first.start.cursor == b"3"
    place.take(frame_answer())
    assert done() == 1


def test_a_gateway_without_acknowledgements_is_asked_without_them() -> None:
    place = PositionPlace(position_pb2.WatchPositionsRequest())
    unimplemented = RefusedError("no such method", grpc.StatusCode.UNIMPLEMENTED)
    assert place.refused(unimplemented)
    opening = place.open()
    assert (opening.method, opening.talks) == (WATCH_POSITIONS, False)
    place.take(frame_answer())
    assert place.acknowledgement() is None
    assert not place.refused(unimplemented), "there is no third way"


def test_handles_are_those_of_one_call() -> None:
    place = PositionPlace(position_pb2.WatchPositionsRequest())
    entry = position_pb2.PositionDirectory.Entry(tag_handle=0, card="1001")
    directory = position_pb2.PositionDirectory(entries=[entry])
    place.open()
    place.take(position_pb2.FollowPositionsResponse(directory=directory).SerializeToString())
    item = place.take(frame_answer())
    assert isinstance(item, lamproom.Positions)
    assert list(item.cards) == ["1001"]
    place.open()
    item = place.take(frame_answer())
    assert isinstance(item, lamproom.Positions)
    assert list(item.cards) == [""]


def test_a_snapshot_that_broke_off_is_told_as_a_reset_before_another_one() -> None:
    place = PositionPlace(position_pb2.WatchPositionsRequest())
    entry = position_pb2.PositionDirectory.Entry(tag_handle=0, card="1001")
    directory = position_pb2.FollowPositionsResponse(
        directory=position_pb2.PositionDirectory(entries=[entry])
    ).SerializeToString()

    def begin(*answers: bytes) -> list[str]:
        place.open()
        items = [place.take(answer) for answer in (directory, *answers)]
        return [type(item).__name__ for item in items if item is not None]

    part, sync = frame_answer(b""), position_pb2.FollowPositionsResponse(sync=Synced(cursor=b"1"))
    assert begin() == []
    assert begin(part) == ["Positions"]
    assert begin(part, part) == ["Reset", "Positions", "Positions"]
    assert begin() == ["Reset"]
    assert begin(part, sync.SerializeToString()) == ["Positions", "Sync"]
    assert begin(frame_answer()) == ["Positions"], "with a cursor it goes on"


def test_waits_double_up_to_two_seconds_and_are_spread() -> None:
    longest = Backoff(lambda: 1.0)
    waits = [longest.wait_s() for _ in range(8)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    longest.heard()
    assert longest.wait_s() == WAIT_FIRST_S
    shortest = Backoff(lambda: 0.0)
    assert [shortest.wait_s() for _ in range(8)][-1] == WAIT_MOST_S / 2


def acknowledged(keeping: Keeping, cursor: bytes, now_s: float, *, last: bool = False) -> bool:
    """Whether the gateway is told, which takes it."""
    ask = keeping.acknowledgement(cursor, now_s, last=last)
    if ask is None:
        return False
    step = next(ask)
    assert isinstance(step, Call)
    assert event_pb2.AcknowledgeCursorRequest.FromString(step.request).cursor == cursor
    try:
        ask.send(b"")
    except StopIteration:
        return True
    raise AssertionError("one call is enough")


def test_a_consumer_is_acknowledged_once_a_second_and_at_the_end() -> None:
    keeping = Keeping(None, "screen")
    assert not acknowledged(keeping, b"", 0.0)
    assert acknowledged(keeping, b"1", 0.0)
    assert not acknowledged(keeping, b"2", 0.5)
    assert acknowledged(keeping, b"3", 1.0)
    assert not acknowledged(keeping, b"3", 9.0), "nothing is new"
    assert acknowledged(keeping, b"4", 9.0)
    assert acknowledged(keeping, b"5", 9.1, last=True)


def test_an_acknowledgement_that_was_not_taken_is_made_again() -> None:
    keeping = Keeping(None, "screen")
    ask = keeping.acknowledgement(b"1", 0.0, last=False)
    assert ask is not None
    next(ask)
    with suppress(StopIteration):
        ask.throw(UnavailableError("the gateway is gone"))
    assert acknowledged(keeping, b"1", 1.0)


def test_the_last_acknowledgement_waits_for_a_gateway_that_restarts() -> None:
    keeping = Keeping(None, "screen")
    ask = keeping.acknowledgement(b"1", 0.0, last=True, patience_s=30.0)
    assert ask is not None
    step = next(ask)
    for _ in range(3):
        assert isinstance(step, Call)
        assert isinstance(ask.throw(UnavailableError("the gateway is gone")), Wait)
        step = ask.send(None)
    with suppress(StopIteration):
        ask.send(b"")
    assert not acknowledged(keeping, b"1", 9.0), "it was taken"


def test_the_last_acknowledgement_is_given_up_in_the_end_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keeping = Keeping(None, "screen")
    ask = keeping.acknowledgement(b"1", 0.0, last=True, patience_s=30.0)
    assert ask is not None
    waited_s, step = 0.0, next(ask)
    with suppress(StopIteration):
        while True:
            pause = ask.throw(UnavailableError("the gateway is gone"))
            assert isinstance(pause, Wait)
            waited_s += pause.seconds
            step = ask.send(None)
            assert isinstance(step, Call)
    assert 25.0 < waited_s <= 30.0
    assert "screen gets its last events again" in caplog.text


def test_who_closes_the_client_meanwhile_is_not_waited_for() -> None:
    keeping = Keeping(None, "screen")
    ask = keeping.acknowledgement(b"1", 0.0, last=True, patience_s=30.0)
    assert ask is not None
    next(ask)
    ask.throw(UnavailableError("the gateway is gone"))
    ask.send(None)
    with pytest.raises(StopIteration):
        ask.throw(LamproomError("this client is closed"))


def board_of(*alarms: Alarm) -> lamproom.AlarmBoard:
    board = lamproom.AlarmBoard()
    assert board.take(Synced())
    assert board.outdated
    board.fill(alarms)
    assert not board.outdated
    return board


def told(alarm_id: str, state: event_pb2.AlarmState.ValueType) -> Event:
    return Event(alarm=Alarm(alarm_id=alarm_id, state=state, level=event_pb2.ALARM_LEVEL_RED))


def test_a_board_follows_alarms_and_forgets_those_that_are_over() -> None:
    board = board_of(Alarm(alarm_id="a", level=event_pb2.ALARM_LEVEL_BLUE))
    assert board.take(told("b", event_pb2.ALARM_STATE_UNACKNOWLEDGED))
    assert [one.alarm_id for one in board.alarms()] == ["b", "a"]
    assert not board.take(Event(text="no alarm"))
    assert board.take(told("b", event_pb2.ALARM_STATE_NORMAL))
    unstored = Unstored(events=[told("c", event_pb2.ALARM_STATE_UNACKNOWLEDGED)])
    assert board.take(unstored)
    assert [one.alarm_id for one in board.alarms()] == ["c", "a"]


def test_a_board_asks_for_a_list_after_a_gap_and_shows_no_past_of_another_journal() -> None:
    board = board_of()
    assert board.take(Gap())
    assert board.outdated
    board.fill([])
    assert not board.take(Reset())
    assert not board.take(told("old", event_pb2.ALARM_STATE_UNACKNOWLEDGED))
    assert not board.take(Gap())
    assert board.alarms() == []
    assert board.take(Synced())
    assert board.outdated
