"""All List methods, whichever there are: page by page they tell what they tell at once."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.config.bundle import Bundle
from gateway.mine.people.shift_exposure import Share
from gateway.serve.cursor import Kind, seal
from gateway.serve.reasons import Reason
from lamproom.v1 import event_pb2
from positioning.anchor_health import assess
from positioning.anchor_stats import ANCHOR_STATS
from positioning.mine_map import Anchor
from tests.gateway.serve_rig import (
    MAP,
    T0_NS,
    Rig,
    bundle_of,
    changes,
    changes_with,
    fixes_of,
    served,
)
from tests.gateway.status_details import details_of
from tests.gateway.test_admin import ROWS, have_open
from tests.gateway.test_services_alarms import alarm
from tests.gateway.test_services_hazards import POINTS, hazard, scores, told
from tests.gateway.test_services_lamp_room import EARLY, LATE, exposed, visit, visits_of

POOL = descriptor_pool.Default()
#: Of a List request, what is no filter.
PAGING = {"page_size", "page_token", "read_mask"}
#: What else an answer may list than its items.
BESIDE = {"gaps"}
#: A value that a filter of each type takes.
SOMETHING: Mapping[int, Any] = {
    FieldDescriptor.CPPTYPE_STRING: "1001",
    FieldDescriptor.CPPTYPE_ENUM: 1,
    FieldDescriptor.CPPTYPE_BOOL: True,
}


@dataclass(frozen=True)
class ListMethod:
    """A List method: its path, and what it takes and gives."""

    path: str
    asked: type[Message]
    answer: type[Message]
    items: str

    async def ask(self, rig: Rig, **fields: Any) -> Any:
        call = rig.channels[0].unary_unary(
            self.path,
            request_serializer=self.asked.SerializeToString,
            response_deserializer=self.answer.FromString,
        )
        return await call(self.asked(**fields))


def methods_of(rig: Rig) -> list[ListMethod]:
    found = []
    for service, names in rig.server.services.table().items():
        for name in (one for one in names if one.startswith("List")):
            method = POOL.FindServiceByName(service).methods_by_name[name]
            asked, answer = map(
                message_factory.GetMessageClass, (method.input_type, method.output_type)
            )
            (items,) = {one.name for one in answer.DESCRIPTOR.fields if one.is_repeated} - BESIDE
            found.append(ListMethod(f"/{service}/{name}", asked, answer, items))
    return found


def bundle() -> Bundle:
    anchors = (*MAP.anchors, Anchor("A2", 5.0, 2.0, 3.0))
    return replace(bundle_of(), risk_points=POINTS, map=replace(MAP, anchors=anchors))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A mine in which every list has two items at least."""
    async with served(tmp_path, bundle(), now_ns=lambda: T0_NS) as running:
        have_open(running, ROWS)
        running.channel()
        publish = running.server.publish
        publish(changes(fixes_of([(0, 1.0), (1, 2.0)]), anchors=assess(np.zeros(2, ANCHOR_STATS))))
        publish(changes_with(alarm(3), alarm(7)))
        publish(told(hazard(1), hazard(2), risk=scores(10.0, 20.0)))
        publish(visits_of(visit("1001", -20, 480, EARLY), visit("1002", 5, None, LATE)))
        shares = {(0, 0, Share.ALONE): 30.0, (1, 0, Share.ALONE): 45.0}
        publish(replace(changes(), exposure=(exposed(EARLY, shares),)))
        await running.happen(3)
        cursor = seal(Kind.EVENTS, running.journal.epoch, 1)
        for name in ("scada", "archive"):
            request = event_pb2.AcknowledgeCursorRequest(consumer=name, cursor=cursor)
            await running.events().AcknowledgeCursor(request)
        yield running


async def refusal_of(method: ListMethod, rig: Rig, **fields: Any) -> Reason:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await method.ask(rig, **fields)
    return details_of(failure.value).reason


async def test_pages_of_one_hold_what_one_page_holds(rig: Rig) -> None:
    for method in methods_of(rig):
        whole = await method.ask(rig)
        assert whole.next_page_token == "", method.path
        expected = list(getattr(whole, method.items))
        assert len(expected) >= 2, method.path
        found: list[Message] = []
        token = ""
        while len(found) <= len(expected):
            page = await method.ask(rig, page_size=1, page_token=token)
            found += getattr(page, method.items)
            token = page.next_page_token
            if not token:
                break
        assert found == expected, method.path


async def test_a_token_is_for_its_method_and_its_filters_and_for_any_mask(rig: Rig) -> None:
    methods = methods_of(rig)
    tokens = [(await method.ask(rig, page_size=1)).next_page_token for method in methods]
    filters = 0
    for n, method in enumerate(methods):
        of_another = await refusal_of(method, rig, page_token=tokens[n - 1])
        assert of_another is Reason.PAGE_TOKEN_INVALID, method.path
        for field in method.asked.DESCRIPTOR.fields:
            if field.name not in PAGING and not field.message_type:
                value = SOMETHING[field.cpp_type]
                fields = {field.name: [value] if field.is_repeated else value}
                refused = await refusal_of(method, rig, page_token=tokens[n], **fields)
                assert refused is Reason.PAGE_TOKEN_INVALID, (method.path, field.name)
                filters += 1
        item: Any = method.answer.DESCRIPTOR.fields_by_name[method.items].message_type
        first = item.fields[0].name
        page = await method.ask(rig, page_token=tokens[n], read_mask={"paths": [first]})
        for one in getattr(page, method.items):
            assert {field.name for field, _ in one.ListFields()} <= {first}, method.path
    assert filters >= 15


async def test_all_lists_of_the_contract_are_looked_at(rig: Rig) -> None:
    files = {POOL.FindServiceByName(name).file for name in rig.server.services.table()}
    told_of = {
        f"/{service.full_name}/{method.name}"
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
        if method.name.startswith("List")
    }
    assert {method.path for method in methods_of(rig)} == told_of
    for method in methods_of(rig):
        assert set(method.asked.DESCRIPTOR.fields_by_name) >= PAGING, method.path
        assert "next_page_token" in method.answer.DESCRIPTOR.fields_by_name, method.path
