"""What a restart forgets, and may forget: a core of the kept state is given it by the running one.

That is how far the filter and what needs several fixes have come, the last seconds of places and
values, what was seen of pairs of cards and of leaps, and where an alarm of a card came up.
"""

from __future__ import annotations

import copy
from collections import deque
from typing import Any, Final

import numpy as np

from gateway.mine.change import Alarm
from gateway.mine.core import Mine
from gateway.soak.echo import echo
from positioning.observation import Records

#: Of machines: where they are and since when, and what is believed of that.
_POSES: Final = ("poses", "_heard_ns", "_said_ns", "stale", "unsure", "_seen_ns")


def place_alarms(own: Mine, mine: Mine) -> None:
    """To be called before `begin`: an alarm of a card counts for the risk where it came up."""
    risk, known = own._prevention._risk, dict(mine._prevention._risk._counted)
    before = risk._of_alarm

    def of_alarm(alarm: Alarm) -> Any:
        counted, was = before(alarm), known.pop(alarm.id, None)  # hidden and shown again: anew
        if was is None or alarm.zone or not alarm.card:
            return counted
        return counted._replace(where=was.where)

    risk._of_alarm = of_alarm  # type: ignore[method-assign]  # of this one core
    risk._second = mine._prevention._risk._second  # this second is scored


def give(own: Mine, mine: Mine) -> None:
    """Gives a core that has begun, with the same handles, what a restart forgets."""
    echo(own, mine)
    for name in ("heard_ns", "last"):
        source = getattr(mine._cards, name)
        getattr(own._cards, name)[: len(source)] = source
    own._occupancy._membership = copy.deepcopy(mine._occupancy._membership)
    own._notices = copy.deepcopy(mine._notices)
    own._conflicts = copy.deepcopy(mine._conflicts)
    own._links._down = dict(mine._links._down)
    # A stop that ends while no core is there is not told.
    own._routes._second, own._routes._goes_on = mine._routes._second, set(mine._routes._goes_on)
    _give_room(own, mine)
    _give_machines(own, mine)
    _give_pairs(own, mine)
    _give_alarms(own, mine)


def _give_room(own: Mine, mine: Mine) -> None:
    room, other = own._room, mine._room
    room.attendance._settling_ns = other.attendance._settling_ns.copy()
    for name in ("_heard", "_speed_m_s", "_named", "_start_ns"):
        setattr(room._leaps, name, copy.copy(getattr(other._leaps, name)))
    for card in other._leaps._open:  # whose alarm has ended is known by the next step
        if not own._alarms.has_begun(other._leaps._key(card)):
            room._leaps._open.add(card)
    room._twins._pairs = _with_others(room._twins._pairs, other._twins._pairs, "code")
    room._twins._before_m = other._twins._before_m.copy()
    room._twins._second = other._twins._second


def _give_machines(own: Mine, mine: Mine) -> None:
    poses, fences, cutters = own._machines._poses, own._machines._fences, own._machines._cutters
    other = mine._machines
    for name in _POSES:
        getattr(poses, name)[:] = getattr(other._poses, name)
    poses.runs = poses._value_runs | poses.unsure
    for one, fenced in zip(fences._fenced, other._fences._fenced, strict=True):
        one.within, one.around = dict(fenced.within), dict(fenced.around)
        one.mode, one.since_ns = fenced.mode, fenced.since_ns
    fences._membership = copy.deepcopy(other._fences._membership)
    fences._looked = other._fences._looked.copy()
    cutters._membership = copy.deepcopy(other._cutters._membership)
    cutters._numbers = copy.deepcopy(other._cutters._numbers)


def _give_pairs(own: Mine, mine: Mine) -> None:
    """Pairs of cards and vehicles: for how long they were near; that an alarm has begun is kept."""
    near, other = own._machines._proximity, mine._machines._proximity
    near._looked_ns = other._looked_ns
    near._pairs = pairs = _with_others(near._pairs, other._pairs, "both")
    both = np.isin(pairs["both"], other._pairs["both"])
    rows = np.searchsorted(other._pairs["both"], pairs["both"][both])
    for name in ("near", "away", "apart"):
        pairs[name][both] = other._pairs[name][rows]
    together_s = pairs["together_s"]
    together_s[both] = np.maximum(together_s[both], other._pairs["together_s"][rows])


def _give_alarms(own: Mine, mine: Mine) -> None:
    """Alarms that are over may have been the first of a flood; peaks that last are of now."""
    floods, known = own._alarms._floods, own._alarms._ids
    for family, recent in mine._alarms._floods._recent.items():
        over = [one for one in recent if one[1] not in known]
        floods._recent[family] = deque(sorted([*floods._recent[family], *over]))
    risk = own._prevention._risk
    lasts = risk._peak == risk._acute
    risk._peak_ns[lasts] = mine._prevention._risk._peak_ns[lasts]


def _with_others(own: Records, other: Records, key: str) -> Records:
    """Rows of `own`, and those of `other` with another `key`; ascending."""
    more = other[~np.isin(other[key], own[key])]
    return np.sort(np.concatenate([own, more]), order=key)
