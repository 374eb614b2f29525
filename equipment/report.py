"""What a device reports: values of points, records of readers, its link, and what went wrong.

Times are nanoseconds since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Value = float | str | bool


class Quality(IntEnum):
    """How far a value can be trusted; the numbers are those of the contract's `Quality`."""

    GOOD = 1
    UNCERTAIN = 2
    BAD = 3


class Sample(NamedTuple):
    """The value of one point of one device at one time.

    `value` is None where the device gave none (then `quality` is BAD and `reason` says why).
    `source_t_ns` is the device's own time, None where it gives none. One is made of every value
    that is read: a tuple takes a fifth of the time of a frozen dataclass.
    """

    device: str
    point: str
    value: Value | None
    quality: Quality
    reason: str
    source_t_ns: int | None
    receive_t_ns: int


class LinkState(IntEnum):
    """Whether a device is heard; the numbers are those of the contract's `LinkState`."""

    CONNECTING = 1
    UP = 2
    DOWN = 3


@dataclass(frozen=True, slots=True)
class LinkChange:
    """The link to a device has changed; `reason` says why in words for an operator."""

    device: str
    state: LinkState
    reason: str
    t_ns: int


class NoticeKind(IntEnum):
    """What a driver has to say besides data; the numbers are those of the contract's events."""

    DATA_LOST = 6
    DATA_REFUSED = 7


@dataclass(frozen=True, slots=True)
class Notice:
    """`count` records or values of a device were lost or refused, and why."""

    device: str
    kind: NoticeKind
    count: int
    text: str
    t_ns: int


@dataclass(frozen=True, slots=True)
class ClockCheck:
    """A device's clock was compared: it is `off_ns` ahead; 0 where it is believed as it is."""

    device: str
    off_ns: int
    t_ns: int


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of a reader as columns of equal length, named by the profile's record fields.

    Text columns are object arrays of str; numbers are float64 after scaling, integers int64.
    `device_t_ns` is what the device's own clock showed when it was read at `receive_t_ns`: it
    tells late records of a good clock from those of a wrong one. None where it shows none.
    """

    device: str
    columns: Mapping[str, NDArray[np.generic]]
    receive_t_ns: int
    device_t_ns: int | None = None
