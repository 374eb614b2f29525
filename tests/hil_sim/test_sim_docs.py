"""What docs/simulator.md shows is right, and its samples run."""

import json
import re
import sys
from pathlib import Path

from hil_sim.faults.kinds import WIRES, FaultKind, Wire
from hil_sim.faults.targets import targets_of
from hil_sim.folder import read_folder
from hil_sim.scenario import Scenario, parse_scenario, planned_faults
from hil_sim.serve.service import SERVICE
from lamproom.sim.v1 import simulator_pb2 as pb
from tests.support.places import ROOT
from tests.support.processes import running, simulator

PAGE = (ROOT / "docs/simulator.md").read_text(encoding="utf-8")

COLUMNS = (Wire.MODBUS, Wire.RTU, Wire.OPC_UA, Wire.MQTT, Wire.TEXT, Wire.DATAGRAMS)


def sample(kind: str) -> str:
    (text,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


def test_the_table_of_faults_says_what_is_possible() -> None:
    rows = [
        [cell.strip() for cell in line.strip("| \n").split("|")]
        for line in PAGE.splitlines()
        if line.startswith("| `") and line.count("|") == len(COLUMNS) + 3
    ]
    told = {
        FaultKind(cells[0].strip("`")): {
            wire for wire, cell in zip(COLUMNS, cells[1:], strict=False) if cell == "yes"
        }
        for cells in rows
    }
    assert told == {kind: set(wires) for kind, wires in WIRES.items()}


def test_the_sample_scenario_fits_the_sample_mine(sample_folder: Path) -> None:
    scenario = parse_scenario(sample("toml faults.toml"))
    assert {name for name in Scenario.model_fields if getattr(scenario, name)} >= {
        "fault",
        "random_faults",
    }
    planned = planned_faults(scenario, targets_of(read_folder(sample_folder)), "faults.toml")
    found = [next(planned) for _ in range(50)]
    assert {one.fault.kind.value for one in found} == {
        "slow",
        "drift",
        "dead",
        "silent",
        "exception",
        "clock_jump",
    }


def test_every_method_of_the_service_is_told() -> None:
    methods = pb.DESCRIPTOR.services_by_name[SERVICE.rpartition(".")[2]].methods_by_name
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert set(methods) <= {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_the_sample_bench_runs(sample_folder: Path, tmp_path: Path) -> None:
    with simulator(sample_folder, tmp_path, "--grpc-port", "0") as process:
        port = json.loads(process.word_after("READY"))["grpc_port"]
        file = tmp_path / "bench.py"
        file.write_text(sample("python").replace("50061", str(port)))
        with running([sys.executable, file], tmp_path, "bench") as bench:
            assert (bench.popen.wait(60), bench.err) == (0, "")
            lines = bench.out.splitlines()
    assert len(lines) == 5
    assert all(re.fullmatch(r"[\d.]+ s: \d+ below, faults: \['gas_3101'\]", one) for one in lines)
