"""The commands as a user runs them: what they answer to mistakes, and what they promise."""

import math
import re
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from hil_sim.sample_mine import Ports, write_sample_mine
from tests.support.places import ENVIRONMENT, ROOT
from tests.support.processes import gateway, lamproom, running
from tests.support.waiting import LONG_S, blocked_until

COMMANDS = (
    "demo",
    "init",
    "check",
    "run",
    "sim",
    "watch",
    "anchors",
    "muster",
    "attendance",
    "exposure",
    "cards",
    "certs",
    "locate",
    "evaluate",
    "audit",
    "journal",
    "doctor",
    "values",
    "devices",
    "browse",
    "listen",
    "profile",
    "probe",
)


def said(arguments: Sequence[str | Path], folder: Path) -> tuple[int, str, str]:
    """Status, standard output and standard error of a command, run in `folder`."""
    done = subprocess.run(
        list(map(str, lamproom(*arguments))),
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_help_lists_every_command_in_whole_sentences(tmp_path: Path) -> None:
    status, out, _ = said(["--help"], tmp_path)
    assert status == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z].*\.$", out, re.MULTILINE)
    assert "..." not in out.partition("Commands:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, tmp_path: Path) -> None:
    status, out, err = said([command, "--help"], tmp_path)
    assert (status, err) == (0, "")
    options = out.partition("Options:")[2]
    assert "--help" in options
    assert "--leash" not in options


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["init", "full"], "full is not empty"),
        (["init", "file/below"], "can't be written"),
        (["init", "new", "--recording", "nowhere"], "nowhere"),
        (["init", "new", "--recording", "nowhere", "--people", "3"], "a recording has its own"),
        (["run", "nowhere"], "there is no such folder"),
        (["run", "file"], "is not a folder"),
        (["sim", "nowhere"], "is missing"),
        (["sim", "file"], "is not a folder"),
        (["sim", "mine", "--people", "900"], "people.csv has 5 cards"),
        (["sim", "mine", "--recording", "full"], "was not made from a recording"),
        (["watch", "nonsense"], "is neither an address nor a mine's folder"),
        (["watch", ""], "is neither an address nor a mine's folder"),
        (["watch", "127.0.0.1:x"], "is neither an address nor a mine's folder"),
        (["anchors", "nonsense"], "is no address: write HOST:PORT"),
        (["anchors", "--recording", "nowhere"], "no such file"),
        (["audit", "verify", "nowhere"], "there is no such folder"),
        (["audit", "show", "mine"], "there is no journal"),
        (["locate", "nowhere"], "no such file"),
        (["locate", "full", "--height-m", "nan"], "is not a height"),
    ],
)
def test_a_mistake_is_told_in_a_line_and_ends_with_status_1(
    arguments: list[str], text: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/something").touch()
    write_sample_mine(tmp_path / "mine", people=3)
    status, out, err = said(arguments, tmp_path)
    assert status == 1
    assert out == ""
    assert text in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["init"],
        ["init", "x", "--people", "0"],
        ["demo", "--people", "9000"],
        ["demo", "--seed", "-1"],
        ["run", "x", "--grpc-port", "70000"],
        ["audit", "show", "x", "--last", "0"],
    ],
)
def test_a_wrong_use_is_told_and_ends_with_status_2(arguments: list[str], tmp_path: Path) -> None:
    status, _, err = said(arguments, tmp_path)
    assert status == 2
    assert "Error: " in err
    assert "Traceback" not in err


def test_ready_says_where_clients_connect(tmp_path: Path) -> None:
    write_sample_mine(tmp_path / "mine", people=1, ports=Ports.free())
    file = tmp_path / "mine/mine.toml"
    file.write_text(file.read_text().replace('"127.0.0.1"', '"127.0.0.2"'))
    with gateway(tmp_path / "mine", 0, tmp_path) as process:
        host, _, port = process.word_after("READY grpc").rpartition(":")
        assert host == "127.0.0.2"
        socket.create_connection((host, int(port)), 5).close()
        assert process.stop() == 0


@pytest.mark.parametrize("command", ["sim", "run"])
def test_on_a_leash_a_command_ends_with_its_parent(command: str, tmp_path: Path) -> None:
    write_sample_mine(tmp_path / "mine", people=1, ports=Ports.free())
    port = ("--grpc-port", "0") if command == "run" else ()
    with running(lamproom(command, tmp_path / "mine", *port, "--leash"), tmp_path, "leashed") as it:
        it.wait_for(lambda: "READY" in it.out)
        assert it.popen.stdin
        it.popen.stdin.close()
        assert it.popen.wait(LONG_S) == 0


def record(folder: Path) -> None:
    """A recording of a card that walks between four anchors."""
    corners = {"A": (0, 0), "B": (20, 0), "C": (20, 12), "D": (0, 12)}
    folder.mkdir()
    anchors = [f"{name},{x},{y},2.0" for name, (x, y) in corners.items()]
    (folder / "anchors.csv").write_text("\n".join(["anchor,x_m,y_m,z_m", *anchors, ""]))
    ranges = ["t_s,tag,anchor,range_m"]
    for step in range(60):
        for number, (name, (x, y)) in enumerate(corners.items()):
            range_m = math.dist((2 + step * 0.1, 6, 1), (x, y, 2))
            ranges.append(f"{step * 0.1 + number * 0.01:.3f},T1,{name},{range_m:.3f}")
    (folder / "ranges.csv").write_text("\n".join([*ranges, ""]))


def test_a_gateway_that_is_to_end_does_not_compile_to_the_end(tmp_path: Path) -> None:
    write_sample_mine(tmp_path / "mine", people=1, ports=Ports.free())
    cold = ENVIRONMENT | {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    command = lamproom("run", tmp_path / "mine", "--grpc-port", "0")
    with subprocess.Popen(command, cwd=ROOT, env=cold, stdout=subprocess.PIPE) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        blocked_until(lambda: "llvmlite" in maps.read_text(), "the compiler is loaded")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=LONG_S)
        assert (process.returncode, out) == (0, b"")
    assert not list((tmp_path / "kernels").rglob("kernel.*.nbc"))


def test_a_recording_goes_through_a_gateway_by_commands_alone(tmp_path: Path) -> None:
    record(tmp_path / "walk")
    mine = tmp_path / "mine"
    status, out, err = said(["init", mine, "--recording", tmp_path / "walk"], tmp_path)
    assert (status, err) == (0, "")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    devices = mine / "devices.toml"
    devices.write_text(devices.read_text().replace("15021", str(port)))
    told = next(line for line in out.splitlines() if "lamproom sim" in line)
    options = told.partition(str(mine))[2].partition("  ")[0].split()
    assert options == ["--recording", str(tmp_path / "walk"), "--wait-client"]
    assert said(["check", mine], tmp_path)[0] == 0
    with (
        running(lamproom("sim", mine, *options), tmp_path, "sim") as sim,
        gateway(mine, 0, tmp_path) as serving,
        running(
            lamproom("watch", serving.word_after("READY grpc"), "--json"), tmp_path, "watch"
        ) as watch,
    ):
        sim.wait_for(lambda: "PLAYED" in sim.out)
        watch.wait_for(
            lambda: any(
                line["kind"] == "position" and abs(line["x_m"] - 7.9) < 0.5
                for line in watch.lines()
            )
        )


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| command |") :]
    assert [command for command in COMMANDS if f"{command}" not in table] == []
