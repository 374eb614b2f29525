"""`limits.toml`: what is taken, and what is told of each mistake."""

from pathlib import Path

import pytest

from equipment.toml_source import ConfigurationError
from gateway.config.bundle import load
from gateway.mine.plan import ValueLimit
from gateway.plans.mine import plan_of
from hil_sim.sample_mine import Ports, write_sample_mine

GOOD = """
[[limit]]
id = "tilt"
name = "tilt"
device = "roadheader_3105"
point = "pitch"
above = 15.0
deadband = 1.0
level = 2
zone = "heading_3105"
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    write_sample_mine(tmp_path / "mine", people=2, ports=Ports.free())
    (tmp_path / "mine" / "limits.toml").unlink()
    return tmp_path / "mine"


def mistakes(mine: Path, text: str) -> list[str]:
    (mine / "limits.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as failure:
        load(mine)
    return [str(mistake) for mistake in failure.value.mistakes]


def test_a_limit_goes_into_the_plan(mine: Path) -> None:
    before = plan_of(load(mine)).limits  # those of profiles
    (mine / "limits.toml").write_text(GOOD, encoding="utf-8")
    tilt = ValueLimit(
        "tilt",
        "tilt",
        "roadheader_3105",
        "pitch",
        above=15.0,
        deadband=1.0,
        level=2,
        zone="heading_3105",
    )
    assert plan_of(load(mine)).limits == (tilt, *before)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("roadheader_3105", "roadheader_3106", "there is no device 'roadheader_3106'"),
        ("roadheader_3105", "roadheader_3106", "did you mean 'roadheader_3105'?"),
        ('"pitch"', '"pich"', "roadheader_3105 has no point 'pich' (did you mean 'pitch'?)"),
        ("heading_3105", "heading_3106", "there is no zone 'heading_3106' in map.geojson"),
        ("level = 2", 'muster = ["face_3100"]', "there is no zone 'face_3100' in map.geojson"),
        ("above = 15.0", "", "give exactly one of above, below and equals"),
        ("above = 15.0", "above = 1.0\nbelow = 0.5", "give exactly one of above, below and equals"),
        ("above = 15.0", "equals = 3", "a deadband goes with above or below"),
        ("above = 15.0", 'above = "15"', "limits.toml:7: limit[1].above"),
        ("level = 2", "level = 5", "limits.toml:9: limit[1].level"),
        ("deadband = 1.0", "deadband = -1.0", "limits.toml:8: limit[1].deadband"),
        ('id = "tilt"', 'id = "a tilt"', "limits.toml:3: limit[1].id"),
        ("level = 2", "leval = 2", "did you mean 'level'?"),
    ],
)
def test_each_mistake_is_told(mine: Path, old: str, new: str, told: str) -> None:
    found = mistakes(mine, GOOD.replace(old, new))
    assert len(found) == 1
    assert told in found[0]


def test_two_limits_of_one_id(mine: Path) -> None:
    (found,) = mistakes(mine, GOOD + GOOD)
    assert "'tilt' is already the id of the limit at line 3" in found
