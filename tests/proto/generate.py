"""Makes the stubs of the contract: `.venv/env/bin/python tests/proto/generate.py [FOLDER]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROTO = Path(__file__).parents[2] / "proto"
PLUGINS = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")


def generate(folder: Path) -> None:
    """Writes the stubs of every .proto below `folder`."""
    tools = Path(sys.executable).parent
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}"),
            *(f"--plugin={name}={tools / name}" for name in PLUGINS),
            *(f"--python_out={folder}", f"--grpc_python_out={folder}"),
            *(f"--mypy_out=quiet:{folder}", f"--mypy_grpc_out=quiet:{folder}"),
            *sorted(str(file) for file in (PROTO / "lamproom").rglob("*.proto")),
        ],
        check=True,
    )


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if sys.argv[1:] else PROTO)
