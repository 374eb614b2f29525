"""How much of one core the simulator takes for the largest mine: 8,000 cards and 100 machines.

    ./run bench simulator [SECONDS]

A scenario's layout makes the mine: six longwall faces, eight headings, sixteen UWB readers,
machines over Modbus and OPC UA. What `lamproom sim` does in each step of 0.1 s is done here one
after the other, without waiting: the world goes on, readers' rings and machines' registers and
nodes are filled, on servers that listen. Nobody reads: what clients cost is theirs. Before it the
mine runs for some seconds, so that caches are warm. The last line is a JSON object:
`real_time_ratio` is how many simulated seconds a second of the processor gives, `world_ratio` the
same of the world alone; `ranges_per_s` and `sightings_per_s` of simulated time say how much there
was to do.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

from hil_sim.folder import read_folder
from hil_sim.layout_mine import write_layout_mine
from hil_sim.machines.make import Plant, make_machines
from hil_sim.scenario import read_scenario
from hil_sim.serve.servers import Servers
from hil_sim.stations import Stations
from hil_sim.world import STEP_S, World

SECONDS: Final = 60.0
WARM_S: Final = 5.0
START_T_NS: Final = 1_700_000_000_000_000_000

SCENARIO: Final = """
[layout]
people = 7980
vehicles = 20
faces = 6
headings = 8
uwb_readers = 16
first_port = {port}
face = [
    "shearer_opc40560", "roof_support_modbus", "afc_opc40560", "stage_loader_crusher",
    "belt_conveyor", "gas_station", "pump_station", "advance_support",
]
heading = ["roadheader", "belt_conveyor", "gas_station", "ventilation_fan", "ventilation_fan"]
mine = [
    "monorail", "monorail", "drill_rig", "drill_rig", "drainage_pump", "drainage_pump",
    "shield_machine", "bolter_miner", "rubber_tyred_vehicle", "water_station", "fire_station",
    "belt_conveyor",
]

[radio]
nlos_share = 0.1
airtime_ms = 0.02

[gas]
release_m3_t = 0.4
"""


def free_ports(count: int) -> int:
    """The first of `count` ports that nobody listens on, as far as can be seen now."""
    for first in range(20_000, 60_000, 2 * count):
        try:
            for port in range(first, first + count):
                with socket.socket() as sock:
                    sock.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    msg = f"there are no {count} free ports in a row"
    raise SystemExit(msg)


async def measure(folder: Path, seconds: float) -> dict[str, float]:
    """Simulates so long; returns what it cost."""
    mine, scenario = read_folder(folder), read_scenario(folder)
    plant = Plant(1, None, scenario.gas, scenario.machine, mine.lengths_m)
    machines = make_machines(mine.machines, plant)
    world = World(mine.map, mine.people, machines, seed=1, start_t_ns=START_T_NS, scenario=scenario)
    stations = Stations(mine, world.cards, 1, world.t_ns)
    servers = Servers(mine, {name: s.registers for name, s in stations.by_device.items()})
    await servers.start(world.machine_values())
    ranges = sightings = 0
    world_s = 0.0
    begun_s = time.process_time()
    try:
        for step in range(round((WARM_S + seconds) / STEP_S)):
            if step == round(WARM_S / STEP_S):
                ranges = sightings = 0
                begun_s, world_s = time.process_time(), 0.0
            before_s = time.process_time()
            heard = world.advance(STEP_S)
            world_s += time.process_time() - before_s
            stations.add(heard, world.t_ns)
            servers.send(stations.lines())
            await servers.show(world.machine_values())
            ranges += sum(len(one.ranges) for one in heard)
            sightings += sum(len(one.sightings) for one in heard)
        took_s = time.process_time() - begun_s
    finally:
        await servers.close()
    return {
        "cards": len(world.cards),
        "machines": len(machines),
        "simulated_s": seconds,
        "processor_s": round(took_s, 2),
        "ranges_per_s": round(ranges / seconds),
        "sightings_per_s": round(sightings / seconds),
        "world_ratio": round(seconds / world_s, 2),
        "real_time_ratio": round(seconds / took_s, 2),
    }


def main(seconds: float) -> None:
    """Makes the mine, measures and prints."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        mine = Path(folder) / "mine"
        write_layout_mine(mine, SCENARIO.format(port=free_ports(140)))
        print(json.dumps(asyncio.run(measure(mine, seconds))))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
