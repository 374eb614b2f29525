"""Whether a gateway's memory stays flat: an hour at full size, with clients that come and go.

    ./run bench memory [MINUTES] [--cards N]

`lamproom run` with 8,000 people as in `bench/streams.py`, 20 subscribers of positions and events
all the time, and every half minute 10 more that come, read nothing, and go after some seconds. The
resident memory is looked at every second. It goes up and down by 60 MB with the blocks of kept
positions, which are made every 40 s; what is never given back is in the lowest of each two minutes:
a straight line is laid through these after the warm-up, a quarter of the time. The rival is the
same line through the memory of the process of those who subscribe. The last line is JSON:
`slope_mb_per_h` and its standard error, `low_begin_mb`, `low_end_mb`, `high_mb`, `files_begin`,
`files_end` (open ones), `clients_slope_mb_per_h`.
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
from numpy.typing import NDArray

from bench.streams import CARDS, resident_kb, served, subscribed
from tests.support.processes import Process

Floats = NDArray[np.float64]

MINUTES: Final = 60.0
SUBSCRIBERS: Final = 20
COME_AND_GO: Final = 10
LOOK_S: Final = 1.0
#: Three times the blocks of kept positions are made in it. A short run has shorter ones.
WINDOW_S: Final = 120.0
WINDOWS_LEAST: Final = 20
TELL_EVERY: Final = 300
COME_EVERY_S: Final = 30.0
STAY_S: Final = 8.0
WARM_UP: Final = 0.25
METHODS: Final = "positions,events"


def open_files(process: Process) -> int:
    """How many files and sockets a process has open."""
    return len(list(Path(f"/proc/{process.popen.pid}/fd").iterdir()))


def lows(times_s: list[float], sizes_mb: list[float]) -> tuple[Floats, Floats]:
    """The middle of each window, h, and the least size in it, MB."""
    window_s = min(WINDOW_S, times_s[-1] / WINDOWS_LEAST)
    window = (np.array(times_s) // window_s).astype(int)
    kinds = np.unique(window)
    least_mb = np.array([np.array(sizes_mb)[window == one].min() for one in kinds])
    return (kinds + 0.5) * window_s / 3600, least_mb


def slope_of(hours: Floats, sizes_mb: Floats) -> tuple[float, float]:
    """MB an hour of a straight line, and its standard error."""
    fit, covariance = np.polyfit(hours, sizes_mb, 1, cov=True)
    return float(fit[0]), float(np.sqrt(covariance[0, 0]))


def watch(folder: Path, cards: int, minutes: float) -> dict[str, float]:
    """The figures of so long."""
    times_s: list[float] = []
    sizes_mb: list[tuple[float, float]] = []
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
            sizes_mb.append((resident_kb(process) / 1024, resident_kb(clients) / 1024))
            if len(times_s) % TELL_EVERY == 1:
                print(f"{times_s[-1] / 60:6.1f} min {sizes_mb[-1][0]:8.1f} MB", flush=True)
            time.sleep(LOOK_S)
        time.sleep(STAY_S)
        files_end = open_files(process)
    first = next(n for n, t_s in enumerate(times_s) if t_s >= minutes * 60 * WARM_UP)
    ours, theirs = (list(one) for one in zip(*sizes_mb[first:], strict=True))
    hours, low_mb = lows(times_s[first:], ours)
    slope, error = slope_of(hours, low_mb)
    return {
        "slope_mb_per_h": slope,
        "slope_error": error,
        "low_begin_mb": low_mb[0],
        "low_end_mb": low_mb[-1],
        "high_mb": max(ours),
        "files_begin": files,
        "files_end": files_end,
        "clients_slope_mb_per_h": slope_of(*lows(times_s[first:], theirs))[0],
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
