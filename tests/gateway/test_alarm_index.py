"""Alarms by key and by family: what is told of them is what a plain dictionary would tell."""

import random

from gateway.mine.alarms.index import AlarmIndex
from gateway.mine.alarms.kept import AlarmKey
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


def check(index: AlarmIndex, plain: dict[AlarmKey, Alarm]) -> None:
    assert list(index.by_key.items()) == list(plain.items())
    is_open = [key for key, one in plain.items() if one.state in OPEN]
    assert list(index.open) == is_open
    assert index.open_rules() == {key.rule for key in is_open}
    for rules in ((), RULES[:1], RULES[1:], RULES):
        found = [(key, one) for key, one in plain.items() if key.rule in rules]
        assert index.of_rules(rules) == found


def test_it_tells_what_a_dictionary_would() -> None:
    rng = random.Random(1)
    index, plain = AlarmIndex({}), dict[AlarmKey, Alarm]()
    for _ in range(400):
        key = AlarmKey(rng.choice(RULES), card=str(rng.randrange(6)))
        before = plain.get(key)
        later = LATER[before.state] if before else (AlarmState.UNACKNOWLEDGED,)
        if later and rng.random() < 0.8:
            plain[key] = alarm(key, rng.choice(later))
            index.put(key, plain[key])
        else:
            assert index.pop(key) == plain.pop(key, None)
        check(index, plain)
    check(AlarmIndex(plain), plain)
