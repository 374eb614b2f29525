"""How a command asks a running gateway: where it is, page by page, and what goes wrong."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeVar, cast

import typer

from gateway.cli.channel import target_of
from gateway.cli.fail import fail
from gateway.cli.show import plain, zone_of

if TYPE_CHECKING:
    import grpc

    from lamproom.v1 import alarm_pb2

#: How long a gateway may take to answer.
ANSWER_MOST_S: Final = 10.0

Where = Annotated[
    str,
    typer.Argument(
        metavar="HOST:PORT|DIR",
        help="The gateway's gRPC address, or the mine's folder, which says it.",
    ),
]
CsvFile = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write a table for spreadsheets.")
]
HERE: Final = "127.0.0.1:50051"


class _Page(Protocol):
    @property
    def next_page_token(self) -> str: ...


Page = TypeVar("Page", bound=_Page)


@contextmanager
def asking(where: str) -> Iterator[grpc.Channel]:
    """A channel to the gateway; fails with its words where it can't be asked or refuses."""
    target = target_of(where)
    import grpc

    try:
        with target.channel() as channel:
            yield channel
    except grpc.RpcError as error:
        # The library's words, after what they all begin with; what it raises is a call as well.
        call = cast(grpc.Call, error)
        words = str(call.details()).rpartition("Failed to connect to remote host: ")[2]
        remedy = _remedy_of(call)
        fail(f"{target.address}: {words}" + (f"; {remedy}" if remedy not in words else ""))


def _remedy_of(call: grpc.Call) -> str:
    """What the gateway says is to be done about an error; empty where its words say it all."""
    import grpc

    if call.code() is grpc.StatusCode.INVALID_ARGUMENT:
        return ""
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    status = rpc_status.from_call(call)
    info = error_details_pb2.ErrorInfo()
    found = status is not None and any(detail.Unpack(info) for detail in status.details)
    return str(info.metadata["remedy"]) if found else ""


def mine_zone(channel: grpc.Channel) -> tzinfo:
    """The time zone of the gateway's mine, whatever that of this computer is."""
    from lamproom.v1 import configuration_pb2, configuration_pb2_grpc

    stub = configuration_pb2_grpc.ConfigurationServiceStub(channel)
    request = configuration_pb2.GetConfigurationRequest()
    answer = stub.GetConfiguration(request, timeout=ANSWER_MOST_S)
    return zone_of(answer.configuration.timezone)


def act_header(operator: str, note: str, request_id: str = "") -> alarm_pb2.ActHeader:
    """Who does an act, and under which number it is done once: a random one unless it is given."""
    from lamproom.v1 import alarm_pb2

    request_id = request_id or str(uuid.uuid4())
    return alarm_pb2.ActHeader(request_id=request_id, operator=operator, note=note)


def pages(ask: Callable[[str], Page]) -> Iterator[Page]:
    """All pages; `ask` gives the one of a page token."""
    page = ask("")
    yield page
    while page.next_page_token:
        page = ask(page.next_page_token)
        yield page


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: Sequence[str] = (),
    *,
    width: int = 160,
) -> None:
    """Prints rows of cells; those of the columns `numbers` stand right.

    `width` is how many characters a line has where nobody looks on.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for row in rows:
        # Markup in a name is text.
        table.add_row(*(plain(cell).replace("[", r"\[") or "-" for cell in row))
    Console(width=None if Console().is_terminal else width).print(table)


def write_csv(file: Path, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table that spreadsheets open with Chinese text and whole card numbers."""
    from gateway.cli.export.csv_file import as_text

    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(headings)
    for row in rows:
        writer.writerow([as_text(one) if isinstance(one, str) else one for one in row])
    # A spreadsheet takes a file for Chinese text in UTF-8 only with this mark at its start.
    write_text(file, out.getvalue(), "utf-8-sig")


def write_text(file: Path, text: str, encoding: str) -> None:
    """Writes a file; fails with the reason where that can't be done."""
    try:
        file.write_text(text, encoding=encoding, newline="")
    except OSError as error:
        fail(f"{file}: it can't be written: {error.strerror}")
