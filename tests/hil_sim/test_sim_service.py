"""The simulator's own service, over gRPC, beside a client of one of its devices."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from pymodbus.client import ModbusTcpClient

from hil_sim.folder import MineFolder, read_folder
from lamproom.sim.v1 import simulator_pb2 as pb
from lamproom.sim.v1.simulator_pb2_grpc import SimulatorServiceStub
from tests.support.processes import READY_S, Process, lamproom, running, simulator
from tests.support.waiting import LONG_S, blocked_until


@pytest.fixture
def served(sample_folder: Path, tmp_path: Path) -> Iterator[Process]:
    """A mine whose world stands."""
    options = ("--pause", "--grpc-port", "0", "--truth", str(tmp_path / "truth"))
    with simulator(sample_folder, tmp_path, *options) as process:
        yield process


@pytest.fixture
def stub(served: Process) -> Iterator[SimulatorServiceStub]:
    port = json.loads(served.word_after("READY"))["grpc_port"]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield SimulatorServiceStub(channel)


def seconds(number: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(number * 1e9))
    return duration


def refused(call: object, request: object) -> tuple[grpc.StatusCode, str]:
    assert callable(call)
    with pytest.raises(grpc.RpcError) as told:
        call(request, timeout=LONG_S)
    error = told.value
    assert isinstance(error, grpc.Call)
    return error.code(), error.details() or ""


def clock_us(folder: MineFolder) -> tuple[int, int]:
    """The clock of the first reader, and how many records it has."""
    with ModbusTcpClient("127.0.0.1", port=folder.modbus[0].port) as client:
        header = client.read_input_registers(0, count=8).registers
    clock = int.from_bytes(b"".join(word.to_bytes(2, "big") for word in header[4:]), "big")
    return clock, header[2] << 16 | header[3]


def test_a_paused_world_stands_while_its_devices_answer_and_their_clocks_go_on(
    stub: SimulatorServiceStub, sample_folder: Path
) -> None:
    folder = read_folder(sample_folder)
    first = stub.GetTruth(pb.GetTruthRequest()).truth
    before_us, _ = clock_us(folder)
    blocked_until(lambda: clock_us(folder)[0] > before_us + 300_000, "the clock goes on")
    now_us, records = clock_us(folder)
    assert records == 0
    assert abs(now_us - time.time_ns() // 1000) < 2_000_000
    assert stub.GetTruth(pb.GetTruthRequest()).truth == first
    assert first.world_s == 0
    assert len(first.cards) == 62
    assert {one.device_id for one in first.machines} == {one.id for one in folder.machines}
    points = {(one.device_id, point.point) for one in first.machines for point in one.points}
    shown = ("position", "running_state", "water_flow_low")
    assert {("shearer_3101", name) for name in shown} <= points


def test_steps_are_as_long_as_they_are_asked_for(
    stub: SimulatorServiceStub, sample_folder: Path
) -> None:
    stub.SetSpeed(pb.SetSpeedRequest(speed=20))
    for number in (1, 2):
        pace = stub.Step(pb.StepRequest(duration=seconds(5))).pace
        assert (pace.world_s, pace.paused, pace.speed) == (5.0 * number, True, 20.0)
    truth = stub.GetTruth(pb.GetTruthRequest()).truth
    assert truth.world_s == 10.0
    assert truth.device_time.ToNanoseconds() <= pace.device_time.ToNanoseconds()
    assert clock_us(read_folder(sample_folder))[1] > 100


def test_each_step_is_told_with_its_truth_as_the_file_has_it(
    stub: SimulatorServiceStub, served: Process, tmp_path: Path
) -> None:
    stub.SetSpeed(pb.SetSpeedRequest(speed=10))
    watch = stub.WatchTruth(pb.WatchTruthRequest(without_machines=True), timeout=LONG_S)
    told = [next(watch)]
    stub.Step(pb.StepRequest(duration=seconds(2)))
    told += [next(watch) for _ in range(20)]
    watch.cancel()
    assert [one.truth.world_s for one in told] == [round(0.1 * n, 6) for n in range(21)]
    assert not any(one.missed_steps or one.truth.machines for one in told)
    served.end()
    lines = (tmp_path / "truth/truth.csv").read_text().splitlines()[1:]
    for message in told[1:]:
        t_ns = message.truth.device_time.ToNanoseconds()
        t_s = f"{t_ns // 10**9}.{t_ns % 10**9 // 1000:06d}"
        below = [one for one in message.truth.cards if one.below]
        assert [line for line in lines if f",{t_s}," in line] == [
            f"{one.card},{t_s},{one.x_m:.3f},{one.y_m:.3f},{one.z_m:.3f}" for one in below
        ]


def test_a_period_leaves_steps_out(stub: SimulatorServiceStub) -> None:
    stub.SetSpeed(pb.SetSpeedRequest(speed=50))
    watch = stub.WatchTruth(
        pb.WatchTruthRequest(period=seconds(1), without_cards=True), timeout=LONG_S
    )
    stub.Resume(pb.ResumeRequest())
    told = [next(watch) for _ in range(4)]
    watch.cancel()
    assert [one.truth.world_s for one in told] == [0.0, 1.0, 2.0, 3.0]
    assert all(one.truth.machines and not one.truth.cards for one in told)


def test_what_can_not_be_done_is_told(stub: SimulatorServiceStub) -> None:
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert refused(stub.SetSpeed, pb.SetSpeedRequest()) == (
        invalid,
        "speed must be 0.01 to 1000, not 0",
    )
    assert refused(stub.Step, pb.StepRequest()) == (
        invalid,
        "duration must be more than 0 and at most 86400 s, not 0 s",
    )
    assert not stub.Resume(pb.ResumeRequest()).pace.paused
    code, words = refused(stub.Step, pb.StepRequest(duration=seconds(1)))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "pause it before" in words
    assert stub.Pause(pb.PauseRequest()).pace.paused


def test_a_pause_ends_a_step_that_is_under_way(stub: SimulatorServiceStub) -> None:
    step = stub.Step.future(pb.StepRequest(duration=seconds(600)))
    blocked_until(lambda: stub.GetTruth(pb.GetTruthRequest()).truth.world_s > 0, "it steps")
    assert stub.Pause(pb.PauseRequest()).pace.paused
    assert step.code() is grpc.StatusCode.ABORTED


def test_a_port_that_is_taken_is_told(sample_folder: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = lamproom("sim", sample_folder, "--grpc-port", str(port))
        with running(command, tmp_path, "sim") as process:
            assert process.popen.wait(READY_S) == 1
            assert f"--grpc-port {port} can't be listened on at 127.0.0.1" in process.err
