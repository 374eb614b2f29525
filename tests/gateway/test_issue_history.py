"""Every card that the lamp room ever had to do with stays one of the mine's."""

import itertools
from dataclasses import replace

from gateway.mine.change import Act, ActKind, Batch
from gateway.mine.plan import Holder, MinePlan
from gateway.mine.prepared import Reload, prepare
from tests.gateway.small_mine import PLAN, T0, S, Walk

CREW = replace(PLAN, holders={"1001": Holder("Wang", "A"), "1002": Holder("Li", "B")})
WITHOUT_WANG = replace(PLAN, holders={"1002": Holder("Li", "B")})
numbers = itertools.count(1)


def refusal(walk: Walk, t_ns: int, kind: ActKind, subject: str) -> str:
    one = Act(f"request-{next(numbers)}", "Zhao", kind, subject)
    (answer,) = walk.step(Batch(acts=(one,)), t_ns + S).answers
    return answer.refusal


def act(walk: Walk, t_ns: int, kind: ActKind, subject: str) -> int:
    assert refusal(walk, t_ns, kind, subject) == ""
    return t_ns + S


def reload(walk: Walk, before: MinePlan, plan: MinePlan, t_ns: int) -> None:
    walk.all.append(walk.mine.reload(Reload("", prepare(before, plan)), t_ns))


def replaced_twice() -> tuple[Walk, int]:
    """1001 is replaced by 7001, that by 7002."""
    walk = Walk(plan=CREW)
    walk.begin(T0)
    t_ns = act(walk, T0, ActKind.CARD_REPLACE, "1001/7001")
    return walk, act(walk, t_ns, ActKind.CARD_REPLACE, "7001/7002")


def strange(walk: Walk) -> list[str]:
    """What was told of strange cards: + raised, - cleared."""
    sign = {"ALARM_RAISED": "+", "ALARM_CLEARED": "-"}
    return [sign[kind] + card for kind, card, rule in walk.events() if rule == "unknown_card"]


def test_a_card_that_was_replaced_by_another_and_that_too_is_no_news_at_the_wellhead() -> None:
    walk, t_ns = replaced_twice()
    t_ns = walk.walk("7001", [0.0] * 5, t_ns)
    assert strange(walk) == []
    walk.walk("7001", [20.0, 40.0, *[100.0] * 12], t_ns)
    assert strange(walk) == ["+7001"]


def test_that_outlives_a_restart() -> None:
    walk, t_ns = replaced_twice()
    again = Walk(walk.state, 100, plan=CREW)
    again.begin(t_ns)
    again.walk("7001", [0.0] * 5, t_ns)
    assert strange(again) == []


def test_who_is_listed_no_more_leaves_the_mine_the_cards_that_they_were_issued() -> None:
    walk, t_ns = replaced_twice()
    for card in ("1001", "7001", "7002"):
        t_ns = walk.walk(card, [0.0] * 3, t_ns)
    reload(walk, CREW, WITHOUT_WANG, t_ns)
    for card in ("1001", "7001", "7002"):
        t_ns = walk.walk(card, [0.0] * 3, t_ns)
    assert strange(walk) == []
    again = Walk(walk.state, 100, plan=WITHOUT_WANG)
    again.begin(t_ns)
    for card in ("1001", "7001", "7002"):
        t_ns = again.walk(card, [0.0] * 3, t_ns)
    assert strange(again) == []
    again.walk("1001", [20.0, 40.0, *[100.0] * 12], t_ns)
    assert strange(again) == ["+1001"]


def test_the_card_of_who_is_below_and_listed_no_more_is_given_to_nobody() -> None:
    walk = Walk(plan=CREW)
    walk.begin(T0)
    t_ns = walk.walk("1001", [0.0, 20.0, 40.0, *[100.0] * 12], T0)
    t_ns = act(walk, t_ns, ActKind.CARD_RETURN, "1002")
    reload(walk, CREW, WITHOUT_WANG, t_ns)
    why = "Wang went down with card 1001, has not come up, and is in people.csv no more"
    assert why in refusal(walk, t_ns, ActKind.CARD_ISSUE, "1001/1002")
    t_ns = walk.walk("1001", [40.0, 20.0, *[0.0] * 12], t_ns + S)
    act(walk, t_ns, ActKind.CARD_ISSUE, "1001/1002")


def test_a_state_that_only_says_who_has_which_card_now_says_what_it_can() -> None:
    walk, t_ns = replaced_twice()
    older = {key: value for key, value in walk.state.items() if not key.startswith("known_card/")}
    again = Walk(older, 100, plan=WITHOUT_WANG)
    again.begin(t_ns)
    for card in ("1001", "7002", "7001"):
        t_ns = again.walk(card, [0.0] * 3, t_ns)
    assert strange(again) == ["+7001"]


def test_a_card_that_was_only_ever_listed_is_strange_without_its_people_csv() -> None:
    walk = Walk(plan=CREW)
    walk.begin(T0)
    t_ns = walk.walk("1001", [0.0] * 3, T0)
    reload(walk, CREW, WITHOUT_WANG, t_ns)
    assert strange(walk) == ["+1001"]
