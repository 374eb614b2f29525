"""Real input: a recording through a Modbus reader gives the fixes that `locate` gives."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.places import SHARED
from tests.system.wire import cut, play

HANYANG = SHARED / "data/hanyang_outdoor"


@pytest.mark.skipif(
    not HANYANG.is_dir(), reason="needs the recording ../shared/data/hanyang_outdoor"
)
def test_fixes_over_the_wire_are_those_of_locate(tmp_path: Path) -> None:
    part = cut(HANYANG, tmp_path / "part", "los_B3", seconds=40)
    compared = play(part, tmp_path, speed=8)
    (located,), (streamed,) = compared.located, compared.streamed
    assert len(located.fixes) > 1000
    assert len(streamed) == len(located.fixes)
    assert streamed["t_ns"].tolist() == located.fixes["t_ns"].tolist()
    assert streamed["fix_class"].tolist() == located.fixes["fix_class"].tolist()
    for name in ("x_m", "y_m"):
        # The stream gives whole millimetres.
        np.testing.assert_allclose(streamed[name], located.fixes[name], atol=0.00051)
    for name in ("var_x_m2", "cov_xy_m2", "var_y_m2"):
        np.testing.assert_allclose(streamed[name], located.fixes[name], rtol=1e-6, atol=1e-9)
    of_files, over_wire = compared.figures()
    assert over_wire.rmse_m == pytest.approx(of_files.rmse_m, abs=0.0005)
    assert over_wire.p95_m == pytest.approx(of_files.p95_m, abs=0.001)
    assert over_wire.availability == of_files.availability
