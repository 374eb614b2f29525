"""`lamproom reload`: has a running gateway read its mine's folder again."""

from __future__ import annotations

import getpass
import uuid
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from gateway.cli.fail import fail
from gateway.cli.folder import address_of, end_with
from gateway.cli.show import plain, show

if TYPE_CHECKING:
    from lamproom.v1 import configuration_pb2

#: How long a gateway may take: a map of another kind has it compile for half a minute.
ANSWER_MOST_S: Final = 120.0


def reload(
    where: Annotated[
        str,
        typer.Argument(
            metavar="HOST:PORT|DIR",
            help="The gateway's gRPC address, or the mine's folder, which says it.",
        ),
    ] = "127.0.0.1:50051",
    operator: Annotated[
        str, typer.Option(metavar="NAME", help="Who asks, for the audit log.  [default: the user]")
    ] = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit log.")] = "",
) -> None:
    """Have a running gateway read its folder again.

    Prints what has changed. Status 1 when it is refused: then every mistake, and the gateway goes
    on as before.
    """
    answer = _ask(address_of(where), operator or _user(), note)
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


def _ask(address: str, operator: str, note: str) -> configuration_pb2.ReloadResponse:
    import grpc

    from lamproom.v1 import alarm_pb2, configuration_pb2, configuration_pb2_grpc

    act = alarm_pb2.ActHeader(request_id=str(uuid.uuid4()), operator=operator, note=note)
    try:
        with grpc.insecure_channel(address) as channel:
            stub = configuration_pb2_grpc.ConfigurationServiceStub(channel)
            request = configuration_pb2.ReloadRequest(act=act)
            return stub.Reload(request, timeout=ANSWER_MOST_S)
    except grpc.RpcError as error:
        # The library's words, after what they all begin with; what it raises is a call as well.
        words = str(cast(grpc.Call, error).details())
        fail(f"{address}: {words.rpartition('Failed to connect to remote host: ')[2]}")
