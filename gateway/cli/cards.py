"""`lamproom cards`: who has which card; issue, take back and replace cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.asking import (
    ANSWER_MOST_S,
    HERE,
    CsvFile,
    Where,
    act_header,
    asking,
    pages,
    print_table,
    write_csv,
)
from gateway.cli.show import show

if TYPE_CHECKING:
    from lamproom.v1 import alarm_pb2, roster_pb2

cards = typer.Typer(
    help="Tell who has which card; issue, take back and replace cards.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Operator = Annotated[str, typer.Option("--operator", help="Who does it: your name.")]
Note = Annotated[str, typer.Option("--note", help="What is to be said about it.")]
RequestId = Annotated[
    str,
    typer.Option(
        "--request-id",
        help="To send an act again of which is not known whether it was done; as it told you.",
    ),
]
At = Annotated[
    str,
    typer.Option(
        "--at",
        metavar="HOST:PORT|DIR",
        help="The gateway's gRPC address, or the mine's folder, which says it.",
    ),
]


@cards.command("list")
def list_cards(where: Where = HERE, csv_file: CsvFile = None) -> None:
    """Show all who are listed in people.csv, with the cards they have."""
    from lamproom.v1 import roster_pb2, roster_pb2_grpc

    found: list[roster_pb2.CardHolder] = []
    with asking(where) as channel:
        stub = roster_pb2_grpc.RosterServiceStub(channel)

        def page(token: str) -> roster_pb2.ListCardsResponse:
            request = roster_pb2.ListCardsRequest(page_token=token)
            return stub.ListCards(request, timeout=ANSWER_MOST_S)

        for answer in pages(page):
            found += answer.holders
    rows = [(one.name, one.card, one.person_id, one.team, one.job) for one in found]
    print_table(("name", "card", "listed under", "team", "job"), rows)
    if csv_file:
        headings = ("姓名 name", "卡号 card", "名册卡号 listed under", "队组 team", "工种 job")
        write_csv(csv_file, headings, rows)


@cards.command("issue")
def issue(
    card: Annotated[str, typer.Argument(help="The card.")],
    person: Annotated[str, typer.Argument(help="The card under which people.csv lists them.")],
    *,
    operator: Operator,
    where: At = HERE,
    note: Note = "",
    request_id: RequestId = "",
) -> None:
    """Give a card to someone who has none."""
    from lamproom.v1 import roster_pb2, roster_pb2_grpc

    header = _header(operator, note, request_id)
    with asking(where) as channel:
        request = roster_pb2.IssueCardRequest(act=header, card=card, person_id=person)
        stub = roster_pb2_grpc.RosterServiceStub(channel)
        answer = stub.IssueCard(request, timeout=ANSWER_MOST_S)
    _tell(f"card {card} is issued to {person}", answer.result)


@cards.command("return")
def take_back(
    card: Annotated[str, typer.Argument(help="The card.")],
    *,
    operator: Operator,
    where: At = HERE,
    note: Note = "",
    request_id: RequestId = "",
) -> None:
    """Take a card back: its holder has none then."""
    from lamproom.v1 import roster_pb2, roster_pb2_grpc

    header = _header(operator, note, request_id)
    with asking(where) as channel:
        request = roster_pb2.ReturnCardRequest(act=header, card=card)
        stub = roster_pb2_grpc.RosterServiceStub(channel)
        answer = stub.ReturnCard(request, timeout=ANSWER_MOST_S)
    _tell(f"card {card} is returned", answer.result)


@cards.command("replace")
def replace(
    old: Annotated[str, typer.Argument(help="The card that they have.")],
    new: Annotated[str, typer.Argument(help="The one that they get.")],
    *,
    operator: Operator,
    where: At = HERE,
    note: Note = "",
    request_id: RequestId = "",
) -> None:
    """Give the holder of a card another one; who is below stays below."""
    from lamproom.v1 import roster_pb2, roster_pb2_grpc

    header = _header(operator, note, request_id)
    with asking(where) as channel:
        request = roster_pb2.ReplaceCardRequest(act=header, old_card=old, new_card=new)
        stub = roster_pb2_grpc.RosterServiceStub(channel)
        answer = stub.ReplaceCard(request, timeout=ANSWER_MOST_S)
    _tell(f"card {old} is replaced by {new}", answer.result)


def _header(operator: str, note: str, request_id: str) -> alarm_pb2.ActHeader:
    header = act_header(operator, note, request_id)
    if not request_id:
        # Where no answer comes, it is sent again.
        typer.echo(f"request {header.request_id}", err=True)
    return header


def _tell(text: str, result: alarm_pb2.ActResult) -> None:
    show(f"{text}, as was asked before" if result.repeated_request else text)
