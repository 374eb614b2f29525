"""docs/api.md: made from the contract as it is, whole, and every part of the contract explained."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gateway.serve.reasons import Reason
from tests.proto.document import OUT, Item, descriptors, document, items_of
from tests.support.places import ROOT

ITEMS = items_of(descriptors())

#: What a number counts or measures, at the end of its name.
UNIT = re.compile(
    "_(m|mm|m2|s|ms|ns|m_s|mm_s|min|deg|count|bytes|number|handle|handles|sequence|per_s)$"
)
#: Names that say all of a text, a list of texts or a number, in every message.
PLAIN = re.compile(
    "^(.*_id|.*_ids|.*_name|.*_code|.*_card|name|card|cards|job|team|text|reason|profile|point"
    "|rule|title|note|operator|consumer|key|problem|file|count|people|messages|bytes|owner)$"
)
#: Texts whose name says who.
WHO = re.compile("^(.*_by|assignee|supervisor|identity)$")

NUMBERS = {
    *range(FieldDescriptorProto.TYPE_DOUBLE, FieldDescriptorProto.TYPE_BOOL),
    *(FieldDescriptorProto.TYPE_UINT32, FieldDescriptorProto.TYPE_SFIXED32),
    *(FieldDescriptorProto.TYPE_SFIXED64, FieldDescriptorProto.TYPE_SINT32),
    FieldDescriptorProto.TYPE_SINT64,
}


def test_the_page_is_that_of_the_contract() -> None:
    assert OUT.read_text(encoding="utf-8") == document(), "docs/api.md is stale: ./run proto"


def test_links_lead_to_one_heading_each_or_to_a_file() -> None:
    page = document()
    headings = Counter(
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in page.splitlines()
        if line.startswith("#")
    )
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert headings[target[1:]] == 1, target
        else:
            assert (OUT.parent / target).resolve().is_relative_to(ROOT)
            assert (OUT.parent / target).exists(), target


def test_every_service_method_message_enum_and_reason_is_on_the_page() -> None:
    page = document()
    for one in ITEMS:
        assert f"# {one.name}\n" in page
        for method in (below for below in one.below if below.kind == "Method"):
            assert f"### {one.name}.{method.name}\n" in page
    assert all(f"| `{reason.name}` |" in page for reason in Reason)


@pytest.mark.parametrize("kind", ["Service", "Method", "Message", "Enum"])
def test_each_is_explained(kind: str) -> None:
    every = [*ITEMS, *(below for one in ITEMS for below in one.below)]
    found = [one for one in every if one.kind == kind]
    assert found
    assert [f"{one.file}: {one.name}" for one in found if not one.comment] == []


def test_fields_are_explained_whose_names_do_not_say_all() -> None:
    bare = [
        f"{one.file}: {one.name}.{field.name}"
        for one in ITEMS
        if one.kind == "Message"
        for field in one.below
        if field.kind == "Field" and not field.comment and not says_all(field, one)
    ]
    assert bare == []


def says_all(field: Item, message: Item) -> bool:
    """A field may do without words where its type or its name has them.

    Its type is explained, or its name has a unit, or is one that means the same everywhere; or the
    field right above, whose comment speaks for both, is of the same type.
    """
    proto = field.proto
    if proto.type in (FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_ENUM):
        return True
    if PLAIN.match(field.name) or WHO.match(field.name):
        return True
    if proto.type in NUMBERS and UNIT.search(field.name):
        return True
    return shares_comment(field, message)


def shares_comment(field: Item, message: Item) -> bool:
    fields = [one for one in message.below if one.kind == "Field"]
    for above in reversed(fields[: fields.index(field)]):
        if above.proto.type != field.proto.type:
            return False
        if above.comment:
            return True
    return False
