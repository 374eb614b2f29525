"""Clients in other languages, and the README's samples, against a running gateway."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from hil_sim.sample_mine import Ports, write_sample_mine
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.processes import Process, gateway, running, simulator

PEERS = ROOT / "tests/peers"

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (PEERS / "node_modules/@grpc/grpc-js").is_dir(),
    reason="needs node and @grpc/grpc-js: npm ci in tests/peers",
)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a gateway serves a mine of 120 people."""
    folder = tmp_path_factory.mktemp("served")
    write_sample_mine(folder / "mine", people=120, ports=Ports.free())
    with ExitStack() as stack:
        stack.enter_context(simulator(folder / "mine", folder))
        port = free_port()
        stack.enter_context(gateway(folder / "mine", port, folder))
        yield port


def blocks(page: str, language: str) -> list[str]:
    """A page's samples in a language."""
    text = (ROOT / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@needs_node
def test_a_javascript_client_gets_snapshot_sync_deltas_and_events(port: int) -> None:
    command = ["node", "grpc_client.js", f"127.0.0.1:{port}", "8", "1"]
    done = subprocess.run(command, cwd=PEERS, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    of_positions = [line for line in lines if line["kind"] == "position"]
    synced = next(
        place
        for place, line in enumerate(lines)
        if line["kind"] == "sync" and line["stream"] == "positions"
    )
    snapshot = [line for line in lines[:synced] if line["kind"] == "position"]
    deltas = [line for line in lines[synced:] if line["kind"] == "position"]
    assert snapshot
    assert all(line["snapshot"] for line in snapshot)
    assert deltas
    assert not any(line["snapshot"] for line in deltas)
    assert all(re.fullmatch(r"\d{17}", line["card"]) for line in of_positions)
    events = [int(line["sequence"]) for line in lines if line["kind"] == "event"]
    assert events == list(range(1, len(events) + 1))
    assert len(events) > 5


@pytest.mark.parametrize("language", ["python", pytest.param("js", marks=needs_node)])
def test_the_readmes_clients_run(port: int, language: str, tmp_path: Path) -> None:
    (sample,) = blocks("README.md", language)
    assert len(sample.strip().splitlines()) <= 5
    with client_of(sample, language, port, tmp_path) as client:
        client.wait_for(lambda: len(client.out.splitlines()) > 5, timeout_s=20)
        first = client.out.splitlines()[0]
    assert re.match(r"1 the gateway has started", first)


def test_the_python_client_of_the_guide_follows_events(port: int, tmp_path: Path) -> None:
    sample, *_ = blocks("docs/clients.md", "python")
    with client_of(sample, "python", port, tmp_path) as client:
        client.wait_for(lambda: len(client.out.splitlines()) > 5, timeout_s=20)
        numbers = [line.split()[0] for line in client.out.splitlines()[:5]]
    assert numbers == ["1", "2", "3", "4", "5"]
    assert (tmp_path / "events.cursor").exists()


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (1, r"\d{17} \d{4}-\d\d-\d\dT\S+ -?\d+\.\d+ -?\d+\.\d+ \d+ silent"),
        (2, r"\d+ alarms \["),
    ],
)
def test_the_other_python_clients_of_the_guide_run(
    port: int, tmp_path: Path, place: int, line: str
) -> None:
    sample = blocks("docs/clients.md", "python")[place]
    with client_of(sample, "python", port, tmp_path) as client:
        client.wait_for(lambda: re.search(line, client.out), timeout_s=20)
        assert client.err == ""


@needs_node
def test_the_javascript_client_of_the_guide_follows_positions(port: int, tmp_path: Path) -> None:
    (sample,) = blocks("docs/clients.md", "js")
    with client_of(sample, "js", port, tmp_path) as client:
        number = r"-?\d+(\.\d+)?"
        line = rf"^\d{{17}} {number} {number} FIX_CLASS_[A-Z]+ \d{{19}}$"
        fix = re.compile(line, re.MULTILINE)
        client.wait_for(
            lambda: fix.search(client.out.partition("whole\n")[2]) is not None, timeout_s=20
        )
        assert client.err == ""


def client_of(
    sample: str, language: str, port: int, folder: Path
) -> AbstractContextManager[Process]:
    """A sample, run as a program of its own against the gateway at `port`."""
    file = folder / f"client.{language}"
    file.write_text(sample.replace("50051", str(port)))
    if language == "js":
        # Where a user would have run `npm install`.
        (folder / "node_modules").symlink_to(PEERS / "node_modules")
        return running(["node", file], folder, "client")
    # What it keeps stays in its folder.
    return running([sys.executable, file], folder, "client", cwd=folder)
