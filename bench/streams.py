"""Fan-out at full size: what a gateway with a hundred subscribers costs, and how soon they know.

    ./run bench streams [SECONDS] [--cards N]

`lamproom run` locates 8,000 people once a second from ranges that come as text over UDP
(`bench/streams_mine.py`), tells who enters and leaves a restricted zone, keeps that on disk
(`synchronous=FULL`) and sends frames ten times a second. 95 subscribers read positions and events,
each over a connection of its own, from another process that parses nothing twice; 5 more read
nothing after the first message. Then one stalls for 8 s and goes on, then there are 40 more who do
not read. What ratios compare is run in turns, in the same run.

The last line is a JSON object. `cpu_pct`: the gateway's processor time, in per cent of one core;
`alarm_p99_ms`, `alarm_max_ms`: from when the measurement that showed it was sent to when a
subscriber has the alarm, over all alarms and subscribers; `frame_p99_ms`: the same from the newest
measurement of each frame; `encode_ratio`: how much cheaper a position is as columns than as a
message of its own, in a frame of all cards, `_frame` in one of a tenth of them; `fanout_ratio`: the
processor time of a hub alone with 100 subscribers, rows serialised for each to columns serialised
once; `tls_ratio`: the gateway's with mutual TLS to without, 95 subscribers; `stale_s`:
a client of `FollowPositions` that stalled for 8 s, how old its picture was, or how long it took to
have it, whichever is more; `memory_per_client_kb`: of those who do not read, for positions and
events.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "proto")]

from bench.plant import cpu_s
from bench.streams_client import CALLERS
from bench.streams_hub import fixes_of, rows_of
from bench.streams_mine import write_folder
from gateway.serve.encode import encode_frame
from tests.support.places import ENVIRONMENT
from tests.support.processes import Process, gateway, lamproom, running

CARDS: Final = 8000
SECONDS: Final = 60.0
READING: Final = 95
STALLED: Final = 5
RUDE: Final = 40
STALL_S: Final = 8.0
#: Until everyone was found and all that is done once has been done.
SETTLE_S: Final = 15.0
#: Of each turn of a ratio, and how many turns; the lowest counts.
TURN_S: Final = 6.0
TURNS: Final = 3
#: For so long the lowest memory is looked for: every 40 s blocks of kept positions take 60 MB for a
#: moment. Those who do not read are ended later.
LOWEST_OF_S: Final = 41.0
BENCH: Final = Path(__file__).parent


def free_udp_port() -> int:
    """One that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def served(folder: Path, cards: int, *, tls: bool = False) -> Iterator[tuple[Process, int]]:
    """The gateway and its port, with everyone sending."""
    udp = free_udp_port()
    write_folder(folder / "mine", cards, udp)
    if tls:
        secure(folder / "mine")
    sender: list[str | Path] = [sys.executable, BENCH / "streams_mine.py", str(cards), str(udp)]
    with gateway(folder / "mine", 0, folder) as process:
        port = int(process.word_after("READY grpc").rpartition(":")[2])
        with running(sender, folder, "sender"):
            time.sleep(SETTLE_S)
            yield process, port


def secure(mine: Path) -> None:
    """Has the gateway speak mutual TLS, and makes the certificates of those who connect."""
    with (mine / "mine.toml").open("a") as file:
        file.write("\n[grpc.tls]\n")
    certs("init", str(mine), "--host", "localhost")
    for n in range(CALLERS):
        certs("issue", str(mine), f"client-{n}", "--role", "admin")


def certs(*words: str) -> None:
    """A command of `lamproom certs`."""
    command = lamproom("certs", *words)
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)


@contextmanager
def subscribed(
    folder: Path, port: int, methods: str, *, reading: int = 0, stalled: int = 0, tls: str = ""
) -> Iterator[Process]:
    """Subscribers, once all have had something; `tls` is the folder of certificates, if any."""
    program = BENCH / "streams_client.py"
    command: list[str | Path] = [sys.executable, program, str(port), str(reading), str(stalled)]
    with running([*command, methods, tls], folder, "clients") as clients:
        clients.wait_for(lambda: "READY" in clients.out)
        yield clients


def asked(clients: Process) -> dict[str, Any]:
    """What came since they were asked last."""
    count = clients.out.count("\n")
    clients.tell("")
    clients.wait_for(lambda: clients.out.count("\n") > count)
    found: dict[str, Any] = json.loads(clients.out.splitlines()[-1])
    return found


def cpu_pct_of(process: Process, seconds: float) -> float:
    """Processor time in so many seconds, per cent of a core."""
    before_s, begun_s = cpu_s(process), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(process) - before_s) / (time.monotonic() - begun_s) * 100


def resident_kb(process: Process) -> float:
    """Memory of a process."""
    pages = Path(f"/proc/{process.popen.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1024


def lowest_kb(process: Process) -> float:
    """The least memory that it has within `LOWEST_OF_S`."""
    end_s, sizes_kb = time.monotonic() + LOWEST_OF_S, []
    while time.monotonic() < end_s:
        sizes_kb.append(resident_kb(process))
        time.sleep(0.2)
    return min(sizes_kb)


def at_full_size(folder: Path, cards: int, seconds: float) -> dict[str, float]:
    """The gateway's figures."""
    with served(folder, cards) as (process, port):
        alone_pct = cpu_pct_of(process, seconds / 4)
        both = "positions,events"
        with subscribed(folder, port, both, reading=READING, stalled=STALLED) as clients:
            time.sleep(SETTLE_S / 3)
            asked(clients)
            cpu_pct = cpu_pct_of(process, seconds)
            found = asked(clients)
            stall: list[str | Path] = [
                sys.executable,
                BENCH / "streams_stall.py",
                str(port),
                str(STALL_S),
            ]
            with running(stall, folder, "stalls") as one:
                one.wait_for(lambda: "}" in one.out)
                stale = json.loads(one.out)
        time.sleep(SETTLE_S / 3)
        before_kb = lowest_kb(process)
        with subscribed(folder, port, both, stalled=RUDE):
            memory_kb = (lowest_kb(process) - before_kb) / RUDE
    _, alarm_p50, alarm_p99, alarm_max = found["events"]
    frames, frame_p50, frame_p99, frame_max = found["positions"]
    return {
        "cpu_pct": cpu_pct,
        "cpu_alone_pct": alone_pct,
        "alarms_per_s": found["events"][0] / READING / seconds,
        "alarm_p50_ms": alarm_p50,
        "alarm_p99_ms": alarm_p99,
        "alarm_max_ms": alarm_max,
        "frames_per_s": frames / READING / seconds,
        "frame_p50_ms": frame_p50,
        "frame_p99_ms": frame_p99,
        "frame_max_ms": frame_max,
        "mb_per_s": found["bytes"] / seconds / 1e6,
        "stale_s": stale["stale_s"],
        "memory_per_client_kb": memory_kb,
    }


def encode_ratio(count: int) -> float:
    """A message for each of so many positions to columns, by processor time."""
    fixes = fixes_of(count, 0)

    def spent_s(encode: Callable[[], object], times: int) -> float:
        took = []
        for _ in range(TURNS * 2):
            begun_s = time.process_time()
            for _ in range(times):
                encode()
            took.append((time.process_time() - begun_s) / times)
        return min(took)

    rows_s = spent_s(lambda: rows_of(fixes).SerializeToString(), 3)
    return rows_s / spent_s(lambda: encode_frame(fixes, b"cursor"), 300)


def hub_pct(folder: Path, cards: int, method: str) -> float:
    """Processor time of a hub alone with 100 subscribers, per cent of a core."""
    command: list[str | Path] = [sys.executable, BENCH / "streams_hub.py", str(cards)]
    with running(command, folder, "hub") as hub:
        port = int(hub.word_after("READY"))
        with subscribed(folder, port, method, reading=READING + STALLED):
            time.sleep(1.0)
            return cpu_pct_of(hub, TURN_S)


def gateway_pct(folder: Path, cards: int, *, tls: bool) -> float:
    """Processor time of the gateway with all who read, per cent of a core."""
    folder.mkdir()
    certificates = str(folder / "mine/certs") if tls else ""
    with (
        served(folder, cards, tls=tls) as (process, port),
        subscribed(folder, port, "positions,events", reading=READING, tls=certificates),
    ):
        time.sleep(SETTLE_S / 3)
        return cpu_pct_of(process, TURN_S * 2)


def ratios(folder: Path, cards: int) -> dict[str, float]:
    """What one way costs to another, in turns."""
    spent: dict[str, list[float]] = {name: [] for name in ("columns", "rows", "plain", "tls")}
    for turn in range(TURNS):
        spent["columns"].append(hub_pct(folder, cards, "positions"))
        spent["rows"].append(hub_pct(folder, cards, "rows"))
        for name in ("plain", "tls"):
            pct = gateway_pct(folder / f"{name}-{turn}", cards, tls=name == "tls")
            spent[name].append(pct)
    least = {name: min(turns) for name, turns in spent.items()}
    return {
        "encode_ratio": encode_ratio(cards),
        "encode_ratio_frame": encode_ratio(cards // 10),
        "fanout_ratio": least["rows"] / least["columns"],
        "tls_ratio": least["tls"] / least["plain"],
        "hub_columns_pct": least["columns"],
        "hub_rows_pct": least["rows"],
        "tls_pct": least["tls"],
        "no_tls_pct": least["plain"],
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Fan-out at full size.")
    parser.add_argument("seconds", nargs="?", type=float, default=SECONDS)
    parser.add_argument("--cards", type=int, default=CARDS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = at_full_size(Path(folder), given.cards, given.seconds)
        result |= ratios(Path(folder), given.cards)
    for name, value in result.items():
        print(f"{name:22} {value:10.2f}")
    print(json.dumps({"cards": given.cards, **{k: round(v, 3) for k, v in result.items()}}))


if __name__ == "__main__":
    main()
