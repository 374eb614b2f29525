"""What `lamproom explain` says of each family, by the settings of a mine."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.mine.alarms.families import FAMILIES
from hil_sim.sample_mine import Ports, write_sample_mine

MINE = """
[mine]
code = "150622000001"
name = "M"

[people]
quota = 3
below_max_h = 8.0

[alarm.overcrowded]
after_s = 5.0
clear_after_s = 60.0
escalate_after_s = 120.0
escalate_to = ["chief"]

[alarm.distress]
latch = true
tell = ["dispatcher", "rescue"]

[alarm.signal_lost]
suppressed_by = ["device_down"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    write_sample_mine(made, people=1, ports=Ports.free())
    (made / "mine.toml").write_text(MINE, encoding="utf-8")
    return made


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["explain", *arguments])
    return result.exit_code, " ".join(result.output.split())


def test_the_times_of_hazards_are_told(folder: Path) -> None:
    code, text = said(str(folder), "hazard_overdue")
    assert code == 0
    assert "Times by level, where no other was given: red 8 h, orange 72 h, yellow 168 h," in text


def test_a_quota_is_told_with_its_delays_and_who_is_told(folder: Path) -> None:
    code, text = said(str(folder), "overcrowded")
    assert code == 0
    begins, _, rest = text.partition("Quotas: ")
    quotas, _, ends = rest.partition(". ")
    assert begins == (
        "overcrowded (超员), level 2, about order. It is raised when more people are below, or in "
        "a zone, than the quota allows for 5 s. "
    )
    assert quotas.split(", ")[:2] == ["the mine 3", "face_3101 60"]
    assert ends == (
        "It is cleared when the quota is kept for 60 s. Told to: dispatcher. Not acknowledged for "
        "120 s, it is told to chief too."
    )


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("distress", "It stays until an operator resets it, once the card takes it back"),
        ("distress", "Told to: dispatcher, rescue."),
        ("signal_lost", "for 30 s"),
        ("signal_lost", "not shown while device_down is open"),
        ("overtime", "Limits: the mine 8 h."),
        ("out_of_boundary", "Zones: none, so that it is never raised."),
    ],
)
def test_each_setting_is_told(folder: Path, rule: str, part: str) -> None:
    assert part in said(str(folder), rule)[1]


def test_without_a_name_all_families_are_told(folder: Path) -> None:
    code, text = said(str(folder))
    assert code == 0
    assert all(f"{name} ({family.zh})" in text for name, family in FAMILIES.items())


def test_a_family_that_there_is_not_has_a_suggestion(folder: Path) -> None:
    code, text = said(str(folder), "overcrowd")
    assert (code, "overcrowded" in text) == (1, True)
