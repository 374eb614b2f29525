"""Profiles of RFID readers that speak LLRP: the card in an EPC, and where antennas look."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from equipment.profile import Kind, Profile
from equipment.strict import Strict

#: Bytes that fit a card's id of 18 letters, by how they are written: two hexadecimal digits each;
#: as one number, of which 7 bytes have 17 digits; one letter each.
BYTES_MOST: Final = {"hex": 9, "decimal": 7, "text": 18}


class Epc(Strict):
    """Which bytes of a tag's EPC are the card's id, and how they are written."""

    form: Literal["hex", "decimal", "text"] = "hex"
    #: So many of the last bytes; of a shorter EPC all.
    last_bytes: int = Field(default=9, ge=1)
    #: Of `decimal`: so many digits at least, with zeros ahead.
    digits: int = Field(default=1, ge=1, le=18)

    @model_validator(mode="after")
    def _fits_a_card(self) -> Self:
        most = BYTES_MOST[self.form]
        if self.last_bytes > most:
            msg = f"last_bytes must be at most {most} for form {self.form!r}: a card has 18 letters"
            raise ValueError(msg)
        if self.form != "decimal" and self.digits != 1:
            msg = "digits goes with form 'decimal'"
            raise ValueError(msg)
        return self


class LlrpProfile(Profile):
    """The profile of an LLRP reader."""

    is_asked: ClassVar = False

    protocol: Literal["llrp"]
    epc: Epc = Epc()
    #: Which side an antenna looks to, by its number: 1 ahead, 2 behind. Others do not say.
    sides: dict[Annotated[int, Field(ge=1, le=65_535)], Literal[1, 2]] = Field(default_factory=dict)

    @field_validator("kind")
    @classmethod
    def _is_a_reader(cls, kind: Kind) -> Kind:
        if kind is not Kind.RFID_READER:
            msg = f"a {kind.value} does not speak LLRP, only an rfid_reader does"
            raise ValueError(msg)
        return kind

    @model_validator(mode="after")
    def _has_no_points(self) -> Self:
        if self.point:
            msg = "point: an LLRP reader has none, only what it sees"
            raise ValueError(msg)
        return self
