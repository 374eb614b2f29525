"""A device whose protocol's library is not installed is refused, with what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

from protocols.driver import MissingExtraError, driver_class
from tests.support.places import ENVIRONMENT, ROOT

DEVICE = """
[[device]]
id = "shearer"
profile = "shearer_ethernetip"
host = "10.1.0.31"
"""

#: The command line where a package is not there.
WITHOUT = """
import sys
sys.modules["{package}"] = None
sys.argv = ["lamproom", {words}]
from gateway.cli.main import main
main()
"""


def lamproom(*words: str, package: str) -> tuple[int, str]:
    code = WITHOUT.format(package=package, words=", ".join(map(repr, words)))
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, env=ENVIRONMENT
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_device_without_its_extra_is_refused_with_what_to_install(
    command: str, tmp_path: Path
) -> None:
    mine = str(tmp_path / "mine")
    assert lamproom("init", mine, package="pycomm3")[0] == 0
    with (tmp_path / "mine" / "devices.toml").open("a") as file:
        file.write(DEVICE)
    line = (
        (tmp_path / "mine" / "devices.toml")
        .read_text()
        .splitlines()
        .index('profile = "shearer_ethernetip"')
    )
    status, said = lamproom(command, mine, package="pycomm3")
    assert status == 1
    assert f"devices.toml:{line + 1}: device[" in said
    assert "protocol 'ethernetip' needs the package pycomm3, which is not installed" in said
    assert "pip install 'lamproom[ethernetip]'" in said
    assert "Traceback" not in said


def test_a_mine_that_does_not_use_it_needs_no_extra(tmp_path: Path) -> None:
    mine = str(tmp_path / "mine")
    assert lamproom("init", mine, package="pycomm3")[0] == 0
    assert lamproom("check", mine, package="pycomm3")[0] == 0


def test_a_mistake_of_ours_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.driver.DRIVERS", {"a": "protocols.nowhere:Driver"})
    with pytest.raises(ModuleNotFoundError, match=r"protocols\.nowhere"):
        driver_class("a")
    monkeypatch.setattr("protocols.driver.DRIVERS", {"a": "no_such_library:Driver"})
    with pytest.raises(MissingExtraError, match=r"no_such_library.*lamproom\[a\]"):
        driver_class("a")
