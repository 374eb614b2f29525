"""What waits for the disk: merged, bounded, in order."""

import random

from gateway.journal.waiting import Portion, Waiting
from tests.gateway.journal_writer import act_of


def events(*numbers: int, size: int = 1) -> list[tuple[int, int, bytes]]:
    return [(n, n, bytes(size)) for n in numbers]


def test_portions_become_one_in_their_order() -> None:
    waiting = Waiting(["gone"])
    waiting.put(Portion(events(1), {"a": b"1", "b": b"1", "gone": None}, [act_of(1)]))
    waiting.put(Portion(events(2, 3), {"b": b"2", "c": b"3"}, [act_of(2)]))
    taken = waiting.take()
    assert [n for n, _, _ in taken.events] == [1, 2, 3]
    assert taken.state == {"a": b"1", "b": b"2", "c": b"3", "gone": None}
    assert taken.audit == [act_of(1), act_of(2)]
    assert not waiting


def test_what_is_put_back_stands_before_what_came_meanwhile() -> None:
    waiting = Waiting()
    waiting.put(Portion(events(1), {"a": b"1", "b": b"1"}, [act_of(1)]))
    waiting.take()
    waiting.put(Portion(events(2), {"a": b"2", "b": None}, [act_of(2)]))
    assert [n for n, _, _ in waiting.events] == [1, 2]
    assert waiting.audit == 2
    waiting.put_back(surely=True)
    taken = waiting.take()
    assert [n for n, _, _ in taken.events] == [1, 2]
    assert (taken.state, taken.audit) == ({"a": b"2", "b": None}, [act_of(1), act_of(2)])


def test_the_oldest_events_are_dropped_by_number_and_by_size_and_all_else_stays() -> None:
    by_number = Waiting(events_most=3)
    by_size = Waiting(bytes_most=30)
    for waiting in (by_number, by_size):
        for n in range(1, 8):
            waiting.put(Portion(events(n, size=10), {f"k{n}": b"1"}, [act_of(n)]))
        taken = waiting.take()
        assert [n for n, _, _ in taken.events] == [5, 6, 7]
        assert (len(taken.state), len(taken.audit), waiting.dropped) == (7, 7, 4)


def test_what_is_on_its_way_is_not_dropped() -> None:
    waiting = Waiting(events_most=2)
    waiting.put(Portion(events(1, 2)))
    waiting.take()
    waiting.put(Portion(events(3, 4)))
    assert ([n for n, _, _ in waiting.events], waiting.dropped) == ([1, 2, 3, 4], 0)
    waiting.put_back(surely=True)
    assert ([n for n, _, _ in waiting.events], waiting.dropped) == ([3, 4], 2)


def test_what_comes_and_goes_while_nothing_is_stored_leaves_nothing_behind() -> None:
    waiting = Waiting()
    for n in range(1000):
        waiting.put(Portion(state={f"alarm/{n}": b"open"}))
        if n % 10 == 0:
            waiting.take()
            waiting.put_back(surely=True)
        waiting.put(Portion(state={f"alarm/{n}": None}))
    assert waiting.take().state == {}


def test_the_state_is_that_of_a_plain_dictionary_whatever_fails() -> None:
    chance = random.Random(3)
    disk: dict[str, bytes] = {}
    now: dict[str, bytes] = {}
    waiting = Waiting()
    for n in range(3000):
        key = f"k{chance.randrange(12)}"
        value = None if chance.random() < 0.4 else str(n).encode()
        _apply(now, {key: value})
        waiting.put(Portion(state={key: value}))
        if chance.random() < 0.3:
            taken = waiting.take()
            fate = chance.choice(["stored", "stored", "not", "unheard"])
            other = {f"k{chance.randrange(12)}": b"meanwhile"}
            _apply(now, other)
            waiting.put(Portion(state=other))
            if fate != "not":
                _apply(disk, taken.state)
            if fate == "stored":
                waiting.landed()
            else:
                waiting.put_back(surely=fate == "not")
    _apply(disk, waiting.take().state)
    assert disk == now


def _apply(target: dict[str, bytes], state: object) -> None:
    assert isinstance(state, dict)
    for key, value in state.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value
