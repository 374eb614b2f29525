"""The demo as a user runs it."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.processes import lamproom, running


def test_the_demo_shows_people_machines_and_a_zone_event_and_ends(tmp_path: Path) -> None:
    command = lamproom("demo", "--seconds", "15", "--grpc-port", "0", "--people", "60")
    with running(command, tmp_path, "demo") as demo:
        demo.wait_for(lambda: demo.popen.poll() is not None, timeout_s=90)
        assert (demo.popen.returncode, demo.err) == (0, "")
        shown = demo.out
    last = shown[shown.rindex("lamproom ") :]
    underground = re.search(r"(\d+) underground", last)
    assert underground
    assert 0 < int(underground[1]) <= 60
    assert re.search(r"zone_entered", last)
    assert re.search(r"shearer_3101\W+up\W+\w+", last)
    assert re.search(r"shearer_3103\W+up\W+\w+", last)
    assert re.search(r"\d+\.\d\W+\d+\.\d\W+[01]\.\d\W+precise", last), "people have places"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_ends_at_once_and_cleanly_on_a_signal(tmp_path: Path, number: int) -> None:
    command = lamproom("demo", "--grpc-port", "0", "--people", "5")
    with running(command, tmp_path, "demo") as demo:
        demo.wait_for(lambda: "underground" in demo.out)
        children = subprocess.run(
            ["pgrep", "-P", str(demo.popen.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        assert len(children) == 1
        assert demo.stop(number, timeout_s=5) == 0
        assert demo.err == ""
    assert not Path("/proc", children[0]).exists()
