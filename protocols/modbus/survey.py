"""Reads a range of addresses as far as the device gives it, and shows what each may mean. Pure.

For whoever has a device and no register map that can be trusted: `lamproom probe modbus`.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from equipment.modbus_profile import Table
from protocols.modbus.codec import Registers
from protocols.modbus.plan import BIT_TABLES, BITS_MOST, REGISTERS_MOST, Read
from protocols.modbus.refusal import FOR_SIZE, Refused

#: A float is shown only if it is 0 or its size lies between these: what machines measure does, and
#: four fifths of all bit patterns that are no float32 do not.
FLOAT_LEAST: Final = 1e-6
FLOAT_MOST: Final = 1e10

#: Types by how many registers they take, and how `struct` calls them.
TYPES: Final[Mapping[int, Mapping[str, str]]] = {
    1: {"uint16": ">H", "int16": ">h"},
    2: {"uint32": ">I", "int32": ">i", "float32": ">f"},
    4: {"uint64": ">Q", "int64": ">q", "float64": ">d"},
}

#: Fewer registers of letters in a row may be letters by chance.
TEXT_REGISTERS_LEAST: Final = 3

Steps = Generator[Read, Registers | Refused, "Survey"]


@dataclass(slots=True)
class Survey:
    """What there was: the number or bit at each address, and what was refused."""

    values: dict[int, int] = field(default_factory=dict)
    refusals: list[Refused] = field(default_factory=list)


def survey(table: Table, first: int, count: int) -> Steps:
    """Yields what to read, takes what came, returns all of it.

    Reads as much at once as the protocol allows; what is refused for its size or for one of its
    addresses is read in halves, down to each address by itself.
    """
    most = BITS_MOST if table in BIT_TABLES else REGISTERS_MOST
    end = first + count
    spans = deque((at, min(most, end - at)) for at in range(first, end, most))
    found = Survey()
    while spans:
        at, length = spans.popleft()
        answer = yield Read(table, at, length)
        if not isinstance(answer, Refused):
            found.values.update(enumerate(answer.tolist(), start=at))
        elif answer.code in FOR_SIZE and length > 1:
            half = length // 2
            spans.extendleft([(at + half, length - half), (at, half)])
        else:
            found.refusals.append(answer)
    found.refusals = list(_merged(found.refusals))
    return found


def _merged(refusals: list[Refused]) -> Iterator[Refused]:
    """Neighbours that were refused for the same reason as one."""
    last: Refused | None = None
    for one in refusals:
        if (
            last
            and last.code == one.code
            and last.read.address + last.read.count == (one.read.address)
        ):
            count = last.read.count + one.read.count
            last = Refused(Read(one.read.table, last.read.address, count), one.code)
            continue
        if last:
            yield last
        last = one
    if last:
        yield last


@dataclass(frozen=True, slots=True)
class Meaning:
    """What registers from `address` on are as `type`, by word order; None: it is implausible.

    Both orders are the same for types of one register.
    """

    address: int
    type: str
    big: int | float | None
    little: int | float | None


def meanings(registers: Mapping[int, int]) -> Iterator[Meaning]:
    """Each address under each type of which all registers are there."""
    for address in sorted(registers):
        for width, types in TYPES.items():
            words = [registers.get(at) for at in range(address, address + width)]
            given = [word for word in words if word is not None]
            if len(given) < width:
                break
            big = struct.pack(f">{width}H", *given)
            little = struct.pack(f">{width}H", *reversed(given))
            for name, form in types.items():
                yield Meaning(address, name, _value(form, big), _value(form, little))


def _value(form: str, raw: bytes) -> int | float | None:
    value: int | float = struct.unpack(form, raw)[0]
    if isinstance(value, int) or value == 0:
        return value
    plausible = math.isfinite(value) and FLOAT_LEAST <= abs(value) <= FLOAT_MOST
    return value if plausible else None


def letters(register: int) -> str:
    """A register as two letters, a dot for each that is none."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in register.to_bytes(2, "big"))


def texts(registers: Mapping[int, int]) -> Iterator[tuple[int, str]]:
    """Where texts begin, and what they say: letters in a row, filled up with zeros or blanks."""
    run: list[int] = []
    for address in [*sorted(registers), -1]:
        if run and (address != run[-1] + 1 or _ends(registers[run[-1]])):
            text = "".join(letters(registers[at]) for at in run).rstrip(". ")
            if len(run) >= TEXT_REGISTERS_LEAST:
                yield run[0], text
            run = []
        if address >= 0 and _has_text(registers[address]):
            run.append(address)


def _has_text(register: int) -> bool:
    high, low = register.to_bytes(2, "big")
    return 32 <= high < 127 and (32 <= low < 127 or low == 0)


def _ends(register: int) -> bool:
    return register & 0xFF == 0
