"""`machines.toml`: where machines are, and the fences that move with them. Optional."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from equipment.machine import Condition, Cutter, FenceShape, MachineKind
from equipment.strict import Strict
from equipment.toml_source import Mistake, suggest
from gateway.config.devices import Devices, DeviceSetup
from gateway.config.listed import Listed, read_listed
from gateway.config.people import PEOPLE_FILE, CardKind, Roster
from gateway.config.section import Plain, Section
from positioning.mine_map import MAP_FILE, MineMap

MACHINES_FILE: Final = "machines.toml"

#: More than the largest mine has.
MACHINES_MAX: Final = 1_000

#: Begins with a letter, so that it is never taken for a card.
MachineId = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]*$", max_length=64)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]
_CardId = Annotated[str, Field(pattern=r"^[0-9]{9,18}$")]
_Degrees = Annotated[float, Field(ge=-360, le=360)]
_Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
_Sigma = Annotated[float, Field(gt=0, le=20)]


class Along(Section):
    """`[machine.along]`: a value of a device says where along a roadway the machine is."""

    #: None: the machine's own.
    device: _Name | None = None
    #: None: what the profile of the machine's device says.
    point: _Name | None = None
    roadway: _Name
    #: The end of the centreline, as it is drawn, from which the value counts.
    count_from: Literal["start", "end"] = "start"
    #: Added to the value, metres.
    offset_m: Annotated[float, Field(ge=-1e5, le=1e5)] = 0.0
    #: Whether it looks towards the end from which the value counts.
    reversed: bool = False
    #: How far off the value may be, metres (one sigma).
    sigma_m: _Sigma = 1.0


class OnCards(Section):
    """`[machine.cards]`: one or two cards are mounted on the machine."""

    front: _CardId
    rear: _CardId | None = None
    #: With one card: whether it looks against the direction in which its roadway is drawn.
    reversed: bool = False
    #: With one card: where it looks outside of roadways, anticlockwise from the x axis.
    heading_deg: _Degrees = 0.0

    @model_validator(mode="after")
    def _two_cards(self) -> Self:
        if self.front == self.rear:
            msg = "front and rear are the same card"
            raise ValueError(msg)
        return self


class Fixed(Section):
    """`[machine.fixed]`: the machine is set up at a place."""

    x_m: _Coordinate
    y_m: _Coordinate
    #: Of the floor; absent: not known.
    z_m: _Coordinate | None = None
    heading_deg: _Degrees = 0.0
    sigma_m: _Sigma = 0.5


class Active(Section, Condition):
    """`[machine.active]`: the fence stands while a value says so."""

    #: None: the machine's own.
    device: _Name | None = None
    point: _Name


class Machine(Section):
    """A `[[machine]]`: exactly one of `along`, `cards` and `fixed` says where it is.

    What it does not say and the profile of its `device` does, it has from there.
    """

    id: MachineId
    #: Shown to operators.
    name: Annotated[Plain, Field(max_length=64)]
    #: Whose profile says what is not said here.
    device: _Name | None = None
    kind: Annotated[MachineKind, Field(strict=False)] | None = None
    along: Along | None = None
    cards: OnCards | None = None
    fixed: Fixed | None = None
    fence: FenceShape | None = None
    active: Active | None = None
    cutter: Cutter | None = None
    #: A place or a value that is older than this is believed no more, seconds.
    stale_s: Annotated[float, Field(ge=1, le=3600)] = 5.0
    #: Cards, and teams of people.csv, that may be in the fence.
    crew: Annotated[tuple[Plain, ...], Field(strict=False, max_length=200)] = ()

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if sum(one is not None for one in (self.along, self.cards, self.fixed)) != 1:
            msg = "give exactly one of along, cards and fixed"
            raise ValueError(msg)
        return self


class MachinesFile(Strict):
    """All of `machines.toml`."""

    machine: Annotated[tuple[Machine, ...], Field(max_length=MACHINES_MAX)] = ()


Machines = Listed[Machine]
#: Of a mistake: the keys below the machine, what is wrong and what would do.
_Problem = tuple[tuple[str, ...], str, str]


def read_machines(folder: Path) -> Machines:
    """The machines of a mine's folder, with everything that is wrong with them."""
    return read_listed(folder, MACHINES_FILE, "machine", Machine, MachinesFile)


def machine_mistakes(
    machines: Machines, devices: Devices, roster: Roster, mine_map: MineMap | None
) -> Iterator[Mistake]:
    """Devices, points, roadways, cards and teams that machines name and that there are not."""
    if machines.source is None:
        return
    setups = {setup.device.id: setup for setup in devices.setups.values()}
    mounted: dict[str, str] = {}
    for position, machine in machines.items.items():
        problems = [
            *_device_problems(machine, setups, whole=not devices.mistakes),
            *(_card_problems(machine, roster, mounted) if not roster.mistakes else ()),
            *(_map_problems(machine, mine_map) if mine_map is not None else ()),
        ]
        for keys, problem, remedy in problems:
            yield machines.source.mistake(("machine", position, *keys), problem, remedy)


def _device_problems(
    machine: Machine, setups: dict[str, DeviceSetup], *, whole: bool
) -> Iterator[_Problem]:
    """`whole`: all devices could be read; else one may be there that is not among them."""
    for table, source in (("along", machine.along), ("active", machine.active)):
        if source is None or source.device is None or source.point is None:
            continue  # told where machines are filled up
        setup = setups.get(source.device)
        if setup is None:
            if whole:
                remedy = suggest(source.device, sorted(setups)) or "write it into devices.toml"
                problem = f"there is no device {source.device!r} in devices.toml"
                yield (table, "device"), problem, remedy
            continue
        points = {one.name: one for one in setup.profile.point}
        if source.point not in points:
            problem = f"{source.device} has no point {source.point!r}"
            yield (table, "point"), problem, suggest(source.point, sorted(points))
            continue
        needs_number = isinstance(source, Along) or source.is_of_numbers
        if needs_number and not points[source.point].is_number:
            problem = f"{source.point} is no number"
            remedy = (
                "use equals or unlike"
                if isinstance(source, Active)
                else "name one that is, in metres"
            )
            yield (table, "point"), problem, remedy


def _card_problems(machine: Machine, roster: Roster, mounted: dict[str, str]) -> Iterator[_Problem]:
    kinds = {person.card: person.kind for person in roster.people}
    if machine.cards is not None:
        for key, card in (("front", machine.cards.front), ("rear", machine.cards.rear)):
            if card is None:
                continue
            if kinds.get(card, CardKind.PERSON) is CardKind.PERSON:
                who = "a person's" if card in kinds else "not there"
                problem = f"the card {card} is {who} in {PEOPLE_FILE}"
                yield ("cards", key), problem, "write it there with kind vehicle or robot"
            other = mounted.setdefault(card, machine.id)
            if other != machine.id:
                yield ("cards", key), f"the card {card} is mounted on {other} already", ""
    teams = {person.team for person in roster.people if person.team}
    for name in machine.crew:
        if name not in teams and name not in kinds:
            problem = f"{name!r} is neither a card nor a team of {PEOPLE_FILE}"
            yield ("crew",), problem, suggest(name, sorted(teams))


def _map_problems(machine: Machine, mine_map: MineMap) -> Iterator[_Problem]:
    roadways: Sequence[str] = [roadway.id for roadway in mine_map.roadways]
    if machine.along is not None and machine.along.roadway not in roadways:
        problem = f"there is no roadway {machine.along.roadway!r} in {MAP_FILE}"
        remedy = suggest(machine.along.roadway, roadways) or "draw its face as a roadway"
        yield ("along", "roadway"), problem, remedy
    banded = any(zone.z_band_m for zone in mine_map.zones if zone.kind.value == "licence")
    if machine.cutter and banded and machine.fixed and machine.fixed.z_m is None:
        problem = "the licence has heights, and that of the machine is not said"
        yield ("fixed",), problem, "give z_m, the height of the floor"
