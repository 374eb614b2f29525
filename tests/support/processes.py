"""Real processes: started, awaited by what they print, always ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.places import ENVIRONMENT, ROOT
from tests.support.waiting import LONG_S

#: A cold start imports asyncua from disk and compiles the kernels, beside others that do.
READY_S = 150.0


class Process:
    """A command with its output in files, so that no full pipe ever stops it."""

    def __init__(
        self, command: Sequence[str | Path], folder: Path, name: str, *, cwd: Path = ROOT
    ) -> None:
        self.name = name
        # Each run has files of its own: a name may be used again.
        out, out_path = tempfile.mkstemp(".out", f"{name}-", folder)
        err, err_path = tempfile.mkstemp(".err", f"{name}-", folder)
        self.err_path = Path(err_path)
        with os.fdopen(out) as out_file, os.fdopen(err) as err_file:
            self.popen = subprocess.Popen(
                list(map(str, command)),
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=out_file,
                stderr=err_file,
                env=ENVIRONMENT,
                text=True,
            )
        self._file = Path(out_path).open("rb")  # noqa: SIM115  `end` closes it
        self._read = b""
        self._lines: list[dict[str, Any]] = []
        self._parsed = 0

    @property
    def out(self) -> str:
        """What this process has printed until now."""
        return self._output().decode()

    @property
    def err(self) -> str:
        return self.err_path.read_text()

    def count(self, words: str) -> int:
        """How often it has printed `words`."""
        return self._output().count(words.encode())

    def lines(self) -> list[dict[str, Any]]:
        """The complete lines of JSON that it has printed; each is parsed once."""
        text = self._output()
        end = text.rfind(b"\n") + 1
        self._lines += [json.loads(line) for line in text[self._parsed : end].splitlines()]
        self._parsed = max(end, self._parsed)
        return self._lines

    def _output(self) -> bytes:
        if not self._file.closed:
            self._read += self._file.read()
        return self._read

    def tell(self, line: str) -> None:
        """Writes a line to its standard input."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def wait_for(self, found: Callable[[], object], timeout_s: float = READY_S) -> None:
        """Waits until `found()`; fails when the process ends before or takes longer."""
        deadline_s = time.monotonic() + timeout_s
        while not found():
            late = time.monotonic() > deadline_s
            if late or self.popen.poll() is not None:
                if found():  # what it printed last
                    return
                what = f"not within {timeout_s:g} s" if late else f"status {self.popen.returncode}"
                msg = f"{self.name}: {what}\n{self.out[-2000:]}\n{self.err[-4000:]}"
                raise AssertionError(msg)
            time.sleep(0.02)

    def word_after(self, word: str) -> str:
        """Waits for a line such as `READY 4840`; gives what follows the word."""

        def found() -> list[str]:
            complete = self.out.rpartition("\n")[0].splitlines()
            return [line for line in complete if line.startswith(word)]

        self.wait_for(found)
        return found()[0].removeprefix(word).strip()

    def kill(self) -> None:
        """`kill -9`."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = LONG_S) -> int:
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
        assert self.popen.stdin is not None
        with suppress(BrokenPipeError):
            self.popen.stdin.close()
        self._output()
        self._file.close()


@contextmanager
def running(
    command: Sequence[str | Path], folder: Path, name: str, *, cwd: Path = ROOT
) -> Iterator[Process]:
    """A process for the length of a `with`."""
    process = Process(command, folder, name, cwd=cwd)
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
