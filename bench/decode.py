"""Decoding a block beside `convert_from_registers`, tag by tag, in one run.

    ./run bench decode

A full read of 125 registers: 36 float32, 8 int32, 4 uint32, 6 int16, 6 uint16, a float64, an
uint64, the 32 bits of two registers and a text, a quarter of the numbers with the low word first.
The same registers are decoded by the layout that the driver compiles once for a block, from the
bytes of the answer on, and by pymodbus from the list of registers that it gives, one call for each
tag. Both must give the same values. They take turns, measured in processor time; medians count.
The last line is a JSON object: `vs_convert` is how many times as fast the layout is, `us` and
`convert_us` what a block costs; the same with `_floats` for a block of 62 float32.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

import numpy as np
from pymodbus.client.mixin import ModbusClientMixin

from equipment.modbus_profile import WIDTH, ModbusPoint, RegisterType, WordOrder
from equipment.strict import Words
from protocols.modbus.codec import REGISTER, BlockLayout
from protocols.modbus.plan import Block, plan

TURNS: Final = 101
#: Blocks that are decoded in a turn, by the layout and by the library.
BLOCKS, BLOCKS_CONVERTED = 1_000, 20

#: What a block holds: the type, how many of it, and registers of a text.
MIXED: Final[Sequence[tuple[RegisterType, int, int]]] = (
    (RegisterType.FLOAT32, 36, 0),
    (RegisterType.INT32, 8, 0),
    (RegisterType.UINT32, 4, 0),
    (RegisterType.INT16, 6, 0),
    (RegisterType.UINT16, 6, 0),
    (RegisterType.FLOAT64, 1, 0),
    (RegisterType.UINT64, 1, 0),
    (RegisterType.BOOL, 32, 0),
    (RegisterType.TEXT, 1, 7),
)
FLOATS: Final = ((RegisterType.FLOAT32, 62, 0),)
LOW_FIRST_EVERY: Final = 4

Convert = Callable[[], list[Any]]


def points_of(holds: Sequence[tuple[RegisterType, int, int]], *, mixed: bool) -> list[ModbusPoint]:
    """Points one after the other; bits 16 to a register."""
    points: list[ModbusPoint] = []
    address = 0
    for kind, count, length in holds:
        for n in range(count):
            low_first = mixed and n % LOW_FIRST_EVERY == 0 and WIDTH.get(kind, 1) > 1
            is_bit = kind is RegisterType.BOOL
            points.append(
                ModbusPoint(
                    name=f"{kind.value}_{n}",
                    meaning=Words(en="x", zh="x"),
                    type=kind,
                    address=address + n // 16 if is_bit else address,
                    bit=n % 16 if is_bit else 0,
                    length=length,
                    word_order=WordOrder.LITTLE if low_first else WordOrder.BIG,
                )
            )
            address += 0 if is_bit else points[-1].width
        if kind is RegisterType.BOOL:
            address += (count + 15) // 16
    return points


def answer_to(block: Block) -> bytes:
    """Registers such as a device gives, as they are on the wire."""
    rng = np.random.default_rng(7)
    registers = rng.integers(0, 1 << 16, block.read.count).astype(REGISTER)
    for point in block.points:
        end = point.address + point.width
        if point.type is RegisterType.TEXT:
            text = b"SL 900/0042".ljust(2 * point.width, b"\0")
            registers[point.address : end] = np.frombuffer(text, REGISTER)
        elif point.type in (RegisterType.FLOAT32, RegisterType.FLOAT64):
            wire = ">f4" if point.type is RegisterType.FLOAT32 else ">f8"
            words = np.frombuffer(rng.normal(0.0, 100.0, 1).astype(wire).tobytes(), REGISTER)
            low_first = point.word_order is WordOrder.LITTLE
            registers[point.address : end] = words[::-1] if low_first else words
    return registers.tobytes()


def converting(block: Block, registers: list[int]) -> Convert:
    """One call of the library for each tag; what it is called with is made beforehand."""
    convert, kinds = ModbusClientMixin.convert_from_registers, ModbusClientMixin.DATATYPE
    names = {RegisterType.BOOL: "BITS", RegisterType.TEXT: "STRING"}
    calls: list[tuple[int, int, Any, Any, int | None]] = []
    for point in block.points:
        kind = kinds[names.get(point.type, point.type.name)]
        # Of a register it gives the bits of the high byte first.
        bit = (point.bit + 8) % 16 if point.type is RegisterType.BOOL else None
        end = point.address + point.width
        calls.append((point.address, end, kind, point.word_order.value, bit))

    def values() -> list[Any]:
        found: list[Any] = []
        for first, end, kind, order, bit in calls:
            value: Any = convert(registers[first:end], kind, word_order=order)
            found.append(value if bit is None else value[bit])
        return found

    return values


def spent_us(call: Callable[[], object], times: int) -> float:
    """Processor time of one call."""
    begun_ns = time.thread_time_ns()
    for _ in range(times):
        call()
    return (time.thread_time_ns() - begun_ns) / times / 1000


def measure(points: Sequence[ModbusPoint]) -> tuple[float, float, float]:
    """Medians of the turns: how many times as fast the layout is, and µs a block of both.

    Raises:
        ValueError: they do not give the same.
    """
    (block,) = plan(points, gap=0)
    data = answer_to(block)
    layout = BlockLayout(block)
    registers: list[int] = np.frombuffer(data, REGISTER).tolist()
    converted = converting(block, registers)

    def decoded() -> list[Any]:
        return layout.values(np.frombuffer(data, REGISTER))

    if decoded() != converted():
        msg = f"{decoded()} is not {converted()}"
        raise ValueError(msg)
    turns = [
        (spent_us(decoded, BLOCKS), spent_us(converted, BLOCKS_CONVERTED)) for _ in range(TURNS)
    ]
    ours_us, theirs_us = zip(*turns, strict=True)
    return median(theirs / ours for ours, theirs in turns), median(ours_us), median(theirs_us)


def main() -> None:
    """Measures and prints."""
    result: dict[str, float] = {}
    for key, holds, name in (("", MIXED, "mixed"), ("_floats", FLOATS, "floats")):
        points = points_of(holds, mixed=not key)
        ratio, ours_us, theirs_us = measure(points)
        result |= {
            f"vs_convert{key}": ratio,
            f"us{key}": ours_us,
            f"convert_us{key}": theirs_us,
        }
        print(
            f"{name}, {len(points)} tags: layout {ours_us:.2f} µs, convert_from_registers "
            f"{theirs_us:.1f} µs, {ratio:.0f} ×"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
