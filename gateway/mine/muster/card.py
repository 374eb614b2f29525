"""A muster, those whom it concerns, and what the journal keeps of them, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from gateway.mine.change import Place
from positioning.escape import Way

#: Where the journal's state holds the muster, and those whom it concerns.
MUSTER_KEY: Final = "muster/now"
CARD_PREFIX: Final = "muster/card/"

#: Changes of state that are kept of a card: more than one that is well located has, and no more
#: than an operator can read of one that flickers.
CHANGES_MOST: Final = 32

#: What is kept of where a card was when its muster was closed.
_WHERE: Final = ("heard_ns", "roadway", "chainage_m", "zones", "cut_off")

_DRILL: Final = "drill"
_REAL: Final = "real"


class MusterState(IntEnum):
    """How it stands with a card; the numbers are those of the contract's `MusterState`."""

    MUST_LEAVE = 1
    ON_THE_WAY = 2
    SAFE = 3
    UNACCOUNTED = 4


class MusterCall(NamedTuple):
    """Who is to be mustered: those in these zones, or all below; in earnest or as a drill."""

    zones: tuple[str, ...] = ()
    drill: bool = False

    @property
    def text(self) -> str:
        """All of it in one word, for an act's subject. No zone's id holds a slash."""
        return "/".join((_DRILL if self.drill else _REAL, *self.zones))


def call_of(text: str) -> MusterCall | None:
    """What `MusterCall.text` gave; None for another text."""
    mode, *zones = text.split("/")
    if mode not in (_DRILL, _REAL) or not all(zones):
        return None
    return MusterCall(tuple(dict.fromkeys(zones)), mode == _DRILL)


@dataclass(frozen=True, slots=True)
class Muster:
    """A muster: `zones` are those to be left, none of them for the whole mine.

    `close_t_ns` is None while it is open; `counts` says how many are in which state, and
    `people` how many of these are people.
    """

    id: str
    reason: str
    opened_by: str
    open_t_ns: int
    zones: tuple[str, ...] = ()
    drill: bool = False
    close_t_ns: int | None = None
    closed_by: str = ""
    close_note: str = ""
    counts: Mapping[MusterState, int] = field(default_factory=dict)
    people: Mapping[MusterState, int] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.close_t_ns is None


@dataclass(frozen=True, slots=True)
class MusterCard:
    """A card that a muster concerns; `number` is 1, 2, 3 … in the order in which they came.

    `changes` are the newest changes of its state, each with its time, the last that of now.
    `place` is where it was last located, with its roadway and chainage, where it has any; `zones`
    those that it is in. `way` leads to safety; where there is none, `cut_off` says why.
    """

    card: str
    number: int
    is_person: bool
    changes: tuple[tuple[MusterState, int], ...]
    heard_ns: int = 0
    place: Place | None = None
    roadway: str = ""
    chainage_m: float | None = None
    zones: tuple[str, ...] = ()
    way: Way | None = None
    cut_off: str = ""

    @property
    def state(self) -> MusterState:
        """How it stands."""
        return self.changes[-1][0]

    @property
    def since_ns(self) -> int:
        """Since when it stands so."""
        return self.changes[-1][1]


@dataclass(frozen=True, slots=True)
class MusterChange:
    """What of the muster has changed: as it is now, and these of its cards.

    `fresh`: the cards are all there are; what was known of another muster is over.
    """

    muster: Muster
    cards: tuple[MusterCard, ...]
    fresh: bool = False


def keep_muster(muster: Muster) -> bytes:
    """What is kept of a muster; what is counted is counted anew."""
    kept = {name: getattr(muster, name) for name in Muster.__slots__}
    del kept["counts"], kept["people"]
    return to_json(kept)


def recall_muster(value: bytes) -> Muster:
    """The same again."""
    kept = from_json(value)
    return Muster(**{**kept, "zones": tuple(kept["zones"])})


def keep_card(card: MusterCard, *, whole: bool = False) -> bytes:
    """What is kept of a card: how it stands, and, where it is `whole`, where it was as well.

    While a muster is open, where the cards are is known from elsewhere.
    """
    kept: dict[str, Any] = {
        "card": card.card,
        "number": card.number,
        "is_person": card.is_person,
        "changes": card.changes,
    }
    if whole:
        kept |= {name: getattr(card, name) for name in _WHERE}
        kept["place"] = asdict(card.place) if card.place else None
    return to_json(kept)


def recall_card(value: bytes) -> MusterCard:
    """The same again."""
    kept: dict[str, Any] = from_json(value)
    kept["changes"] = tuple((MusterState(state), t_ns) for state, t_ns in kept["changes"])
    kept["place"] = Place(**kept["place"]) if kept.get("place") else None
    kept["zones"] = tuple(kept.get("zones", ()))
    return MusterCard(**kept)
