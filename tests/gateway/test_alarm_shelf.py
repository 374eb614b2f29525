"""Alarms by key and by family: what is told of them is what a plain dictionary would tell."""

import random

from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.alarms.shelf import AlarmShelf
from gateway.mine.alarms.states import OPEN, AlarmState
from gateway.mine.change import Alarm

RULES = ("distress", "overtime", "signal_lost")
#: What becomes of an alarm; a new one takes the place of one that is over.
LATER = {
    AlarmState.UNACKNOWLEDGED: (AlarmState.ACKNOWLEDGED, AlarmState.RETURNED_UNACKNOWLEDGED),
    AlarmState.ACKNOWLEDGED: (AlarmState.LATCHED_ACKNOWLEDGED,),
    AlarmState.LATCHED_ACKNOWLEDGED: (AlarmState.UNACKNOWLEDGED,),
    AlarmState.RETURNED_UNACKNOWLEDGED: (),
}


def alarm(key: AlarmKey, state: AlarmState) -> Alarm:
    return Alarm(f"{key.rule}-1", key.rule, 1, 0, text="", card=key.card, state=state)


def check(shelf: AlarmShelf, plain: dict[AlarmKey, Alarm]) -> None:
    assert list(shelf.by_key.items()) == list(plain.items())
    is_open = [key for key, one in plain.items() if one.state in OPEN]
    assert list(shelf.open) == is_open
    assert shelf.open_rules() == {key.rule for key in is_open}
    for rules in ((), RULES[:1], RULES[1:], RULES):
        found = [(key, one) for key, one in plain.items() if key.rule in rules]
        assert shelf.of_rules(rules) == found


def test_it_tells_what_a_dictionary_would() -> None:
    rng = random.Random(1)
    shelf, plain = AlarmShelf({}), dict[AlarmKey, Alarm]()
    for _ in range(400):
        key = AlarmKey(rng.choice(RULES), card=str(rng.randrange(6)))
        before = plain.get(key)
        later = LATER[before.state] if before else (AlarmState.UNACKNOWLEDGED,)
        if later and rng.random() < 0.8:
            plain[key] = alarm(key, rng.choice(later))
            shelf.put(key, plain[key])
        else:
            assert shelf.pop(key) == plain.pop(key, None)
        check(shelf, plain)
    check(AlarmShelf(plain), plain)
