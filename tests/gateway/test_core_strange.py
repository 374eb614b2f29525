"""Cards that are not on the roster: told once they are heard, also over a restart."""

from dataclasses import replace

from gateway.mine.change import Batch
from gateway.mine.plan import Holder
from gateway.mine.prepared import Reload, prepare
from tests.gateway.small_mine import PLAN, T0, S, Walk

CARD = "15062200000100007"
#: A mine whose roster is empty.
NOBODY = replace(PLAN, holders={})


def test_a_card_that_something_only_names_is_strange_once_it_is_heard() -> None:
    mine = Walk(plan=NOBODY)
    mine.begin()
    mine.table.handle(CARD)  # an act, or another file, has named it
    mine.step(Batch(), T0 + S)
    assert mine.events()[1:] == []
    mine.walk(CARD, [30.0], T0 + S)
    assert ("ALARM_RAISED", CARD, "unknown_card") in mine.events()


def test_a_card_that_was_named_and_not_heard_is_not_strange_for_another_people_csv() -> None:
    mine = Walk(plan=replace(PLAN, holders={CARD: Holder("Wang", "A")}))
    mine.begin()
    mine.table.handle(CARD)
    mine.step(Batch(), T0 + S)
    mine.all.append(mine.mine.reload(Reload("", prepare(mine.plan, NOBODY)), T0 + S))
    mine.step(Batch(), T0 + 2 * S)
    assert ("ALARM_RAISED", CARD, "unknown_card") not in mine.events()
    mine.walk(CARD, [30.0], T0 + 2 * S)
    assert ("ALARM_RAISED", CARD, "unknown_card") in mine.events()


def test_a_strange_card_that_nobody_heard_is_not_below_after_a_restart() -> None:
    mine = Walk(plan=NOBODY)
    mine.begin()
    mine.walk("someone", [30.0], T0)
    # An older gateway told a card strange that an act had named; of that only the alarm is left.
    state = {key: value for key, value in mine.state.items() if key.startswith("alarm/")}
    again = Walk(state, 100, plan=NOBODY)
    assert again.begin(T0 + 2 * S).headcount.underground == 0


def test_a_strange_card_that_was_heard_is_below_though_its_entry_is_damaged() -> None:
    mine = Walk(plan=NOBODY)
    mine.begin()
    t_ns = mine.walk(CARD, range(30, 50), T0)
    state = {key: value for key, value in mine.state.items() if not key.startswith("card/")}
    again = Walk(state, 100, plan=NOBODY)
    assert again.begin(t_ns).headcount.underground == 1
