"""Who asks when on a shared line: turns, rests and debts, under a clock of the test's own."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest

from equipment.modbus_profile import Table
from protocols.modbus.crc import crc16, has_right_crc
from protocols.modbus.plan import Read
from protocols.modbus.rests import LONGEST_S, SHARE, Rests
from protocols.modbus.rtu_gate import Debts
from protocols.modbus.turns import Turns
from tests.support.crc import crc16_bit_by_bit


def never(_: int) -> bool:
    return False


def served(turns: Turns) -> list[int]:
    """Lets everyone have their turn, in the order of the tickets that come up."""
    order = []
    while (ticket := turns.next()) is not None:
        order.append(ticket)
        turns.leave(ticket)
    return order


def test_turns_come_in_the_order_of_coming() -> None:
    turns = Turns(never)
    tickets = [turns.join(unit) for unit in (3, 1, 2, 1)]
    assert served(turns) == tickets


def test_nobody_has_a_turn_while_another_has_it() -> None:
    turns = Turns(never)
    first, second = turns.join(1), turns.join(2)
    assert turns.next() == first
    assert turns.next() is None
    turns.leave(first)
    assert turns.next() == second


def test_who_leaves_while_waiting_is_passed_over() -> None:
    turns = Turns(never)
    first, second, third = (turns.join(unit) for unit in (1, 2, 3))
    turns.leave(second)
    turns.leave(second)
    assert served(turns) == [first, third]
    assert turns.next() is None


def test_after_a_doubtful_try_all_who_answer_go_first_once() -> None:
    doubtful = {7, 8, 9}
    turns = Turns(doubtful.__contains__)
    units = {turns.join(unit): unit for unit in (7, 8, 9, 1, 2)}
    order = []
    for _ in range(9):
        ticket = turns.next()
        assert ticket is not None
        order.append(units[ticket])
        turns.leave(ticket)
        if units[ticket] in (1, 2):  # these want to ask again at once
            units[turns.join(units[ticket])] = units[ticket]
    assert order == [7, 1, 2, 8, 1, 2, 9, 1, 2]


def test_a_frame_that_was_lost_once_is_asked_for_again_at_once() -> None:
    rests = Rests()
    assert rests.failed(1, 1.0, 100.0) == 0.0
    rests.answered(1)
    assert rests.failed(1, 1.0, 200.0) == 0.0
    assert rests.left_s(1, 200.0) == 0.0


def test_a_silent_unit_rests_nine_times_as_long_as_its_try_took() -> None:
    rests = Rests()
    rests.failed(1, 0.3, 0.0)
    assert rests.failed(1, 0.3, 100.0) == pytest.approx(2.7)
    assert rests.left_s(1, 101.0) == pytest.approx(1.7)
    assert rests.left_s(1, 103.0) == 0.0
    assert rests.left_s(2, 101.0) == 0.0
    rests.answered(1)
    assert rests.left_s(1, 101.0) == 0.0


def test_several_silent_units_share_the_tenth_as_long_as_none_waits_too_long() -> None:
    rests = Rests()
    for unit in (1, 2, 3):
        rests.failed(unit, 0.2, 0.0)
        rests.failed(unit, 0.2, 0.0)
    assert rests.failed(1, 0.2, 0.0) == pytest.approx(3 * 1.8)
    assert rests.failed(1, 1.0, 0.0) == LONGEST_S
    assert rests.failed(1, 5.0, 0.0) == pytest.approx(45.0)


def test_who_never_answered_or_failed_last_is_doubtful() -> None:
    rests = Rests()
    assert rests.is_doubtful(1)
    rests.answered(1)
    assert not rests.is_doubtful(1)
    rests.failed(1, 0.1, 0.0)
    assert rests.is_doubtful(1)


@dataclass
class Bus:
    """A line under a clock of its own: units want to be asked each second, some are dead."""

    dead: set[int]
    timeout_s: float
    units: tuple[int, ...] = tuple(range(1, 11))
    answer_s: float = 0.03
    now_s: float = 0.0
    rests: Rests = field(default_factory=Rests)
    due_s: dict[int, float] = field(default_factory=dict)
    scans: Counter[int] = field(default_factory=Counter)
    taken_s: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    late_s: dict[int, float] = field(default_factory=dict)
    heard_s: dict[int, float] = field(default_factory=dict)

    def run(self, until_s: float) -> None:
        turns = Turns(self.rests.is_doubtful)
        waiting: dict[int, int] = {}
        while self.now_s < until_s:
            for unit in self.units:
                if (
                    self.due_s.setdefault(unit, self.now_s) <= self.now_s
                    and unit not in waiting.values()
                ):
                    waiting[turns.join(unit)] = unit
            ticket = turns.next()
            if ticket is None:
                self.now_s = min(self.due_s.values())
                continue
            unit = waiting.pop(ticket)
            self.ask(unit)
            turns.leave(ticket)

    def ask(self, unit: int) -> None:
        cost_s = self.timeout_s if unit in self.dead else self.answer_s
        self.now_s += cost_s
        if unit in self.dead:
            self.taken_s[unit] += cost_s
            rest_s = self.rests.failed(unit, cost_s, self.now_s)
            self.due_s[unit] = self.now_s + (rest_s or 0.5)
            return
        self.rests.answered(unit)
        self.scans[unit] += 1
        self.heard_s.setdefault(unit, self.now_s)
        self.late_s[unit] = max(self.late_s.get(unit, 0.0), self.now_s - self.due_s[unit])
        missed = max(0.0, (self.now_s - self.due_s[unit]) // 1.0)
        self.due_s[unit] += 1.0 + missed


@pytest.mark.parametrize("dead", [{4}, {2, 5, 9}])
def test_dead_units_leave_the_neighbours_their_rate(dead: set[int]) -> None:
    bus = Bus(dead, timeout_s=0.3)
    bus.run(10.0)
    bus.late_s.clear()  # at first it is not known who answers
    bus.run(600.0)
    assert sum(bus.taken_s.values()) / bus.now_s < SHARE * 1.1
    alive = set(bus.units) - dead
    assert min(bus.scans[unit] for unit in alive) >= 0.99 * 600
    # Nobody waits for more than one dead try, and one round of those who answer.
    assert max(bus.late_s[unit] for unit in alive) < 2 * 0.3 + 0.03 * len(bus.units)


@pytest.mark.parametrize("dead", [{4}, {2, 5, 9}, set(range(1, 8))])
@pytest.mark.parametrize("timeout_s", [0.1, 0.5, 1.0])
def test_a_unit_that_is_back_is_heard_within_15_s(dead: set[int], timeout_s: float) -> None:
    bus = Bus(set(dead), timeout_s)
    back_s = 100.0
    while dead - set(bus.heard_s):
        bus.run(back_s)
        unit = min(dead - set(bus.heard_s))
        bus.dead.discard(unit)
        bus.run(back_s + 20.0)
        assert bus.heard_s[unit] - back_s < 15.0
        back_s += 37.0


def read(count: int, table: Table = Table.HOLDING, address: int = 100) -> Read:
    return Read(table, address, count)


def test_an_answer_pays_its_debt_and_the_older_ones() -> None:
    debts = Debts()
    for count in (2, 1, 3):
        debts.owe(5, read(count), 10.0)
    assert not debts.paid_by(5, 3, 8)
    assert not debts.paid_by(6, 3, 2)
    assert debts.paid_by(5, 3, 2)
    assert not debts.paid_by(5, 3, 4)
    assert debts.owes(5)
    assert debts.paid_by(5, 3, 6)
    assert not debts.owes(5)


def test_a_refusal_pays_a_debt_of_its_function() -> None:
    debts = Debts()
    debts.owe(5, read(2), 10.0)
    assert not debts.paid_by(5, 0x84, 0)
    assert debts.paid_by(5, 0x83, 0)
    assert not debts.owes(5)


def test_debts_are_forgotten_in_time() -> None:
    debts = Debts()
    debts.owe(5, read(2), 10.0)
    debts.owe(5, read(3), 20.0)
    debts.forget(15.0)
    assert not debts.paid_by(5, 3, 4)
    assert debts.owes(5)
    debts.forget(20.0)
    assert not debts.owes(5)


@pytest.mark.parametrize("table", Table)
@pytest.mark.parametrize("address", [0, 100, 65535])
def test_what_settles_debts_has_an_answer_like_none_of_them(table: Table, address: int) -> None:
    debts = Debts()
    sizes = set()
    for _ in range(40):
        asked = debts.distinct(5, read(1, table, address))
        assert asked.table is table
        assert 0 <= asked.address <= 65536 - asked.count
        bits = table in (Table.COIL, Table.DISCRETE)
        size = (asked.count + 7) // 8 if bits else 2 * asked.count
        assert size not in sizes
        sizes.add(size)
        debts.owe(5, asked, 10.0)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x03\x00\x07\x00\x02", bytes(range(256))])
def test_the_checksum_is_that_of_its_polynomial(data: bytes) -> None:
    assert crc16(data) == crc16_bit_by_bit(data)
    assert has_right_crc(data + crc16(data).to_bytes(2, "little"))
    assert not has_right_crc(data + crc16(data).to_bytes(2, "big")) or len(data) == 0
