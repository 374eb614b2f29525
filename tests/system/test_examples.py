"""The programs in `examples/`, each against a gateway that is killed and started anew meanwhile."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hil_sim.sample_mine import Ports, write_sample_mine
from tests.support.places import PEERS, ROOT, missing_node
from tests.support.ports import free_port
from tests.support.processes import Process, gateway, running, simulator

EXAMPLES = ROOT / "examples"

LINES_MOST = 59


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A mine of 120 people whose devices are served."""
    folder = tmp_path_factory.mktemp("examples")
    write_sample_mine(folder / "mine", people=120, ports=Ports.free())
    with simulator(folder / "mine", folder):
        yield folder / "mine"


def python(folder: Path) -> list[str | Path]:
    return [sys.executable, EXAMPLES / "python/follow.py", "--cursor-file", folder / "cursor"]


def javascript(folder: Path) -> list[str | Path]:
    missing = missing_node("@grpc/grpc-js")
    if missing:
        pytest.skip(missing)
    # Where a user would have run `npm install`.
    (folder / "proto").symlink_to(ROOT / "proto")
    home = folder / "examples/javascript"
    home.mkdir(parents=True)
    (home / "node_modules").symlink_to(PEERS / "node_modules")
    return ["node", shutil.copy(EXAMPLES / "javascript/follow.js", home)]


def cpp(folder: Path) -> list[str | Path]:
    needed = ("g++", "pkg-config", "protoc", "grpc_cpp_plugin")
    absent = [name for name in needed if shutil.which(name) is None]
    asked = ["pkg-config", "--exists", "grpc++", "protobuf"]
    if absent or subprocess.run(asked, check=False).returncode:
        pytest.skip("needs g++, pkg-config, libgrpc++-dev and protobuf-compiler-grpc")
    subprocess.run([EXAMPLES / "cpp/build.sh", folder], check=True)
    return [folder / "follow"]


def told(program: Process) -> list[int]:
    """The sequences of the events that a program has printed."""
    return [int(n) for n in re.findall(r"^event (\d+) .", program.out, re.MULTILINE)]


def places(program: Process) -> int:
    pattern = r"^position (\d+ )?\d{17} -?\d+(\.\d+)? -?\d+(\.\d+)?"
    return len(re.findall(pattern, program.out, re.MULTILINE))


@pytest.mark.parametrize("command", [python, javascript, cpp])
def test_an_example_follows_the_mine_over_a_restart(
    mine: Path, tmp_path: Path, command: object
) -> None:
    assert callable(command)
    line = command(tmp_path)
    port = free_port()
    with ExitStack() as stack:
        first = stack.enter_context(gateway(mine, port, tmp_path))
        program = stack.enter_context(running([*line, f"127.0.0.1:{port}"], tmp_path, "example"))
        program.wait_for(lambda: len(told(program)) > 5 and places(program) > 5)
        first.kill()
        seen = len(told(program))
        stack.enter_context(gateway(mine, port, tmp_path, "again"))
        program.wait_for(lambda: len(told(program)) > seen)
        count = places(program)
        program.wait_for(lambda: places(program) > count)
        events = told(program)  # once: it goes on printing
        assert events == list(range(1, len(events) + 1))


@pytest.mark.parametrize("name", ["python/follow.py", "javascript/follow.js", "cpp/follow.cpp"])
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= LINES_MOST
