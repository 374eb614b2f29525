"""A muster for tests of what is told of it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from gateway.mine.change import Changes, Place
from gateway.mine.muster.card import Muster, MusterCard, MusterChange, MusterState
from gateway.mine.muster.roll import Roll
from positioning.escape import Way
from tests.gateway.serve_rig import T0_NS, S, changes

WAY = Way(42.5, "Z4", ((1.0, 2.0, -8.0), (40.0, 2.0, -8.0)), ("main",))
MUSTER = Muster("muster-7", "smoke", "Zhao", T0_NS, zones=("Z3",))


def card(number: int, state: MusterState = MusterState.MUST_LEAVE, **fields: Any) -> MusterCard:
    is_safe = state is MusterState.SAFE
    given = {
        "heard_ns": T0_NS - S,
        "place": Place(1.0, 2.0, -8.0, T0_NS - 2 * S),
        "roadway": "main",
        "chainage_m": 1.0,
        "zones": ("Z3",),
        "way": None if is_safe else WAY,
        **fields,
    }
    told = ((MusterState.MUST_LEAVE, T0_NS - 3 * S), (state, T0_NS - S))
    name = given.pop("card", f"{1000 + number}")
    return MusterCard(name, number, is_person=True, changes=told, **given)


def mustered(
    *cards: MusterCard,
    muster: Muster = MUSTER,
    all_of: Iterable[MusterCard] = (),
    fresh: bool = False,
) -> Changes:
    """A step that has changed these cards; the counts are of `all_of`, or else of these."""
    roll = Roll()
    for handle, one in enumerate(all_of or cards):
        roll.put(handle, one)
    counts, people = roll.counted()
    told = MusterChange(replace(muster, counts=counts, people=people), cards, fresh)
    return replace(changes(), muster=told)
