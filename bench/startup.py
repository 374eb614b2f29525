"""From the start of a process to its first fix, with and without compiled kernels on disk.

    ./run bench startup

Processes of their own, each with a map that is one open area: a cold one, whose cache of
compiled kernels is empty, and warm ones, that find what the cold one has left. The last line is a
JSON object: `cold_s`, and `warm_s`, the best of several; `cpu_s` are the processor times of the
same, which other work on the machine does not touch.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
WARM_STARTS: Final = 3

#: Four ranges of one card, two rounds: from the second on, or before, there are fixes.
FIRST_FIX: Final = """
from bench.kernel_scene import open_scene
from positioning.locator import Locator
from positioning.mine_map import Anchor, MineMap
from positioning.observation import measurements

scene = open_scene(1, 2)
anchors = tuple(Anchor(f"A{i}", *map(float, place)) for i, place in enumerate(scene.anchors_m))
locator = Locator(MineMap(roadways=(), anchors=anchors, readers=(), zones=()), 1.0)
fixes = [locator.locate(measurements(ranges)) for ranges in scene.rounds()]
assert sum(map(len, fixes)) > 0, "no fix"
"""


def start(cache: str) -> tuple[float, float]:
    """Seconds, and seconds of processor time, until a process has its first fix and has ended.

    Raises:
        subprocess.CalledProcessError: it had none.
    """
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)}
    before, begun_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", FIRST_FIX], env=environment, cwd=ROOT, check=True)
    took_s, after = time.perf_counter() - begun_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as cache:
        cold_s, cold_cpu_s = start(cache)
        warm = [start(cache) for _ in range(WARM_STARTS)]
    warm_s, warm_cpu_s = min(warm)
    print(f"cold {cold_s:.1f} s, of the processor {cold_cpu_s:.1f} s")
    print(f"warm {warm_s:.1f} s, of the processor {warm_cpu_s:.1f} s")
    result = {"cold_s": cold_s, "warm_s": warm_s, "cpu_s": {"cold": cold_cpu_s, "warm": warm_cpu_s}}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
