"""`lamproom certs`: the mine's own certificates, and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.fail import fail
from gateway.cli.show import plain, show

if TYPE_CHECKING:
    from gateway.security.folder import CertificateFolder
    from gateway.security.identity import Identity

certs = typer.Typer(
    help="Make, renew and revoke certificates and tokens of callers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

#: As `gateway.security.authority` has them, which is imported only when it is needed.
_DAYS: Final = 365
_DAYS_MOST: Final = 825
#: Where certificates are, of a mine's folder.
FOLDER: Final = "certs"

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="CERTS", help="Where certificates are, instead of DIR/certs."),
]
Days = Annotated[
    int, typer.Option("--days", min=1, max=_DAYS_MOST, help="How long it counts, days.")
]
Hosts = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        metavar="HOST",
        help="A name or address under which clients reach the gateway; may be given again. "
        "localhost is always one.",
    ),
]
RoleOption = Annotated[
    str, typer.Option("--role", help="viewer, operator, engineer or admin: what it may do.")
]
OnBehalf = Annotated[
    bool,
    typer.Option(
        "--on-behalf", help="A program that acts for people, under the names that it sends."
    ),
]


@certs.command("init")
def init(folder: Folder, *, host: Hosts = None, days: Days = _DAYS, out: Out = None) -> None:
    """Make the mine's authority, and the gateway's certificate.

    The address in mine.toml is a host of it too.
    """
    from equipment.toml_source import ConfigurationError
    from gateway.config.bundle import read_settings

    try:
        settings = read_settings(folder)
    except ConfigurationError as error:
        fail(str(error))
    hosts = [*(host or []), *_hosts_of(settings.grpc.address)]
    with _open(folder, out) as (kept, now):
        kept.begin(settings.mine.code, hosts, days, now)
        show(f"{kept.folder}: the authority, and the gateway's certificate for {_reached(kept)}")
    show("keep ca.key elsewhere: who has it can make certificates for anyone")


@certs.command("issue")
def issue(
    folder: Folder,
    name: Name,
    *,
    role: RoleOption = "",
    server: Annotated[
        bool, typer.Option("--server", help="For another gateway, and no client.")
    ] = False,
    host: Hosts = None,
    on_behalf: OnBehalf = False,
    days: Days = _DAYS,
    out: Out = None,
) -> None:
    """Make a certificate, and its key, for a client with a role or for a server."""
    if server and (role or on_behalf):
        fail("--server: a server has no role, and acts for nobody")
    if host and not server:
        fail("--host: only a server's certificate names hosts; add --server")
    with _open(folder, out) as (kept, now):
        if server:
            kept.issue_for_server(name, host or [], days, now)
        else:
            kept.issue(_identity(name, role, on_behalf=on_behalf), days, now)
        show(f"{kept.folder / name}.pem and .key: give both, and ca.pem, to {name}")


@certs.command("renew")
def renew(
    folder: Folder,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Whose; all that end within 30 days without.")
    ] = "",
    *,
    days: Days = _DAYS,
    out: Out = None,
) -> None:
    """Make a new key and certificate in the place of one.

    A running gateway takes its own over by itself. Those of before count until they end.
    """
    with _open(folder, out) as (kept, now):
        names = [name] if name else _ending(kept, now)
        for one in names:
            kept.renew(one, days, now)
            show(f"{kept.folder / one}.pem and .key are new")
        if not names:
            show("none ends within 30 days")


@certs.command("revoke")
def revoke(folder: Folder, name: Name, *, out: Out = None) -> None:
    """Take back all certificates and tokens of a name.

    A running gateway ends what they have open within some seconds.
    """
    with _open(folder, out) as (kept, now):
        certificates, tokens = kept.revoke(name, now)
        show(f"{name}: {certificates} certificates and {tokens} tokens are revoked")


@certs.command("token")
def token(
    folder: Folder,
    name: Name,
    *,
    role: RoleOption,
    on_behalf: OnBehalf = False,
    days: Days = _DAYS,
    out: Out = None,
) -> None:
    """Make a token for a client that can't have a certificate.

    It is printed once, and kept by nobody: only its SHA-256 is.
    """
    with _open(folder, out) as (kept, now):
        who = _identity(name, role, on_behalf=on_behalf)
        typer.echo(kept.add_token(who, now + timedelta(days=days)))


@certs.command("list")
def list_all(folder: Folder, *, out: Out = None) -> None:
    """Show all certificates that were issued, and all tokens."""
    from gateway.cli.asking import print_table

    rows: list[tuple[str, ...]] = []
    with _open(folder, out) as (kept, now):
        for one in kept.issued():
            serial, ends = f"{one.certificate.serial_number:x}", one.certificate.not_valid_after_utc
            rows.append((one.name, one.role, one.state(now), f"{ends:%Y-%m-%d}", serial))
        for each in kept.tokens():
            who, state = each.identity, "ended" if now >= each.ends else "good"
            role = who.role.word + (" on-behalf" if who.on_behalf else "")
            rows.append((who.name, role, state, f"{each.ends:%Y-%m-%d}", "token"))
    print_table(("name", "role", "state", "ends", "serial"), rows)


@certs.command("show")
def show_one(folder: Folder, name: Name, *, out: Out = None) -> None:
    """Show the certificate of a name."""
    from cryptography.hazmat.primitives import hashes

    from gateway.security.authority import hosts_of

    with _open(folder, out) as (kept, now):
        newest = kept.newest(name)
        found = [one for one in kept.issued() if one.certificate == newest]
        for one in found:
            show(plain(f"{one.name}: {one.role}, {one.state(now)}"))
        begins, ends = newest.not_valid_before_utc, newest.not_valid_after_utc
        show(f"counts from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC")
        hosts = hosts_of(newest)
        if hosts:
            show(f"for {', '.join(hosts)}")
        show(f"serial {newest.serial_number:x}")
        show(f"SHA-256 {newest.fingerprint(hashes.SHA256()).hex()}")


@contextmanager
def _open(folder: Path, out: Path | None) -> Iterator[tuple[CertificateFolder, datetime]]:
    """The certificates of a mine, and what time it is; what goes wrong ends the command."""
    from gateway.security.folder import CertificateError, CertificateFolder
    from gateway.security.material import now

    try:
        yield CertificateFolder(out or folder / FOLDER), now()
    except CertificateError as error:
        fail(str(error))


def _identity(name: str, role: str, *, on_behalf: bool) -> Identity:
    from gateway.security.identity import Identity
    from gateway.security.roles import role_of

    try:
        return Identity(name, role_of(role), on_behalf)
    except ValueError as error:
        fail(f"--role: {error}")


def _hosts_of(address: str) -> list[str]:
    """The hosts that an address in mine.toml says: one that listens everywhere says none."""
    return [] if address in {"0.0.0.0", "::"} else [address]  # noqa: S104  # not listened on


def _reached(kept: CertificateFolder) -> str:
    from gateway.security.authority import hosts_of
    from gateway.security.folder import SERVER

    return ", ".join(hosts_of(kept.newest(SERVER)))


def _ending(kept: CertificateFolder, now: datetime) -> list[str]:
    from gateway.security.folder import RENEW_WITHIN

    return [
        one.name
        for one in kept.issued()
        if one.newest
        and not one.revoked_since
        and now >= one.certificate.not_valid_after_utc - RENEW_WITHIN
    ]
