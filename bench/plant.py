"""A whole gateway with 20 devices of 100 values: what it costs, and how soon a client has them.

    ./run bench plant [SECONDS]

`lamproom run` reads a folder with 20 Modbus devices of 100 float32 each, once a second: two reads a
device. The devices are one process, whose values count its answers, so that each says which answer
it is of and when that was sent; this process is a client of `WatchEquipment` with all devices, and
notes when it has each message. Whatever was sent must come, in its order: nothing may be missed.
Then the same with ten reads a second.

The last line is a JSON object: `cpu_pct_per_1000` is the gateway's processor time, all of it, in
per cent of a core for 1,000 values a second; `read_to_message_p99_ms` the time from when the device
sends an answer to when the client has the message, `_p50_` and `_max_` too; `missed` counts values
that never came, `repeated` those that came again; `kept_up` is the share of the reads that were due
and were made. `fast_` are those of ten reads a second.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "proto")]

import grpc
import numpy as np
from numpy.typing import NDArray

from bench.plant_devices import SECOND_HALF, Times
from lamproom.v1 import equipment_pb2, equipment_pb2_grpc
from tests.support.processes import Process, gateway, running

DEVICES: Final = 20
FLOATS: Final = 100
SECONDS: Final = 30.0
#: After the start, all that is done once has been done.
SETTLE_S: Final = 5.0
SENT_MOST: Final = 100_000
PERIODS_S: Final = {"": 1.0, "fast_": 0.1}

MAP: Final = """{"type": "FeatureCollection", "features": [
{"type": "Feature", "properties": {"kind": "roadway", "id": "main", "name": "Main", "width_m": 5},
 "geometry": {"type": "LineString", "coordinates": [[0, 0, 0], [100, 0, 0]]}}]}
"""
PROFILE: Final = """
id = "plant"
title = {{ en = "Plant", zh = "设备" }}
kind = "machine"
protocol = "modbus"
scan = {{ period_s = {period_s} }}

[[point]]
name = "value_{{n}}"
meaning = {{ en = "value {{n}}", zh = "值{{n}}" }}
address = 0
type = "float32"
unit = "A"
range = [0.0, 1e9]
repeat = {{ count = {floats}, step = 2 }}
"""
DEVICE: Final = """
[[device]]
id = "m{n}"
profile = "plant"
host = "127.0.0.1"
port = {port}
"""


@dataclass(frozen=True)
class Round:
    """What a client got."""

    cpu_pct: float
    values_per_s: float
    latencies_ms: NDArray[np.float64]
    missed: int
    repeated: int
    reads_of_due: float


def write_folder(folder: Path, ports: list[int], period_s: float) -> None:
    """A mine with the devices and nothing else."""
    (folder / "profiles").mkdir(parents=True)
    (folder / "mine.toml").write_text('[mine]\ncode = "620000000001"\nname = "Plant"\n')
    (folder / "people.csv").write_text("card,name,job,team\n")
    (folder / "map.geojson").write_text(MAP)
    profile = PROFILE.format(period_s=period_s, floats=FLOATS)
    (folder / "profiles/plant.toml").write_text(profile, encoding="utf-8")
    devices = (DEVICE.format(n=n, port=port) for n, port in enumerate(ports))
    (folder / "devices.toml").write_text("".join(devices))


@contextmanager
def served(folder: Path, period_s: float) -> Iterator[tuple[Process, int, Times]]:
    """The gateway, its port, and when the devices have sent what."""
    file = folder / "sent"
    program = Path(__file__).with_name("plant_devices.py")
    command: list[str | Path] = [sys.executable, program, file, str(DEVICES), str(SENT_MOST)]
    with running(command, folder, "devices") as devices:
        ports = [int(word) for word in devices.word_after("READY").split()]
        write_folder(folder / "mine", ports, period_s)
        with gateway(folder / "mine", 0, folder) as process:
            port = int(process.word_after("READY grpc").rpartition(":")[2])
            sent_ns = np.memmap(file, np.int64, "r", shape=(DEVICES, 2, SENT_MOST))
            yield process, port, sent_ns


def cpu_s(process: Process) -> float:
    """Processor time of a process and its threads until now."""
    fields = Path(f"/proc/{process.popen.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(folder: Path, period_s: float, seconds: float) -> Round:
    """Watches for so long.

    Raises:
        ValueError: a value is not of the devices' sending, or did not come in its order.
    """
    with served(folder, period_s) as (process, port, sent_ns):
        messages: list[tuple[int, equipment_pb2.Equipment]] = []
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = equipment_pb2_grpc.EquipmentServiceStub(channel)
            begun_s = measured_s = time.monotonic()
            cpu_before_s = 0.0
            answers = stub.WatchEquipment(equipment_pb2.WatchEquipmentRequest())
            for answer in answers:
                now_ns, now_s = time.time_ns(), time.monotonic()
                if now_s - begun_s < SETTLE_S:
                    continue
                if not cpu_before_s:
                    cpu_before_s, measured_s = cpu_s(process), now_s
                if now_s - measured_s > seconds:
                    break
                messages.append((now_ns, answer.equipment))
            spent_s, took_s = cpu_s(process) - cpu_before_s, now_s - measured_s
            answers.cancel()
        return judge(messages, np.array(sent_ns), spent_s / took_s * 100, took_s, period_s)


def judge(
    messages: list[tuple[int, equipment_pb2.Equipment]],
    sent_ns: Times,
    cpu_pct: float,
    took_s: float,
    period_s: float,
) -> Round:
    """What the messages say."""
    latest: dict[tuple[str, str], int] = {}
    latencies_ns: list[int] = []
    missed = repeated = 0
    reads = {
        (n, half): (sent_ns[n, half] > messages[0][0]).sum()
        - (sent_ns[n, half] > messages[-1][0]).sum()
        for n in range(DEVICES)
        for half in (0, 1)
    }
    for came_ns, device in messages:
        for value in device.values:
            number = round(value.number)
            n, point = int(device.device_id[1:]), int(value.point.removeprefix("value_"))
            half = int(2 * (point - 1) >= SECOND_HALF)
            before = latest.get((device.device_id, value.point))
            if not sent_ns[n, half, number] or (before is not None and number < before):
                msg = f"{device.device_id} {value.point}: {number} after {before}"
                raise ValueError(msg)
            if number == before:
                repeated += 1
                continue
            missed += 0 if before is None else number - before - 1
            latest[device.device_id, value.point] = number
            latencies_ns.append(came_ns - int(sent_ns[n, half, number]))
    return Round(
        cpu_pct,
        len(latencies_ns) / took_s,
        np.array(latencies_ns) / 1e6,
        missed,
        repeated,
        float(np.mean(list(reads.values()))) * period_s / took_s,
    )


def main(seconds: float) -> None:
    """Measures and prints."""
    result: dict[str, float] = {}
    for key, period_s in PERIODS_S.items():
        with tempfile.TemporaryDirectory() as folder:
            found = watch(Path(folder), period_s, seconds)
        p50_ms, p99_ms, max_ms = np.percentile(found.latencies_ms, (50, 99, 100))
        result |= {
            f"{key}cpu_pct_per_1000": found.cpu_pct / found.values_per_s * 1000,
            f"{key}read_to_message_p99_ms": float(p99_ms),
            f"{key}read_to_message_p50_ms": float(p50_ms),
            f"{key}read_to_message_max_ms": float(max_ms),
            f"{key}values_per_s": found.values_per_s,
            f"{key}missed": found.missed,
            f"{key}repeated": found.repeated,
            f"{key}kept_up": found.reads_of_due,
        }
        print(
            f"every {period_s:g} s: {found.values_per_s:,.0f} values/s, {found.cpu_pct:.1f} % of a "
            f"core; read to message {p50_ms:.1f} ms, p99 {p99_ms:.1f}, most {max_ms:.1f}; "
            f"{found.missed} missed, {found.repeated} repeated, "
            f"{found.reads_of_due:.3f} of the reads that were due"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else SECONDS)
