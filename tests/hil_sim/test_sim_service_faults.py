"""Faults by the simulator's own service and by a scenario, and what the truth says of them."""

from __future__ import annotations

import csv
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from hil_sim.faults.kinds import FaultKind
from hil_sim.folder import read_folder
from hil_sim.sample_mine import Ports, write_sample_mine
from lamproom.sim.v1 import simulator_pb2 as pb
from lamproom.sim.v1.simulator_pb2_grpc import SimulatorServiceStub
from tests.hil_sim.test_sim_service import refused, seconds
from tests.support.processes import READY_S, Process, lamproom, running, simulator
from tests.support.waiting import blocked_until

HEADING = "roadheader_3105"


@contextmanager
def served(folder: Path, tmp_path: Path, *options: str) -> Iterator[tuple[Process, Any]]:
    """A simulated mine whose world stands, and its service."""
    given = ("--pause", "--grpc-port", "0", "--truth", str(tmp_path / "truth"), *options)
    with simulator(folder, tmp_path, *given) as process:
        port = json.loads(process.word_after("READY"))["grpc_port"]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield process, SimulatorServiceStub(channel)


def connects(folder: Path, device: str) -> bool:
    port = next(one.port for one in read_folder(folder).modbus if one.id == device)
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def rows(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "truth/faults.csv").open() as lines:
        return list(csv.DictReader(lines))


def test_numbers_of_kinds_are_those_of_the_contract() -> None:
    names = [f"FAULT_KIND_{kind.name}" for kind in FaultKind]
    assert pb.FaultKind.keys() == ["FAULT_KIND_UNSPECIFIED", *names]


def test_a_fault_begins_and_ends_by_wish_though_the_world_stands(
    sample_folder: Path, tmp_path: Path
) -> None:
    spec = pb.FaultSpec(device_id=HEADING, kind=pb.FAULT_KIND_DEAD)
    with served(sample_folder, tmp_path) as (process, stub):
        assert connects(sample_folder, HEADING)
        fault = stub.InjectFault(pb.InjectFaultRequest(spec=spec)).fault
        assert not connects(sample_folder, HEADING)
        assert (fault.number, fault.spec, list(fault.device_ids)) == (1, spec, [HEADING])
        assert not fault.HasField("end_s")
        assert list(stub.ListFaults(pb.ListFaultsRequest()).faults) == [fault]
        code, words = refused(stub.InjectFault, pb.InjectFaultRequest(spec=spec))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert words == f"'{HEADING}' has a fault 'dead' already: end it first"
        assert stub.EndFault(pb.EndFaultRequest(number=1)).fault == fault
        assert connects(sample_folder, HEADING)
        assert not stub.ListFaults(pb.ListFaultsRequest()).faults
        assert refused(stub.EndFault, pb.EndFaultRequest(number=1)) == (
            grpc.StatusCode.NOT_FOUND,
            "there is no fault 1 now",
        )
        slow = pb.FaultSpec(device_id="uwb_1", kind=pb.FAULT_KIND_SLOW, delay_s=2.5)
        stub.InjectFault(pb.InjectFaultRequest(spec=slow))
        process.stop()
    first, second = rows(tmp_path)
    assert (first["number"], first["fault"], first["device"]) == ("1", "dead", HEADING)
    assert 0 <= float(first["end_s"]) - float(first["begin_s"]) < 60
    assert first["begin_s"] == f"{fault.begin_time.ToNanoseconds() / 1e9:.3f}"
    assert (second["fault"], second["device"], second["end_s"]) == ("slow", "uwb_1", "")


def test_a_fault_lasts_as_long_as_the_world_has_it(sample_folder: Path, tmp_path: Path) -> None:
    with served(sample_folder, tmp_path) as (_, stub):
        stub.SetSpeed(pb.SetSpeedRequest(speed=20))
        spec = pb.FaultSpec(device_id=HEADING, kind=pb.FAULT_KIND_EXCEPTION, code=6)
        fault = stub.InjectFault(pb.InjectFaultRequest(spec=spec, duration=seconds(3))).fault
        assert (fault.begin_s, fault.end_s) == (0.0, 3.0)
        stub.Step(pb.StepRequest(duration=seconds(2.5)))
        truth = stub.GetTruth(pb.GetTruthRequest()).truth
        assert [(one.number, one.spec.code) for one in truth.faults] == [(1, 6)]
        stub.Step(pb.StepRequest(duration=seconds(1)))
        assert not stub.ListFaults(pb.ListFaultsRequest()).faults


def test_what_is_not_possible_is_told(sample_folder: Path, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"kind": pb.FAULT_KIND_UNSPECIFIED}, "kind must be given"),
        ({"device_id": "x"}, "device: devices.toml has no device 'x' that is simulated"),
        ({"device_id": ""}, "device: must have the form"),
        ({"kind": pb.FAULT_KIND_LATE_NODES}, "kind: 'late_nodes' is not possible for"),
        ({"kind": pb.FAULT_KIND_DRIFT}, "kind 'drift' needs per_s and point"),
        ({"kind": pb.FAULT_KIND_SLOW, "delay_s": 1e9}, "delay_s: must be at most 600"),
    ]
    with served(sample_folder, tmp_path) as (_, stub):
        for details, words in wrong:
            keys: dict[str, Any] = {"device_id": HEADING, "kind": pb.FAULT_KIND_DEAD} | details
            request = pb.InjectFaultRequest(spec=pb.FaultSpec(**keys))
            code, told = refused(stub.InjectFault, request)
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert words in told


SCENARIO = f"""
[[fault]]
at_s = 1
for_s = 2
device = "{HEADING}"
kind = "dead"

[random_faults]
seed = 3
mean_s = 10
for_s = 5
kinds = ["silent", "slow", "frozen", "clock_jump"]
"""


def test_one_scenario_gives_the_same_faults_each_time(tmp_path: Path) -> None:
    found = []
    for name in ("first", "second"):
        folder = tmp_path / name
        write_sample_mine(folder / "mine", people=5, ports=Ports.free())
        (folder / "mine/scenario.toml").write_text(SCENARIO)
        with served(folder / "mine", folder) as (process, stub):
            stub.SetSpeed(pb.SetSpeedRequest(speed=30))
            stub.Step(pb.StepRequest(duration=seconds(2)))
            blocked_until(lambda: not connects(folder / "mine", HEADING), "it is dead")
            stub.Step(pb.StepRequest(duration=seconds(58)))
            assert connects(folder / "mine", HEADING)
            process.stop()
        found.append([(row["number"], row["fault"], row["device"]) for row in rows(folder)])
    assert found[0] == found[1]
    assert len(found[0]) > 3
    assert ("dead", HEADING) in [row[1:] for row in found[0]]


def test_a_scenario_of_another_file_is_taken_and_its_mistakes_are_told(
    sample_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "other.toml"
    told = {
        None: f"{file} is missing: give the path of a scenario",
        SCENARIO.replace("for_s = 2", "for_s = 0"): f"{file}:4: fault[1].for_s: must be above 0",
        SCENARIO.replace('"dead"', '"late_nodes"'): f"{file}: fault[1].kind: 'late_nodes' is not",
    }
    for text, words in told.items():
        if text is not None:
            file.write_text(text)
        command = lamproom("sim", sample_folder, "--scenario", file)
        with running(command, tmp_path, "sim") as process:
            assert process.popen.wait(READY_S) == 1
            assert words in process.err
