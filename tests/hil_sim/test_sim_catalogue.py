"""The simulator serves every profile of the catalogue, and the drivers read what it served."""

from __future__ import annotations

import math
import random
import string

import numpy as np
import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment import catalogue
from equipment.modbus_profile import NUMBERS, ModbusPoint, ModbusProfile, RegisterType, Table
from equipment.opcua_profile import OpcUaPoint, OpcUaProfile
from equipment.profile import Kind, Point
from equipment.report import Quality, Value
from hil_sim.machines import make_machine
from hil_sim.registers import Registers, claim_points, write_points
from hil_sim.serve.opcua import _variant
from protocols.modbus.codec import Registers as Words
from protocols.modbus.plan import Read
from protocols.modbus.points import Answer, PointReader
from protocols.opcua.values import sample_of

PROFILES = {name: catalogue.load(name) for name in catalogue.shipped()}
MODBUS = {name: one for name, one in PROFILES.items() if isinstance(one, ModbusProfile)}
OPCUA = {name: one for name, one in PROFILES.items() if isinstance(one, OpcUaProfile)}

#: What a whole number in registers can be.
_LIMITS = {
    RegisterType.INT16: (-(1 << 15), (1 << 15) - 1),
    RegisterType.UINT16: (0, (1 << 16) - 1),
    RegisterType.INT32: (-(1 << 31), (1 << 31) - 1),
    RegisterType.UINT32: (0, (1 << 32) - 1),
    RegisterType.INT64: (-(1 << 63), (1 << 63) - 1),
    RegisterType.UINT64: (0, (1 << 64) - 1),
}


def any_value(point: Point, rng: random.Random) -> Value:
    """A value that the point can have, by its range, its states or its type."""
    kind = getattr(point, "type", "")
    if point.states:
        return rng.choice([*point.states.values()])
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "text":
        most = 2 * point.width if isinstance(point, ModbusPoint) else 40
        return "".join(rng.choices(string.ascii_letters + string.digits, k=rng.randint(1, most)))
    low, high = point.range or (0.0, 65535.0)
    if isinstance(point, ModbusPoint) and point.type in _LIMITS:
        return rng.randint(*_raw_range(point, low, high)) * point.scale + point.offset
    return rng.uniform(low, high)


def _raw_range(point: ModbusPoint, low: float, high: float) -> tuple[int, int]:
    """The raw numbers whose values are within `low` and `high`; a nudge forgives rounding."""
    least = math.ceil((low - point.offset) / point.scale - 1e-6)
    most = math.floor((high - point.offset) / point.scale + 1e-6)
    return least, most


def read_back(registers: Registers, profile: ModbusProfile) -> dict[str, Value | None]:
    """What the driver reads of the registers; each sample is good."""
    steps = PointReader("dev", profile.point, profile.gap).scan(0)
    try:
        read = next(steps)
        while True:
            read = steps.send(Answer(answer_to(registers, read), 0))
    except StopIteration as stop:
        scan = stop.value
    assert all(sample.quality is Quality.GOOD for sample in scan.samples), scan.samples
    return {sample.point: sample.value for sample in scan.samples}


def answer_to(registers: Registers, read: Read) -> Words:
    wire = registers.read(Table(read.table), read.address, read.count)
    assert wire is not None, read
    if read.table in (Table.COIL, Table.DISCRETE):
        bits = np.unpackbits(np.frombuffer(wire, np.uint8), count=read.count, bitorder="little")
        return bits.astype(np.uint16)
    return np.frombuffer(wire, ">u2").astype(np.uint16)


def near(point: Point, value: Value) -> object:
    is_number = not isinstance(value, bool | str)
    single = getattr(point, "type", "") == RegisterType.FLOAT32
    return pytest.approx(value, rel=1e-6 if single else 1e-9, abs=1e-9) if is_number else value


@pytest.mark.parametrize("name", MODBUS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_what_registers_hold_is_read_back(name: str, seed: int) -> None:
    profile, rng = MODBUS[name], random.Random(seed)
    values = {point.name: any_value(point, rng) for point in profile.point}
    registers = Registers()
    claim_points(registers, profile)
    write_points(registers, profile, values)
    found = read_back(registers, profile)
    for point in profile.point:
        assert found[point.name] == near(point, values[point.name]), point


@pytest.mark.parametrize("name", OPCUA)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_what_nodes_hold_is_read_back(name: str, seed: int) -> None:
    rng = random.Random(seed)
    for point in OPCUA[name].point:
        assert isinstance(point, OpcUaPoint)
        value = any_value(point, rng)
        sample = sample_of("dev", point, ua.DataValue(_variant(point, value)), 0)
        assert (sample.value, sample.quality) == (near(point, value), Quality.GOOD), point


@pytest.mark.parametrize(
    "name", [name for name, one in (MODBUS | OPCUA).items() if one.kind is Kind.MACHINE]
)
def test_values_of_the_simulated_machine_are_plausible_and_good(name: str) -> None:
    profile = PROFILES[name]
    assert isinstance(profile, ModbusProfile | OpcUaProfile)
    machine = make_machine(profile, "SIM-1", (1, 2))
    for _ in range(600):
        machine.advance(1.0)
        values = machine.values()
        for point in profile.point:
            value = values[point.name]
            if point.states:
                assert value in point.states.values(), point.name
            elif point.range:
                assert isinstance(value, float)
                assert point.range[0] <= value <= point.range[1], point.name
    if isinstance(profile, ModbusProfile):
        registers = Registers()
        claim_points(registers, profile)
        write_points(registers, profile, machine.values())
        assert read_back(registers, profile).keys() == {point.name for point in profile.point}


@pytest.mark.parametrize("name", MODBUS)
def test_ranges_fit_the_registers(name: str) -> None:
    for point in MODBUS[name].point:
        if point.range and point.type in NUMBERS & _LIMITS.keys():
            low, high = _LIMITS[point.type]
            least, most = _raw_range(point, *point.range)
            assert low <= least < most <= high, point.name
