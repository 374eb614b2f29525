"""`read_mask`: of each List and Get method, only the fields that are asked for."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from gateway.serve.encode import encode_event
from gateway.serve.failure import RequestError
from gateway.serve.masks import ReadMask, read_mask_of
from lamproom.v1 import (
    configuration_pb2,
    configuration_pb2_grpc,
    event_pb2,
    mine_pb2,
    muster_pb2,
    position_pb2,
)
from tests.gateway.serve_rig import Rig, code_of, event, served
from tests.gateway.status_details import details_of

EVENT = event_pb2.WatchEventsResponse.FromString(encode_event(event(3), 7)).event
PATHS = [
    *(field.name for field in event_pb2.Event.DESCRIPTOR.fields),
    *(f"alarm.{field.name}" for field in event_pb2.Alarm.DESCRIPTOR.fields),
    *("place.x_m", "place.measure_time", "place.measure_time.seconds", "alarm.place.x_m"),
]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


def of_events() -> ReadMask:
    found = read_mask_of(event_pb2.ListEventsRequest)
    assert found
    return found


@given(st.lists(st.sampled_from(PATHS), min_size=1, max_size=6))
def test_what_is_kept_is_what_protobuf_itself_would_keep(paths: list[str]) -> None:
    masks = of_events()
    selection = masks.selection(paths)
    assert selection
    answer = event_pb2.ListEventsResponse(events=[EVENT], next_page_token="next")
    kept = masks.select(answer, selection)
    assert isinstance(kept, event_pb2.ListEventsResponse)
    expected = event_pb2.Event()
    mask(*paths).MergeMessage(EVENT, expected)
    (found,) = kept.events
    assert found == expected
    assert kept.next_page_token == "next"
    assert answer.events[0] == EVENT


async def test_an_empty_mask_asks_for_all(rig: Rig) -> None:
    stub = rig.mine()
    assert await stub.GetMap(mine_pb2.GetMapRequest(read_mask=mask())) == await stub.GetMap(
        mine_pb2.GetMapRequest()
    )


async def test_a_mask_of_one_client_takes_nothing_from_another(rig: Rig) -> None:
    stub = rig.mine()
    whole = await stub.GetMap(mine_pb2.GetMapRequest())
    cut = await stub.GetMap(mine_pb2.GetMapRequest(read_mask=mask("zones", "mine_code")))
    assert (cut.mine_code, cut.zones) == (whole.mine_code, whole.zones)
    assert not cut.roadways
    assert not cut.mine_name
    assert await stub.GetMap(mine_pb2.GetMapRequest()) == whole


async def test_a_page_token_is_good_for_other_masks(rig: Rig) -> None:
    await rig.happen(3)
    stub, asked = rig.events(), event_pb2.ListEventsRequest
    first = await stub.ListEvents(asked(page_size=2, read_mask=mask("sequence")))
    assert [one.ListFields()[0][1] for one in first.events] == [1, 2]
    assert [len(one.ListFields()) for one in first.events] == [1, 1]
    rest = asked(page_token=first.next_page_token, read_mask=mask("text", "alarm.rule"))
    (third,) = (await stub.ListEvents(rest)).events
    assert third == event_pb2.Event(text=EVENT.text, alarm=event_pb2.Alarm(rule=EVENT.alarm.rule))


@pytest.mark.parametrize(
    ("path", "says", "path_told"),
    [
        ("sequnce", "there are sequence", "sequnce"),
        ("alarm.sate", "there are alarm.state", "alarm.sate"),
        ("Alarm", "there are alarm", "Alarm"),
        ("zzz", "there are sequence, kind, event_time", "zzz"),
        ("alarm..rule", "there are alarm.alarm_id", "alarm..rule"),
        ("alarm.tell.x", "a part of alarm.tell, which is a list: ask for 'alarm.tell'", None),
        ("text.x", "a part of text, which is no message: ask for 'text'", None),
        ("events", "there are event_time", "events"),
    ],
)
async def test_a_wrong_path_is_named_with_those_near_to_it(
    path: str, says: str, path_told: str | None, rig: Rig
) -> None:
    call = rig.events().ListEvents(event_pb2.ListEventsRequest(read_mask=mask("kind", path)))
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call
    details = details_of(failure.value)
    (violation,) = details.others["BadRequest"].field_violations
    assert violation.field == "read_mask"
    assert says in violation.description
    assert details.metadata.get("path") == path_told


async def test_the_paths_of_a_single_answer_are_its_own(rig: Rig) -> None:
    stub = configuration_of(rig)
    asked = configuration_pb2.GetConfigurationRequest(read_mask=mask("configuration.number"))
    answer = await stub.GetConfiguration(asked)
    assert answer.configuration == configuration_pb2.Configuration(number=1)
    code, text = await code_of(
        stub.GetConfiguration(configuration_pb2.GetConfigurationRequest(read_mask=mask("number")))
    )
    assert (code, "configuration" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def configuration_of(rig: Rig) -> "configuration_pb2_grpc.ConfigurationServiceAsyncStub":
    return configuration_pb2_grpc.ConfigurationServiceStub(rig.channel())


def test_streams_and_acts_have_no_mask_here() -> None:
    assert read_mask_of(position_pb2.WatchPositionsRequest) is None
    assert read_mask_of(muster_pb2.OpenMusterRequest) is None


def test_a_wider_path_holds_a_narrower_one_in_either_order() -> None:
    masks = of_events()
    for paths in (("alarm", "alarm.rule"), ("alarm.rule", "alarm")):
        selection = masks.selection(paths)
        assert selection
        assert (selection.messages, selection.nested) == (("alarm",), ())
    with pytest.raises(RequestError):
        masks.selection([""])
