"""Cards that are not on the roster, over a restart."""

from dataclasses import replace

from gateway.mine.change import Batch
from tests.gateway.small_mine import PLAN, T0, S, Walk

CARD = "15062200000100007"
#: A mine whose roster is empty.
NOBODY = replace(PLAN, holders={})


def test_a_strange_card_that_nobody_heard_is_not_below_after_a_restart() -> None:
    mine = Walk(plan=NOBODY)
    mine.begin()
    mine.table.handle("someone")  # an act, or another file, has named it
    mine.step(Batch(), T0 + S)
    assert mine.events()[1:] == [("ALARM_RAISED", "someone", "unknown_card")]
    again = Walk(mine.state, 100, plan=NOBODY)
    assert again.begin(T0 + 2 * S).headcount.underground == 0


def test_a_strange_card_that_was_heard_is_below_though_its_entry_is_damaged() -> None:
    mine = Walk(plan=NOBODY)
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 50), T0)
    state = {key: value for key, value in mine.state.items() if not key.startswith("card/")}
    again = Walk(state, 100, plan=NOBODY)
    assert again.begin(t_ns).headcount.underground == 1
