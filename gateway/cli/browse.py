"""`lamproom browse`: what a server has, and the lines of a profile for it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from gateway.cli.fail import fail
from gateway.cli.options import checked
from gateway.cli.show import plain, show

if TYPE_CHECKING:
    from protocols.opcua.options import OpcUaOptions
    from protocols.opcua.tree import Found, Tree

#: Letters of a value that are shown.
_VALUE_LETTERS: Final = 60

browse = typer.Typer(
    help="Show what a server has, as a profile names it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@browse.callback()
def _only_groups() -> None:
    """Show what a server has, as a profile names it."""


@browse.command("opcua")
def opcua(
    url: Annotated[str, typer.Argument(metavar="URL", help="Such as opc.tcp://10.0.0.5:4840.")],
    *,
    root: Annotated[
        str, typer.Option(help="Begin at this browse path from Objects: prefix:Name/prefix:Name.")
    ] = "",
    depth: Annotated[int, typer.Option(min=1, help="How many levels deep.")] = 12,
    most: Annotated[int, typer.Option(min=1, help="How many nodes at most.")] = 5000,
    search: Annotated[
        str, typer.Option(metavar="TEXT", help="Only what has this in its path.")
    ] = "",
    profile: Annotated[
        bool, typer.Option("--profile", help="Write the lines of a profile instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    user: Annotated[str, typer.Option(help="Who asks.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds the user's password.")
    ] = None,
    security: Annotated[
        Literal["none", "basic256sha256", "aes128", "aes256"],
        typer.Option(help="Anything but none signs and encrypts."),
    ] = "none",
    certificate_folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the own certificate is kept.")
    ] = None,
) -> None:
    """Show the objects and variables of an OPC UA server.

    With their browse paths, as a profile names them, and their values. It only browses and reads.
    With --profile it writes [namespaces] and a [[point]] for each variable that is one number,
    text or flag; meanings are for you to write.
    """
    from protocols.driver import DeviceError
    from protocols.opcua.options import OpcUaOptions

    options = checked(
        OpcUaOptions,
        {"url": "URL"},
        url=url,
        root=root or "Objects",
        user=user or None,
        password_file=password_file and password_file.absolute(),
        security=security,
        certificate_folder=certificate_folder and certificate_folder.absolute(),
    )
    try:
        tree, prefixes = asyncio.run(_tree(options, root, depth, most))
    except DeviceError as error:
        fail(f"{url}: {error}")
    found = [one for one in tree.found if search.lower() in _path_text(one).lower()]
    if as_json:
        shown = {"namespaces": prefixes, "nodes": [_row(one) for one in found], "cut": tree.is_cut}
        typer.echo(json.dumps(shown, ensure_ascii=False, allow_nan=False))
    elif profile:
        show(_profile_lines(found, prefixes))
    else:
        _show_tree(found, prefixes)
    if tree.is_cut:
        typer.echo(f"there is more than {most} nodes: say --root or --most", err=True)


async def _tree(
    options: OpcUaOptions, root: str, depth: int, most: int
) -> tuple[Tree, dict[str, str]]:
    """What the server has, and the namespace of each prefix. Raises DeviceError."""
    from equipment.opcua_profile import split_path
    from protocols.driver import DeviceError
    from protocols.opcua import connection
    from protocols.opcua.browse import read_namespaces
    from protocols.opcua.driver import FAILURES
    from protocols.opcua.security import load_identity
    from protocols.opcua.tree import read_tree, short_prefixes

    client = connection.new_client(options)
    identity = None
    try:
        if options.security != "none":
            identity = await asyncio.to_thread(load_identity, options)
        await connection.connect(client, options, identity)
        namespaces = await read_namespaces(client)
        start = split_path(root) if root else ()
        tree = await read_tree(client, namespaces, start, depth=depth, most=most)
    except FAILURES as error:
        raise DeviceError(connection.explain(error, options, identity)) from error
    finally:
        await connection.close(client)
    used = {prefix for one in tree.found for prefix, _ in one.path} | {p for p, _ in start}
    prefixes = {prefix: uri for uri, prefix in short_prefixes(namespaces).items() if prefix in used}
    return tree, {prefix: uri for prefix, uri in prefixes.items() if prefix}


def _path_text(one: Found) -> str:
    return "/".join(f"{prefix}:{name}" if prefix else name for prefix, name in one.path)


def _value_of(one: Found) -> Any:
    """A variable's value as JSON has it; None where it has none."""
    if one.data is None or one.data.Value is None:
        return None
    value = one.data.Value.Value
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    return None if value is None else str(getattr(value, "Text", value))


def _row(one: Found) -> dict[str, Any]:
    kind = one.data.Value.VariantType.name if one.data and one.data.Value else ""
    return {
        "path": _path_text(one),
        "node": one.node.to_string(),
        "variable": one.is_variable,
        "type": kind,
        "value": _value_of(one),
        "status": one.data.StatusCode.name if one.data and one.data.StatusCode else "",
        "unit": one.unit,
        "range": one.range,
        "states": one.states,
    }


def _show_tree(found: list[Found], prefixes: dict[str, str]) -> None:
    for prefix, uri in prefixes.items():
        show(plain(f"{prefix} = {uri}"))
    for one in found:
        prefix, name = one.path[-1]
        text = "  " * (len(one.path) - 1) + (f"{prefix}:{name}" if prefix else name)
        if one.is_variable:
            row = _row(one)
            value = str(row["value"])
            value = value if len(value) <= _VALUE_LETTERS else f"{value[:_VALUE_LETTERS]}…"
            state = one.states.get(row["value"], "") if isinstance(row["value"], int) else ""
            status = "" if row["status"] in ("", "Good") else f"({row['status']})"
            parts = (text, f"{row['type']} =", value, one.unit, state, status)
            text = " ".join(part for part in parts if part)
        show(plain(text))


def _profile_lines(found: list[Found], prefixes: dict[str, str]) -> str:
    from protocols.opcua.values import point_type

    lines = ["[namespaces]", *(f"{prefix} = {_quoted(uri)}" for prefix, uri in prefixes.items())]
    names: set[str] = set()
    for one in found:
        kind = point_type(one.data)
        if not kind:
            continue
        words = one.path[-1][1]
        lines += [
            "",
            "[[point]]",
            f'name = "{_free_name(one, names)}"',
            f"meaning = {{ en = {_quoted(words)}, zh = {_quoted(words)} }}",
            f"path = {_quoted(_path_text(one))}",
        ]
        if kind != "number":
            lines.append(f'type = "{kind}"')
        elif one.states:
            states = (f'{n} = "{_snake(name)}"' for n, name in sorted(one.states.items()))
            lines.append(f"states = {{ {', '.join(states)} }}")
        else:
            lines += [f"unit = {_quoted(one.unit)}"] if one.unit else []
            lines += [f"range = [{one.range[0]}, {one.range[1]}]"] if one.range else []
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return json.dumps(plain(text), ensure_ascii=False)


def _snake(name: str) -> str:
    """`DrivingDirection` as `driving_direction`: what a profile takes as a name."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    word = "_".join(parts).lower()[:64]
    return word if re.match("[a-z]", word) else f"p_{word}".rstrip("_")


def _free_name(one: Found, taken: set[str]) -> str:
    """A name that no other point has: what it is in comes before, as far as that is needed."""
    name = ""
    for _, step in reversed(one.path):
        name = f"{_snake(step)}_{name}".rstrip("_")[:64]
        if name not in taken:
            break
    number, word = 2, name
    while name in taken:
        name, number = f"{word[:60]}_{number}", number + 1
    taken.add(name)
    return name
