"""Puts the machines of a mine together: each by its profile, and those of one place to one another.

A place is a face, a heading or a pump room: its machines are those whose ids end alike after the
last `_`, or that name the same `place` in the scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeVar

from equipment.device import DEVICES_FILE
from equipment.toml_source import suggest
from hil_sim.folder import ModbusDevice, MqttDevice, OpcUaDevice, SimulationError
from hil_sim.machines.advance_support import AdvanceSupport
from hil_sim.machines.conveyors import Belt, Conveyor, FaceConveyor, StageLoader
from hil_sim.machines.cutter import Cutter
from hil_sim.machines.drill_rig import DrillRig
from hil_sim.machines.fan import Fan
from hil_sim.machines.gas_station import GasSettings, GasStation
from hil_sim.machines.headings import BolterMiner, Roadheader
from hil_sim.machines.machine import Filled, Machine
from hil_sim.machines.sensors import (
    FIRE,
    WATER,
    MachineProfile,
    Steady,
    WanderingStation,
    plausible_values,
)
from hil_sim.machines.settings import TAKEN, MachineSettings
from hil_sim.machines.shearer import Shearer
from hil_sim.machines.shield import ShieldMachine
from hil_sim.machines.supports import SUPPORTS, RoofSupports
from hil_sim.machines.vehicles import Monorail, RubberTyred
from hil_sim.machines.water import DrainagePump, PumpStation

#: Where settings are written.
SCENARIO_FILE: Final = "scenario.toml"

MachineDevice = ModbusDevice | OpcUaDevice | MqttDevice
_Made = Callable[[str, Sequence[int], MachineSettings], Machine]

#: Models that know nothing of their neighbours when they are made, by the beginning of the
#: profile's id.
_ALONE: Final[Mapping[str, _Made]] = {
    "shearer": Shearer,
    "roadheader": Roadheader,
    "bolter_miner": BolterMiner,
    "afc": FaceConveyor,
    "stage_loader": StageLoader,
    "belt_conveyor": Belt,
    "drill_rig": DrillRig,
    "shield_machine": ShieldMachine,
    "monorail": Monorail,
    "rubber_tyred": RubberTyred,
    "advance_support": lambda serial, seed, _: AdvanceSupport(serial, seed),
    "fire_station": lambda _, seed, __: WanderingStation(seed, FIRE),
    "water_station": lambda _, seed, __: WanderingStation(seed, WATER),
    "sensor_leveline": lambda _, seed, __: WanderingStation(seed, WATER),
}

#: Models that do, in the order in which they are made.
_SUPPORTS: Final = "roof_support"
_PUMPS: Final = "pump_station"
_DRAINAGE: Final = "drainage_pump"
_FAN: Final = "ventilation_fan"
_GAS: Final = "gas"
#: Single sensors of what a gas station measures; they cut no power.
_SENSORS: Final = ("sensor_mgp260", "sensor_pt495", "sensor_itrans2", "sensor_flowtrax")

#: Who advances first: air and gas, what is switched by it, conveyors from the surface inwards,
#: what cuts onto them, and what follows that.
_ORDER: Final = (Fan, GasStation, Conveyor, Cutter, RoofSupports, Machine)


_M = TypeVar("_M", bound=Machine)


class _Place:
    """The models of one place, so far, in the order of their devices."""

    def __init__(self) -> None:
        self.made: list[Machine] = []

    def of(self, kind: type[_M]) -> list[_M]:
        """Those of a kind."""
        return [machine for machine in self.made if isinstance(machine, kind)]


@dataclass(frozen=True, slots=True)
class _One:
    """What is to be made."""

    profile: MachineProfile
    serial: str
    seed: Sequence[int]
    settings: MachineSettings


@dataclass(frozen=True, slots=True)
class Plant:
    """What is known of a mine's machines beside their profiles.

    `seed` and the number of a device seed its model. `outbreak_s`: mean time between two outbreaks
    of gas at each station, None: there are none. `settings`: by device. `lengths_m`: of the
    roadways along which devices say where they are, by device.
    """

    seed: int
    outbreak_s: float | None = None
    gas: GasSettings = field(default_factory=GasSettings)
    settings: Mapping[str, MachineSettings] = field(default_factory=dict)
    lengths_m: Mapping[str, float] = field(default_factory=dict)

    def of(self, device: str) -> MachineSettings:
        """The settings of a device; its length is the scenario's, else the map's."""
        settings = self.settings.get(device, MachineSettings())
        if settings.length_m is None and device in self.lengths_m:
            return settings.model_copy(update={"length_m": self.lengths_m[device]})
        return settings

    def place_of(self, device: str) -> str:
        """Where it works."""
        return self.of(device).place or device.rpartition("_")[2]


def make_machine(
    profile: MachineProfile,
    serial: str,
    seed: Sequence[int],
    gas_s: float | None = None,
    settings: MachineSettings | None = None,
) -> Machine:
    """The machine behind a device that is alone: by its profile's id, else one that stands still.

    `gas_s`: mean time between two outbreaks at a gas station, seconds; None: there are none.
    """
    one = _One(profile, serial, seed, settings or MachineSettings())
    return _filled(_model(one, _Place(), Plant(0, gas_s)), one)


def make_machines(devices: Sequence[MachineDevice], plant: Plant) -> dict[str, Machine]:
    """The machines of a mine by device, in the order in which they have to be advanced.

    Raises:
        SimulationError: the scenario says something of a machine that it can't be.
    """
    _check(devices, plant)
    places: dict[str, _Place] = {}
    ones: dict[str, _One] = {}
    models: dict[str, Machine] = {}
    # Who follows others is made after them; seeds are those of the order of devices.toml.
    numbered = sorted(enumerate(devices, start=1), key=lambda one: _follows(one[1].profile.id))
    for number, device in numbered:
        place = places.setdefault(plant.place_of(device.id), _Place())
        seed, serial = (plant.seed, 3, number), f"SIM-{number:04d}"
        ones[device.id] = one = _One(device.profile, serial, seed, plant.of(device.id))
        models[device.id] = model = _model(one, place, plant)
        place.made.append(model)
    for place in places.values():
        _connect(place)
    _discharge(models, plant)
    ids = sorted((device.id for device in devices), key=lambda one: _rank(models[one]))
    return {device: _filled(models[device], ones[device]) for device in ids}


def _follows(profile: str) -> bool:
    return profile.startswith((_SUPPORTS, _PUMPS))


def _rank(model: Machine) -> tuple[int, int]:
    """Where in the order of `_ORDER` it is; conveyors: those nearer to the surface first."""
    depth = 0
    if isinstance(model, Conveyor):
        onto = model.onto
        while onto is not None:
            depth, onto = depth + 1, onto.onto
    return next(n for n, kind in enumerate(_ORDER) if isinstance(model, kind)), depth


def _model(one: _One, place: _Place, plant: Plant) -> Machine:
    """The model of one machine; `place` has what it may follow."""
    its_id, serial, seed, settings = one.profile.id, one.serial, one.seed, one.settings
    for begins, made in _ALONE.items():
        if its_id.startswith(begins):
            return made(serial, seed, settings)
    if its_id.startswith(_SUPPORTS):
        count = sum(point.name.startswith("state_") for point in one.profile.point) or SUPPORTS
        shearer = next(iter(place.of(Shearer)), None)
        return RoofSupports(serial, seed, settings, count=count, shearer=shearer)
    if its_id.startswith(_PUMPS):
        return PumpStation(serial, seed, place.of(RoofSupports))
    if its_id.startswith(_DRAINAGE):
        sump = next((pump.sump for pump in place.of(DrainagePump)), None)
        return DrainagePump(serial, seed, settings, sump=sump)
    if its_id.startswith(_FAN):
        house = next((fan.house for fan in place.of(Fan)), None)
        return Fan(serial, seed, settings, house=house)
    if its_id.startswith(_GAS):
        return GasStation(seed, plant.outbreak_s, plant.gas)
    if its_id.startswith(_SENSORS):
        return GasStation(seed, plant.outbreak_s, plant.gas, cuts_power=False)
    return Steady(one.profile, serial)


def _filled(model: Machine, one: _One) -> Machine:
    """The model with plausible values of the points of which it knows nothing."""
    known = model.values()
    plausible = plausible_values(one.profile, one.serial)
    others = {name: value for name, value in plausible.items() if name not in known}
    return Filled(model, others) if others else model


def _connect(place: _Place) -> None:
    """Those of a place: coal goes from what cuts to the belts, power is cut where there is gas."""
    stations = place.of(GasStation)
    fans = next((fan.house for fan in place.of(Fan)), None)
    chain: list[Conveyor] = [
        *place.of(FaceConveyor), *place.of(StageLoader), *place.of(Belt)
    ]  # fmt: skip
    cutters: list[Cutter] = place.of(Cutter)  # type: ignore[type-abstract]  # only asked for
    for station in stations:
        station.cutters, station.fans = cutters, fans
    for inner, outer in pairwise(chain):
        _join(inner, outer)
    for cutter in cutters:
        cutter.guards = stations
        if chain:
            _join(cutter, chain[0])
    for conveyor in chain:
        conveyor.guards = stations


def _join(source: Cutter | Conveyor, onto: Conveyor) -> None:
    """`source` discharges onto `onto`, and no longer onto another."""
    was = source.conveyor if isinstance(source, Cutter) else source.onto
    if was is not None:
        was.sources.remove(source)
    if isinstance(source, Cutter):
        source.conveyor = onto
    else:
        source.onto = onto
    onto.sources.append(source)


def _discharge(models: Mapping[str, Machine], plant: Plant) -> None:
    """What the scenario says of where machines discharge."""
    for device, settings in plant.settings.items():
        if settings.onto is None:
            continue
        source, onto = models[device], models.get(settings.onto)
        if not isinstance(onto, Conveyor) or onto is source:
            raise _wrong(device, "onto", f"{settings.onto!r} is no other conveyor of devices.toml")
        assert isinstance(source, Cutter | Conveyor)
        _join(source, onto)
        end: Conveyor | None = onto
        while end is not None:
            end = end.onto
            if end is source:
                raise _wrong(device, "onto", "coal would go round in a circle: name another one")


def _check(devices: Sequence[MachineDevice], plant: Plant) -> None:
    """Each section is of a machine of devices.toml, and says what can be said of such a one."""
    profiles = {device.id: device.profile.id for device in devices}
    for device, settings in plant.settings.items():
        if device not in profiles:
            remedy = suggest(device, sorted(profiles))
            raise _wrong(device, "", f"there is no such machine in {DEVICES_FILE} ({remedy})")
        taken = next(
            (keys for begins, keys in TAKEN.items() if profiles[device].startswith(begins)), ()
        )
        for key in settings.model_fields_set - {"place", *taken}:
            known = ", ".join(("place", *taken))
            raise _wrong(device, key, f"is not for a {profiles[device]} (known: {known})")


def _wrong(device: str, key: str, problem: str) -> SimulationError:
    where = f"machine.{device}.{key}" if key else f"machine.{device}"
    return SimulationError(f"{SCENARIO_FILE}: {where}: {problem}")
