"""Whether a gateway's memory stays flat: an hour at full size, with clients that come and go.

    ./run bench memory [MINUTES] [--cards N]

`lamproom run` with 8,000 people as in `bench/streams.py`, 20 subscribers of positions and events
all the time, and every half minute 10 more that come, read nothing, and go after some seconds. The
resident memory is looked at every 5 s; a straight line is laid through it after the warm-up, a
quarter of the time. The rival is the same line through the memory of the process of those who
subscribe. The last line is JSON: `slope_mb_per_h` and its standard error, `begin_mb`, `end_mb`,
`files_begin`, `files_end` (open ones), `clients_slope_mb_per_h`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "proto")]

import numpy as np

from bench.streams import CARDS, resident_kb, served, subscribed
from tests.support.processes import Process

MINUTES: Final = 60.0
SUBSCRIBERS: Final = 20
COME_AND_GO: Final = 10
LOOK_S: Final = 5.0
COME_EVERY_S: Final = 30.0
STAY_S: Final = 8.0
WARM_UP: Final = 0.25
METHODS: Final = "positions,events"


def open_files(process: Process) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{process.popen.pid}/fd").iterdir()))


def slope_of(times_s: list[float], sizes_kb: list[float]) -> tuple[float, float]:
    """MB an hour of a straight line, and its standard error as if samples were independent."""
    hours, sizes_mb = np.array(times_s) / 3600, np.array(sizes_kb) / 1024
    fit, covariance = np.polyfit(hours, sizes_mb, 1, cov=True)
    return float(fit[0]), float(np.sqrt(covariance[0, 0]))


def watch(folder: Path, cards: int, minutes: float) -> dict[str, float]:
    """The figures of so long."""
    times_s: list[float] = []
    sizes_kb: list[tuple[float, float]] = []
    with (
        served(folder, cards) as (process, port),
        subscribed(folder, port, METHODS, reading=SUBSCRIBERS) as clients,
    ):
        files = open_files(process)
        begun_s = time.monotonic()
        end_s, come_s = begun_s + minutes * 60, begun_s
        while (now_s := time.monotonic()) < end_s:
            if now_s >= come_s:
                come_s += COME_EVERY_S
                with subscribed(folder, port, METHODS, stalled=COME_AND_GO):
                    time.sleep(STAY_S)
            times_s.append(time.monotonic() - begun_s)
            sizes_kb.append((resident_kb(process), resident_kb(clients)))
            if len(times_s) % 60 == 1:
                print(f"{times_s[-1] / 60:6.1f} min {sizes_kb[-1][0] / 1024:8.1f} MB", flush=True)
            time.sleep(LOOK_S)
        time.sleep(STAY_S)
        files_end = open_files(process)
    first = next(n for n, t_s in enumerate(times_s) if t_s >= minutes * 60 * WARM_UP)
    ours, theirs = zip(*sizes_kb[first:], strict=True)
    slope, error = slope_of(times_s[first:], list(ours))
    return {
        "slope_mb_per_h": slope,
        "slope_error": error,
        "begin_mb": ours[0] / 1024,
        "end_mb": ours[-1] / 1024,
        "files_begin": files,
        "files_end": files_end,
        "clients_slope_mb_per_h": slope_of(times_s[first:], list(theirs))[0],
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Memory of a gateway over an hour.")
    parser.add_argument("minutes", nargs="?", type=float, default=MINUTES)
    parser.add_argument("--cards", type=int, default=CARDS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = watch(Path(folder), given.cards, given.minutes)
    for name, value in figures.items():
        print(f"{name:22} {value:10.2f}")
    print(json.dumps({"cards": given.cards, **{k: round(v, 2) for k, v in figures.items()}}))


if __name__ == "__main__":
    main()
