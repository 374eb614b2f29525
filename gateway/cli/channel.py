"""How a command connects to a gateway: in plaintext, or with the certificates that it finds.

By environment variables, which stand before what a mine's folder says:

| variable | says |
|---|---|
| `LAMPROOM_CA` | the authority's certificate; with it the connection is TLS |
| `LAMPROOM_CERT`, `LAMPROOM_KEY` | the caller's own certificate, and its key |
| `LAMPROOM_TOKEN_FILE` | a file with a token, of a caller without a certificate |
| `LAMPROOM_NAME` | of several callers whose keys are in a mine's folder: which |

Where a mine's folder is given that asks for TLS, they are those of the folder.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.fail import fail
from gateway.cli.folder import address_of

if TYPE_CHECKING:
    import grpc

_CA: Final = "LAMPROOM_CA"
_CERT: Final = "LAMPROOM_CERT"
_KEY: Final = "LAMPROOM_KEY"
_TOKEN_FILE: Final = "LAMPROOM_TOKEN_FILE"  # noqa: S105  # the name of a variable, and no token
_NAME: Final = "LAMPROOM_NAME"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller shows, and by what it knows the gateway. PEM; empty: none."""

    ca: bytes
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""

    def for_grpc(self) -> grpc.ChannelCredentials:
        """As gRPC takes them."""
        import grpc

        tls = grpc.ssl_channel_credentials(self.ca, self.key or None, self.certificate or None)
        if not self.token:
            return tls
        return grpc.composite_channel_credentials(
            tls, grpc.access_token_call_credentials(self.token)
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway: where it is, and how it is spoken to. None: in plaintext."""

    address: str
    credentials: Credentials | None = None

    def channel(self) -> grpc.Channel:
        """To be closed."""
        import grpc

        if self.credentials is None:
            return grpc.insecure_channel(self.address)
        return grpc.secure_channel(self.address, self.credentials.for_grpc())

    def aio_channel(self, options: Sequence[tuple[str, Any]]) -> grpc.aio.Channel:
        """To be closed."""
        import grpc

        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, options)
        return grpc.aio.secure_channel(self.address, self.credentials.for_grpc(), options)


def target_of(where: str) -> Target:
    """The gateway that `where` names, by its address or the mine's folder."""
    address, credentials = address_of(where), _of_environment()
    folder = Path(where)
    if credentials is None and address != where:
        return _of_folder(folder, address)
    return Target(address, credentials)


def _of_environment() -> Credentials | None:
    told = {name: os.environ.get(name, "") for name in (_CA, _CERT, _KEY, _TOKEN_FILE)}
    if not any(told.values()):
        return None
    if not told[_CA]:
        fail(f"set {_CA} as well: the file of the authority's certificate")
    if bool(told[_CERT]) != bool(told[_KEY]):
        fail(f"{_CERT} and {_KEY} go together: set both or none")
    read = {name: _read(Path(file)) if file else b"" for name, file in told.items()}
    token = _token_in(read[_TOKEN_FILE])
    return Credentials(read[_CA], read[_CERT], read[_KEY], token)


def _of_folder(folder: Path, address: str) -> Target:
    """As mine.toml says, with the key of a caller that is in the folder."""
    from gateway.config.bundle import read_settings

    tls = read_settings(folder).grpc.secured
    if tls is None:
        return Target(address)
    files = tls.files(folder)
    name = _caller_in(files.ca.parent, folder)
    key, certificate = files.ca.with_name(f"{name}.key"), files.ca.with_name(f"{name}.pem")
    return Target(address, Credentials(_read(files.ca), _read(certificate), _read(key)))


def _caller_in(certificates: Path, folder: Path) -> str:
    """Whose key a command uses: the one that is named, the user's, or the only one."""
    from gateway.security.authority import is_server
    from gateway.security.folder import CA_FILE, CertificateError, read_certificate

    names = []
    for file in sorted(certificates.glob("*.pem")):
        if file.name != CA_FILE and file.with_suffix(".key").exists():
            try:
                if not is_server(read_certificate(file)):
                    names.append(file.stem)
            except CertificateError as error:
                fail(str(error))
    asked = os.environ.get(_NAME, "")
    if asked:
        names = [name for name in names if name == asked]
    if len(names) == 1:
        return names[0]
    user = _user()
    if user in names:
        return user
    if names:
        fail(f"{certificates} has keys of {', '.join(names)}: say which by {_NAME}")
    msg = (
        f"{certificates} has no key of {asked or 'a caller'}: `lamproom certs issue {folder} NAME "
        f"--role ROLE` makes one, or set {_CA}, {_CERT} and {_KEY}"
    )
    return fail(msg)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user whom the system does not know
        return ""


def _token_in(content: bytes) -> str:
    try:
        return content.decode("ascii").strip()
    except UnicodeDecodeError:
        fail(f"{os.environ[_TOKEN_FILE]}: it holds no token")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"{file}: it can't be read: {error.strerror}")
