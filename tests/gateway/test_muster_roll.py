"""How it stands with everyone of a muster, in arrays."""

from gateway.mine.change import Place
from gateway.mine.muster.card import MusterState
from gateway.mine.muster.roll import MOVED_M, Roll
from positioning.observation import Records, new_fixes
from tests.gateway.muster_rig import card

HERE = Place(10.0, 20.0, -8.0, 1)


def fixes(*places: tuple[float, float]) -> Records:
    last = new_fixes(len(places))
    last["fix_class"] = 1
    for row, (x_m, y_m) in enumerate(places):
        last["x_m"][row], last["y_m"][row] = x_m, y_m
    return last


def test_who_has_gone_on_or_is_located_at_last() -> None:
    roll = Roll()
    far = (HERE.x_m + MOVED_M + 1.0, HERE.y_m)
    roll.put(0, card(1, place=HERE))
    roll.put(1, card(2, place=HERE))
    roll.put(2, card(3, MusterState.SAFE, place=HERE))
    roll.put(3, card(4, place=None))
    roll.put(5, card(6, place=None))
    last = fixes(far, (HERE.x_m + 1.0, HERE.y_m), far, far, far, far)
    last["fix_class"][5] = 0
    assert roll.moved(last) == [0, 3]
    roll.clear()
    assert roll.moved(last) == []


def test_all_are_counted_as_they_are_now() -> None:
    roll = Roll()
    roll.put(7, card(1))
    roll.put(2, card(2))
    roll.put(7, card(1, MusterState.SAFE))
    counts, people = roll.counted()
    assert counts == people == {MusterState.MUST_LEAVE: 1, MusterState.SAFE: 1}
