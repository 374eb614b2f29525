"""`lamproom muster`: who is missing, who is safe; on the screen, for a spreadsheet, on paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from gateway.cli.fail import fail
from gateway.cli.show import plain, show
from gateway.cli.watch import ADDRESS

if TYPE_CHECKING:
    from lamproom.v1 import muster_pb2

#: How long a gateway may take to answer.
ANSWER_MOST_S: Final = 10.0


def muster(
    where: Annotated[
        str,
        typer.Argument(
            metavar="HOST:PORT|DIR",
            help="The gateway's gRPC address, or the mine's folder, which says it.",
        ),
    ] = "127.0.0.1:50051",
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a table for spreadsheets.")
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page to be printed.")
    ] = None,
) -> None:
    """Tell who is missing and who is safe.

    The muster that is open, or else the last one: of each whom it concerns the state, since when,
    the last place and its age, and the way out. Who is missing comes first.
    """
    address = address_of(where)
    found, cards = _ask(address)
    from gateway.cli.muster_pages import csv_of, html_of, ordered

    cards = ordered(cards)
    _print(found, cards)
    if csv_file:
        # A spreadsheet takes a file for Chinese text in UTF-8 only with this mark at its start.
        _write(csv_file, csv_of(found, cards), "utf-8-sig")
    if html_file:
        _write(html_file, html_of(found, cards), "utf-8")


def address_of(where: str) -> str:
    """The gRPC address that `where`, an address or a mine's folder, stands for."""
    if ADDRESS.fullmatch(where):
        return where
    if not Path(where).is_dir():
        fail(
            f"{where!r} is neither an address nor a mine's folder: write HOST:PORT, such as "
            "127.0.0.1:50051"
        )
    from equipment.toml_source import ConfigurationError
    from gateway.config.bundle import grpc_address_of

    try:
        return grpc_address_of(Path(where))
    except ConfigurationError as error:
        fail(str(error))


def _ask(address: str) -> tuple[muster_pb2.Muster, list[muster_pb2.MusterCard]]:
    import grpc

    from lamproom.v1 import muster_pb2, muster_pb2_grpc

    cards: list[muster_pb2.MusterCard] = []
    page: str | None = None
    found = muster_pb2.Muster()
    try:
        with grpc.insecure_channel(address) as channel:
            stub = muster_pb2_grpc.MusterServiceStub(channel)
            while page != "":
                request = muster_pb2.GetMusterRequest(page_token=page or "")
                answer = stub.GetMuster(request, timeout=ANSWER_MOST_S)
                found, page = answer.muster, answer.next_page_token
                cards += answer.cards
    except grpc.RpcError as error:
        # The library's words, after what they all begin with; what it raises is a call as well.
        words = str(cast(grpc.Call, error).details())
        fail(f"{address}: {words.rpartition('Failed to connect to remote host: ')[2]}")
    return found, cards


def _print(found: muster_pb2.Muster, cards: list[muster_pb2.MusterCard]) -> None:
    from rich.console import Console
    from rich.table import Table

    from gateway.cli.muster_pages import headline, place_of, state_of, way_of

    show(plain(headline(found)))
    table = Table(box=None, pad_edge=False)
    for column in ("state", "name", "card", "team", "place", "age s", "way out"):
        table.add_column(column, justify="right" if column == "age s" else "left")
    for card in cards:
        age = f"{card.age_s:.0f}" if card.HasField("place") else "-"
        cells = (state_of(card).en, card.name, card.card, card.team, place_of(card), age)
        # Markup in a name is text.
        table.add_row(*(plain(cell).replace("[", r"\[") or "-" for cell in (*cells, way_of(card))))
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table)


def _write(file: Path, text: str, encoding: str) -> None:
    try:
        file.write_text(text, encoding=encoding, newline="")
    except OSError as error:
        fail(f"{file}: it can't be written: {error.strerror}")
