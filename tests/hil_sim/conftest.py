from __future__ import annotations

from pathlib import Path

import pytest

from hil_sim.folder import MineFolder, read_folder
from hil_sim.sample_mine import Ports, write_sample_mine


@pytest.fixture
def sample_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    write_sample_mine(folder, people=60, ports=Ports.free())
    return folder


@pytest.fixture
def sample(sample_folder: Path) -> MineFolder:
    return read_folder(sample_folder)
