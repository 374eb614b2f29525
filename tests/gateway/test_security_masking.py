"""Names that are masked: in which fields, in words, once for all readers."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.rpc import error_details_pb2, status_pb2

from gateway.config.people import CardKind, Person
from gateway.security.roles import Role
from gateway.serve.failure import DETAILS_KEY, RequestError
from gateway.serve.guard import _Shown
from gateway.serve.masking import IDS, NAMES, WITHHELD, Masking, what_of
from gateway.serve.reasons import Reason
from lamproom.v1 import (
    event_pb2,
    hazard_pb2,
    mine_pb2,
    mine_pb2_grpc,
    muster_pb2,
    position_pb2,
    roster_pb2,
)
from tests.gateway.serve_rig import bundle_of
from tests.gateway.tls_rig import Secured
from tests.support.places import ROOT

PEOPLE = (
    Person("1001", "王伟", "fitter", "A"),
    Person("1002", "王伟民", "fitter", "A"),
    Person("1003", "Anna Berg", "fitter", "A"),
    Person("1004", "张", "fitter", "A"),
    Person("1005", "运输车", "driver", "B", CardKind.VEHICLE),
)


@pytest.fixture
def masking() -> Masking:
    return Masking(PEOPLE)


def answers() -> Iterator[Descriptor]:
    """All types of the contract that an answer may hold."""
    seen: dict[str, Descriptor] = {}

    def walk(kind: Descriptor) -> None:
        if kind.full_name not in seen:
            seen[kind.full_name] = kind
            for field in kind.fields:
                if field.message_type is not None:
                    walk(field.message_type)

    for file in sorted((ROOT / "proto/lamproom/v1").glob("*.proto")):
        module = import_module(f"lamproom.v1.{file.stem}_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                walk(method.output_type)
    yield from seen.values()


def strings() -> Iterator[FieldDescriptor]:
    for kind in answers():
        if kind.full_name.startswith("lamproom."):
            yield from (one for one in kind.fields if one.type == FieldDescriptor.TYPE_STRING)


def test_every_string_of_an_answer_is_a_name_an_id_or_words() -> None:
    """A new field that sounds like a person's must be put where it belongs."""
    sounds = ("name", "_by", "operator", "owner", "assignee", "supervisor", "person", "identity")
    loud = [one for one in strings() if any(word in one.name for word in sounds)]
    named = {one.full_name.removeprefix("lamproom.v1.") for one in loud if what_of(one) == "name"}
    assert named == NAMES
    assert {one.name for one in loud if what_of(one) == "id"} == {"mine_name", "name", "person_id"}
    assert [one.full_name for one in loud if what_of(one) == "words"] == []


def test_no_list_of_fields_names_one_that_is_not_there() -> None:
    assert {one.name for one in strings()} >= IDS
    assert {one.full_name.removeprefix("lamproom.v1.") for one in strings()} >= NAMES


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("card 1001 of 王伟 was returned", "card 1001 of 王* was returned"),
        ("王伟民和王伟", "王*和王*"),
        ("Anna Berg, Anna", "A*, Anna"),
        ("张 is one letter, 运输车 a vehicle", "张 is one letter, 运输车 a vehicle"),
        ("", ""),
        ("王", "王"),
    ],
)
def test_known_names_are_masked_in_words(masking: Masking, text: str, masked: str) -> None:
    assert masking.text(text) == masked


def test_names_of_people_are_masked_and_those_of_vehicles_are_not(masking: Masking) -> None:
    given = mine_pb2.ListPeopleResponse(
        people=[
            mine_pb2.Person(card="1001", name="王伟", team="A", kind=mine_pb2.CARD_KIND_PERSON),
            mine_pb2.Person(card="1005", name="运输车", kind=mine_pb2.CARD_KIND_VEHICLE),
            mine_pb2.Person(card="7"),
        ]
    )
    before = given.SerializeToString()
    shown = masking.message(given)
    assert [(one.card, one.name, one.team) for one in shown.people] == [
        ("1001", "王*", "A"), ("1005", "运输车", ""), ("7", "", ""),
    ]  # fmt: skip
    assert given.SerializeToString() == before  # what is given may be shared


def test_operators_are_masked_whether_they_are_listed_or_not(masking: Masking) -> None:
    step = hazard_pb2.HazardStep(operator="李四", note="王伟 is told")
    hazard = hazard_pb2.Hazard(title="roof", found_by="李四", assignee="赵六", steps=[step])
    shown = masking.message(hazard_pb2.GetHazardResponse(hazard=hazard)).hazard
    assert (shown.title, shown.found_by, shown.assignee, shown.supervisor) == (
        "roof", "李*", "赵*", "",
    )  # fmt: skip
    assert [(one.operator, one.note) for one in shown.steps] == [("李*", "王* is told")]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (event_pb2.EVENT_KIND_HAZARD_CHANGED, WITHHELD),
        (event_pb2.EVENT_KIND_CARD_ISSUED, WITHHELD),
        (event_pb2.EVENT_KIND_ALARM_CLEARED, "card 9 is 王*'s now"),
    ],
)
def test_an_event_of_an_act_does_not_tell_who_did_it(
    masking: Masking, kind: event_pb2.EventKind.ValueType, text: str
) -> None:
    given = event_pb2.Event(sequence=7, kind=kind, card="9", text="card 9 is 王伟's now")
    given.alarm.acknowledged_by = "李四"
    payload = event_pb2.WatchEventsResponse(event=given).SerializeToString()
    masked = masking.payload(event_pb2.WatchEventsResponse.DESCRIPTOR, payload)
    shown = event_pb2.WatchEventsResponse.FromString(masked).event
    assert (shown.sequence, shown.card, shown.text) == (7, "9", text)
    assert shown.alarm.acknowledged_by == "李*"


def test_a_message_of_a_stream_is_masked_once_for_all_readers(masking: Masking) -> None:
    kind = muster_pb2.WatchMusterResponse.DESCRIPTOR
    cards = muster_pb2.MusterCards(cards=[muster_pb2.MusterCard(card="1001", name="王伟")])
    payload = muster_pb2.WatchMusterResponse(cards=cards).SerializeToString()
    first = masking.payload(kind, payload)
    assert all(masking.payload(kind, payload) is first for _ in range(100))
    assert masking.masked_count == 1
    assert "王伟".encode() not in first


def test_frames_of_positions_are_not_even_decoded(masking: Masking) -> None:
    kind = position_pb2.WatchPositionsResponse.DESCRIPTOR
    frame = position_pb2.PositionFrame(tag_handles=[1, 2], x_mm=[3, 4])
    payload = position_pb2.WatchPositionsResponse(frame=frame).SerializeToString()
    assert masking.payload(kind, payload) is payload
    assert masking.masked_count == 0


def test_names_of_before_stay_masked_when_other_people_are_listed(masking: Masking) -> None:
    kind = event_pb2.WatchEventsResponse.DESCRIPTOR
    event = event_pb2.Event(kind=event_pb2.EVENT_KIND_ALARM_RAISED, text="王伟 and 孙七")
    payload = event_pb2.WatchEventsResponse(event=event).SerializeToString()
    masking.payload(kind, payload)
    masking.reload((Person("1001", "孙七", "fitter", "A"),))
    shown = event_pb2.WatchEventsResponse.FromString(masking.payload(kind, payload))
    assert shown.event.text == "王* and 孙*"


async def test_words_of_an_error_hold_no_names(masking: Masking) -> None:
    class Ending:
        """Takes what a context is told at the end of a call."""

        async def abort(self, *given: Any) -> None:
            self.given = given

    ending = Ending()
    shown = _Shown(ending, masking, None)  # type: ignore[arg-type]  # a context, as far as it goes
    error = RequestError(Reason.CONSUMER_NOT_FOUND, "王伟 is not here", resource=("who", "王伟"))
    told = ((DETAILS_KEY, error.status("DeleteConsumer").SerializeToString()),)
    await shown.abort(error.code, error.text, told)
    code, words, ((key, details),) = ending.given
    assert (code, words, key) == (grpc.StatusCode.NOT_FOUND, "王* is not here", DETAILS_KEY)
    status = status_pb2.Status.FromString(details)
    info = error_details_pb2.ErrorInfo()
    assert (status.message, len(status.details)) == (words, 1)
    assert status.details[0].Unpack(info)
    assert (info.reason, dict(info.metadata)) == (
        "CONSUMER_NOT_FOUND",
        {"method": "DeleteConsumer"},
    )
    await shown.abort(grpc.StatusCode.NOT_FOUND, "nobody", (("details-bin", b"x"),))
    assert ending.given == (grpc.StatusCode.NOT_FOUND, "nobody", (("details-bin", b"x"),))


@pytest.mark.parametrize(
    ("names_role", "seen"),
    [("viewer", "操员工管"), ("engineer", "工管"), ("admin", "管")],
)
async def test_the_mine_says_who_is_told_names(tmp_path: Path, names_role: str, seen: str) -> None:
    mine = Secured(tmp_path)
    roles = dict(zip("操员工管", Role, strict=True))
    pairs = {name: mine.issue(name, role) for name, role in roles.items()}
    bundle = bundle_of(folder=tmp_path, tls={"token_port": 0}, names_role=names_role)
    async with mine.serving(bundle):
        for name, pair in pairs.items():
            stub = mine_pb2_grpc.MineServiceStub(mine.by_certificate(pair))
            people = (await stub.ListPeople(mine_pb2.ListPeopleRequest())).people
            assert people[0].name == ("王伟" if name in seen else "王*")
            assert people[1].name == "Anna"  # a vehicle's


def test_holders_of_cards_are_masked(masking: Masking) -> None:
    holder = roster_pb2.CardHolder(person_id="1001", card="9", name="王伟", job="fitter")
    shown = masking.message(roster_pb2.ListCardsResponse(holders=[holder])).holders[0]
    assert (shown.person_id, shown.card, shown.name, shown.job) == ("1001", "9", "王*", "fitter")
