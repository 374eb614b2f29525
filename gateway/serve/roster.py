"""Who has which card, and the acts of the lamp room. On the event loop only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.config.bundle import Bundle, Person
from gateway.mine.change import Act, ActKind
from gateway.serve.acting import Ask, act_of, done, text_of
from gateway.serve.cursor import Kind
from gateway.serve.failure import invalid
from gateway.serve.mine import CARD_KINDS
from gateway.serve.paging import page_of, scope
from lamproom.v1 import alarm_pb2, roster_pb2

#: The longest number of a card; those of people.csv have 18 digits at most.
CARD_MOST: Final = 64


class RosterAnswers:
    """Answers from people.csv and from what the core says was issued."""

    def __init__(self, bundle: Bundle, epoch: int, ask: Ask) -> None:
        self._people = bundle.people
        self._epoch = self._lists = epoch
        self._ask = ask
        #: Cards by person; until the core has said it, as people.csv says.
        self._cards = {one.card: one.card for one in bundle.people}

    def reload(self, bundle: Bundle, number: int) -> None:
        """Takes over people.csv of configuration `number`; who has which card comes after it.

        Lists that were begun before it have to be begun anew.
        """
        self._people = bundle.people
        self._lists = scope(self._epoch, str(number))

    def publish(self, issued: Mapping[str, str]) -> None:
        """Takes over who has which card: card to person."""
        self._cards = {person: card for card, person in issued.items()}

    def list_cards(self, request: roster_pb2.ListCardsRequest) -> roster_pb2.ListCardsResponse:
        """One page of all who are listed. Raises RequestError for a wrong page."""
        page, token = page_of(
            self._people, Kind.CARD_PAGE, self._lists, request.page_size, request.page_token
        )
        return roster_pb2.ListCardsResponse(holders=map(self._holder, page), next_page_token=token)

    async def issue(self, request: roster_pb2.IssueCardRequest) -> roster_pb2.IssueCardResponse:
        """Raises RequestError, as all acts do: a wrong request, refused, or stopping."""
        parts = (_card("card", request.card), _card("person_id", request.person_id))
        act = _act(ActKind.CARD_ISSUE, request.act, *parts)
        return await done(self._ask, act, roster_pb2.IssueCardResponse())

    async def take_back(
        self, request: roster_pb2.ReturnCardRequest
    ) -> roster_pb2.ReturnCardResponse:
        """Raises RequestError, as all acts do."""
        act = _act(ActKind.CARD_RETURN, request.act, _card("card", request.card))
        return await done(self._ask, act, roster_pb2.ReturnCardResponse())

    async def replace(
        self, request: roster_pb2.ReplaceCardRequest
    ) -> roster_pb2.ReplaceCardResponse:
        """Raises RequestError, as all acts do."""
        old, new = _card("old_card", request.old_card), _card("new_card", request.new_card)
        if old == new:
            msg = "old_card and new_card are the same"
            raise invalid(msg, "new_card", remedy="name another one")
        act = _act(ActKind.CARD_REPLACE, request.act, old, new)
        return await done(self._ask, act, roster_pb2.ReplaceCardResponse())

    def _holder(self, person: Person) -> roster_pb2.CardHolder:
        return roster_pb2.CardHolder(
            person_id=person.card,
            card=self._cards.get(person.card, ""),
            name=person.name,
            job=person.job,
            team=person.team,
            kind=CARD_KINDS[person.kind],
        )


def _card(field: str, text: str) -> str:
    card = text_of(field, text, CARD_MOST)
    if "/" in card or card != card.strip():
        msg = f"{field} must be a card's number, without spaces and slashes"
        raise invalid(msg, field)
    return card


def _act(kind: ActKind, header: alarm_pb2.ActHeader, *subject: str) -> Act:
    return act_of(kind, header, "/".join(subject))
