"""The exposure of a shift: what time is counted as, and what is kept of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.mine.people.shifts import ShiftSpan

#: Where the journal's state holds it, a key for each shift and zone.
STATE_PREFIX: Final = "exposure/"


class Share(IntEnum):
    """What a time is counted as."""

    BESIDE_ROBOT = 0  # a person, while a robot was heard in the zone
    ALONE = 1  # a person, while none was
    SILENT = 2  # a person who is not heard, at the last place; or nobody listened
    ROBOT = 3
    ROBOT_SILENT = 4


SHARES: Final = len(Share)
PEOPLE: Final = (Share.BESIDE_ROBOT, Share.ALONE, Share.SILENT)


@dataclass(frozen=True, slots=True)
class ShiftExposure:
    """The exposure of one shift up to `t_ns`; `spent_ns` is (zones, teams, shares) int64."""

    shift: ShiftSpan
    zones: tuple[str, ...]
    teams: tuple[str, ...]
    spent_ns: NDArray[np.int64]
    t_ns: int


def add_share(spent: NDArray[np.int64], share: int, by_ns: int) -> None:
    """Adds to one share of a team's; what would make it negative comes from its other shares.

    A robot may have come or gone between the crossing and when it was told.
    """
    shares = PEOPLE if share in PEOPLE else (Share.ROBOT, Share.ROBOT_SILENT)
    spent[share] += by_ns
    for other in shares:
        if spent[share] >= 0:
            return
        if other != share:
            taken = min(int(spent[other]), -int(spent[share]))
            spent[other] -= taken
            spent[share] += taken


def recalled(value: bytes) -> dict[str, Any]:
    """What was kept under a `state_key`."""
    head, _, packed = value.partition(b"\n")
    until_ns, *spent_ns = np.frombuffer(packed, "<i8").tolist()
    return {**json.loads(head), "t_ns": until_ns, "spent_ns": np.reshape(spent_ns, (-1, SHARES))}


def state_key(span: ShiftSpan, zone: str) -> str:
    """Under which key a zone in a shift is kept."""
    return f"{STATE_PREFIX}{span.start_ns}/{zone}"
