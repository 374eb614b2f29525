"""How a gateway makes itself known to a server or broker: the same keys for every protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from protocols.driver import DriverOptions


class LoginOptions(DriverOptions):
    """A user with a password, and the gateway's own certificate with its key."""

    user: str | None = Field(default=None, min_length=1)
    password: SecretStr | None = None
    password_file: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if self.password is not None and self.password_file is not None:
            msg = "password and password_file: give one of them"
            raise ValueError(msg)
        has_password = self.password is not None or self.password_file is not None
        if (self.user is not None) != has_password:
            msg = "user goes with password or password_file"
            raise ValueError(msg)
        if (self.certificate is None) != (self.private_key is None):
            msg = "certificate and private_key go together"
            raise ValueError(msg)
        return self
