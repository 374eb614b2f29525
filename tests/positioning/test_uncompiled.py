"""The kernels as plain Python: where compiled code would read beside an array, this fails aloud."""

import subprocess
import sys

from tests.support.places import ENVIRONMENT, ROOT

SMOOTHED_ON_ROADWAYS = "test_just_after_a_junction_the_past_is_on_the_right_roadway"


def test_the_kernels_pass_their_tests_uncompiled() -> None:
    names = (
        "kernel",
        "kinds_in_rooms",
        "roadway_readers",
        "passing",
        "roadway",
        "strength",
        "zones",
        "polygons",
        "inside",
        "fences",
        "nearness",
    )
    modules = [f"tests/positioning/test_{name}.py" for name in names]
    modules += [f"tests/positioning/test_smoothing.py::{SMOOTHED_ON_ROADWAYS}"]
    slow = "walks_into or starts_in or is_found_in"  # the filter of both models, over and over
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-k", f"not ({slow})", *modules],
        cwd=ROOT,
        env=ENVIRONMENT | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
