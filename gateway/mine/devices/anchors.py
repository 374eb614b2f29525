"""What the core keeps of each anchor: its residuals' sums, and how long it has been missed.

What is slow here is so on purpose: anchors do not change from one step to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

from gateway.mine.change import EventKind
from gateway.mine.record import StepRecord
from positioning.anchor_health import NEVER_NS, SILENT_AFTER_S, Verdict, advice, assess
from positioning.anchor_stats import ANCHOR_STATS
from positioning.mine_map import MineMap
from positioning.observation import FixClass, Kind, Records
from positioning.roadway import Roadways

SECOND_NS: Final = 1_000_000_000

#: Where the journal's state holds anchors.
STATE_PREFIX: Final = "anchor/"

#: Anchors are judged so often, seconds: nobody surveys one faster.
JUDGE_EVERY_S: Final = 10

#: All anchors are kept within so many seconds, one part of them each second. A gateway that dies
#: loses no more of what it has learnt in days.
SAVE_PARTS: Final = 60

#: By class of fix, whether the place comes from ranges, so that anchors are heard where it is.
_LOCATED: Final = np.isin(np.arange(256), (FixClass.PRECISE, FixClass.ROADWAY))

#: An anchor should be heard within this share of its usual reach: at the end of it, one range in
#: ten is left.
NEAR_SHARE: Final = 0.5

#: Cards within such squares count as one, so that a crowd costs no more than a walker.
SQUARE_M: Final = 5.0
#: More squares than any map has in a row.
_SQUARES: Final = 1 << 30

#: An anchor that the map shows farther than this from where it was has moved: what was learnt of
#: it is of its old place. Coordinates are surveyed to a centimetre.
MOVED_M: Final = 0.01

_STATS: Final = tuple(
    (name, int if ANCHOR_STATS[name].kind == "i" else float) for name in ANCHOR_STATS.names or ()
)


class AnchorBook:
    """All anchors of the map, by index."""

    def __init__(self, mine_map: MineMap) -> None:
        self._names = tuple(anchor.id for anchor in mine_map.anchors)
        rows = [(anchor.x_m, anchor.y_m, anchor.z_m) for anchor in mine_map.anchors]
        self._places_m = np.array(rows, np.float64).reshape(-1, 3)
        self._roadways = Roadways(mine_map.roadways)
        self._roadway = self._roadways.nearest(self._places_m[:, :2]).roadway
        count = len(rows)
        self._heard_ns = np.full(count, NEVER_NS)
        # Since the last second: which were heard, and where cards were located, (k, 2) each.
        self._heard = np.zeros(count, np.bool_)
        self._located_m: list[NDArray[np.float64]] = []
        self._missed_s = np.zeros(count)
        self._misplaced = np.zeros(count, np.bool_)  # told, and not cleared
        self._silent = np.zeros(count, np.bool_)  # told, and not cleared
        self._unsaved = np.zeros(count, np.bool_)
        self._counted = np.zeros(count)  # by the sums of the last second

    @property
    def misplaced(self) -> NDArray[np.bool_]:
        """(anchors,) bool: which were told to stand elsewhere than the map says."""
        return self._misplaced

    def restore(self, state: Mapping[str, bytes], record: StepRecord) -> Records:
        """Takes up the anchors of before a restart: their sums, (anchors,) ANCHOR_STATS.

        What was learnt of an anchor that is no longer on the map, or elsewhere, is forgotten.
        """
        stats = np.zeros(len(self._names), ANCHOR_STATS)
        index = {name: i for i, name in enumerate(self._names)}
        for key, value in state.items():
            if not key.startswith(STATE_PREFIX):
                continue
            kept, name = from_json(value), key.removeprefix(STATE_PREFIX)
            i = index.get(name)
            if i is None:
                record.state[key] = None
                self._forget(name, "is no longer on the map", kept, record)
            elif np.abs(self._places_m[i] - kept["place_m"]).max() > MOVED_M:
                self._unsaved[i] = True
                self._forget(name, "has another place on the map now", kept, record)
            else:
                self._heard_ns[i], self._missed_s[i] = kept["heard_ns"], kept["missed_s"]
                self._misplaced[i], self._silent[i] = kept["misplaced"], kept["silent"]
                for field, _ in _STATS:
                    stats[field][i] = kept["stats"].get(field, 0)
        self._counted = stats["heard"].copy()
        return stats

    def kept(self, stats: Records) -> dict[str, bytes]:
        """All that outlives a restart, as it is now; `stats`: (anchors,) ANCHOR_STATS."""
        return self._state_of(range(len(self._names)), stats)

    def _forget(self, name: str, why: str, kept: Mapping[str, Any], record: StepRecord) -> None:
        if kept["misplaced"] or kept["silent"]:
            text = f"anchor {name} {why}: what was said of it before no longer holds"
            record.event(EventKind.ANCHOR_CLEARED, record.now_ns, anchor=name, text=text)

    def note(self, measured: Records, fixes: Records) -> None:
        """Notes which anchors were heard, (n,) MEASUREMENT, and where cards are, (m,) FIX."""
        sources = measured["source"]
        ranges = (measured["kind"] == Kind.RANGE) & (sources < len(self._names))
        np.maximum.at(self._heard_ns, sources[ranges], measured["t_ns"][ranges])
        self._heard[sources[ranges]] = True
        located = _LOCATED[fixes["fix_class"]]
        if located.any():
            x_m, y_m = fixes["x_m"][located], fixes["y_m"][located]
            self._located_m.append(np.column_stack([x_m, y_m]))

    def note_second(self, stats: Records, *, listening: bool) -> None:
        """Counts, once a second, which anchors are missed though a card was located near them.

        While a reader is not heard (`listening` is False), nobody can tell whether its anchors are.
        `stats`: (anchors,) ANCHOR_STATS.
        """
        self._missed_s[self._heard] = 0.0
        # The filter may take what was heard up only seconds later.
        self._unsaved |= self._heard | (stats["heard"] > self._counted)
        self._counted = stats["heard"].copy()
        if listening and self._located_m:
            missed = self._near(np.concatenate(self._located_m), stats)
            self._missed_s[missed] += 1.0
            self._unsaved |= missed
        self._heard[:] = False
        self._located_m.clear()

    def _near(self, located_m: NDArray[np.float64], stats: Records) -> NDArray[np.bool_]:
        """Which of the anchors that were not heard have a card near them, in their roadway."""
        near = np.zeros(len(self._names), np.bool_)
        asked = np.flatnonzero(~self._heard)
        known = stats["heard"] > 0
        if not len(asked) or not known.any():
            return near
        squares_m = (_unique_squares(located_m) + 0.5) * SQUARE_M
        usual_m = np.median(stats["reach_m"][known])
        near_m = NEAR_SHARE * np.where(known, stats["reach_m"], usual_m)
        # Through rock nothing is heard, however near it is.
        row, square = _pairs(self._roadway[asked], self._roadways.nearest(squares_m).roadway)
        anchor = asked[row]
        away_m = np.hypot(*(squares_m[square] - self._places_m[anchor, :2]).T)
        near[anchor[away_m <= near_m[anchor]]] = True
        return near

    def judge(self, stats: Records, record: StepRecord) -> Records:
        """The health of all anchors, (anchors,) ANCHOR_HEALTH; tells what has become of them."""
        health = assess(stats, self._heard_ns, self._missed_s, self._misplaced)
        silent = self._missed_s >= SILENT_AFTER_S
        # A silent anchor gives no news of where it stands.
        misplaced = np.where(silent, self._misplaced, health["verdict"] == Verdict.MISPLACED)
        for i in np.flatnonzero((silent != self._silent) | (misplaced != self._misplaced)):
            worse = silent[i] > self._silent[i] or misplaced[i] > self._misplaced[i]
            text = f"anchor {advice(self._names[i], health[i])}"
            if not worse:
                again = "is heard again" if self._silent[i] else "stands where the map says"
                text = f"anchor {self._names[i]} {again}"
            kind = EventKind.ANCHOR_SUSPECT if worse else EventKind.ANCHOR_CLEARED
            record.event(kind, record.now_ns, anchor=self._names[i], text=text)
            self._silent[i], self._misplaced[i] = silent[i], misplaced[i]
            record.state |= self._state_of([i], stats)
        return health

    def save(self, stats: Records, record: StepRecord, part: int = 0, parts: int = 1) -> None:
        """Adds to the state what is to be kept of one part in `parts` of the anchors."""
        mine = np.arange(len(self._names)) % parts == part
        record.state |= self._state_of(np.flatnonzero(self._unsaved & mine), stats)

    def _state_of(self, anchors: Any, stats: Records) -> dict[str, bytes]:
        state = {}
        for i in anchors:
            kept = {
                "place_m": self._places_m[i].tolist(),
                "heard_ns": int(self._heard_ns[i]),
                "missed_s": float(self._missed_s[i]),
                "misplaced": bool(self._misplaced[i]),
                "silent": bool(self._silent[i]),
                "stats": {name: as_json(stats[name][i]) for name, as_json in _STATS},
            }
            state[STATE_PREFIX + self._names[i]] = to_json(kept)
            self._unsaved[i] = False
        return state


def _unique_squares(places_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, 2): the squares that places (n, 2) are in, each once."""
    squares = np.floor(places_m / SQUARE_M).astype(np.int64)
    # As one number each: rows are sorted as bytes, which takes ten times as long.
    numbers = np.unique(squares[:, 0] * _SQUARES + squares[:, 1] + _SQUARES // 2)
    along = np.floor_divide(numbers, _SQUARES)
    found = np.stack([along, numbers - along * _SQUARES - _SQUARES // 2], axis=1)
    return found.astype(np.float64)


def _pairs(
    these: NDArray[np.integer], those: NDArray[np.integer]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of equal numbers in `these` and `those`, each with each: two of the same length."""
    order = np.argsort(those, kind="stable")
    first = np.searchsorted(those, these, "left", order)
    counts = np.searchsorted(those, these, "right", order) - first
    row = np.repeat(np.arange(len(these)), counts)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return row, order[first[row] + nth]
