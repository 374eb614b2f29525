"""Who has which card, by what the lamp room has done and the core has said yes to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gateway.mine.change import Act, ActKind
from gateway.mine.plan import Holder
from gateway.soak.walkers import Flags


class Holding:
    """People by the card under which they are listed; each has one card or none."""

    def __init__(self, cards: tuple[str, ...], holders: Mapping[str, Holder]) -> None:
        self._cards = cards
        self._issued: dict[str, str] = {}  # person to card, "" for none; who is not here has theirs
        self._handled: set[str] = set()  # the cards that the lamp room ever had to do with
        self.reload(holders)

    def reload(self, holders: Mapping[str, Holder]) -> None:
        """Another roster; what was done stays so."""
        self.listed = holders
        self._assign()

    def _assign(self) -> None:
        held = {card: person for person, card in self._issued.items() if card}
        #: Card to person.
        self.persons = {card: person for card, person in held.items() if person in self.listed}
        for person in self.listed:
            if person not in self._issued:
                self.persons.setdefault(person, person)
        ever = self._handled.union(self.listed)
        #: Cards of the mine that nobody has.
        self.spare = ever - self.persons.keys()
        #: By card of the soak, who has it; None where nobody is known to.
        self.holders = holders = [self.holder(card) for card in self._cards]
        #: (cards,): who is a person: all that are not known to be something else.
        self.person: Flags = np.array([one is None or one.is_person for one in holders])
        self._masks: dict[str, Flags] = {}

    def do(self, act: Act) -> None:
        """Something that was done."""
        card, _, other = act.subject.partition("/")
        self._handled.add(card)
        if act.kind is ActKind.CARD_ISSUE:
            self._give(other, card)
        elif act.kind is ActKind.CARD_RETURN:
            self._issued[self.persons[card]] = ""
        elif act.kind is ActKind.CARD_REPLACE:
            self._give(self.persons[card], other)
            self._handled.add(other)
        self._assign()

    def _give(self, person: str, card: str) -> None:
        """They have it, and nobody else, not even who was on no roster meanwhile."""
        self._issued |= {one: "" for one, has in self._issued.items() if has == card}
        self._issued[person] = card

    def holder(self, card: str) -> Holder | None:
        """Who has a card; None where nobody is known to."""
        return self.listed.get(self.persons.get(card, ""))

    def mask(self, what: str) -> Flags:
        """(cards,), to read: whose holder has this."""
        if what not in self._masks:
            has = [one is not None and bool(getattr(one, what)) for one in self.holders]
            self._masks[what] = np.array(has)
        return self._masks[what]

    @property
    def is_spare(self) -> Flags:
        """(cards,): which are the mine's, and nobody's now."""
        return np.array([card in self.spare for card in self._cards])

    @property
    def is_strange(self) -> Flags:
        """(cards,): which nobody has, nor ever had."""
        held, spare = self.persons, self.spare
        return np.array([card not in held and card not in spare for card in self._cards])
