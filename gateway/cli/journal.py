"""`lamproom journal`: whether what is kept is as it was written, how much it is, and as files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.fail import fail
from gateway.cli.show import show, zone_of

journal = typer.Typer(
    help="Verify, measure or export what the gateway has kept.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")]


class What(Enum):
    """What can be exported."""

    EVENTS = "events"
    POSITIONS = "positions"


@journal.command("verify")
def verify_journal(folder: Folder) -> None:
    """Look at every event, all state, the audit log and every kept position.

    Also while a gateway runs. A line for each thing that is damaged or lost, then a summary. Status
    1 when there is any.
    """
    from gateway.cli.kept import verify

    with _failing():
        findings, summary = verify(_kept_in(folder), show)
    many = f"{findings} {'finding' if findings == 1 else 'findings'}"
    show(f"{f'not intact, {many}' if findings else 'intact'}: {summary}")
    if findings:
        raise typer.Exit(1)


@journal.command("stats")
def show_stats(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show how much is kept, of what, since when, and what it takes of the disk.

    Also while a gateway runs.
    """
    from gateway.cli.kept import lines_of, stats

    with _failing():
        figures = stats(_kept_in(folder))
    if as_json:
        show(json.dumps(figures, ensure_ascii=False))
        return
    for line in lines_of(figures):
        show(line)


@journal.command("export")
def export_journal(
    folder: Folder,
    what: Annotated[What, typer.Argument(help="What is to be exported.")],
    *,
    to: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Its ending says the format: .csv, .parquet, .geojson."),
    ],
    start: Annotated[
        str,
        typer.Option("--from", metavar="TIME", help="Such as 2026-11-25T06:00."),
    ] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Before this time.")] = "",
    card: Annotated[str, typer.Option(help="Only this card.")] = "",
) -> None:
    """Write events or positions to a file, the oldest first.

    Also while a gateway runs. What can't be had is a row of its own that says why. Times are in the
    mine's zone where they name none; events are taken by when they were recorded. Coordinates are
    metres of the mine.
    """
    from gateway.cli.export import events, positions
    from gateway.cli.export.formats import table_in
    from gateway.cli.kept import Asked, event_batches, position_batches

    kept, zone = _kept_in(folder), _zone_of(folder)
    asked = Asked(_time_ns("--from", start, zone), _time_ns("--until", until, zone), card)
    if asked.is_empty:
        fail(f"--from {start} is not before --until {until}")
    rows = 0
    with _failing():
        if what is What.EVENTS:
            columns, batches = events.COLUMNS, event_batches(kept, asked)
        else:
            columns, batches = positions.COLUMNS, position_batches(kept, asked)
        with table_in(to, columns) as table:
            for batch in batches:
                table.write(batch)
                rows += len(batch[columns[0].name])
    show(f"{to}: {rows} rows")


@contextmanager
def _failing() -> Iterator[None]:
    """Ends the command with what is wrong."""
    from gateway.cli.export.table import ExportError
    from gateway.journal.journal import JournalError

    try:
        yield
    except (JournalError, ExportError, OSError) as error:
        fail(str(error))


def _kept_in(folder: Path) -> Path:
    """Where the mine in `folder` keeps what it keeps."""
    from equipment.toml_source import ConfigurationError
    from gateway.config.bundle import journal_folder_of

    try:
        return journal_folder_of(folder)
    except ConfigurationError as error:
        fail(str(error))


def _zone_of(folder: Path) -> tzinfo:
    from gateway.config.bundle import timezone_of

    return zone_of(timezone_of(folder))


def _time_ns(option: str, text: str, zone: tzinfo) -> int | None:
    """A time in the mine's zone, where it does not say another; None: there is none."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option} {text!r} is no time: write 2026-11-25T06:00, in the mine's time zone")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp()) * 1_000_000_000
