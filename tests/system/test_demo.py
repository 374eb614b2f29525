"""The demo as a user runs it."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.ports import free_port
from tests.support.processes import Process, lamproom, running

#: What the table shows, once all has come.
SHOWN = (
    r"[1-9]\d* underground",
    r"zone_entered",
    r"shearer_3101\W+up\W+\w+",
    r"shearer_3103\W+up\W+\w+",
    r"\d+\.\d\W+\d+\.\d\W+[01]\.\d\W+precise",
)


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[Process]:
    """A demo, which leaves no simulator and no gateway behind."""
    with running(lamproom("demo", *options), folder, "demo") as process:
        process.wait_for(lambda: len(children(process)) == 2)
        both = children(process)
        yield process
        assert process.err == ""
    assert [child for child in both if Path("/proc", child).exists()] == []


def children(process: Process) -> list[str]:
    command = ["pgrep", "-P", str(process.popen.pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


def missing(text: str) -> list[str]:
    """What the last table does not show."""
    table = text[max(text.rfind("lamproom "), 0) :]
    return [pattern for pattern in SHOWN if not re.search(pattern, table)]


def test_the_demo_shows_people_machines_and_a_zone_event_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with demo(tmp_path, "--grpc-port", "0", "--people", "60") as process:
        process.wait_for(lambda: not missing(process.out))
        assert process.stop(signal.SIGINT, timeout_s=5) == 0


def test_the_demo_ends_at_once_and_cleanly_on_a_signal(tmp_path: Path) -> None:
    port = free_port()
    with demo(tmp_path, "--grpc-port", str(port), "--people", "5") as process:
        process.wait_for(lambda: answers(port))
        assert process.stop(signal.SIGTERM, timeout_s=5) == 0


def test_the_demo_ends_when_its_time_is_up(tmp_path: Path) -> None:
    with demo(tmp_path, "--grpc-port", "0", "--people", "5", "--seconds", "1") as process:
        assert process.popen.wait(60) == 0
        assert "underground" in process.out


def answers(port: int) -> bool:
    """Whether someone listens there."""
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
