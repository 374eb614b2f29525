"""What breaks clients of the last release: the contract against what was released.

`proto/released.binpb` is the contract of the last release, as descriptors: it is there in every
clone, also in one without tags. `./run released` writes it, in the commit that is tagged then.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT: Final = Path(__file__).parents[2]
PROTO: Final = ROOT / "proto"
RELEASED: Final = PROTO / "released.binpb"
BUF: Final = next(ROOT.glob("tests/peers/node_modules/@bufbuild/buf-*/bin/buf"), None)


def findings(proto: Path, against: Path) -> list[str]:
    """What a client of `against` (descriptors) would miss in the contract `proto` (a folder)."""
    done = _buf("breaking", "--against", str(against), cwd=proto, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == (100 if lines else 0), done.stderr
    return lines


def descriptors_of(proto: Path) -> FileDescriptorSet:
    """The contract in a folder, without its comments."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "contract.binpb"
        write_descriptors(proto, out)
        return FileDescriptorSet.FromString(out.read_bytes())


def write_descriptors(proto: Path, out: Path) -> None:
    """Writes the contract in a folder as descriptors."""
    _buf("build", "--as-file-descriptor-set", "--exclude-source-info", "-o", str(out), cwd=proto)


def last_tag() -> str | None:
    """The last release that this checkout knows of; None without git, or without tags."""
    done = _git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
    return done.stdout.decode().strip() if done.returncode == 0 else None


def is_checkout() -> bool:
    """Whether git knows the files that this one is of."""
    return _git("rev-parse", "--verify", "HEAD").returncode == 0


def contract_of(tag: str, folder: Path) -> Path:
    """Puts the contract of a tag into `folder`; returns where it is."""
    archive = _git("archive", "--format=zip", tag, "proto")
    assert archive.returncode == 0, archive.stderr
    with zipfile.ZipFile(io.BytesIO(archive.stdout)) as files:
        files.extractall(folder)
    return folder / "proto"


def _buf(*arguments: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    if BUF is None:
        sys.exit("buf is not installed: ./run setup, or npm ci in tests/peers")
    return subprocess.run([BUF, *arguments], cwd=cwd, capture_output=True, text=True, check=check)


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, b"", b"git is not installed")


if __name__ == "__main__":
    write_descriptors(PROTO, RELEASED)
    print(f"{RELEASED.relative_to(ROOT)}: commit it with the release, then tag that commit")
