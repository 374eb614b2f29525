"""Cards that are first heard while a step runs, which has no room for them yet."""

from gateway.mine.people.card_kept import PARTS
from tests.gateway.small_mine import T0, Walk


def test_places_are_kept_of_the_cards_that_the_step_knows() -> None:
    walk = Walk()
    walk.begin(T0)
    room = len(walk.mine._cards.last)
    for n in range(room + 2 * PARTS):
        walk.table.handle(str(n))
    cards = walk.mine._cards
    cards._moved[:] = True
    kept = [walk.mine._keeper.places(part) for part in range(PARTS)]
    assert sum(len(one) for one in kept) == min(room, PARTS)
