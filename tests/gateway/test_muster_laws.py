"""What must hold of a muster whatever happens, against a model that only reads what is told."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mine.change import ActKind, Batch
from gateway.mine.muster.card import MusterCall, MusterState
from positioning.observation import FixClass
from tests.gateway.muster_walk import HOLDERS, Drill
from tests.gateway.small_mine import T0, S, batch_of, ranges_at, sighting

CARDS = list(HOLDERS)
SAFE_ZONES = {"pit-top", "shelter"}

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("range"), st.sampled_from(CARDS), st.integers(-15, 125)),
        st.tuples(st.just("see"), st.sampled_from(CARDS), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 45)),
        st.tuples(st.just("leap"), st.just(""), st.integers(-100, 100)),
        st.tuples(st.just("kill"), st.just(""), st.just(0)),
        st.tuples(st.just("close"), st.just(""), st.just(0)),
        st.tuples(st.just("open"), st.sampled_from(["", "heading", "shelter"]), st.integers(0, 1)),
    ),
    max_size=30,
)


class Model(Drill):
    """A client that checks each step against what it knew before."""

    zones: dict[str, tuple[str, ...]]

    def check(self) -> None:
        """After each step."""
        changes = self.all[-1]
        for handle, zones in changes.zones.items():
            self.zones[self.table.name(handle)] = zones
        heard = {self.table.name(int(card)) for card in changes.fixes["card"]}
        lost = {
            self.table.name(int(fix["card"]))
            for fix in changes.fixes
            if fix["fix_class"] == FixClass.LOST
        }
        muster = self.muster
        if muster is None:
            assert not self.cards
            return
        assert sum(muster.counts.values()) == len(self.cards)
        assert {entry.number for entry in self.cards.values()} == set(range(1, len(self.cards) + 1))
        for event in changes.events:
            if event.kind.name == "MUSTER_SAFE":
                assert event.card in heard - lost
        if muster.is_open:
            danger = set(muster.zones)
            assert {c for c, zones in self.zones.items() if danger & {*zones}} <= self.cards.keys()
            for card in self.cards:
                self.check_card(card, danger)

    def check_card(self, card: str, danger: set[str]) -> None:
        """Its one state fits to where it is."""
        entry, zones = self.cards[card], {*self.zones.get(card, ())}
        if self.is_silent(card):
            assert entry.state is MusterState.UNACCOUNTED
        if entry.state is MusterState.SAFE:
            assert zones & (SAFE_ZONES - danger)
            assert (entry.way, entry.cut_off) == (None, "")
        else:
            assert bool(entry.way) != bool(entry.cut_off)
        if entry.state is MusterState.MUST_LEAVE:
            assert not danger or zones & danger
        if entry.state is MusterState.ON_THE_WAY:
            assert danger
            assert not zones & danger

    def is_silent(self, card: str) -> bool:
        return bool(self.mine._cards.silent[self.table.handle(card)])


def reborn(before: Model, t_ns: int) -> Model:
    after = Model(before.state, first_sequence=sum(len(c.events) for c in before.all) + 1)
    after.zones = dict(before.zones)
    after.all = [*before.all]
    after.begin(t_ns)
    after.check()
    return after


@settings(deadline=None, max_examples=60)
@given(ACTIONS)
def test_everyone_is_in_one_state_and_nobody_safe_by_silence(
    actions: list[tuple[str, str, int]],
) -> None:
    mine, t_ns = Model(), T0
    mine.zones = {}
    mine.begin(t_ns)
    for action, name, number in actions:
        t_ns += S
        if action == "kill":
            mine = reborn(mine, t_ns)
        elif action == "open":
            zones = (name,) if name else ()
            mine.act(ActKind.MUSTER_OPEN, MusterCall(zones, drill=bool(number)).text, t_ns, "smoke")
            mine.check()
        elif action == "close":
            if mine.muster:
                mine.close(t_ns)
                mine.check()
        elif action in ("wait", "leap"):
            for _ in range(number if action == "wait" else 1):
                t_ns += S if action == "wait" else number * S
                before = mine.states()
                mine.step(Batch(), t_ns)
                mine.check()
                for one, state in before.items():
                    now = mine.states()[one]
                    assert now is state or now is MusterState.UNACCOUNTED
        else:
            for _ in range(4 if action == "range" else 1):
                t_ns += S
                card = mine.table.handle(name)
                seen = ranges_at(card, number, t_ns) if action == "range" else sighting(card, t_ns)
                mine.step(batch_of(seen), t_ns)
                mine.check()
