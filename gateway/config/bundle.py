"""One folder a mine: all of its files, checked, as one bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from equipment.toml_source import (
    ConfigurationError,
    Mistake,
    TomlSource,
    mistakes_of,
    parse_toml,
)
from gateway.config.defaults import fill_machines, profile_limits
from gateway.config.devices import DeviceSetup, read_devices
from gateway.config.files import noting_texts, read_text
from gateway.config.grpc import access_mistakes
from gateway.config.limits import Limit, limit_mistakes, read_limits
from gateway.config.machines import Machine, machine_mistakes, read_machines
from gateway.config.people import Person, read_roster
from gateway.config.places import note_misplaced, read_map
from gateway.config.references import permit_mistakes, route_mistakes, stop_mistakes
from gateway.config.risks import RiskPoint, read_risk_points, risk_point_mistakes
from gateway.config.routes import Route, read_routes
from gateway.config.schema import MINE_FILE, MineSettings
from gateway.config.shifts import shift_mistakes
from positioning.mine_map import MineMap

__all__ = ["Bundle", "DeviceSetup", "Limit", "MineSettings", "Person", "Route", "load"]

#: Letters of a digest that are shown: no two of a mine's configurations will share them.
DIGEST_SHOWN: Final = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bundle:
    """The configuration of one mine; all its parts are in the order of their files.

    Machines have what their profiles say of them; limits of profiles come after the mine's own.
    """

    folder: Path
    settings: MineSettings
    map: MineMap
    people: tuple[Person, ...]
    devices: tuple[DeviceSetup, ...]
    routes: tuple[Route, ...] = ()
    limits: tuple[Limit, ...] = ()
    risk_points: tuple[RiskPoint, ...] = ()
    #: What was read, by the name of the file; of files of devices' options their SHA-256.
    texts: Mapping[str, str] = field(default_factory=dict)
    #: The port for clients where it is not that of `mine.toml`.
    given_port: int | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all files that were read, hexadecimal: the same for the same content.

        Line ends and byte order marks do not count.
        """
        digest = hashlib.sha256()
        for name in sorted(self.texts):
            for part in (name, self.texts[name]):
                raw = part.encode()
                digest.update(len(raw).to_bytes(8, "big") + raw)
        return digest.hexdigest()

    @property
    def label(self) -> str:
        """What this configuration is called: its version, if it has one, and its digest's begin."""
        version, short = self.settings.mine.version, self.digest[:DIGEST_SHOWN]
        return f"{version} ({short})" if version else short

    machines: tuple[Machine, ...] = ()

    @property
    def timezone(self) -> ZoneInfo:
        """Of the times of shifts and routes."""
        return ZoneInfo(self.settings.mine.timezone)

    @property
    def journal_folder(self) -> Path:
        """Where events are kept."""
        return self.folder / self.settings.journal.folder

    def with_grpc_port(self, port: int) -> Bundle:
        """The same with another port for clients; 0 takes a free one."""
        grpc = self.settings.grpc.model_copy(update={"port": port})
        settings = self.settings.model_copy(update={"grpc": grpc})
        return replace(self, settings=settings, given_port=port)


def load(folder: Path) -> Bundle:
    """The configuration of the mine in `folder`.

    Raises:
        ConfigurationError: it has mistakes; those of all its files are told, by file and line.
    """
    _check_folder(folder)
    with noting_texts() as texts:
        bundle = _load(folder)
    texts |= _option_files(bundle.devices)
    return replace(bundle, texts=texts)


def _load(folder: Path) -> Bundle:
    mistakes: list[Mistake] = []
    mine = _part(mistakes, lambda: _read_mine(folder))
    settings = mine[0] if mine else None
    if mine:
        mistakes += access_mistakes(mine[0].grpc, folder, mine[1])
    roster = read_roster(folder)
    routes = read_routes(folder)
    limits = read_limits(folder)
    risk_points = read_risk_points(folder)
    machines = read_machines(folder)
    mine_map = _part(mistakes, lambda: read_map(folder))
    devices = read_devices(folder)
    if mine_map is not None:
        note_misplaced(devices, mine_map)
        mistakes += permit_mistakes(roster, mine_map)
        mistakes += stop_mistakes(routes, mine_map)
    mistakes += route_mistakes(roster, routes)
    mistakes += limit_mistakes(limits, devices, mine_map)
    mistakes += fill_machines(machines, devices)
    mistakes += machine_mistakes(machines, devices, roster, mine_map)
    mistakes += risk_point_mistakes(risk_points, devices, mine_map)
    mistakes += [*roster.mistakes, *routes.mistakes, *limits.mistakes, *devices.mistakes]
    mistakes += [*risk_points.mistakes, *machines.mistakes]
    if settings is None or mine_map is None or mistakes:
        raise ConfigurationError(mistakes)
    setups = tuple(devices.setups.values())
    return Bundle(
        folder,
        settings,
        mine_map,
        tuple(roster.people),
        setups,
        routes=tuple(routes.items.values()),
        limits=(*limits.items.values(), *profile_limits(limits, devices)),
        machines=tuple(machines.items.values()),
        risk_points=tuple(risk_points.items.values()),
    )


def _option_files(setups: Iterable[DeviceSetup]) -> dict[str, str]:
    """The SHA-256 of each file that a device's options name; one that can't be read has none."""
    found = {}
    for setup in setups:
        for key, path in setup.options:
            if isinstance(path, Path):
                try:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                except OSError:
                    digest = ""
                found[f"{setup.device.id}: {key}"] = digest
    return found


def journal_folder_of(folder: Path) -> Path:
    """Where the mine in `folder` keeps its events; of its files only `mine.toml` is read.

    Raises:
        ConfigurationError: that file has mistakes.
    """
    return folder / read_settings(folder).journal.folder


def timezone_of(folder: Path) -> str:
    """The time zone of the mine in `folder`; of its files only `mine.toml` is read.

    Raises:
        ConfigurationError: that file has mistakes.
    """
    return read_settings(folder).mine.timezone


def grpc_address_of(folder: Path) -> str:
    """Where the gateway of the mine in `folder` is reached; of its files only `mine.toml` is read.

    One that listens on all addresses is reached on this machine's own.

    Raises:
        ConfigurationError: that file has mistakes.
    """
    grpc = read_settings(folder).grpc
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(grpc.address, grpc.address)  # noqa: S104  # not listened on
    return f"[{host}]:{grpc.port}" if ":" in host else f"{host}:{grpc.port}"


def _check_folder(folder: Path) -> None:
    try:
        if folder.is_dir():
            return
        problem = "is not a folder" if folder.exists() else "there is no such folder"
    except OSError as error:
        problem = f"can't be read: {error.strerror}"
    remedy = "`lamproom init DIR` writes a folder with all files"
    raise ConfigurationError([Mistake(str(folder), 0, "", problem, remedy)])


def _part(mistakes: list[Mistake], read: Callable[[], T]) -> T | None:
    """What `read` gives, None where it has mistakes, which are noted."""
    try:
        return read()
    except ConfigurationError as error:
        mistakes += error.mistakes
        return None


def read_settings(folder: Path) -> MineSettings:
    """What `mine.toml` says; whether its files of certificates are there is not looked at.

    Raises:
        ConfigurationError: it has mistakes.
    """
    _check_folder(folder)
    return _read_mine(folder)[0]


def _read_mine(folder: Path) -> tuple[MineSettings, TomlSource]:
    source = parse_toml(read_text(folder, MINE_FILE), MINE_FILE)
    try:
        settings = MineSettings.model_validate(source.data)
    except ValidationError as error:
        raise ConfigurationError(mistakes_of(error, source, MineSettings)) from None
    mistakes = list(shift_mistakes(settings.shift, source))
    if mistakes:
        raise ConfigurationError(mistakes)
    return settings, source
