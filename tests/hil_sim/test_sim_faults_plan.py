"""Which fault begins when, of which device, and what is said of those that can't be."""

from __future__ import annotations

import math
from itertools import islice, pairwise

import pytest

from hil_sim.faults.book import FaultBook, clock_offset_ns
from hil_sim.faults.kinds import (
    Fault,
    FaultError,
    FaultKind,
    RandomFaults,
    Target,
    TimedFault,
    Wire,
    check,
    made,
    possible,
)
from hil_sim.faults.plan import plan
from hil_sim.faults.values import FaultyValues
from hil_sim.folder import SimulationError
from hil_sim.scenario import Scenario, parse_scenario, planned_faults

TARGETS = {
    one.device: one
    for one in (
        Target("pump", Wire.MODBUS, reader=False, points=("flow", "on"), spans={"flow": 50.0}),
        Target("fan", Wire.RTU, reader=False, points=("on",), spans={}, beside=("belt",)),
        Target("belt", Wire.RTU, reader=False, points=("on",), spans={}, beside=("fan",)),
        Target("gate", Wire.MODBUS, reader=True),
        Target("uwb", Wire.DATAGRAMS, reader=True),
        Target("shearer", Wire.OPC_UA, reader=False, points=("at",), spans={"at": 9.0}),
        Target("press", Wire.MQTT, reader=False, points=("at",), spans={"at": 9.0}),
    )
}


def timed(device: str, kind: str, at_s: float, for_s: float | None = None) -> TimedFault:
    return TimedFault(device=device, kind=FaultKind(kind), at_s=at_s, for_s=for_s)


def test_a_timetable_begins_and_ends_its_faults() -> None:
    table = [timed("pump", "dead", 5.0, 2.0), timed("fan", "dead", 1.0), timed("pump", "slow", 5.0)]
    book = FaultBook(plan(table, None, TARGETS))
    assert not book.advance(0.9, 900)
    assert book.advance(1.0, 1000)
    assert [(one.devices, one.begin_t_ns) for one in book.active] == [(("fan", "belt"), 1000)]
    assert FaultKind.DEAD in book.of("belt")
    assert book.advance(6.0, 6000)
    assert [one.number for one in book.active] == [1, 2, 3]
    assert set(book.of("pump")) == {FaultKind.DEAD, FaultKind.SLOW}
    assert book.advance(7.0, 7000)
    assert set(book.of("pump")) == {FaultKind.SLOW}
    assert [(one.active.number, one.end_t_ns) for one in book.take_ended()] == [(2, 7000)]
    assert not book.take_ended()


def test_what_was_over_before_it_was_due_never_begins() -> None:
    book = FaultBook(plan([timed("pump", "dead", 5.0, 2.0)], None, TARGETS))
    assert not book.advance(8.0, 8000)
    assert not book.active


def test_a_fault_by_wish_goes_before_one_by_plan() -> None:
    book = FaultBook(plan([timed("pump", "slow", 5.0, 2.0)], None, TARGETS))
    wished = book.inject(made(device="pump", kind=FaultKind.SLOW), ("pump",), 1.0, 10.0, 1000)
    assert not book.advance(6.0, 6000)
    with pytest.raises(ValueError, match="has a fault 'slow' already"):
        book.inject(wished.fault, ("pump",), 6.0, None, 6000)
    assert book.end(wished.number, 6500) is wished
    assert book.end(wished.number, 6500) is None
    assert not book.active


def test_one_seed_has_one_plan_and_another_has_another() -> None:
    settings = RandomFaults(seed=4, mean_s=30.0, for_s=60.0)
    first, again, other = (
        list(islice(plan([], RandomFaults(seed=seed, mean_s=30.0, for_s=60.0), TARGETS), 400))
        for seed in (4, 4, 5)
    )
    assert first == again == list(islice(plan([], settings, TARGETS), 400))
    assert first != other
    assert {one.fault.kind for one in first} == set(FaultKind)
    assert {one.fault.device for one in first} == set(TARGETS)
    gaps_s = [after.begin_s - before.begin_s for before, after in pairwise(first)]
    assert min(gaps_s) >= 0
    assert all(30.0 <= one.end_s - one.begin_s <= 90.0 for one in first)
    for planned in first:
        check(planned.fault, TARGETS)


def test_no_device_has_a_kind_twice_at_once() -> None:
    settings = RandomFaults(mean_s=1.0, for_s=60.0, kinds=(FaultKind.DEAD, FaultKind.SLOW))
    table = [timed("pump", "slow", 100.0, 500.0)]
    until: dict[tuple[str, FaultKind], float] = {}
    for planned in islice(plan(table, settings, TARGETS), 300):
        for device in planned.devices:
            key = device, planned.fault.kind
            assert planned.begin_s >= until.get(key, 0.0)
            until[key] = planned.end_s


def test_only_the_kinds_and_devices_that_are_named_fail() -> None:
    settings = RandomFaults(mean_s=5.0, kinds=(FaultKind.SILENT,), devices=("press", "uwb"))
    found = list(islice(plan([], settings, TARGETS), 50))
    assert {(one.fault.device, one.fault.kind.value) for one in found} == {
        ("press", "silent"),
        ("uwb", "silent"),
    }


@pytest.mark.parametrize(
    ("fault", "key", "words"),
    [
        (made(device="x", kind=FaultKind.DEAD), "device", "devices.toml has no device 'x'"),
        (
            made(device="press", kind=FaultKind.DEAD),
            "kind",
            "'dead' is not possible for 'press', a machine over MQTT (the broker is not the "
            "simulator's to end: 'link_lost' is near); it can be silent, slow, frozen, drift, "
            "link_lost",
        ),
        (made(device="uwb", kind=FaultKind.DEAD), "kind", "take 'silent'"),
        (made(device="pump", kind=FaultKind.CLOCK_JUMP, by_s=1), "kind", "a machine over Modbus"),
        (made(device="gate", kind=FaultKind.FROZEN), "kind", "a reader over Modbus TCP"),
        (made(device="pump", kind=FaultKind.NAMESPACE_SHIFT), "kind", "'namespace_shift' is not"),
        (made(device="fan", kind=FaultKind.DRIFT, point="on", per_s=1), "kind", "'drift' is not"),
        (
            made(device="pump", kind=FaultKind.DRIFT, point="on", per_s=1),
            "point",
            "'pump' has no number 'on': it has flow",
        ),
        (
            made(device="pump", kind=FaultKind.FROZEN, point="at"),
            "point",
            "'pump' has no point 'at': it has flow, on",
        ),
        (made(device="fan", kind=FaultKind.WRONG_ID, id="transaction"), "id", "write 'unit'"),
        (made(device="shearer", kind=FaultKind.EXCEPTION, code=4), "code", "leave it out"),
        (
            made(device="pump", kind=FaultKind.EXCEPTION, status="BadDeviceFailure"),
            "status",
            "leave it out",
        ),
    ],
)
def test_what_is_not_possible_is_told(fault: Fault, key: str, words: str) -> None:
    with pytest.raises(FaultError) as told:
        check(fault, TARGETS)
    assert told.value.key == key
    assert words in told.value.problem


def test_each_kind_is_possible_for_some_device() -> None:
    assert all(any(possible(kind, one) for one in TARGETS.values()) for kind in FaultKind)


GOOD = """
[[fault]]
at_s = 60
for_s = 15
device = "pump"
kind = "slow"
delay_s = 3

[random_faults]
seed = 7
mean_s = 120
kinds = ["dead", "silent"]
"""


def test_a_scenario_is_read() -> None:
    scenario = parse_scenario(GOOD)
    assert scenario.fault == (
        TimedFault(device="pump", kind=FaultKind.SLOW, at_s=60, for_s=15, delay_s=3),
    )
    assert scenario.random_faults == RandomFaults(
        seed=7, mean_s=120, kinds=(FaultKind.DEAD, FaultKind.SILENT)
    )
    assert parse_scenario("") == Scenario()
    planned = next(planned_faults(scenario, TARGETS, "scenario.toml"))
    assert planned.begin_s <= 60.0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("at_s = 60", "at = 60", "s.toml:3: fault[1].at: unknown key (did you mean 'at_s'?)"),
        ("at_s = 60", "at_s = -1", "s.toml:3: fault[1].at_s: must be at least 0"),
        ('"slow"', '"slwo"', "s.toml:6: fault[1].kind: must be 'dead', 'silent'"),
        ("delay_s = 3", "code = 3", "fault[1]: code is not of kind 'slow', which takes delay_s"),
        ('kind = "slow"\ndelay_s = 3', 'kind = "drift"', "kind 'drift' needs per_s and point"),
        ("mean_s = 120", "", "random_faults.mean_s: is missing"),
        ("[random_faults]", "[random_fault]", "unknown key (did you mean 'random_faults'?)"),
        ("seed = 7", "seed = =", "s.toml:10: not valid TOML"),
    ],
)
def test_mistakes_of_a_scenario_have_their_place(old: str, new: str, told: str) -> None:
    with pytest.raises(SimulationError) as error:
        parse_scenario(GOOD.replace(old, new), "s.toml")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"pump"', '"pomp"', "s.toml: fault[1].device: devices.toml has no device 'pomp'"),
        ('"slow"\ndelay_s = 3', '"late_nodes"', "s.toml: fault[1].kind: 'late_nodes' is not"),
        ("seed = 7", 'devices = ["x"]', "s.toml: random_faults.devices: devices.toml has no"),
        (
            '"dead", "silent"]',
            '"clock_jump"]\ndevices = ["pump"]',
            "s.toml: random_faults.kinds: 'clock_jump' is not possible for any of the devices",
        ),
        (
            "[random_faults]",
            '[[fault]]\nat_s = 70\ndevice = "pump"\nkind = "slow"\n[random_faults]',
            "s.toml: fault[2].at_s: 'pump' has another 'slow' then: let it begin later",
        ),
    ],
)
def test_what_a_mine_can_not_have_is_told_with_its_key(old: str, new: str, told: str) -> None:
    with pytest.raises(SimulationError) as error:
        planned_faults(parse_scenario(GOOD.replace(old, new)), TARGETS, "s.toml")
    assert told in str(error.value)


def test_values_drift_from_when_it_began_and_freeze_where_they_are() -> None:
    book = FaultBook()
    values = FaultyValues(book.of("pump"))
    drift = made(device="pump", kind=FaultKind.DRIFT, point="flow", per_s=-2.0)
    book.inject(drift, ("pump",), 10.0, None, 0)
    assert values.seen({"flow": 30.0, "on": True}, 15.0) == {"flow": 20.0, "on": True}
    one = book.inject(made(device="pump", kind=FaultKind.FROZEN), ("pump",), 15.0, None, 0)
    assert values.seen({"flow": 30.0, "on": True}, 15.0)["flow"] == 20.0
    assert values.seen({"flow": 35.0, "on": False}, 16.0) == {"flow": 20.0, "on": True}
    book.end(one.number, 0)
    assert values.seen({"flow": 35.0, "on": False}, 16.0) == {"flow": 23.0, "on": False}
    only = made(device="pump", kind=FaultKind.FROZEN, point="on")
    book.inject(only, ("pump",), 16.0, None, 0)
    assert values.seen({"flow": 35.0, "on": False}, 16.0) == {"flow": 23.0, "on": False}
    assert values.seen({"flow": 36.0, "on": True}, 16.0) == {"flow": 24.0, "on": False}


def test_clocks_jump_and_drift_in_whole_microseconds() -> None:
    book = FaultBook()
    faults = book.of("gate")
    assert clock_offset_ns(faults, 10**18) == 0
    jump = made(device="gate", kind=FaultKind.CLOCK_JUMP, by_s=-2.5)
    drift = made(device="gate", kind=FaultKind.CLOCK_DRIFT, per_s=0.1)
    book.inject(jump, ("gate",), 0.0, None, 10**18)
    book.inject(drift, ("gate",), 0.0, None, 10**18)
    assert clock_offset_ns(faults, 10**18) == -2_500_000_000
    assert clock_offset_ns(faults, 10**18 + 5 * 10**9 + 15_000) == -2_000_000_000 + 1_000
    assert math.isinf(book.active[0].end_s)
