"""The kernels as plain Python: where compiled code would read beside an array, this fails aloud."""

import subprocess
import sys

from tests.support.places import ENVIRONMENT, ROOT


def test_the_kernels_pass_their_tests_uncompiled() -> None:
    names = (
        "kernel",
        "roadway",
        "roadway_strength",
        "strength",
        "zones",
        "polygons",
        "inside",
        "fences",
        "nearness",
    )
    modules = [f"tests/positioning/test_{name}.py" for name in names]
    command = [sys.executable, "-m", "pytest", "-n0", "--no-cov", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *modules],
        cwd=ROOT,
        env=ENVIRONMENT | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
