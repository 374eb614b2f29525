"""`lamproom audit`: what operators did, and whether the log of it is as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.fail import fail
from gateway.cli.show import iso, plain, show

if TYPE_CHECKING:
    from gateway.journal.audit import AuditEntry, Verification
    from gateway.journal.audit_reader import AuditReader
    from gateway.journal.gaps import Gap

audit = typer.Typer(
    help="Verify or show the log of what operators did.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")]


@audit.command("verify")
def verify_log(folder: Folder) -> None:
    """Tell whether the audit log is as it was written.

    Also while a gateway runs. A line for each thing that is wrong, then a summary. Status 1 when
    something is.
    """
    from gateway.journal.journal import JournalError

    with _reader(folder) as reader:
        try:
            verification, findings = reader.verify()
        except JournalError as error:
            fail(str(error))
    for finding in findings:
        show(finding.text)
    found = f"not intact, {_many(len(findings), 'finding', 'findings')}" if findings else "intact"
    show(f"{found}: {_summary(verification)}")
    if findings:
        raise typer.Exit(1)


@audit.command("show")
def show_log(
    folder: Folder,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each entry, with all fields.")
    ] = False,
    last: Annotated[
        int | None, typer.Option(min=1, help="Only the newest so many; without it, all.")
    ] = None,
) -> None:
    """Show what operators did, the oldest first.

    Also while a gateway runs. An entry that is damaged or lost is shown as a gap.
    """
    from gateway.journal.journal import JournalError

    with _reader(folder) as reader:
        try:
            newest = reader.last_sequence()
            first = 1 if last is None else max(1, newest - last + 1)
            for item in reader.read(first, newest):
                show(_json(item) if as_json else _line(item))
        except JournalError as error:
            fail(str(error))


def _reader(folder: Path) -> AuditReader:
    from equipment.toml_source import ConfigurationError
    from gateway.config.bundle import journal_folder_of
    from gateway.journal.audit_reader import AuditReader
    from gateway.journal.journal import JournalError

    try:
        return AuditReader.open(journal_folder_of(folder))
    except (ConfigurationError, JournalError) as error:
        fail(str(error))


def _summary(seen: Verification) -> str:
    parts = [_many(seen.entries, "entry", "entries")]
    if seen.oldest and seen.newest:
        parts.append(f"{iso(seen.oldest.t_ns)} to {iso(seen.newest.t_ns)}")
    if seen.head:
        parts.append(f"head {seen.head.sequence} {seen.head.digest.hex()}")
    return ", ".join(parts)


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _line(item: AuditEntry | Gap) -> str:
    from gateway.journal.gaps import Gap

    if isinstance(item, Gap):
        return f"-- {item.first_sequence} to {item.last_sequence}: {item.reason}"
    detail = (f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in _sorted(item))
    parts = (item.operator, item.act, item.subject, item.outcome, *detail)
    return "  ".join([str(item.sequence), iso(item.t_ns), *(plain(part) or "-" for part in parts)])


def _json(item: AuditEntry | Gap) -> str:
    from gateway.journal.gaps import Gap

    row: dict[str, Any]
    if isinstance(item, Gap):
        row = {
            "kind": "gap",
            "first_sequence": item.first_sequence,
            "last_sequence": item.last_sequence,
            "reason": item.reason,
        }
    else:
        row = {
            "kind": "entry",
            "sequence": item.sequence,
            "time": iso(item.t_ns),
            "t_ns": item.t_ns,
            "operator": item.operator,
            "act": item.act,
            "request_id": item.request_id,
            "subject": item.subject,
            "detail": dict(_sorted(item)),
            "outcome": item.outcome,
        }
    return json.dumps(row, ensure_ascii=False)


def _sorted(entry: AuditEntry) -> list[tuple[str, str]]:
    return sorted(entry.detail.items())
