"""Writes package-lock.json anew, with hashes and without addresses.

npm records each package's funding page; a lock file here holds no address at all.
"""

import json
import subprocess
from pathlib import Path

LOCK = Path(__file__).with_name("package-lock.json")

if __name__ == "__main__":
    subprocess.run(["npm", "install", "--package-lock-only"], cwd=LOCK.parent, check=True)
    lock = json.loads(LOCK.read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")
