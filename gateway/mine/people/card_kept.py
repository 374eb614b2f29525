"""What outlives a restart of each card, as the journal's state.

Two kinds of entries: one for each card, written when more of it has changed than its place, and
one for the places of many cards at once, written every few seconds. The entry of a card has its
place too, so that a place and the zones that it led to are never apart.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from pydantic_core import from_json, to_json

from gateway.mine.people.cards import Cards, Entries
from positioning.observation import FIX, IdTable, Records, new_fixes, rows_of

#: Where the journal's state holds cards, and places of many cards.
STATE_PREFIX: Final = "card/"
PLACES_PREFIX: Final = "places/"

#: The places of all cards are kept in so many entries.
PARTS: Final = 5

#: A reader's clock may be somewhat ahead; beyond this, it is the gateway's that was set back.
AHEAD_MOST_NS: Final = 10_000_000_000

#: Fields of a fix that are kept. The roadway is kept by its id: the map may be another one then.
_KEPT: Final = tuple(name for name in FIX.names or () if name not in ("card", "roadway"))

#: A row of an entry of places. `roadway` is an index into the ids of the entry's head.
_PLACE: Final = np.dtype(
    [("heard_ns", np.int64), ("roadway", np.int32), *((n, FIX[n]) for n in _KEPT)]
)


@lru_cache(maxsize=64)
def _head_of(count: int) -> bytes:
    """What NumPy writes before so many rows: to make it takes longer than to write the rows."""
    out = io.BytesIO()
    rows = np.zeros(count, _PLACE)
    np.save(out, rows, allow_pickle=False)
    return out.getvalue()[: -rows.nbytes or None]


class CardKeeper:
    """Writes what is known of cards as entries of the journal's state, and reads it again."""

    def __init__(self, cards: Cards, table: IdTable, roadways: IdTable) -> None:
        """`table` holds the ids of cards, `roadways` those of the map, by index."""
        self._cards = cards
        self._table = table
        self._roadways = roadways
        #: Which of two entries with a card's place is the later one: clocks can be set.
        self._stamp = 0

    def reload(self, roadways: IdTable) -> None:
        """Takes over the roadways of another map, after the cards have."""
        self._roadways = roadways

    def entries(self, cards: Iterable[int], zones: Mapping[int, Entries]) -> dict[str, bytes]:
        """An entry for each of these cards; `zones` are the zones that each is in."""
        self._stamp += 1
        handles, cards_ = list(cards), self._cards
        # Rows become Python's numbers all at once: one by one that takes most of the time.
        rows = rows_of(cards_.last, np.array(handles, np.intp)).tolist()
        state = {}
        for card, row in zip(handles, rows, strict=True):
            fix = dict(zip(FIX.names or (), row, strict=True))
            del fix["card"]
            roadway = fix.pop("roadway")
            kept = {
                "stamp": self._stamp,
                "heard_ns": int(cards_.heard_ns[card]),
                "silent": bool(cards_.silent[card]),
                "flags": [int(cards_.flags[card]), int(cards_.flags_ns[card])],
                "gone_ns": int(cards_.gone_ns[card]),
                "said_ns": cards_.said_ns[card].tolist(),
                "below_ns": int(cards_.below_ns[card]),
                "zones": zones.get(card, {}),
                "roadway": self._roadways.name(roadway) if roadway >= 0 else "",
                "fix": fix,
            }
            state[STATE_PREFIX + self._table.name(card)] = to_json(kept)
        return state

    def places(self, part: int) -> dict[str, bytes]:
        """The entry of one of the `PARTS` of all cards; none where nobody of it has moved."""
        # Devices give out handles while a step runs: what came since it began is kept by the next.
        count = min(len(self._table), len(self._cards.last))
        handles = np.arange(part, count, PARTS)
        if not self._cards.take_moved(handles):
            return {}
        self._stamp += 1
        last = rows_of(self._cards.last, handles)
        rows = np.empty(len(handles), _PLACE)
        rows["heard_ns"] = self._cards.heard_ns[handles]
        for name in ("roadway", *_KEPT):
            rows[name] = last[name]
        names = self._table.names()[part:count:PARTS]
        head = {"stamp": self._stamp, "roadways": self._roadways.names(), "cards": names}
        packed = _head_of(len(rows)) + rows.tobytes()
        return {f"{PLACES_PREFIX}{part}": to_json(head) + b"\n" + packed}

    def restore(self, state: Mapping[str, bytes], now_ns: int) -> tuple[int, dict[int, Entries]]:
        """Takes up the cards of before a restart.

        A card that was not silent counts as heard now: the gateway did not listen while it was
        down, and its own absence is not the card's silence. One that was silent stays so until it
        is heard. Where the clock has been set back, a place of then counts as one of now: what is
        measured from now on must not be older than it.

        Returns:
            When any card was last heard (0: never), and the zones of each card whose entry is
            there, since when. Of one whose own entry is lost only the place is known.
        """
        last_ns = 0
        zones: dict[int, Entries] = {}
        stamps: dict[str, int] = {}
        for key, value in state.items():
            if not key.startswith(STATE_PREFIX):
                continue
            kept, name = from_json(value), key.removeprefix(STATE_PREFIX)
            last_ns = max(last_ns, kept["heard_ns"])
            stamps[name] = kept.get("stamp", 0)
            if kept.get("gone_ns"):
                self._cards.gone_before[name] = min(kept["gone_ns"], now_ns)
            if not kept["heard_ns"]:
                continue  # nobody carried it any more: it is no card that was heard
            card = self._table.handle(name)
            zones[card] = self._restore_card(card, kept, now_ns)
        for key, value in state.items():
            if key.startswith(PLACES_PREFIX):
                last_ns = max(last_ns, self._restore_places(value, stamps, now_ns))
        self._stamp = max(self._stamp, *stamps.values(), 0)
        ahead = self._cards.last["t_ns"] > now_ns + AHEAD_MOST_NS
        self._cards.last["t_ns"][ahead] = now_ns
        return last_ns, zones

    def _restore_card(self, card: int, kept: Mapping[str, Any], now_ns: int) -> Entries:
        """Takes up one card; what an older gateway did not keep stays unknown."""
        cards = self._cards
        cards.recall(card, now_ns, silent=kept["silent"])
        fix = new_fixes(1)
        for name in _KEPT:
            if name in kept["fix"]:
                fix[name] = kept["fix"][name]
        self._take_place(card, fix, kept.get("roadway", ""))
        cards.flags[card], cards.flags_ns[card] = kept.get("flags", (0, 0))
        cards.said_ns[card] = kept.get("said_ns", 0)
        cards.below_ns[card] = min(kept.get("below_ns", 0), now_ns)
        entries: Entries | list[str] = kept["zones"]
        if isinstance(entries, dict):
            return entries
        return dict.fromkeys(entries, kept["heard_ns"])  # an older gateway kept no times

    def _restore_places(self, value: bytes, stamps: dict[str, int], now_ns: int) -> int:
        """Takes up the places that are later than those of `stamps`; when any card was heard."""
        text, _, packed = value.partition(b"\n")
        head = from_json(text)
        rows = np.load(io.BytesIO(packed), allow_pickle=False)
        names = [name for name in _KEPT if name in rows.dtype.names]
        fixes = new_fixes(len(rows))
        for name in names:
            fixes[name] = rows[name]
        for row, name in enumerate(head["cards"]):
            if not rows["heard_ns"][row]:
                continue
            if stamps.get(name, -1) < head["stamp"]:
                card, roadway = self._table.handle(name), int(rows["roadway"][row])
                if name not in stamps:
                    self._cards.recall(card, now_ns, silent=False)
                stamps[name] = head["stamp"]
                road = head["roadways"][roadway] if roadway >= 0 else ""
                self._take_place(card, fixes[row : row + 1], road)
        return int(rows["heard_ns"].max(initial=0))

    def _take_place(self, card: int, fix: Records, roadway: str) -> None:
        """Where a card was, (1,) FIX, on the map as it is now."""
        last = self._cards.last
        last[card] = fix[0]
        self._cards.before_ns[card] = fix["t_ns"][0]
        last["card"][card] = card
        index = self._roadways.find(roadway)
        last["roadway"][card] = -1 if index is None else index
        if index is None:
            last["chainage_m"][card] = np.nan
