"""What the services need to know of a mine's configuration: a part of the bundle."""

from __future__ import annotations

from typing import Protocol

from equipment.device import Device
from equipment.profile import Profile
from positioning.mine_map import MineMap


class MineSettings(Protocol):
    """Which mine it is."""

    @property
    def code(self) -> str:
        """The mine's code."""

    @property
    def name(self) -> str:
        """The mine's name."""


class GrpcSettings(Protocol):
    """Where the services listen."""

    @property
    def address(self) -> str:
        """An IP address or host name."""

    @property
    def port(self) -> int:
        """A TCP port; 0 takes a free one."""


class PositionSettings(Protocol):
    """How positions are streamed."""

    @property
    def frame_interval_ms(self) -> int:
        """The shortest time between two frames."""


class Settings(Protocol):
    """The parts of `mine.toml` that concern the services."""

    @property
    def mine(self) -> MineSettings:
        """Which mine it is."""

    @property
    def grpc(self) -> GrpcSettings:
        """Where the services listen."""

    @property
    def positions(self) -> PositionSettings:
        """How positions are streamed."""


class Person(Protocol):
    """Someone on the roster."""

    @property
    def card(self) -> str:
        """The number of the card."""

    @property
    def name(self) -> str:
        """The person's name."""

    @property
    def job(self) -> str:
        """What the person does."""

    @property
    def team(self) -> str:
        """With whom the person works."""


class DeviceSetup(Protocol):
    """A device of `devices.toml`."""

    @property
    def device(self) -> Device:
        """Id, profile's name and name."""

    @property
    def profile(self) -> Profile:
        """Its profile, with the units of its points."""


class Site(Protocol):
    """One mine, as configured."""

    @property
    def settings(self) -> Settings:
        """`mine.toml`."""

    @property
    def map(self) -> MineMap:
        """`map.geojson`."""

    @property
    def people(self) -> tuple[Person, ...]:
        """`people.csv`."""

    @property
    def devices(self) -> tuple[DeviceSetup, ...]:
        """`devices.toml`."""
