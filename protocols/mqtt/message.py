"""What comes from a broker, what is made of it, and what each payload format has to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from equipment.report import Sample
from protocols.losses import Loss

#: A longer payload is refused: a burst of records has some 100 kB.
PAYLOAD_BYTES_MAX: Final = 1 << 20

#: A text longer than this is no name, model or state; it is refused rather than carried along.
TEXT_LETTERS_MAX: Final = 1024

#: Of a topic that nobody asked for in this session.
STRAY: Final = (
    "of topics that were not asked for: an earlier session with this client_id did; have the "
    "broker forget it, or give another client_id"
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `retain`: the broker had kept it, so that it is old by an unknown time."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    mid: int = 0


Columns = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a message gave.

    `heard`: it is a sign of life of the device. `gone`: why the device is down from now on.
    `device_t_ns`: what its clock showed, where that is known.
    """

    samples: tuple[Sample, ...] = ()
    columns: Columns | None = None
    device_t_ns: int | None = None
    heard: bool = False
    gone: str = ""
    lost: tuple[Loss, ...] = ()
    refused: tuple[Loss, ...] = ()


NOTHING: Final = Taken()


class Format(Protocol):
    """A payload format: what to subscribe, and what messages mean."""

    @property
    def filters(self) -> tuple[str, ...]:
        """The topic filters to subscribe."""

    @property
    def waiting(self) -> str:
        """Why the device is not heard while the broker answers, and what to do."""

    def begin(self, t_ns: int) -> Taken:
        """A session begins: what was known of the device may be wrong by now."""

    def take(self, message: Message, t_ns: int) -> Taken:
        """What a message gives; never raises, whatever is in it."""


def refusal(reason: str, count: int = 1) -> Taken:
    """A message that gives nothing, and why."""
    return Taken(refused=(Loss(count, reason),))
