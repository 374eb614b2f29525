"""Real processes for the system tests: started, awaited by what they print, always ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
READY_S = 60.0


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Process:
    """A command with its output in files, so that no full pipe ever stops it."""

    def __init__(self, command: Sequence[str | Path], folder: Path, name: str) -> None:
        self.name = name
        self.out_path = folder / f"{name}.out"
        self.err_path = folder / f"{name}.err"
        with self.out_path.open("ab") as out, self.err_path.open("ab") as err:
            self._skip = self.out_path.stat().st_size
            self.popen = subprocess.Popen(
                list(map(str, command)),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=os.environ | {"PYTHONPATH": "proto:.", "PYTHONUNBUFFERED": "1"},
            )

    @property
    def out(self) -> str:
        """What this process has printed."""
        with self.out_path.open() as file:
            file.seek(self._skip)
            return file.read()

    @property
    def err(self) -> str:
        return self.err_path.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """The complete lines of JSON that it has printed."""
        return [json.loads(line) for line in self.out.splitlines(keepends=True) if line[-1] == "\n"]

    def wait_for(self, found: Callable[[], bool], timeout_s: float = READY_S) -> None:
        """Waits until `found()`; fails when the process ends before or takes longer."""
        deadline_s = time.monotonic() + timeout_s
        while not found():
            late = time.monotonic() > deadline_s
            if late or self.popen.poll() is not None:
                what = f"not within {timeout_s:g} s" if late else f"status {self.popen.returncode}"
                msg = f"{self.name}: {what}\n{self.out[-2000:]}\n{self.err[-4000:]}"
                raise AssertionError(msg)
            time.sleep(0.02)

    def kill(self) -> None:
        """`kill -9`."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 10.0) -> int:
        """Sends a signal and returns the status; fails when it takes longer."""
        self.popen.send_signal(number)
        return self.popen.wait(timeout_s)

    def end(self) -> None:
        """Leaves nothing behind; asks first, so that what was covered is written down."""
        if self.popen.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                self.stop()
        with suppress(ProcessLookupError):
            self.popen.kill()
        self.popen.wait()


@contextmanager
def running(command: Sequence[str | Path], folder: Path, name: str) -> Iterator[Process]:
    """A process for the length of a `with`."""
    process = Process(command, folder, name)
    try:
        yield process
    finally:
        process.end()


def lamproom(*arguments: str | Path) -> list[str | Path]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "gateway.cli.main", *arguments]


@contextmanager
def gateway(mine: Path, port: int, folder: Path, name: str = "gateway") -> Iterator[Process]:
    """`lamproom run`, ready."""
    with running(lamproom("run", mine, "--grpc-port", str(port)), folder, name) as process:
        process.wait_for(lambda: "READY" in process.out)
        yield process


@contextmanager
def simulator(mine: Path, folder: Path, *options: str, name: str = "sim") -> Iterator[Process]:
    """`lamproom sim`, ready."""
    with running(lamproom("sim", mine, *options), folder, name) as process:
        process.wait_for(lambda: "READY" in process.out)
        yield process


@contextmanager
def watcher(port: int, folder: Path, *options: str, name: str = "watch") -> Iterator[Process]:
    """`lamproom watch --json`."""
    command = lamproom("watch", f"127.0.0.1:{port}", "--json", *options)
    with running(command, folder, name) as process:
        yield process
