"""`[grpc]` of `mine.toml`: where clients connect, and who they have to be."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from equipment.toml_source import Mistake, TomlSource
from gateway.config.section import Plain, Section
from gateway.security.folder import CertificateError, tokens_in
from gateway.security.material import Material, TlsFiles, read_material
from gateway.security.roles import Role, role_of

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


#: What to do where clients can't be secured.
REMEDY: Final = (
    "`lamproom certs init DIR` makes certificates; without TLS: plaintext = true in [grpc]"
)


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not _HOST.fullmatch(text) or not re.search("[A-Za-z]", text):
            msg = "must be an IP address or a host name, without a port"
            raise ValueError(msg) from None
    return text


def _role(word: str) -> str:
    return role_of(word).word


RoleWord = Annotated[str, AfterValidator(_role)]


class TlsSettings(Section):
    """`[grpc.tls]`: the gateway's certificate, and whose clients' it takes.

    Files are relative to the mine's folder, or absolute. The defaults are what `lamproom certs
    init` writes.
    """

    certificate: Plain = "certs/server.pem"
    key: Plain = "certs/server.key"
    #: Who has issued clients' certificates.
    ca: Plain = "certs/ca.pem"
    #: The authority's revocation list.
    revoked: Plain = "certs/revoked.pem"
    #: Another port, for clients with a token and no certificate; None: there is none.
    token_port: int | None = Field(default=None, ge=0, le=65535)

    def files(self, folder: Path) -> TlsFiles:
        """Where they are, of the mine in `folder`."""
        names = (self.certificate, self.key, self.ca, self.revoked)
        return TlsFiles(*(folder / name for name in names))


class GrpcSettings(Section):
    """`[grpc]`: where clients connect, and who they have to be."""

    #: Loopback unless the mine says otherwise: nothing is open to a network by accident.
    address: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    #: 0 takes a free port.
    port: int = Field(default=50051, ge=0, le=65535)
    #: On loopback clients need TLS where this is there; beyond it always unless `plaintext` is.
    tls: TlsSettings | None = None
    #: Beyond loopback without TLS: anyone in that network reads all, and may change it on its way.
    plaintext: bool = False
    #: Without TLS: the role of callers on this computer, and of those elsewhere.
    local_role: RoleWord = Role.ADMIN.word
    plaintext_role: RoleWord = Role.VIEWER.word
    #: The SHA-256 of each token, relative to the mine's folder, or absolute.
    tokens: Plain = "certs/tokens.toml"
    #: The least role that is told names of people; others see their first letters.
    names_role: RoleWord = Role.OPERATOR.word
    #: Whether callers may ask what services there are. None: on loopback only.
    reflection: bool | None = None

    @property
    def is_local(self) -> bool:
        """Whether nobody beyond this computer can connect."""
        return is_loopback(self.address)

    @property
    def secured(self) -> TlsSettings | None:
        """How clients are secured; None: they are not."""
        if self.tls is None and not self.is_local and not self.plaintext:
            return TlsSettings()
        return self.tls

    @property
    def reflects(self) -> bool:
        """Whether callers may ask what services there are."""
        return self.is_local if self.reflection is None else self.reflection


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach a host's address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def material_of(grpc: GrpcSettings, folder: Path) -> Material | None:
    """What the services are secured with; None where they need not be.

    Raises:
        CertificateError: they can't be.
    """
    tls = grpc.secured
    if tls is None:
        return None
    try:
        return read_material(tls.files(folder))
    except CertificateError as error:
        if grpc.tls:
            raise
        msg = f"beyond loopback clients need TLS: {error}"
        raise CertificateError(msg) from error


def access_mistakes(grpc: GrpcSettings, folder: Path, source: TomlSource) -> Iterator[Mistake]:
    """What is wrong with how clients are secured."""
    if grpc.tls is not None and grpc.plaintext:
        problem = "there is a [grpc.tls] as well: which of them is meant?"
        yield source.mistake(("grpc", "plaintext"), problem, "leave one of them out")
        return
    try:
        tokens_in(folder / grpc.tokens)
    except CertificateError as error:
        yield source.mistake(("grpc", "tokens"), str(error), "mend it, or remove it")
    try:
        material_of(grpc, folder)
    except CertificateError as error:
        yield source.mistake(("grpc", "tls" if grpc.tls else "address"), str(error), REMEDY)
