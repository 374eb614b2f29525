"""`lamproom muster`: who is missing, who is safe; on the screen, for a spreadsheet, on paper."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.asking import (
    ANSWER_MOST_S,
    HERE,
    CsvFile,
    Where,
    asking,
    mine_zone,
    pages,
    print_table,
    write_text,
)
from gateway.cli.show import plain, show

if TYPE_CHECKING:
    from lamproom.v1 import muster_pb2


def muster(
    where: Where = HERE,
    csv_file: CsvFile = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page to be printed.")
    ] = None,
) -> None:
    """Tell who is missing and who is safe.

    The muster that is open, or else the last one: of each whom it concerns the state, since when,
    the last place and its age, and the way out. Who is missing comes first. Times are in the
    mine's zone.
    """
    found, cards, zone = _ask(where)
    from gateway.cli.muster_pages import csv_of, html_of, ordered

    cards = ordered(cards)
    _print(found, cards, zone)
    if csv_file:
        # A spreadsheet takes a file for Chinese text in UTF-8 only with this mark at its start.
        write_text(csv_file, csv_of(found, cards, zone), "utf-8-sig")
    if html_file:
        write_text(html_file, html_of(found, cards, zone), "utf-8")


def _ask(where: str) -> tuple[muster_pb2.Muster, list[muster_pb2.MusterCard], tzinfo]:
    from lamproom.v1 import muster_pb2, muster_pb2_grpc

    cards: list[muster_pb2.MusterCard] = []
    found = muster_pb2.Muster()
    with asking(where) as channel:
        zone = mine_zone(channel)
        stub = muster_pb2_grpc.MusterServiceStub(channel)

        def page(token: str) -> muster_pb2.GetMusterResponse:
            request = muster_pb2.GetMusterRequest(page_token=token)
            return stub.GetMuster(request, timeout=ANSWER_MOST_S)

        for answer in pages(page):
            found = answer.muster
            cards += answer.cards
    return found, cards, zone


def _print(found: muster_pb2.Muster, cards: list[muster_pb2.MusterCard], zone: tzinfo) -> None:
    from gateway.cli.muster_pages import headline, place_of, state_of, way_of

    show(plain(headline(found, zone)))
    rows = []
    for card in cards:
        age = f"{card.age_s:.0f}" if card.HasField("place") else "-"
        cells = (state_of(card).en, card.name, card.card, card.team, place_of(card), age)
        rows.append((*cells, way_of(card)))
    columns = ("state", "name", "card", "team", "place", "age s", "way out")
    print_table(columns, rows, numbers=("age s",))
