"""What a device's refusal (a Modbus exception) means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.modbus.plan import Read

#: Exception codes in words (Modbus Application Protocol V1.1b3, 7).
MEANINGS: Final = {
    1: "it doesn't know this table",
    2: "it has no such address",
    3: "it doesn't give as many at once",
    4: "it has failed inside",
    5: "it needs longer",
    6: "it is busy",
    8: "its memory is damaged",
    10: "the gateway before it has no path to it",
    11: "the gateway before it gets no answer from it",
}

#: Codes that say the same however often one asks: the profile does not fit the device.
LASTING: Final = frozenset({1, 2, 3})

#: Codes that a smaller read may not meet.
FOR_SIZE: Final = frozenset({2, 3})


@dataclass(frozen=True, slots=True)
class Refused:
    """The device answered with an exception instead of data."""

    read: Read
    code: int

    @property
    def lasting(self) -> bool:
        """Whether asking again gives the same."""
        return self.code in LASTING

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if self.lasting:
            return "compare the profile with the device's register map"
        return "look at the device itself"

    def __str__(self) -> str:
        """What was refused and why, in words."""
        meaning = MEANINGS.get(self.code, "Modbus has no such reason")
        return f"{self.read} refused: {meaning} (exception {self.code})"
