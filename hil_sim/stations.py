"""The readers' side of the simulated mine: what was heard goes into the rings that are served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from equipment.device import DEVICES_FILE
from equipment.modbus_profile import ModbusProfile
from equipment.profile import Kind
from equipment.report import Value
from hil_sim.faults.book import NONE, FaultBook, Faults, clock_offset_ns
from hil_sim.folder import MineFolder, ModbusDevice, SimulationError, TextDevice
from hil_sim.incidents import Flags
from hil_sim.lines import LineWriter
from hil_sim.registers import Registers, claim_points, write_points
from hil_sim.ring import Column, RingWriter
from hil_sim.world import Heard
from positioning.mine_map import MAP_FILE
from positioning.observation import Records

#: What a reader's own points show.
STATION_VALUES: Final[Mapping[str, Value]] = {"supply_voltage": 24.1, "on_battery": False}


class Station:
    """One simulated reader: its registers, and the ring in them."""

    def __init__(
        self, profile: ModbusProfile, boot_id: int, t_ns: int, faults: Faults = NONE
    ) -> None:
        """An empty ring, ready to be read; `faults`: of the reader, always those of now."""
        assert profile.ring is not None
        self._faults = faults
        self.registers = Registers()
        claim_points(self.registers, profile)
        write_points(self.registers, profile, STATION_VALUES)
        self.ring = RingWriter(self.registers, profile.ring, boot_id)
        self.ring.tick(t_ns // 1000)

    def add(self, columns: Mapping[str, Column], t_ns: int) -> None:
        """Writes records; `t_ns` is what the station's clock should show."""
        offset_us = clock_offset_ns(self._faults, t_ns) // 1000
        self.ring.append(_later(columns, offset_us), t_ns // 1000 + offset_us)

    def tick(self, t_ns: int) -> None:
        """The clock goes on alone."""
        self.ring.tick((t_ns + clock_offset_ns(self._faults, t_ns)) // 1000)


class TextStation:
    """One simulated reader that sends lines: those that are not yet sent."""

    def __init__(self, device: TextDevice, faults: Faults = NONE) -> None:
        self._faults = faults
        self._writer = LineWriter(device.profile, device.card)
        self._lines: list[bytes] = []

    def add(self, columns: Mapping[str, Column], t_ns: int) -> None:
        """Writes records; `t_ns` is what the station's clock should show."""
        offset_us = clock_offset_ns(self._faults, t_ns) // 1000
        self._lines += self._writer.write(_later(columns, offset_us))

    def take(self) -> list[bytes]:
        """The lines since the last call."""
        lines, self._lines = self._lines, []
        return lines


class Stations:
    """All readers of a mine.

    The map's anchors, in its order, are shared out evenly to the UWB readers in the order of
    `devices.toml`, those with rings first. An RFID reader stands where the map's reader of the same
    id is.
    """

    def __init__(
        self,
        folder: MineFolder,
        cards: Sequence[str],
        boot_id: int,
        t_ns: int,
        book: FaultBook | None = None,
    ) -> None:
        """`book`: what is the matter with which reader; None: nothing ever is.

        Raises:
            SimulationError: an RFID reader has no place on the map.
        """
        book = book or FaultBook()
        self._cards = np.array(cards, object)
        self._anchors = np.array([anchor.id for anchor in folder.map.anchors], object)
        uwb, rfid = folder.readers(Kind.UWB_READER), folder.readers(Kind.RFID_READER)
        self.by_device = {
            device.id: Station(device.profile, boot_id, t_ns, book.of(device.id))
            for device in (*uwb, *rfid)
        }
        self._text = {one.id: TextStation(one, book.of(one.id)) for one in folder.text}
        ranging: list[ModbusDevice | TextDevice] = [*uwb, *folder.text_readers(Kind.UWB_READER)]
        seeing: list[ModbusDevice | TextDevice] = [*rfid, *folder.text_readers(Kind.RFID_READER)]
        shares = np.array_split(np.arange(len(self._anchors)), max(1, len(ranging)))
        self._uwb = [
            (self._station(d.id), _member(share, len(self._anchors)))
            for d, share in zip(ranging, shares, strict=False)
        ]
        self._rfid = [(self._station(d.id), _place_of(d, folder)) for d in seeing]

    def _station(self, device: str) -> Station | TextStation:
        return self._text.get(device) or self.by_device[device]

    def lines(self) -> dict[str, list[bytes]]:
        """What the readers that send lines have yet to send, by device."""
        return {device: station.take() for device, station in self._text.items()}

    def add(self, heard: Sequence[Heard], t_ns: int) -> None:
        """Takes over what was heard until `t_ns`, to which every reader's clock goes on."""
        if not heard:
            for ringed in self.by_device.values():
                ringed.tick(t_ns)
            return
        ranges = np.concatenate([step.ranges for step in heard])
        sightings = np.concatenate([step.sightings for step in heard])
        range_flags = np.concatenate([step.flags[step.ranges["card"]] for step in heard])
        seen_flags = np.concatenate([step.flags[step.sightings["card"]] for step in heard])
        for station, hears in self._uwb:
            mine = hears[ranges["anchor"]]
            station.add(self._range_columns(ranges[mine], range_flags[mine]), t_ns)
        for station, reader in self._rfid:
            mine = sightings["reader"] == reader
            station.add(self._sighting_columns(sightings[mine], seen_flags[mine]), t_ns)

    def _range_columns(self, ranges: Records, flags: Flags) -> dict[str, Column]:
        return {
            "t_us": ranges["t_ns"] // 1000,
            "card": self._cards[ranges["card"]],
            "anchor": self._anchors[ranges["anchor"]],
            "range_m": ranges["range_m"],
            "rssi_dbm": ranges["rssi_dbm"],
            "first_path_dbm": ranges["first_path_dbm"],
            "flags": flags,
        }

    def _sighting_columns(self, sightings: Records, flags: Flags) -> dict[str, Column]:
        return {
            "t_us": sightings["t_ns"] // 1000,
            "card": self._cards[sightings["card"]],
            "rssi_dbm": sightings["rssi_dbm"],
            "flags": flags,
        }


def _later(columns: Mapping[str, Column], offset_us: int) -> Mapping[str, Column]:
    """Records whose times are so much later."""
    if not offset_us or "t_us" not in columns:
        return columns
    return {**columns, "t_us": np.asarray(columns["t_us"]) + offset_us}


def _member(share: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    hears = np.zeros(count, np.bool_)
    hears[share] = True
    return hears


def _place_of(device: ModbusDevice | TextDevice, folder: MineFolder) -> int:
    for number, reader in enumerate(folder.map.readers):
        if reader.id == device.id:
            return number
    msg = (
        f"{DEVICES_FILE}: RFID reader {device.id!r} has no place: {MAP_FILE} needs a feature of "
        f"kind 'reader' with that id"
    )
    raise SimulationError(msg)
