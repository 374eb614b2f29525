"""Reads are few, within the protocol's limits, and serve every point exactly once."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import catalogue
from equipment.modbus_profile import ModbusPoint, ModbusProfile, RegisterType, Table
from equipment.strict import Words
from protocols.modbus.plan import BIT_TABLES, BITS_MOST, REGISTERS_MOST, Block, Read, plan, split
from tests.protocols.modbus_peer import machine

NUMBERS = [kind for kind in RegisterType if kind is not RegisterType.TEXT]


@st.composite
def points(draw: st.DrawFn) -> list[ModbusPoint]:
    found = []
    for number in range(draw(st.integers(1, 40))):
        table = draw(st.sampled_from(list(Table)))
        kind = RegisterType.BOOL if table in BIT_TABLES else draw(st.sampled_from(NUMBERS))
        address = draw(st.integers(0, 400) | st.integers(65000, 65532))
        found.append(
            ModbusPoint(
                name=f"p{number}",
                meaning=Words(en="x", zh="x"),
                table=table,
                address=address,
                type=kind,
            )
        )
    return found


def covers(block: Block, point: ModbusPoint) -> bool:
    read = block.read
    return (
        read.table is point.table
        and read.address <= point.address
        and point.address + point.width <= read.address + read.count
    )


def is_sound(blocks: tuple[Block, ...], wanted: list[ModbusPoint]) -> None:
    served = Counter(point.name for block in blocks for point in block.points)
    assert served == Counter(point.name for point in wanted)
    for block in blocks:
        most = BITS_MOST if block.read.table in BIT_TABLES else REGISTERS_MOST
        assert 1 <= block.read.count <= most
        assert all(covers(block, point) for point in block.points)
        # No read begins or ends with what no one needs.
        assert block.read.address == min(point.address for point in block.points)
        ends = {point.address + point.width for point in block.points}
        assert block.read.address + block.read.count == max(ends)


def largest_hole(block: Block) -> int:
    used = {a for point in block.points for a in range(point.address, point.address + point.width)}
    hole = largest = 0
    for address in range(block.read.address, block.read.address + block.read.count):
        hole = 0 if address in used else hole + 1
        largest = max(largest, hole)
    return largest


@given(points(), st.integers(0, 124))
def test_every_point_is_served_by_exactly_one_read(wanted: list[ModbusPoint], gap: int) -> None:
    blocks = plan(wanted, gap)
    is_sound(blocks, wanted)
    assert all(largest_hole(block) <= gap for block in blocks)


@given(points(), st.integers(0, 124))
def test_no_two_neighbouring_reads_could_be_one(wanted: list[ModbusPoint], gap: int) -> None:
    blocks = plan(wanted, gap)
    for one, two in pairwise(blocks):
        if one.read.table is not two.read.table:
            continue
        first = two.points[0]
        most = BITS_MOST if one.read.table in BIT_TABLES else REGISTERS_MOST
        end = one.read.address + one.read.count
        too_far = first.address - end > gap
        too_long = first.address + first.width - one.read.address > most
        assert too_far or too_long


@given(points(), st.integers(0, 124))
def test_splitting_serves_the_same_points_and_ends(wanted: list[ModbusPoint], gap: int) -> None:
    waiting = list(plan(wanted, gap))
    single = []
    while waiting:
        block = waiting.pop()
        parts = split(block)
        if not parts:
            assert len(block.points) == 1
            single.append(block)
            continue
        is_sound(parts, list(block.points))
        assert len(parts) > 1
        waiting += parts
    is_sound(tuple(single), wanted)


def test_a_gap_is_bridged_up_to_the_limit_of_the_profile() -> None:
    profile = machine('name="a"; address=10; type="int16"', 'name="b"; address=27; type="int16"')
    assert profile.gap == 16
    assert [block.read for block in plan(profile.point, 16)] == [Read(Table.HOLDING, 10, 18)]
    assert len(plan(profile.point, 15)) == 2


def test_a_read_ends_at_125_registers() -> None:
    full = machine(*(f'name="p{n}"; address={n}; type="uint16"' for n in range(126)))
    assert [block.read.count for block in plan(full.point, 0)] == [125, 1]


def test_a_value_is_never_cut_by_the_limit() -> None:
    edge = machine(
        *(f'name="p{n}"; address={n}; type="uint16"' for n in range(124)),
        'name="wide"; address=124; type="float64"',
    )
    assert [(b.read.address, b.read.count) for b in plan(edge.point, 0)] == [(0, 124), (124, 4)]


def test_bits_of_one_register_share_it() -> None:
    bits = machine(*(f'name="b{n}"; address=3; type="bool"; bit={n}' for n in range(16)))
    assert [block.read for block in plan(bits.point, 0)] == [Read(Table.HOLDING, 3, 1)]


def test_gaps_are_left_out_before_points_are_halved() -> None:
    profile = machine(*(f'name="p{n}"; address={n}; type="int16"' for n in (0, 1, 5, 6)))
    (block,) = plan(profile.point, 16)
    parts = split(block)
    assert [(part.read.address, part.read.count) for part in parts] == [(0, 2), (5, 2)]
    assert [part.read.address for part in split(parts[0])] == [0, 1]
    assert split(split(parts[0])[0]) == ()


@pytest.mark.parametrize(
    ("name", "reads"), [("shearer_modbus", 3), ("roadheader", 5), ("uwb_reader", 2)]
)
def test_shipped_profiles_take_few_reads(name: str, reads: int) -> None:
    profile = catalogue.load(name)
    assert isinstance(profile, ModbusProfile)
    assert len(plan(profile.point, profile.gap)) == reads


def test_a_read_says_what_it_asks_for() -> None:
    assert str(Read(Table.INPUT, 100, 25)) == "input registers 100 to 124"
    assert str(Read(Table.COIL, 7, 1)) == "coil 7"
