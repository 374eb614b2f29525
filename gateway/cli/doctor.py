"""`lamproom doctor`: whether a mine's folder, this computer and every device are in order."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.folder import loaded
from gateway.cli.show import plain, show

if TYPE_CHECKING:
    from equipment.report import NoticeKind, RecordBatch, Sample
    from gateway.config.bundle import Bundle, DeviceSetup

#: Less room than this is told: events of some weeks.
_FREE_LEAST: Final = 1 << 30
#: A clock that is off by more is told.
_CLOCK_MOST_S: Final = 1.0
#: Points that are named where several are bad.
_NAMED_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing; not `good`: something is to be done about it."""

    what: str
    good: bool
    text: str


def doctor(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")],
    *,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long each device may take to give something.")
    ] = 10.0,
    devices: Annotated[
        bool, typer.Option("--devices/--no-devices", help="Whether devices are read at all.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look whether everything is in order before the gateway runs.

    The folder's files, room for the journal, the gRPC port; then each device is read by its own
    driver for a moment: whether it answers, which points are bad and why, and how far its clock is
    off. It only reads. Status 1 when something is to be done.
    """
    bundle = loaded(folder)
    found = [*_computer(bundle)]
    if devices:
        found += asyncio.run(_devices(bundle.devices, seconds))
    if as_json:
        rows = [{"what": one.what, "good": one.good, "text": one.text} for one in found]
        typer.echo(json.dumps({"findings": rows}, ensure_ascii=False))
    else:
        for one in found:
            show(plain(f"{'ok  ' if one.good else 'LOOK'}  {one.what}: {one.text}"))
    if not all(one.good for one in found):
        raise typer.Exit(1)


def _computer(bundle: Bundle) -> Iterator[Finding]:
    mine = bundle.settings.mine
    yield Finding("configuration", good=True, text=f"{mine.name} ({mine.code}) has no mistakes")
    yield _journal(bundle.journal_folder)
    grpc = bundle.settings.grpc
    yield _port(grpc.address, grpc.port)
    if grpc.secured and grpc.secured.token_port:
        yield _port(grpc.address, grpc.secured.token_port)
    yield from _security(bundle)


def _journal(folder: Path) -> Finding:
    there = folder
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK):
        return Finding("journal", good=False, text=f"{there} can't be written: change its rights")
    free = shutil.disk_usage(there).free
    text = f"{folder} has {free / (1 << 30):.1f} GiB free"
    if free < _FREE_LEAST:
        return Finding("journal", good=False, text=f"{text}: make room, or put it elsewhere")
    return Finding("journal", good=True, text=text)


def _port(host: str, port: int) -> Finding:
    from gateway.serve.server import ServeError, check_free

    try:
        check_free(host, port)
    except ServeError as error:
        text = f"{error}; if it is this mine's gateway, ask it with `lamproom devices`"
        return Finding("grpc", good=False, text=text)
    return Finding("grpc", good=True, text=f"{host} port {port} is free")


def _security(bundle: Bundle) -> Iterator[Finding]:
    from gateway.config.grpc import material_of
    from gateway.security.material import ending, now

    material, at = material_of(bundle.settings.grpc, bundle.folder), now()
    if material is None:
        return
    warnings = material.warnings(at)
    for text in warnings:
        yield Finding("certificates", good=False, text=text)
    if not warnings:
        text = f"the gateway's certificate {ending(material.ends, at)}"
        yield Finding("certificates", good=True, text=text)


@dataclass(slots=True)
class _Look:
    """The sink of one look at a device: keeps what it gives, and says when that is enough."""

    points: frozenset[str]
    is_reader: bool
    samples_of: dict[str, Sample] = field(default_factory=dict)
    record_count: int = 0
    answers_s: list[float] = field(default_factory=list)
    ahead_s: list[float] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    silence: str = ""
    was_heard: bool = False
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self) -> None:
        self.was_heard = True

    def alive(self, reason: str) -> None:
        self.silence = reason

    def gone(self, reason: str) -> None:
        self.silence = reason

    def answered(self, took_s: float, device_t_ns: int | None = None) -> None:
        self.answers_s.append(took_s)
        if device_t_ns is not None:
            self.ahead_s.append((device_t_ns - time.time_ns()) / 1e9 + took_s / 2)

    def clock(self, device_t_ns: int) -> None:
        self.ahead_s.append((device_t_ns - time.time_ns()) / 1e9)

    def samples(self, samples: Sequence[Sample], *, live: bool = True) -> None:
        self.was_heard |= live
        self.samples_of.update({sample.point: sample for sample in samples})
        self._look()

    def records(self, batch: RecordBatch) -> None:
        self.was_heard = True
        self.record_count += len(batch.columns["card"])
        if batch.device_t_ns is not None:
            self.ahead_s.append((batch.device_t_ns - time.time_ns()) / 1e9)
        self._look()

    def _look(self) -> None:
        has_records = self.record_count > 0 or not self.is_reader
        if has_records and self.samples_of.keys() >= self.points:
            self.enough.set()

    def notice(self, kind: NoticeKind, count: int, text: str) -> None:
        from equipment.report import NoticeKind

        del count
        # A ring that is full when it is first read loses some of it: that is no fault.
        if kind is not NoticeKind.DATA_LOST:
            self.notices.append(text)


async def _devices(setups: Sequence[DeviceSetup], seconds: float) -> list[Finding]:
    """All at once, as the gateway reads them; those on one line share it."""
    from protocols.driver import Pool

    pool = Pool()
    return list(await asyncio.gather(*(_device(setup, pool, seconds) for setup in setups)))


async def _device(setup: DeviceSetup, pool: Any, seconds: float) -> Finding:
    from equipment.profile import Kind
    from protocols.driver import DeviceError, Sharing

    name = setup.device.id
    is_reader = setup.profile.kind is not Kind.MACHINE
    options = setup.options.aside(is_reader=is_reader)
    if options is None:
        text = (
            "not read: a look would take records from the gateway, which tells `lamproom devices`"
        )
        return Finding(name, good=True, text=text)
    driver = setup.driver(name, setup.profile, options)
    if isinstance(driver, Sharing):
        driver.share(pool)
    look = _Look(frozenset(point.name for point in setup.profile.point), is_reader)
    session = asyncio.ensure_future(driver.session(look))
    enough = asyncio.ensure_future(look.enough.wait())
    await asyncio.wait({session, enough}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    failure = session.exception() if session.done() and not session.cancelled() else None
    for task in (session, enough):
        task.cancel()
    await asyncio.gather(session, enough, return_exceptions=True)
    if failure is not None and not isinstance(failure, DeviceError):
        return Finding(name, good=False, text=f"{driver.describe()}: unexpected {failure!r}")
    if failure is not None:
        return Finding(name, good=False, text=str(failure))
    return _of_look(name, driver.describe(), look, seconds)


def _of_look(name: str, address: str, look: _Look, seconds: float) -> Finding:
    from equipment.report import Quality

    if not look.was_heard:
        why = look.silence or "check the device and the network"
        return Finding(name, good=False, text=f"{address} gave nothing in {seconds:g} s: {why}")
    bad = [one for one in look.samples_of.values() if one.quality is Quality.BAD]
    parts = [f"{len(look.samples_of) - len(bad)} of {len(look.points)} points good"]
    if look.is_reader:
        parts.append(f"{look.record_count} records")
    if look.answers_s:
        parts.append(f"answers in {1000 * sum(look.answers_s) / len(look.answers_s):.1f} ms")
    off_s = max(look.ahead_s, default=0.0)
    if look.ahead_s:
        parts.append(f"its clock is {off_s:+.1f} s off")
    wrong = [f"{one.point}: {one.reason}" for one in bad[:_NAMED_MOST]]
    wrong += ["..."] if len(bad) > _NAMED_MOST else []
    wrong += look.notices[:_NAMED_MOST]
    text = f"{address}: {', '.join(parts)}" + "".join(f"; {one}" for one in wrong)
    return Finding(name, good=not wrong and abs(off_s) <= _CLOCK_MOST_S, text=text)
