"""`lamproom journal`: whether what is kept is as it was written, how much it is, and as files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.show import show

if TYPE_CHECKING:
    pass

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
    from gateway.journal.audit_reader import AuditReader

    place = _journal_folder(folder)
    findings = 0
    with _told(), EventReader_open(place) as events, AuditReader.open(place) as audit:
        for sentence in events.verify():
            show(sentence)
            findings += 1
        seen, wrong = audit.verify()
        for finding in wrong:
            show(finding.text)
        findings += len(wrong)
    many = f"{findings} {'finding' if findings == 1 else 'findings'}"
    found = f"not intact, {many}" if findings else "intact"
    show(f"{found}: events {events.first_sequence} to {events.last_sequence}, {seen.entries} acts")
    if findings:
        raise typer.Exit(1)
