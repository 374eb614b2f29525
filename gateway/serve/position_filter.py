"""Which cards a stream of positions is about, and which have come and gone since.

What a filter lets through changes by itself: cards go from zone to zone, and the roster is read
again. So each filter that is in use keeps which cards fit it now, and in which frame that changed
last; all streams with the same filter share it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.config.bundle import Bundle
from gateway.serve.failure import RequestError, invalid
from gateway.serve.mine import CARD_KINDS
from gateway.serve.reasons import Reason
from lamproom.v1 import mine_pb2, position_pb2
from positioning.observation import IdTable, Records

#: Names that a refusal lists, of zones, say.
NAMES_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class CardFilter:
    """A card must fit all that are not empty."""

    zones: frozenset[str]
    kinds: frozenset[int]
    cards: frozenset[str]

    def fits(self, card: str, kind: int, zones: Iterable[str]) -> bool:
        """Whether a card of that kind, which is in these zones, is let through."""
        return (
            (not self.cards or card in self.cards)
            and (not self.kinds or kind in self.kinds)
            and (not self.zones or not self.zones.isdisjoint(zones))
        )


class CardFacts:
    """What filters ask of cards, as the configuration and the core say now.

    `zones` (by handle) is the picture's own and changes with it.
    """

    def __init__(self, bundle: Bundle, zones: Mapping[int, tuple[str, ...]]) -> None:
        self.zones: Final = zones
        self.kinds: dict[str, int] = {}
        self.reload(bundle)

    def reload(self, bundle: Bundle) -> None:
        """Takes over a configuration."""
        self.mine_code = bundle.settings.mine.code
        self.zone_ids = tuple(zone.id for zone in bundle.map.zones)
        self._people = {one.card: int(CARD_KINDS[one.kind]) for one in bundle.people}
        self.kinds = self._people

    def assign(self, issued: Mapping[str, str]) -> None:
        """Takes over who has which card, card to person."""
        people = self._people
        self.kinds = {card: people[one] for card, one in issued.items() if one in people}

    def filter_of(self, asked: position_pb2.PositionFilter) -> CardFilter | None:
        """What is asked for; None where it lets all through.

        Raises:
            RequestError: it names a mine, zone or kind that there is not.
        """
        check_mine(asked.mine_codes, self.mine_code)
        unknown = sorted(set(asked.zone_ids) - set(self.zone_ids))
        if unknown:
            msg = f"filter.zone_ids: there is no zone {unknown[0]!r}; {_there_is(self.zone_ids)}"
            resource = ("zone", unknown[0])
            raise RequestError(
                Reason.ZONE_NOT_FOUND, msg, field="filter.zone_ids", resource=resource
            )
        for kind in asked.card_kinds:
            if kind not in mine_pb2.CardKind.values():
                msg = f"filter.card_kinds: {kind} is no kind; see CardKind"
                raise invalid(msg, "filter.card_kinds")
        if not (asked.zone_ids or asked.card_kinds or asked.cards):
            return None
        kinds = frozenset(int(kind) for kind in asked.card_kinds)
        return CardFilter(frozenset(asked.zone_ids), kinds, frozenset(asked.cards))


def check_mine(codes: Iterable[str], served: str) -> None:
    """Raises RequestError (NOT_FOUND) where a filter names a mine that is not `served`."""
    other = [code for code in codes if code != served]
    if other:
        msg = f"filter.mine_codes: {other[0]!r} is not served here; this gateway serves {served!r}"
        raise RequestError(
            Reason.MINE_NOT_SERVED, msg, field="filter.mine_codes", resource=("mine", other[0])
        )


def _there_is(names: tuple[str, ...]) -> str:
    if not names:
        return "this mine has none"
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"there are {', '.join(names[:NAMES_SHOWN])}{more}"


class Membership:
    """Which cards fit a filter, by handle; frames are numbered from 1."""

    def __init__(
        self, wanted: CardFilter, cards: IdTable, facts: CardFacts, frame: int, held: int
    ) -> None:
        """As of `frame`, the newest one; clients may go on after each of the `held` newest."""
        self._wanted = wanted
        self._cards = cards
        self._facts = facts
        #: What changed before this frame is not known.
        self.since: Final = frame
        #: Whether a card fits, and in which frame that changed last; 0: not since `since`.
        self.inside: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.changed: NDArray[np.int64] = np.zeros(0, np.int64)
        #: Up to each of the newest frames: fixes of cards that fitted when they were made.
        self._totals = deque([0], held + 1)
        #: Streams that use it, and the newest frame when the last one of them ended.
        self.users = 0
        self.left_at = frame
        self._grow(None)

    def take(self, fixes: Records, frame: int) -> None:
        """Notes (n,) FIX of a new frame, whose cards may be new."""
        self._grow(frame)
        self._totals.append(self.total + int(np.count_nonzero(self.inside[fixes["card"]])))

    @property
    def total(self) -> int:
        """How many fixes there were in all of cards that fitted when they were made."""
        return self._totals[-1]

    def total_before(self, frames: int) -> int:
        """How many there were before the newest `frames`."""
        return self._totals[-1 - frames]

    def regard(self, handles: Iterable[int], frame: int) -> None:
        """Looks again at cards of which something has changed that a filter asks for."""
        self._grow(frame)
        for handle in handles:
            fits = self._fits(handle)
            if fits != self.inside[handle]:
                self.inside[handle] = fits
                self.changed[handle] = frame

    def regard_all(self, frame: int) -> None:
        """Looks again at all cards."""
        self.regard(range(len(self._cards)), frame)

    def _grow(self, frame: int | None) -> None:
        """Takes in cards that are new in `frame`; None: all are as they were before any."""
        first, count = len(self.inside), len(self._cards)
        if first == count:
            return
        fits = np.fromiter((self._fits(n) for n in range(first, count)), np.bool_, count - first)
        self.inside = np.concatenate([self.inside, fits])
        changed = np.where(fits, frame or 0, 0)
        self.changed = np.concatenate([self.changed, changed.astype(np.int64)])

    def _fits(self, handle: int) -> bool:
        card = self._cards.name(handle)
        kind = self._facts.kinds.get(card, mine_pb2.CARD_KIND_UNSPECIFIED)
        return self._wanted.fits(card, kind, self._facts.zones.get(handle, ()))
