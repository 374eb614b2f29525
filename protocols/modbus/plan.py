"""Which reads serve a set of points: as few as the protocol and the device allow. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from equipment.modbus_profile import ModbusPoint, Table

#: The most that one read can ask for (Modbus Application Protocol V1.1b3, 6.1 to 6.4).
REGISTERS_MOST: Final = 125
BITS_MOST: Final = 2000

#: Tables of single bits; the others hold registers of 16 bits.
BIT_TABLES: Final = frozenset({Table.COIL, Table.DISCRETE})


@dataclass(frozen=True, slots=True)
class Read:
    """One request: `count` registers or bits of `table` from `address`."""

    table: Table
    address: int
    count: int

    def __str__(self) -> str:
        """Such as `input registers 100 to 124`."""
        what = WHAT[self.table]
        if self.count == 1:
            return f"{what} {self.address}"
        return f"{what}s {self.address} to {self.address + self.count - 1}"


#: What a table holds, in words.
WHAT: Final = {
    Table.COIL: "coil",
    Table.DISCRETE: "discrete input",
    Table.HOLDING: "holding register",
    Table.INPUT: "input register",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A read and the points that it serves, by address."""

    read: Read
    points: tuple[ModbusPoint, ...]


def plan(points: Iterable[ModbusPoint], gap: int) -> tuple[Block, ...]:
    """The fewest reads that serve `points`, each exactly once.

    Two points share a read when at most `gap` addresses that no point needs lie between them.
    """
    by_place = sorted(points, key=lambda point: (point.table, point.address, point.width))
    blocks = []
    run: list[ModbusPoint] = []
    end = 0
    for point in by_place:
        if run and not _joins(point, run[0], end, gap):
            blocks.append(_block(run, end))
            run = []
        end = max(end, point.address + point.width) if run else point.address + point.width
        run.append(point)
    if run:
        blocks.append(_block(run, end))
    return tuple(blocks)


def _joins(point: ModbusPoint, first: ModbusPoint, end: int, gap: int) -> bool:
    most = BITS_MOST if point.table in BIT_TABLES else REGISTERS_MOST
    return (
        point.table is first.table
        and point.address - end <= gap
        and max(end, point.address + point.width) - first.address <= most
    )


def _block(run: Sequence[ModbusPoint], end: int) -> Block:
    first = run[0]
    return Block(Read(first.table, first.address, end - first.address), tuple(run))


def split(block: Block) -> tuple[Block, ...]:
    """Smaller blocks for the same points, for a device that refuses `block` as it is.

    First the addresses between the points are left out, then the points are halved; the point of
    a block with one point can't be split: that gives nothing.
    """
    if len(block.points) == 1:
        return ()
    parts = plan(block.points, gap=0)
    if len(parts) > 1:
        return parts
    middle = len(block.points) // 2
    return plan(block.points[:middle], gap=0) + plan(block.points[middle:], gap=0)
