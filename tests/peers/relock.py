"""Writes package-lock.json anew, with hashes and without addresses.

Made in an empty folder: beside an installed `node_modules`, npm leaves the packages of other
platforms out. npm also records each package's funding page; a lock file here holds no address.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

PEERS = Path(__file__).parent

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", ".npmrc"):
            shutil.copy(PEERS / name, folder)
        subprocess.run(["npm", "install", "--package-lock-only"], cwd=folder, check=True)
        lock = json.loads(Path(folder, "package-lock.json").read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)
    (PEERS / "package-lock.json").write_text(json.dumps(lock, indent=2) + "\n")
