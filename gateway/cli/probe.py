"""`lamproom probe`: what a device gives, before there is a profile of it. Only ever reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.cli.fail import fail
from gateway.cli.options import checked
from gateway.cli.show import show

if TYPE_CHECKING:
    from equipment.modbus_profile import Table
    from protocols.modbus.options import ModbusOptions
    from protocols.modbus.refusal import Refused
    from protocols.modbus.survey import Survey

probe = typer.Typer(
    help="Show what a device gives, before there is a profile of it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@probe.callback()
def _probe() -> None:
    """Show what a device gives, before there is a profile of it."""


@probe.command("modbus")
def modbus(
    host: Annotated[
        str | None, typer.Argument(metavar="[HOST]", help="Where it is; none with --serial.")
    ] = None,
    *,
    unit: Annotated[int, typer.Option(help="Its unit number.")] = 1,
    first: Annotated[
        int,
        typer.Option("--from", min=0, max=65535, help="The first address, from 0 as on the wire."),
    ] = 0,
    count: Annotated[int, typer.Option(min=1, max=2000, help="How many addresses.")] = 20,
    table: Annotated[
        Literal["coil", "discrete", "holding", "input"], typer.Option(help="Which table.")
    ] = "holding",
    port: Annotated[int | None, typer.Option(help="The TCP port.  [default: 502]")] = None,
    rtu: Annotated[
        bool, typer.Option("--rtu", help="HOST passes on the frames of a serial line.")
    ] = False,
    serial: Annotated[
        str | None, typer.Option(metavar="PORT", help="A serial port instead of HOST.")
    ] = None,
    baud: Annotated[int | None, typer.Option(help="[default: 19200]")] = None,
    parity: Annotated[
        Literal["none", "even", "odd"] | None, typer.Option(help="[default: even]")
    ] = None,
    stop_bits: Annotated[int | None, typer.Option(help="1 or 2.  [default: 1]")] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", help="How long each answer may take.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show registers under every type and word order.

    Reads only, as much at once as the device gives. Floats that are implausible are left out: all
    but 0 and sizes from 1e-6 to 1e10. Status 1 when nothing could be read.
    """
    from equipment.modbus_profile import Table
    from protocols.modbus.options import ModbusOptions

    if first + count > 65536:
        fail(f"--count: addresses end at 65535, {65536 - first} are left from {first} on")
    options = checked(
        ModbusOptions,
        {"host": "HOST", "timeout_s": "--timeout"},
        transport=_transport(serial, rtu=rtu),
        host=host,
        port=port,
        serial=serial,
        baud=baud,
        parity=parity,
        stop_bits=stop_bits,
        unit=unit,
        timeout_s=timeout,
    )
    kind = Table(table)
    found = _surveyed(options, kind, first, count)
    show(_json(options, kind, found) if as_json else "\n".join(_text(options, kind, found)))
    if not found.values:
        raise typer.Exit(1)


def _transport(serial: str | None, *, rtu: bool) -> str:
    if rtu and serial is not None:
        fail("--rtu is for HOST: on a serial port frames are always such")
    if serial is not None:
        return "rtu"
    return "rtu_over_tcp" if rtu else "tcp"


def _surveyed(options: ModbusOptions, table: Table, first: int, count: int) -> Survey:
    from protocols.driver import DeviceError
    from protocols.modbus.line import OwnLine
    from protocols.modbus.survey import survey

    async def run() -> Survey:
        line = OwnLine(options.describe(), options.endpoint, options.unit, options.timeout_s)
        try:
            await line.connect()
            steps = survey(table, first, count)
            read = next(steps)
            while True:
                answer = await line.read(read)
                try:
                    read = steps.send(answer)
                except StopIteration as stop:
                    found: Survey = stop.value
                    return found
        finally:
            line.close()

    try:
        return asyncio.run(run())
    except DeviceError as error:
        fail(str(error))


def _text(options: ModbusOptions, table: Table, found: Survey) -> Iterable[str]:
    from protocols.modbus.plan import BIT_TABLES
    from protocols.modbus.survey import texts

    yield f"{options.describe()}, {table.value}"
    if table in BIT_TABLES:
        yield from _aligned(
            [("address", "bit"), *((str(a), str(b)) for a, b in found.values.items())]
        )
    elif found.values:
        rows: list[tuple[str, ...]] = [("address", "hex", "uint16", "int16", "bits", "letters")]
        rows += [(str(one["address"]), *_words(one)) for one in _registers(found)]
        yield from _aligned(rows)
        for width in (2, 4):
            yield from _wide(found, width)
        for address, text in texts(found.values):
            yield f"\ntext from {address}: {json.dumps(text)}"
    for refused in found.refusals:
        yield f"\n{refused}"


def _registers(found: Survey) -> Iterable[dict[str, Any]]:
    from protocols.modbus.survey import letters, meanings

    rows: dict[int, dict[str, Any]] = {
        address: {
            "address": address,
            "hex": f"{value:04x}",
            "bits": f"{value:016b}",
            "letters": letters(value),
        }
        for address, value in sorted(found.values.items())
    }
    for one in meanings(found.values):
        single = one.type in ("uint16", "int16")
        rows[one.address][one.type] = one.big if single else {"big": one.big, "little": one.little}
    return rows.values()


def _words(row: dict[str, Any]) -> tuple[str, ...]:
    bits = row["bits"]
    fours = " ".join(bits[at : at + 4] for at in range(0, 16, 4))
    return row["hex"], str(row["uint16"]), str(row["int16"]), fours, row["letters"]


def _wide(found: Survey, width: int) -> Iterable[str]:
    """The types of so many registers, from each address that has them."""
    from protocols.modbus.survey import TYPES, meanings

    by_address: dict[int, list[str]] = {}
    for one in meanings(found.values):
        if one.type in TYPES[width]:
            both = (_number(one.big), _number(one.little))
            by_address.setdefault(one.address, []).extend(both)
    if not by_address:
        return
    orders = (f"{name} {order}" for name in TYPES[width] for order in ("big", "little"))
    yield f"\n{width} registers from each address, by word order"
    yield from _aligned(
        [["address", *orders], *([str(address), *row] for address, row in by_address.items())]
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return format(value, ".9g") if isinstance(value, float) else str(value)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def _json(options: ModbusOptions, table: Table, found: Survey) -> str:
    from protocols.modbus.plan import BIT_TABLES

    answer = {
        "device": options.describe(),
        "table": table.value,
        "refused": [_refusal(one) for one in found.refusals],
    }
    if table in BIT_TABLES:
        answer["bits"] = [{"address": at, "bit": bit} for at, bit in sorted(found.values.items())]
    else:
        from protocols.modbus.survey import texts

        answer["registers"] = list(_registers(found))
        answer["texts"] = [{"address": at, "text": text} for at, text in texts(found.values)]
    return json.dumps(answer, ensure_ascii=False, allow_nan=False)


def _refusal(refused: Refused) -> dict[str, Any]:
    read = refused.read
    return {
        "from": read.address,
        "to": read.address + read.count - 1,
        "exception": refused.code,
        "reason": str(refused),
    }
