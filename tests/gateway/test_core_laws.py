"""What must hold in the core whatever happens, against a model that only reads what is told."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mine.change import Batch, Changes, EventKind
from gateway.mine.core import Mine
from positioning.observation import IdTable, Records
from tests.gateway.small_mine import PLAN, T0, S, batch_of, ranges_at, sighting

CARDS = [f"{n:09d}" for n in range(4)]

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("range"), st.sampled_from(CARDS), st.integers(-15, 125)),
        st.tuples(st.just("see"), st.sampled_from(CARDS), st.integers(0, 1)),
        st.tuples(st.just("late"), st.sampled_from(CARDS), st.integers(1, 60)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 45)),
        st.tuples(st.just("leap"), st.just(""), st.integers(-100, 100)),
        st.tuples(st.sampled_from(["kill", "kill unsaved", "stop"]), st.just(""), st.just(0)),
    ),
    max_size=40,
)


class Model:
    """A client and a disk: what was told and kept, and what follows from it."""

    def __init__(self) -> None:
        self.state: dict[str, bytes] = {}
        self.sequence = 0
        self.inside: set[tuple[str, str]] = set()
        self.alarms: dict[str, tuple[str, str]] = {}
        self.heard: set[str] = set()
        self.newest_ns: Counter[str] = Counter()

    def take(self, changes: Changes, table: IdTable) -> None:
        for key, value in changes.state.items():
            assert value is not None or key in self.state
            if value is None:
                del self.state[key]
            else:
                self.state[key] = value
        for event in changes.events:
            self.sequence += 1
            assert event.sequence == self.sequence
            place, alarm = (event.card, event.zone), event.alarm
            if event.kind is EventKind.ZONE_ENTERED:
                assert place not in self.inside
                self.inside.add(place)
            elif event.kind is EventKind.ZONE_LEFT:
                self.inside.remove(place)
            elif event.kind is EventKind.ALARM_RAISED:
                assert alarm is not None
                assert (alarm.rule, event.card) not in self.alarms.values()
                assert alarm.id not in self.alarms
                self.alarms[alarm.id] = (alarm.rule, event.card)
            elif event.kind is EventKind.ALARM_CLEARED:
                assert alarm is not None
                assert self.alarms.pop(alarm.id) == (alarm.rule, event.card)
        for fix in changes.fixes:
            name = table.name(int(fix["card"]))
            assert fix["t_ns"] >= self.newest_ns[name]
            self.newest_ns[name] = int(fix["t_ns"])
        for card, zones in changes.zones.items():
            name = table.name(card)
            assert set(zones) == {zone for one, zone in self.inside if one == name}
        self.check(changes)

    def check(self, changes: Changes) -> None:
        count = changes.headcount
        out = {card for card, zone in self.inside if zone == "pit-top"}
        assert count.underground == len(self.heard - out)
        assert count.by_zone == {
            zone.id: sum(1 for _, one in self.inside if one == zone.id) for zone in PLAN.map.zones
        }
        rules = Counter(rule for rule, _ in self.alarms.values())
        assert rules["restricted_entry"] == count.by_zone["sealed"]
        assert rules["signal_lost"] == count.silent


def given_batch(action: str, card: int, number: int, t_ns: int) -> Batch:
    if action == "range":
        return batch_of(ranges_at(card, number, t_ns))
    if action == "see":
        return batch_of(sighting(card, t_ns, number))
    late: Records = ranges_at(card, 3 * number, t_ns - number * S)
    return batch_of(late, sighting(card, t_ns - number * S, number % 2))


@settings(deadline=None, max_examples=200)
@given(ACTIONS)
def test_what_is_told_adds_up_whatever_happens(actions: list[tuple[str, str, int]]) -> None:
    model, t_ns = Model(), T0
    table = IdTable()
    mine = Mine(PLAN, table, 1, {})
    model.take(mine.begin(t_ns), table)
    for action, name, number in actions:
        t_ns += S
        if action in ("kill", "kill unsaved", "stop"):
            if action == "kill unsaved":
                mine.step(batch_of(ranges_at(table.handle(CARDS[0]), 75, t_ns)), t_ns)
            elif action == "stop":
                model.take(mine.end(t_ns), table)
            table = IdTable()
            mine = Mine(PLAN, table, model.sequence + 1, model.state)
            # Who only moved is kept every few seconds.
            model.newest_ns.clear()
            model.take(mine.begin(t_ns), table)
        elif action in ("wait", "leap"):
            for _ in range(number if action == "wait" else 1):
                t_ns += S if action == "wait" else number * S
                model.take(mine.step(Batch(), t_ns), table)
        else:
            # A card that stands for a while, so that the filter is sure of it.
            for _ in range(4 if action == "range" else 1):
                t_ns += S
                model.heard.add(name)
                batch = given_batch(action, table.handle(name), number, t_ns)
                model.take(mine.step(batch, t_ns), table)
