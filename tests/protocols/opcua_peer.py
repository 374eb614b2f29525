"""What the OPC UA tests share: a server of another make, a sink, and waiting with a deadline."""

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from equipment.profile import Profile
from equipment.report import LinkState, NoticeKind, Quality, RecordBatch, Sample
from protocols.driver import DeviceError
from protocols.opcua.driver import OpcUaDriver
from protocols.opcua.options import OpcUaOptions

PEERS = Path(__file__).parents[1] / "peers"
NODESETS = Path(__file__).parents[2] / ".." / "shared" / "nodesets"
SITE = "urn:lamproom:test:mine"
START_S = 40.0


@dataclass
class Told:
    """A sink that keeps everything."""

    got: list[Sample] = field(default_factory=list)
    notices: list[tuple[NoticeKind, int, str]] = field(default_factory=list)
    links: list[tuple[LinkState, str]] = field(default_factory=list)
    heard_count: int = 0

    def heard(self) -> None:
        self.heard_count += 1

    def samples(self, samples: Sequence[Sample]) -> None:
        self.got.extend(samples)

    def records(self, batch: RecordBatch) -> None: ...

    def notice(self, kind: NoticeKind, count: int, text: str) -> None:
        self.notices.append((kind, count, text))

    def link(self, state: LinkState, reason: str) -> None:
        self.links.append((state, reason))

    def of(self, point: str) -> list[Sample]:
        return [sample for sample in self.got if sample.point == point]

    def latest(self, point: str) -> Sample | None:
        return next((sample for sample in reversed(self.got) if sample.point == point), None)

    def good(self, point: str, after: int = 0) -> bool:
        """Whether `point` had a good value beyond the first `after` samples."""
        new = self.got[after:]
        return any(s.point == point and s.quality is Quality.GOOD for s in new)


async def until(condition: Callable[[], object], within_s: float, what: str) -> float:
    """Waits for `condition`; returns how long that took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > within_s:
            pytest.fail(f"not within {within_s} s: {what}")
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


@asynccontextmanager
async def running(driver: OpcUaDriver) -> AsyncIterator[tuple[Told, "asyncio.Task[None]"]]:
    """One session of `driver`; afterwards it has ended and left no task behind."""
    before = asyncio.all_tasks()
    told = Told()
    task = asyncio.create_task(driver.session(told))
    try:
        yield told, task
    finally:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=4)
        assert done, "the session doesn't end"
    assert not {t for t in asyncio.all_tasks() - before - {task} if not _of_a_server(t)}


def _of_a_server(task: "asyncio.Task[Any]") -> bool:
    """Whether a task belongs to a server that a test runs in this process."""
    code = getattr(task.get_coro(), "cr_code", None)
    return "server" in str(getattr(code, "co_filename", ""))


async def fails(driver: OpcUaDriver, within_s: float = 10.0) -> str:
    """The text of the DeviceError that ends a session of `driver`."""
    async with running(driver) as (_, task):
        with pytest.raises(DeviceError) as error:
            await asyncio.wait_for(asyncio.shield(task), within_s)
    return str(error.value)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NodeServer:
    """node-opcua with the official nodesets and one shearer, in a process of its own."""

    def __init__(self, pki: Path, **options: object) -> None:
        if shutil.which("node") is None or not (PEERS / "node_modules" / "node-opcua").is_dir():
            pytest.skip("node-opcua is not there: node and `npm ci` in tests/peers are needed")
        if not NODESETS.is_dir():
            pytest.skip("the official nodesets are not there (../shared/nodesets)")
        pki.mkdir(parents=True, exist_ok=True)
        words = {"nodesets": NODESETS, "pki": pki} | options
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            ["node", "opcua_server.js", *(f"{key}={value}" for key, value in words.items())],
            cwd=PEERS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def _words_of(self, kind: str) -> list[str]:
        return [line.split()[1] for line in tuple(self.lines) if line.startswith(kind)]

    @property
    def requests(self) -> set[str]:
        """The kinds of requests that the server has got."""
        return set(self._words_of("REQUEST"))

    @property
    def ready(self) -> bool:
        return bool(self._words_of("READY"))

    @property
    def port(self) -> int:
        return int(self._words_of("READY")[0])

    def wait_ready(self) -> "NodeServer":
        deadline = time.monotonic() + START_S
        while not self.ready:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                pytest.fail("the peer doesn't start: run tests/peers/opcua_server.js by hand")
            time.sleep(0.05)
        return self

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(timeout=5)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def shearer(profile: Profile, port: int, **options: Any) -> OpcUaDriver:
    """A driver for the peer's shearer."""
    words: dict[str, Any] = {
        "url": f"opc.tcp://127.0.0.1:{port}",
        "root": "di:DeviceSet/app:Shearer1",
        "namespaces": {"app": SITE},
        "publish_ms": 200,
    }
    return OpcUaDriver("shearer1", profile, OpcUaOptions.model_validate(words | options))
