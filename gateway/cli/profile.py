"""`lamproom profile`: the profiles there are, what is in one, is one right, a new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.fail import fail
from gateway.cli.folder import end_with
from gateway.cli.show import show

if TYPE_CHECKING:
    from equipment.profile import Profile
    from equipment.toml_source import Mistake

profile = typer.Typer(
    help="List, show and check profiles of devices, or begin a new one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_PROFILES: Final = "profiles"

Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="DIR", help="A mine's folder: its own profiles too."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@profile.command("list")
def list_profiles(folder: Folder = None, as_json: AsJson = False) -> None:
    """List the profiles that come along, and those of a mine.

    A mine's own profile stands before one of the same id that comes along.
    """
    from gateway.cli.profile_tables import print_list, row_of

    own = _own_ids(folder)
    profiles = _all(folder)
    if as_json:
        rows = [row_of(one, own=one.id in own) for one in profiles]
        typer.echo(json.dumps({"profiles": rows}, ensure_ascii=False))
        return
    print_list(profiles, own)


@profile.command("show")
def show_profile(
    profile_id: Annotated[str, typer.Argument(metavar="ID", help="The profile's id.")],
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Show what a profile holds.

    Its points with units, ranges, states and limits, and what goes with a machine of its type.
    """
    from gateway.cli.profile_tables import details_of, print_profile

    found = _load(profile_id, folder)
    if as_json:
        typer.echo(json.dumps(details_of(found), ensure_ascii=False))
        return
    print_profile(found)


@profile.command("check")
def check_profiles(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of profiles.")],
) -> None:
    """Tell every mistake in files of profiles.

    Each with file, line, key and what would do. Status 1 when there is one.
    """
    from gateway.cli.profile_tables import in_one_line

    mistakes: list[Mistake] = []
    for file in files:
        found = _parsed(file, mistakes)
        if found is not None:
            show(f"{file}: {in_one_line(found)}")
    if mistakes:
        end_with(sorted(mistakes))


@profile.command("new")
def new_profile(
    profile_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the new profile.")],
    like: Annotated[
        str | None, typer.Option(metavar="OTHER", help="Begin from this profile.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="PROTOCOL", help="Begin from a short example: modbus, opcua, ..."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="DIR",
            help="A mine's folder: write into its profiles; else here.",
        ),
    ] = None,
) -> None:
    """Write a file to begin a profile from.

    It is as it must be: change it bit by bit, and check it.
    """
    from equipment.toml_source import suggest
    from gateway.cli.profile_new import TEMPLATES, begun_from, is_id

    if (like is None) == (protocol is None):
        fail(f"give either --like OTHER or --protocol, one of: {', '.join(TEMPLATES)}")
    if not is_id(profile_id):
        fail(f"{profile_id!r} is no id: small letters, digits and _, a letter first, at most 64")
    if like is not None:
        text = begun_from(like, _text_of(like, folder), profile_id)
    elif protocol in TEMPLATES:
        text = TEMPLATES[protocol].replace("ID", profile_id)
    else:
        fail(f"there is no example for {protocol!r} ({suggest(str(protocol), TEMPLATES)})")
    path = _write(profile_id, text, folder)
    typer.echo(f"wrote {path}: lamproom profile check {path}")


def _write(profile_id: str, text: str, folder: Path | None) -> Path:
    """Writes a file that was not there before."""
    if folder is not None and not folder.is_dir():
        fail(f"{folder} is no folder")
    path = (folder / _PROFILES if folder else Path()) / f"{profile_id}.toml"
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        fail(f"{path} is there already: choose another id, or move it away")
    except OSError as error:
        fail(f"{path} can't be written: {error.strerror}")
    return path


def _own_ids(folder: Path | None) -> set[str]:
    if folder is None:
        return set()
    if not folder.is_dir():
        fail(f"{folder} is no folder")
    return {path.stem for path in (folder / _PROFILES).glob("*.toml")}


def _all(folder: Path | None) -> list[Profile]:
    """All profiles by id; where a mine's own have mistakes these are told."""
    from equipment import catalogue

    mistakes: list[Mistake] = []
    found = {name: catalogue.load(name) for name in catalogue.shipped()}
    for name in sorted(_own_ids(folder)):
        assert folder is not None
        own = _parsed(folder / _PROFILES / f"{name}.toml", mistakes)
        if own is not None:
            found[name] = own
    if mistakes:
        end_with(sorted(mistakes))
    return [found[name] for name in sorted(found)]


def _load(profile_id: str, folder: Path | None) -> Profile:
    if profile_id not in _own_ids(folder):
        from equipment import catalogue

        _text_of(profile_id, folder)
        return catalogue.load(profile_id)
    assert folder is not None
    mistakes: list[Mistake] = []
    found = _parsed(folder / _PROFILES / f"{profile_id}.toml", mistakes)
    if found is None:
        end_with(mistakes)
    return found


def _text_of(profile_id: str, folder: Path | None) -> str:
    """The file of a profile; ends the command where there is none."""
    from equipment import catalogue
    from equipment.toml_source import suggest

    own = [folder / _PROFILES] if folder and _own_ids(folder) else []
    files = catalogue.available(own)
    if profile_id not in files:
        fail(f"there is no profile {profile_id!r} ({suggest(profile_id, files)})")
    try:
        return files[profile_id].read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{files[profile_id]} can't be read: {error}")


def _parsed(file: Path, mistakes: list[Mistake]) -> Profile | None:
    """The profile of a file; None where it has mistakes, which are noted with the file's path."""
    from dataclasses import replace

    from equipment import catalogue
    from equipment.toml_source import ConfigurationError, Mistake
    from gateway.config.files import read_text

    if not file.is_file():
        mistakes.append(Mistake(str(file), 0, "", "there is no such file"))
        return None
    try:
        return catalogue.parse_profile(read_text(file.parent, file.name), file.name)
    except ConfigurationError as error:
        mistakes += [replace(one, file=str(file)) for one in error.mistakes]
        return None
