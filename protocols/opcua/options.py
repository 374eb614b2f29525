"""What `devices.toml` says of an OPC UA device."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from equipment.opcua_profile import check_path
from equipment.strict import Name
from protocols.login import LoginOptions

#: The port that IANA gave to OPC UA, where the URL has none.
DEFAULT_PORT: Final = 4840

Security = Literal["none", "basic256sha256", "aes128", "aes256"]


class OpcUaOptions(LoginOptions):
    """The keys of a `[[device]]` that speaks OPC UA.

    Without a `certificate` (DER or PEM) and its `private_key` it makes a self-signed pair.
    """

    address_keys: ClassVar = ("url", "root")

    #: `opc.tcp://host:port/path`; user and password have keys of their own.
    url: str
    #: Browse path of the machine's object from Objects: `di:DeviceSet/app:Shearer1`.
    root: str
    #: Prefixes of the site's own namespaces, beside those of the profile.
    namespaces: dict[Name, str] = Field(default_factory=dict)
    #: How often the server sends what has changed; as often as the profile's `scan` says if None.
    publish_ms: int | None = Field(default=None, ge=50, le=60_000)
    #: Anything but "none" signs and encrypts.
    security: Security = "none"
    #: Where a self-signed pair is kept, so that a server has to be told only once to trust it.
    #: Without it the pair lasts as long as the gateway runs.
    certificate_folder: Path | None = None
    #: The server's certificate. If given, a server that shows another is refused.
    server_certificate: Path | None = None
    #: How long the server may take to answer a request.
    timeout_s: float = Field(default=5.0, ge=1.0, le=60.0)

    @field_validator("url")
    @classmethod
    def _url_names_a_server(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            port = parts.port or DEFAULT_PORT
        except ValueError as error:
            msg = f"must be opc.tcp://host:port ({error})"
            raise ValueError(msg) from None
        if parts.scheme != "opc.tcp" or not parts.hostname:
            msg = "must be opc.tcp://host:port"
            raise ValueError(msg)
        if parts.username is not None:
            msg = "must not hold a user: write the keys user and password"
            raise ValueError(msg)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return parts._replace(netloc=f"{host}:{port}").geturl()

    @field_validator("root")
    @classmethod
    def _root_is_a_path(cls, root: str) -> str:
        return check_path(root)

    @model_validator(mode="after")
    def _keys_go_together(self) -> Self:
        if self.certificate is not None and self.certificate_folder is not None:
            msg = "certificate_folder is for a certificate that is made: give no other with it"
            raise ValueError(msg)
        files = self.certificate or self.certificate_folder or self.server_certificate
        if self.security == "none" and files is not None:
            msg = 'a certificate has no use with security = "none"'
            raise ValueError(msg)
        return self
