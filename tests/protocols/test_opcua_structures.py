"""Structures in bytes, one by one: by definition, whole, bounded, whatever the bytes are."""

import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import pack_uatype
from hypothesis import given
from hypothesis import strategies as st

from protocols.opcua.layouts import Definitions, layouts_of
from protocols.opcua.structures import Layout, Layouts, Member, UndecodableError

DOUBLE, INT32, STRING, ANY = (ua.NodeId(ua.Int32(number)) for number in (11, 6, 12, 24))
BUILTIN = {
    DOUBLE: ua.VariantType.Double,
    INT32: ua.VariantType.Int32,
    STRING: ua.VariantType.String,
    ANY: ua.VariantType.Variant,
}
PLAIN, OPTIONAL, UNION = (
    ua.StructureType.Structure,
    ua.StructureType.StructureWithOptionalFields,
    ua.StructureType.Union,
)


def node(number: int) -> ua.NodeId:
    return ua.NodeId(ua.Int32(number), ua.Int16(2))


def field(name: str, data_type: ua.NodeId, rank: int = -1, *, optional: bool = False) -> Any:
    return ua.StructureField(Name=name, DataType=data_type, ValueRank=rank, IsOptional=optional)


def layouts(*given_types: tuple[int, ua.StructureType, list[Any]], base: int = 0) -> Layouts:
    """Types by number; the encoding of each is the number and 100; the last one is of `base`."""
    found = Definitions(builtin=dict(BUILTIN))
    for number, kind, fields in given_types:
        found.structures[node(number)] = ua.StructureDefinition(
            DefaultEncodingId=node(number + 100), StructureType=kind, Fields=fields
        )
        found.names[node(number)] = f"Type{number}"
    if base:
        found.structures[node(given_types[-1][0])].BaseDataType = node(base)
    return layouts_of(found)


def decoded(known: Layouts, body: bytes, number: int = 1) -> dict[str, Any]:
    return known.decode(ua.ExtensionObject(TypeId=node(number + 100), Body=ua.ByteString(body)))


def string(text: str) -> bytes:
    return struct.pack("<i", len(text)) + text.encode()


def test_members_are_read_in_their_order() -> None:
    known = layouts((1, PLAIN, [field("X", DOUBLE), field("N", INT32), field("T", STRING)]))
    body = struct.pack("<di", 1.5, -7) + string("ab")
    assert decoded(known, body) == {"X": 1.5, "N": -7, "T": "ab"}


def test_optional_members_are_those_of_the_mask() -> None:
    fields = [
        field("A", INT32, optional=True),
        field("B", INT32),
        field("C", INT32, optional=True),
    ]
    known = layouts((1, OPTIONAL, fields))
    assert decoded(known, struct.pack("<Iii", 2, 5, 6)) == {"B": 5, "C": 6}
    assert decoded(known, struct.pack("<Iii", 1, 5, 6)) == {"A": 5, "B": 6}
    assert decoded(known, struct.pack("<Ii", 0, 5)) == {"B": 5}


def test_a_union_holds_one_member_or_none() -> None:
    known = layouts((1, UNION, [field("X", DOUBLE), field("N", INT32)]))
    assert decoded(known, struct.pack("<Ii", 2, 9)) == {"N": 9}
    assert decoded(known, struct.pack("<I", 0)) == {}
    with pytest.raises(UndecodableError, match="holds member 3 of Type1, which has 2"):
        decoded(known, struct.pack("<Ii", 3, 9))


def test_structures_and_arrays_lie_within_one_another() -> None:
    known = layouts(
        (2, PLAIN, [field("N", INT32)]),
        (1, PLAIN, [field("One", node(2)), field("Many", node(2), 1), field("Last", INT32)]),
    )
    body = struct.pack("<iiiii", 4, 2, 5, 6, 7)
    assert decoded(known, body) == {"One": {"N": 4}, "Many": [{"N": 5}, {"N": 6}], "Last": 7}
    assert decoded(known, struct.pack("<iii", 4, -1, 7))["Many"] == []
    assert known.holds(node(1), ("Many", "N"))
    assert not known.holds(node(1), ("Last", "N"))


def test_a_value_of_any_type_is_what_it_holds() -> None:
    known = layouts((1, PLAIN, [field("V", ANY)]), (2, PLAIN, [field("N", INT32)]))
    assert decoded(known, b"\x06" + struct.pack("<i", 3)) == {"V": 3}
    inner = b"\x16" + b"\x01\x02\x66\x00" + b"\x01" + struct.pack("<ii", 4, 8)
    assert decoded(known, inner) == {"V": {"N": 8}}


def test_kinds_of_a_members_type_may_stand_in_its_place() -> None:
    fields = [field("N", INT32, optional=True), field("In", node(2), optional=True)]
    known = layouts(
        (1, ua.StructureType.StructureWithSubtypedValues, [*fields, field("Last", INT32)]),
        (2, PLAIN, [field("A", INT32)]),
        (3, PLAIN, [field("A", INT32), field("B", INT32)]),
    )
    number = b"\x0b" + struct.pack("<d", 2.5)
    inner = b"\x01\x02\x67\x00" + b"\x01" + struct.pack("<iii", 8, 4, 5)
    body = number + inner + struct.pack("<i", 7)
    assert decoded(known, body) == {"N": 2.5, "In": {"A": 4, "B": 5}, "Last": 7}


@pytest.mark.parametrize(
    ("kind", "code"), [("Boolean", "?"), ("SByte", "b"), ("Byte", "B"), ("Int16", "h"),
                       ("UInt16", "H"), ("Int32", "i"), ("UInt32", "I"), ("Int64", "q"),
                       ("UInt64", "Q"), ("Float", "f"), ("Double", "d")],
)  # fmt: skip
def test_numbers_are_read_as_the_library_writes_them(kind: str, code: str) -> None:
    builtin = ua.VariantType[kind]
    member = Member("N", node(9), builtin)
    known = Layouts({node(1): Layout("T", PLAIN, (member,))}, {node(101): node(1)}, {})
    for value in (0, 1, 0.5 if code in "fd" else 100 if code != "?" else True):
        assert decoded(known, pack_uatype(builtin, value)) == {"N": value}


def test_inherited_members_that_a_server_leaves_out_come_first() -> None:
    above = (2, OPTIONAL, [field("A", INT32), field("B", INT32, optional=True)])
    whole = (1, OPTIONAL, [*above[2], field("C", INT32)])
    body = struct.pack("<Iii", 0, 5, 6)
    for given_type in (whole, (1, PLAIN, [field("C", INT32)])):
        known = layouts(above, given_type, base=2)
        assert decoded(known, body) == {"A": 5, "C": 6}


def test_types_that_are_kinds_of_themselves_end() -> None:
    known = layouts((1, PLAIN, [field("A", INT32), field("Me", node(1))]), base=1)
    with pytest.raises(UndecodableError):
        decoded(known, struct.pack("<i", 5) * 100)


def test_structures_within_one_another_are_bounded() -> None:
    known = layouts((1, UNION, [field("Me", node(1)), field("N", INT32)]))
    assert decoded(known, struct.pack("<IIIi", 1, 1, 2, 9)) == {"Me": {"Me": {"N": 9}}}
    with pytest.raises(UndecodableError, match="more than 16 structures within one another"):
        decoded(known, struct.pack("<I", 1) * 20)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "has bytes that are not of its type, Type1"),
        (struct.pack("<i", 1) + bytes(3), "has bytes that are not of its type, Type1"),
        (struct.pack("<ii", 1, 5) + b"\0", "has more bytes than the server's own definition of Ty"),
        (
            struct.pack("<i", 1_000_000) + bytes(8),
            "an array of 1,000,000 elements, more than there",
        ),
    ],
)
def test_bytes_that_are_not_of_the_type_are_told(body: bytes, told: str) -> None:
    known = layouts((1, PLAIN, [field("N", INT32, 1)]))
    with pytest.raises(UndecodableError, match=told):
        decoded(known, body)


def test_what_the_server_does_not_define_is_told() -> None:
    found = Definitions(builtin=dict(BUILTIN), unusable={node(9): "no definition of Type9"})
    matrix = [field("M", INT32, 2)]
    for number, fields in ((1, [field("In", node(9))]), (3, matrix)):
        found.structures[node(number)] = ua.StructureDefinition(
            DefaultEncodingId=node(number + 100), Fields=fields
        )
        found.names[node(number)] = f"Type{number}"
    known = layouts_of(found)
    with pytest.raises(UndecodableError, match="can't be read: no definition of Type9"):
        decoded(known, bytes(8))
    with pytest.raises(UndecodableError, match="Type3 has an array of several dimensions, M"):
        decoded(known, bytes(8), 3)
    with pytest.raises(UndecodableError, match="a structure that is not expected"):
        decoded(known, bytes(8), 4)


EVERYTHING = layouts(
    (2, UNION, [field("X", DOUBLE), field("T", STRING), field("V", ANY)]),
    (
        1,
        OPTIONAL,
        [
            field("T", STRING, optional=True),
            field("Many", node(2), 1),
            field("Any", ANY, 1, optional=True),
            field("Me", node(1), 1),
        ],
    ),
)


@given(st.binary(max_size=200), st.lists(st.integers(0, 6), max_size=40))
def test_no_bytes_do_harm(noise: bytes, small: list[int]) -> None:
    for body in (noise, struct.pack(f"<{len(small)}i", *small), bytes(small)):
        try:
            assert isinstance(decoded(EVERYTHING, body), dict)
        except UndecodableError:
            continue
