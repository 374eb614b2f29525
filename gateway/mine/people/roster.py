"""Who carries which card, as the core needs it: by handle, with what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.people.cards import Cards
from gateway.mine.plan import Holder
from gateway.mine.record import StepRecord
from positioning.observation import IdTable

UNKNOWN_CARD: Final = "unknown_card"


class Roster:
    """The holders of all cards that have a handle. A card that nobody has is taken as a person's.

    `holders` None: there is no roster, and no card is strange.
    """

    def __init__(self, holders: Mapping[str, Holder] | None, table: IdTable, cards: Cards) -> None:
        self._holders = holders
        self._table = table
        self._cards = cards
        self._persons: Mapping[str, str] = {}
        #: Cards of the mine that are issued to nobody now: strange only where they are below.
        self._spare: frozenset[str] = frozenset()
        #: The card of each who has one, by the card under which people.csv lists them.
        self._card_of: dict[str, str] = {}
        #: Grows whenever it changes who has which card.
        self.version = 0
        #: Strange cards that have a handle, because something has named them, and were never heard.
        self._unheard: list[int] = []
        self.person = np.zeros(0, np.bool_)  #: By handle.
        self.leader = np.zeros(0, np.bool_)
        self.vehicle = np.zeros(0, np.bool_)
        self.on_routes: list[int] = []  #: Those with a planned route.

    def holder(self, card: int) -> Holder | None:
        """Who has a card, by handle; None where nobody is known to."""
        return (self._holders or {}).get(self._table.name(card))

    def person_of(self, card: str) -> str:
        """Under which card its holder is listed in people.csv; empty where nobody has it."""
        return self._persons.get(card, card if card in (self._holders or {}) else "")

    def listed(self, card: str) -> str:
        """The card by which a configuration names what is about a card: that of its holder's line.

        Its own where nobody has it.
        """
        return self.person_of(card) or card

    def card_of(self, listed: str) -> str:
        """The card that who is listed under `listed` has now; empty where they have none.

        A card that is on no list stands for itself.
        """
        card = self._card_of.get(listed, "")
        is_known = listed in self._persons or listed in self._spare
        return card or ("" if is_known else listed)

    @property
    def spare(self) -> frozenset[str]:
        """The cards of the mine that are issued to nobody now."""
        return self._spare

    def is_spare(self, card: str) -> bool:
        """Whether it is a card of the mine that is issued to nobody now."""
        return card in self._spare

    def name(self, card: int) -> str:
        """A card's own id."""
        return self._table.name(card)

    def handle(self, name: str) -> int:
        """The handle of a card's id."""
        return self._table.handle(name)

    def find(self, name: str) -> int | None:
        """The same; None for a card of which nothing is known: asking does not make it known."""
        return self._table.find(name)

    def may_enter(self, card: int, zone: str) -> bool:
        """Whether a card's holder is on the list of a controlled zone."""
        holder = self.holder(card)
        return holder is not None and zone in holder.zones

    def assign(
        self,
        holders: Mapping[str, Holder] | None,
        persons: Mapping[str, str],
        spare: frozenset[str],
    ) -> None:
        """It has changed who has which card; `reserve` has to follow."""
        self._holders, self._persons, self._spare = holders, persons, spare
        self._card_of = {person: card for card, person in persons.items()}
        self.version += 1
        self.person = self.leader = self.vehicle = np.zeros(0, np.bool_)
        self.on_routes, self._unheard = [], []

    def reserve(self, alarms: AlarmBook, record: StepRecord, known: int | None = None) -> None:
        """Takes up the cards that have got a handle; tells those heard that are not on the roster.

        Only those up to the handle `known`, where it is given.
        """
        self._take_up(len(self._table) if known is None else known, alarms, record)
        self.note_heard(alarms, record)

    def note_heard(self, alarms: AlarmBook, record: StepRecord) -> None:
        """Tells the cards that are not on the roster once they are heard."""
        if not self._unheard:
            return
        unheard, self._unheard = self._unheard, []
        for card in unheard:
            if not self._cards.heard_ns[card]:
                self._unheard.append(card)
                continue
            name = self._table.name(card)
            text = f"card {name} is not in people.csv: who carries it is not known"
            alarms.begin(AlarmKey(UNKNOWN_CARD, card=name), record.now_ns, record, text)

    def _take_up(self, known: int, alarms: AlarmBook, record: StepRecord) -> None:
        first = len(self.person)
        if first == known:
            return
        holders = [self.holder(card) for card in range(first, known)]
        person = [holder is None or holder.is_person for holder in holders]
        leader = [holder is not None and holder.leader for holder in holders]
        self.person = np.concatenate([self.person, np.array(person, np.bool_)])
        self.leader = np.concatenate([self.leader, np.array(leader, np.bool_)])
        vehicle = [holder is not None and holder.is_vehicle for holder in holders]
        self.vehicle = np.concatenate([self.vehicle, np.array(vehicle, np.bool_)])
        self.on_routes += [card for card, one in enumerate(holders, first) if one and one.route]
        if self._holders is None:
            return
        told = {key for key in alarms if key.rule == UNKNOWN_CARD}
        for card, holder in enumerate(holders, first):
            name = self._table.name(card)
            if holder is not None:
                key = AlarmKey(UNKNOWN_CARD, card=name)
                if key in told:
                    alarms.end(key, record.now_ns, record, f"card {name} is {holder.name}'s now")
            elif name not in self._spare:
                self._unheard.append(card)
