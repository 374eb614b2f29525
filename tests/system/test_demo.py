"""The demo as a user runs it."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.places import ENVIRONMENT, ROOT
from tests.support.processes import Process, lamproom, running
from tests.support.waiting import LONG_S, blocked_until

#: What the picture shows, once all has come.
SHOWN = (
    r"[1-9]\d* underground",
    r"zone_entered",
    r"shearer_3101\W+up\W+\w+",
    r"shearer_3103\W+up\W+\w+",
    # A place, a speed, a deviation and a class.
    r"\d+\.\d\W+\d+\.\d\W+[01]\.\d\W+\d+\.\d\W+roadway",
)


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[Process]:
    # What a killed demo leaves behind goes with the test.
    command = ["env", f"TMPDIR={folder}", *lamproom("demo", "--grpc-port", "0", *options)]
    with running(command, folder, "demo") as process:
        yield process


def children(process: Process) -> dict[str, int]:
    """The processes that it has started, by command."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            words = (folder / "cmdline").read_text().split("\0")
            if int(parent) == process.popen.pid and "gateway.cli.main" in words:
                found[words[words.index("gateway.cli.main") + 1]] = int(folder.name)
    return found


def gone(number: int) -> bool:
    """Whether a process has ended."""
    return not Path("/proc", str(number)).exists()


def missing(text: str) -> list[str]:
    """What the last picture does not show."""
    last = text[max(text.rfind("lamproom "), 0) :]
    return [pattern for pattern in SHOWN if not re.search(pattern, last)]


def test_the_demo_shows_people_machines_and_a_zone_event(tmp_path: Path) -> None:
    with demo(tmp_path, "--people", "60") as process:
        process.wait_for(lambda: not missing(process.out))
        assert process.stop(signal.SIGINT) == 0
        assert process.err == ""


def test_the_demo_ends_by_itself_and_shows_no_picture_twice(tmp_path: Path) -> None:
    with demo(tmp_path, "--people", "5", "--seconds", "3") as process:
        assert process.popen.wait(LONG_S) == 0
        assert process.err == ""
        pictures = [part for part in process.out.split("\n\n") if "underground" in part]
    assert len(set(pictures)) == len(pictures) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_ends_cleanly_on_a_signal(tmp_path: Path, number: int) -> None:
    with demo(tmp_path, "--people", "5") as process:
        process.wait_for(lambda: "underground" in process.out)
        started = children(process)
        assert set(started) == {"sim", "run"}
        assert process.stop(number) == 0
        assert process.err == ""
    assert all(map(gone, started.values()))


def test_the_demo_ends_cleanly_while_it_starts(tmp_path: Path) -> None:
    with demo(tmp_path, "--people", "5") as process:
        process.wait_for(lambda: "starting" in process.out)
        assert process.stop(signal.SIGINT) == 0
        assert process.err == ""


@pytest.mark.parametrize(("command", "name"), [("sim", "simulator"), ("run", "gateway")])
def test_a_part_that_dies_is_told(tmp_path: Path, command: str, name: str) -> None:
    with demo(tmp_path, "--people", "5") as process:
        process.wait_for(lambda: "underground" in process.out)
        os.kill(children(process)[command], signal.SIGKILL)
        assert process.popen.wait(LONG_S) == 1
        assert f"the {name} has ended (SIGKILL)" in process.err
        assert "Traceback" not in process.err


def test_what_the_demo_has_started_never_outlives_it(tmp_path: Path) -> None:
    with demo(tmp_path, "--people", "5") as process:
        process.wait_for(lambda: "underground" in process.out)
        started = children(process)
        process.kill()
        blocked_until(lambda: all(map(gone, started.values())), "its processes end")


def test_a_port_in_use_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with running(lamproom("demo", "--grpc-port", port), tmp_path, "demo") as process:
            assert process.popen.wait(LONG_S) == 1
            assert process.err.startswith(f"port {port}: Address already in use")
            assert process.out == ""


def test_whoever_has_seen_enough_may_leave() -> None:
    command = list(map(str, lamproom("demo", "--grpc-port", "0", "--people", "5")))
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(LONG_S) == 0
        assert process.stderr.read() == ""
