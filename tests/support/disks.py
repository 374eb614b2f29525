"""File systems that fail when a test says so. Root only; elsewhere tests skip and say so."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.support.waiting import blocked_until

#: ioctl of ext4: it stops as at a power cut. Without flushing its log first: flag 2.
EXT4_IOC_SHUTDOWN: Final = 0x8004587D
_NO_LOG_FLUSH: Final = 2

#: A command that makes a file system takes a moment, never minutes.
_COMMAND_S: Final = 60.0


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A command of the system, within a time."""
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=_COMMAND_S, check=check
    )


def tool(name: str) -> str:
    """A program of the system; skips where it is not there."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is missing")
    return found


def need_root() -> None:
    """Skips where nothing can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a file system of its own")


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """A file system in memory at `folder`; `grow` gives it more."""
    need_root()
    folder.mkdir(parents=True, exist_ok=True)
    if run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder, check=False).returncode:
        pytest.skip("a tmpfs can't be mounted here")
    try:
        yield folder
    finally:
        unmount(folder)


def grow(folder: Path, size: str) -> None:
    """Gives a tmpfs another size."""
    run("mount", "-o", f"remount,size={size}", folder)


class Ext4:
    """An ext4 on a loop device at `folder`: it can be cut off, and be there again."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def mount(self) -> None:
        """Makes it be there: as after power has come back."""
        options = "loop,errors=remount-ro"
        if run("mount", "-o", options, self._image, self.folder, check=False).returncode:
            pytest.skip("a loop device can't be mounted here")

    def cut(self) -> None:
        """Cuts the power: nothing more gets onto the disk, nor what is on its way."""
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, _NO_LOG_FLUSH.to_bytes(4, "little"))
        finally:
            os.close(fd)

    def fail(self) -> None:
        """Lets the file system find an error, by which it becomes read-only."""
        source = run("findmnt", "-n", "-o", "SOURCE", self.folder).stdout.strip()
        trigger = Path("/sys/fs/ext4") / Path(source).name / "trigger_fs_error"
        if not trigger.exists():
            pytest.skip(f"{trigger} is missing")
        trigger.write_text("a test\n")

    def unmount(self) -> None:
        """Takes it away, once nobody uses it."""
        unmount(self.folder)


@contextmanager
def ext4(folder: Path, size: str = "48M") -> Iterator[Ext4]:
    """A small ext4, mounted at `folder`."""
    need_root()
    image = folder.with_name(f"{folder.name}.img")
    run("truncate", "-s", size, image)
    run(tool("mkfs.ext4"), "-q", image)
    disk = Ext4(image, folder)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()


def unmount(folder: Path) -> None:
    """Unmounts as soon as nobody uses it; what hangs is let go at last."""
    if not folder.is_mount():
        return
    with suppress(pytest.fail.Exception):
        blocked_until(lambda: not run("umount", folder, check=False).returncode, "an unmount")
        return
    run("umount", "-l", folder)


@contextmanager
def injected(pid: int, *faults: str) -> Iterator[None]:
    """System calls of a running process that fail or are slow as strace's `inject` says.

    It works again afterwards.
    """
    need_root()
    strace = tool("strace")
    arguments = [part for fault in faults for part in ("-e", f"inject={fault}")]
    calls = ",".join(fault.partition(":")[0] for fault in faults)
    with subprocess.Popen(
        [strace, "-f", "-q", "-e", f"trace={calls}", *arguments, "-o", "/dev/null", "-p", str(pid)],
        stderr=subprocess.PIPE,
        text=True,
    ) as tracer:
        try:
            status = Path(f"/proc/{pid}/status")
            blocked_until(
                lambda: (
                    tracer.poll() is not None or f"TracerPid:\t{tracer.pid}" in status.read_text()
                )
            )
            if tracer.poll() is not None:
                pytest.skip(f"strace can't look at a process: {tracer.communicate()[1]}")
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=_COMMAND_S)
