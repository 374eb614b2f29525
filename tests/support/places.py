"""Where things are that tests need, and what to say when they are not there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "tests/peers"
SHARED = ROOT.parent / "shared"

#: For processes that run this checkout, installed or not.
ENVIRONMENT = os.environ | {
    "PYTHONPATH": f"{ROOT / 'proto'}{os.pathsep}{ROOT}",
    "PYTHONUNBUFFERED": "1",
}


def missing_node(package: str) -> str:
    """Why no peer in Node.js with `package` can run; empty when it can."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (PEERS / "node_modules" / package).is_dir():
        return f"{package} is not installed: npm ci in tests/peers"
    return ""


def built_modbus_device(folder: Path) -> Path:
    """The libmodbus peer, compiled into `folder`."""
    compiler, pkg_config = shutil.which("cc"), shutil.which("pkg-config")
    if compiler is None or pkg_config is None:
        pytest.skip("needs cc and pkg-config")
    flags = subprocess.run(
        [pkg_config, "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        pytest.skip("needs libmodbus with its headers (libmodbus-dev)")
    program = folder / "modbus_device"
    source = PEERS / "modbus_device.c"
    subprocess.run([compiler, "-O1", "-o", program, source, *flags.stdout.split()], check=True)
    return program
