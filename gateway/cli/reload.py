"""`lamproom reload`: has a running gateway read its mine's folder again."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.asking import HERE, Where, act_header, asking
from gateway.cli.channel import target_of
from gateway.cli.fail import fail
from gateway.cli.folder import end_with
from gateway.cli.show import plain, show

if TYPE_CHECKING:
    from lamproom.v1 import configuration_pb2

#: How long a gateway may take: a map of another kind has it compile for half a minute.
ANSWER_MOST_S: Final = 120.0


def reload(
    where: Where = HERE,
    operator: Annotated[
        str, typer.Option(metavar="NAME", help="Who asks, for the audit log.  [default: the user]")
    ] = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit log.")] = "",
) -> None:
    """Have a running gateway read its folder again.

    Prints what has changed. Status 1 when it is refused: then every mistake, and the gateway goes
    on as before.
    """
    # Who has shown a certificate need not say who they are.
    operator = operator or ("" if target_of(where).credentials else _user())
    answer = _ask(where, operator, note)
    if not answer.accepted:
        from equipment.toml_source import Mistake

        end_with(
            Mistake(one.file, one.line, one.key, one.problem, one.remedy) for one in answer.mistakes
        )
    for change in answer.changes:
        show(plain(f"{change.file}: {', '.join(change.changes)}"))
    running = answer.configuration
    name = f"{running.version} " if running.version else ""
    done = "runs now" if answer.changes else "is as it was"
    show(plain(f"configuration {name}{running.digest[:12]} {done}"))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user whom the system does not know
        fail("say who asks: --operator NAME")


def _ask(where: str, operator: str, note: str) -> configuration_pb2.ReloadResponse:
    from lamproom.v1 import configuration_pb2, configuration_pb2_grpc

    request = configuration_pb2.ReloadRequest(act=act_header(operator, note))
    with asking(where) as channel:
        stub = configuration_pb2_grpc.ConfigurationServiceStub(channel)
        return stub.Reload(request, timeout=ANSWER_MOST_S)
