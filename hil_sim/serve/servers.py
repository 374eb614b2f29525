"""All servers of a mine's devices: one for each address in `devices.toml`."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from equipment.device import DEVICES_FILE
from hil_sim.faults.book import FaultBook
from hil_sim.faults.kinds import FaultKind
from hil_sim.faults.values import FaultyValues
from hil_sim.folder import MineFolder, ModbusDevice, SimulationError, TextDevice
from hil_sim.machines import Values
from hil_sim.registers import Registers, claim_points, write_points
from hil_sim.serve.modbus import ModbusServer
from hil_sim.serve.mqtt import Link, links
from hil_sim.serve.opcua import OpcUaServer
from hil_sim.serve.rtu import RtuConnection
from hil_sim.serve.text import TextServer

#: What is wrong, and what to do, when an address can't be listened on.
_REASONS: Final = {
    errno.EADDRINUSE: "is in use: end the program that listens there, or write another port",
    errno.EACCES: "needs more rights: write a port from 1024 on",
    errno.EADDRNOTAVAIL: "is no address of this computer, and devices are simulated only on it: "
    "write 127.0.0.1",
}


#: What is wrong, and what to do, when a broker can't be reached.
_NO_BROKER: Final = (
    "has no broker that lets the simulator in: machines over MQTT need one, such as mosquitto"
)


class Servers:
    """Serves the devices of one folder."""

    def __init__(
        self, folder: MineFolder, readers: Mapping[str, Registers], book: FaultBook | None = None
    ) -> None:
        """`readers`: the registers of the readers, by device; those of machines are made here.

        `book`: what is the matter with which device; None: nothing ever is.
        """
        self._folder = folder
        self._book = book or FaultBook()
        self._registers = dict(readers)
        self._machines: list[ModbusDevice] = []
        self._modbus: dict[ModbusServer, ModbusDevice] = {}
        self._opcua: dict[str, OpcUaServer] = {}
        self._mqtt: list[Link] = []
        self._text: dict[str, TextServer] = {}
        for device in folder.modbus:
            if device.id not in self._registers:
                self._registers[device.id] = Registers()
                claim_points(self._registers[device.id], device.profile)
                self._machines.append(device)
        showing = [one.id for group in (self._machines, folder.opcua, folder.mqtt) for one in group]
        self._faulty = {device: FaultyValues(self._book.of(device)) for device in showing}

    async def start(self, values: Mapping[str, Values]) -> None:
        """Listens for every device; machines show `values` from the start.

        Raises:
            SimulationError: an address can't be had; nothing listens then.
        """
        try:
            await self._make_opcua()
            await self.show(values)
            for url, server in self._opcua.items():
                await _listen(self._device_at(url), url, server.follow)
            for (host, port), devices in self._modbus_ports().items():
                await self._start_modbus(host, port, devices)
            await self._start_mqtt(values)
            for device in self._folder.text:
                await self._start_text(device)
            for server in self._opcua.values():
                await server.serve()
        except BaseException:
            await self.close()
            raise

    async def show(self, values: Mapping[str, Values], world_s: float = 0.0) -> None:
        """Machines show `values` of the world's time: by device, then by point."""
        shown = {name: self._faulty[name].seen(values[name], world_s) for name in self._faulty}
        for device in self._machines:
            write_points(
                self._registers[device.id],
                device.profile,
                shown[device.id],
                wrong_order=FaultKind.WORD_ORDER in self._book.of(device.id),
            )
        for machine in self._folder.opcua:
            await self._opcua[machine.url].write(machine.id, shown[machine.id])
        for link in self._mqtt:
            link.show(shown)

    async def follow(self) -> None:
        """Devices listen, answer and come back as their faults have it now.

        Raises:
            SimulationError: an address can't be had again.
        """
        for modbus, device in self._modbus.items():
            await _listen(device.id, f"{device.host}:{device.port}", modbus.follow)
        for url, opcua in self._opcua.items():
            await _listen(self._device_at(url), url, opcua.follow)
        for link in self._mqtt:
            await link.follow()
        for one in self._folder.text:
            await _listen(one.id, f"{one.host}:{one.port}", self._text[one.id].follow)

    def send(self, lines: Mapping[str, Sequence[bytes]]) -> None:
        """Readers that send lines of text send these, by device."""
        for device, sent in lines.items():
            self._text[device].send(sent)

    async def close(self) -> None:
        """Stops listening and breaks off every connection."""
        for modbus in self._modbus:
            await modbus.close()
        for opcua in self._opcua.values():
            await opcua.close()
        for link in self._mqtt:
            await link.close()
        for text in self._text.values():
            await text.close()
        self._modbus, self._opcua, self._mqtt, self._text = {}, {}, [], {}

    async def _make_opcua(self) -> None:
        for machine in self._folder.opcua:
            if machine.url not in self._opcua:
                self._opcua[machine.url] = await OpcUaServer.prepare(machine.url)
            server = self._opcua[machine.url]
            try:
                await server.add(
                    machine.id,
                    machine.profile,
                    machine.root,
                    machine.namespaces,
                    self._book.of(machine.id),
                )
            except KeyError as error:
                msg = (
                    f"{DEVICES_FILE}: device {machine.id!r}: the prefix {error.args[0]!r} in root "
                    "has no namespace"
                )
                raise SimulationError(msg) from None

    def _modbus_ports(self) -> dict[tuple[str, int], list[ModbusDevice]]:
        ports: dict[tuple[str, int], list[ModbusDevice]] = {}
        for device in self._folder.modbus:
            ports.setdefault((device.host, device.port), []).append(device)
        return ports

    async def _start_modbus(self, host: str, port: int, devices: list[ModbusDevice]) -> None:
        units = {device.unit: self._registers[device.id] for device in devices}
        faults = {device.unit: self._book.of(device.id) for device in devices}

        async def start() -> None:
            made = RtuConnection if devices[0].rtu else None
            server = await ModbusServer.start(host, port, units, made, faults)
            self._modbus[server] = devices[0]

        await _listen(devices[0].id, f"{host}:{port}", start)

    async def _start_mqtt(self, values: Mapping[str, Values]) -> None:
        for link, device in links(self._folder.mqtt, self._book).items():
            # From the first birth on they have their values.
            link.show(values)
            try:
                await link.start()
            except (OSError, EOFError) as error:
                where = f"{DEVICES_FILE}: device {device.id!r}: {device.host}:{device.port}"
                raise SimulationError(f"{where} {_NO_BROKER} ({error})") from None
            self._mqtt.append(link)

    async def _start_text(self, device: TextDevice) -> None:
        async def start() -> None:
            self._text[device.id] = await TextServer.start(device, self._book.of(device.id))

        await _listen(device.id, f"{device.host}:{device.port}", start)

    def _device_at(self, url: str) -> str:
        return next(machine.id for machine in self._folder.opcua if machine.url == url)


async def _listen(device: str, address: str, start: Callable[[], Awaitable[None]]) -> None:
    try:
        await start()
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"can't be listened on: {error}")
        msg = f"{DEVICES_FILE}: device {device!r}: {address} {reason}"
        raise SimulationError(msg) from None
