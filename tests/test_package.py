"""The wheel: what a user installs holds every package, its data and the contract, and no more."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_packages_data_and_contract(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    profiles = {path.name for path in (ROOT / "equipment/catalogue").glob("*.toml")}
    assert {f"equipment/catalogue/{name}" for name in profiles} <= names
    modules = [path for path in (ROOT / "proto/lamproom").rglob("*.p*") if path.is_file()]
    assert {str(path.relative_to(ROOT / "proto")) for path in modules} <= names
    assert "lamproom/py.typed" in names
    packages = {"gateway", "protocols", "positioning", "equipment", "hil_sim", "lamproom"}
    assert {name.split("/")[0] for name in names} == packages
    assert not [name for name in names if name.endswith((".pyc", ".nbi", ".nbc"))]
