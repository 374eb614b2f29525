"""What `devices.toml` says of a reader that speaks LLRP."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from protocols.driver import DriverOptions

#: The port that IANA gave to LLRP.
PORT: Final = 5084


class LlrpOptions(DriverOptions):
    """The keys of a `[[device]]` that is an LLRP reader."""

    address_keys: ClassVar = ("host", "port")

    host: Annotated[str, Field(min_length=1)]
    port: int = Field(default=PORT, ge=1, le=65535)
    #: `own`: the gateway gives the reader one ROSpec, without which an LLRP reader reports nothing.
    #: `existing`: it changes nothing and takes what the reader's ROSpecs report.
    rospec: Literal["own", "existing"] = "own"
    #: The number of the gateway's own ROSpec; those with others are left alone.
    rospec_id: int = Field(default=14_150, ge=1, le=0xFFFF_FFFF)
    #: How long the connection and each answer may take.
    timeout_s: float = Field(default=3.0, gt=0, le=60)

    def aside(self, *, is_reader: bool) -> Self | None:
        """See `DriverOptions.aside`: a reader has room for one client."""
        return None if is_reader else self

    def describe(self) -> str:
        """Such as `llrp 10.0.0.5:5084`."""
        return f"llrp {self.host}:{self.port}"

    @model_validator(mode="after")
    def _id_goes_with_an_own_one(self) -> Self:
        if self.rospec == "existing" and "rospec_id" in self.model_fields_set:
            msg = 'rospec_id has no use with rospec = "existing"'
            raise ValueError(msg)
        return self
