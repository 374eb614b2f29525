"""The sample mine: a whole folder of configuration, for the demo and to begin one's own from."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from equipment.device import DEVICES_FILE
from hil_sim.folder import MACHINES_FILE, PEOPLE_FILE, SimulationError
from hil_sim.sample_map import map_text
from hil_sim.sample_people import VEHICLES, people_text
from hil_sim.sample_rules import LIMITS_TEXT, RISK_POINTS_TEXT, machines_text
from positioning.mine_map import MAP_FILE

MINE_FILE: Final = "mine.toml"

#: A code of twelve digits, of no real mine: a card is this and five digits.
MINE_CODE: Final = "140100000001"


LIMITS_FILE: Final = "limits.toml"
RISK_POINTS_FILE: Final = "risk_points.toml"

#: As many as five digits count, beside the vehicles.
PEOPLE_MAX: Final = 99_999 - len(VEHICLES)

RFID_IDS: Final = ("rfid_1", "rfid_2")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the sample mine's devices listen, and its gateway."""

    grpc: int = 50051
    uwb: tuple[int, int, int] = (15021, 15022, 15023)
    rfid: int = 15024
    shearer: int = 15025
    roadheader: int = 15026
    gas: int = 15027
    opcua: int = 14840

    @classmethod
    def free(cls) -> Ports:
        """Ports that the system gives out now; nothing keeps them until they are used."""
        with ExitStack() as stack:
            numbers = []
            for _ in range(9):
                sock = stack.enter_context(socket.socket())
                sock.bind(("127.0.0.1", 0))
                numbers.append(sock.getsockname()[1])
        grpc, first, second, third, *others = numbers
        return cls(grpc, (first, second, third), *others)


def write_sample_mine(
    folder: Path, people: int = 200, seed: int = 1, ports: Ports | None = None
) -> None:
    """Writes all files of the mine to `folder`, which is made if need be.

    Raises:
        SimulationError: the folder is not empty or can't be written, or `people` is too large.
    """
    if not 1 <= people <= PEOPLE_MAX:
        msg = f"people must be 1 to {PEOPLE_MAX}, not {people}"
        raise SimulationError(msg)
    ports = ports or Ports()
    write_files(
        folder,
        {
            MINE_FILE: mine_text(ports.grpc, people),
            DEVICES_FILE: _devices_text(ports),
            PEOPLE_FILE: people_text(MINE_CODE, people, seed),
            MAP_FILE: map_text(RFID_IDS),
            MACHINES_FILE: machines_text(people),
            LIMITS_FILE: LIMITS_TEXT,
            RISK_POINTS_FILE: RISK_POINTS_TEXT,
        },
    )


def write_files(folder: Path, texts: dict[str, str]) -> None:
    """Writes files into a folder that is not there yet or is empty.

    Raises:
        SimulationError: it is not empty, or can't be written.
    """
    try:
        if folder.is_dir() and any(folder.iterdir()):
            msg = f"{folder} is not empty: give a new folder, so that nothing is overwritten"
            raise SimulationError(msg)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{folder} can't be written: {error.strerror}"
        raise SimulationError(msg) from None


def mine_text(grpc_port: int, quota: int) -> str:
    """A `mine.toml`; `quota` are the cards that may be below."""
    return f"""\
# The sample mine. Everything that is not written here has its default.

[mine]
code = "{MINE_CODE}"
name = "示例煤矿"

[people]
quota = {quota}
below_max_h = 10

[[shift]]
name = "早班"
from = "08:00"
to = "16:00"

[[shift]]
name = "中班"
from = "16:00"
to = "00:00"

[[shift]]
name = "夜班"
from = "00:00"
to = "08:00"

# Whoever comes down so long before a shift comes for it, and later than this after its start is
# late.
[attendance]
early_min = 60
late_min = 10

# A person nearer than this to a vehicle that drives is too near; so are two vehicles.
[nearness]
person_vehicle_m = 5
vehicle_vehicle_m = 20

# So many alarms of one family within so long are one flood.
[flood]
count = 10
window_s = 60

[grpc]
address = "127.0.0.1"
port = {grpc_port}
"""


def _devices_text(ports: Ports) -> str:
    parts = [
        "# The devices of the sample mine. `lamproom sim` serves them where this file says that\n"
        "# they are: each UWB reader serves a third of the map's anchors.\n"
    ]
    parts += [
        modbus_text(f"uwb_{number}", "uwb_reader", f"{number}号定位分站", port)
        for number, port in enumerate(ports.uwb, start=1)
    ]
    parts.append("# Two readers behind one Modbus gateway: one port, two units.\n")
    places = ("井口", "井底车场")
    parts += [
        modbus_text(reader, "rfid_reader", f"{place}读卡分站", ports.rfid, unit)
        for unit, (reader, place) in enumerate(zip(RFID_IDS, places, strict=True), start=1)
    ]
    parts.append(modbus_text("shearer_3101", "shearer_modbus", "3101采煤机", ports.shearer))
    parts.append(modbus_text("roadheader_3105", "roadheader", "3105掘进机", ports.roadheader))
    parts.append(modbus_text("gas_3101", "gas_station", "3101瓦斯监测分站", ports.gas))
    parts.append(f"""\
[[device]]
id = "shearer_3103"
profile = "shearer_opc40560"
name = "3103采煤机"
url = "opc.tcp://127.0.0.1:{ports.opcua}"
root = "di:DeviceSet/app:Shearer3103"
[device.namespaces]
app = "urn:sample-mine:longwall-3103"
""")
    return "\n".join(parts)


def modbus_text(device: str, profile: str, name: str, port: int, unit: int = 1) -> str:
    """A device over Modbus TCP, of a `devices.toml`."""
    return f"""\
[[device]]
id = "{device}"
profile = "{profile}"
name = "{name}"
host = "127.0.0.1"
port = {port}
unit = {unit}
"""
