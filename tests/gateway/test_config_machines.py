"""`machines.toml`: what is taken, and what is told of each mistake."""

from pathlib import Path

import numpy as np
import pytest

from equipment.toml_source import ConfigurationError
from gateway.config.bundle import load
from gateway.mine.machines.plan import AlongRoadway, Fixed, OnCards
from gateway.plans.mine import plan_of
from hil_sim.sample_mine import Ports, write_sample_mine

GOOD = """
[[machine]]
id = "header"
name = "3105 roadheader"
kind = "roadheader"
crew = ["CREW"]
stale_s = 8.0
[machine.along]
device = "roadheader_3105"
point = "pitch"
roadway = "ROADWAY"
count_from = "end"
[machine.fence]
radius_m = 4.0
ahead_m = 3.0
[machine.active]
device = "roadheader_3105"
point = "pitch"
above = 1.0
[machine.cutter]
ahead_m = 5.0
"""
RIG = """
[[machine]]
id = "rig"
name = "rig"
kind = "drill_rig"
fixed = { x_m = 1.0, y_m = 2.0 }
fence = { polygon_m = [[0, 0], [4, 0], [4, 4]] }
"""
MOUNTED = """
[[machine]]
id = "bolter"
name = "bolter"
kind = "bolter_miner"
cards = { front = "FRONT", rear = "REAR" }
fence = { radius_m = 3.0 }
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    write_sample_mine(tmp_path / "mine", people=3, ports=Ports.free())
    return tmp_path / "mine"


def filled(mine: Path, text: str) -> str:
    """The text with a roadway and a team that there are; two cards are vehicles'."""
    bundle = load(mine)
    people = bundle.people
    rows = [f"{people[0].card},{people[0].name},x,gang"]
    rows += [f"{one.card},{one.name},x,gang" for one in people[1:]]
    kinds = ["person", "vehicle", "robot"]
    lines = [f"{row},{kind}" for row, kind in zip(rows, kinds, strict=True)]
    csv = "card,name,job,team,kind\n" + "\n".join(lines) + "\n"
    (mine / "people.csv").write_text(csv, encoding="utf-8")
    text = text.replace("ROADWAY", bundle.map.roadways[0].id).replace("CREW", "gang")
    text = text.replace("FRONT", people[1].card).replace("REAR", people[2].card)
    return text.replace("WALKER", people[0].card)


def mistakes(mine: Path, text: str) -> list[str]:
    (mine / "machines.toml").write_text(filled(mine, text), encoding="utf-8")
    with pytest.raises(ConfigurationError) as failure:
        load(mine)
    return [str(mistake) for mistake in failure.value.mistakes]


def test_machines_go_into_the_plan(mine: Path) -> None:
    assert plan_of(load(mine)).machines == ()
    text = filled(mine, GOOD + RIG + MOUNTED)
    (mine / "machines.toml").write_text(text, encoding="utf-8")
    bundle = load(mine)
    header, rig, bolter = plan_of(bundle).machines
    along = AlongRoadway(
        "roadheader_3105", "pitch", bundle.map.roadways[0].id, from_end=True, sigma_m=1.0
    )
    assert header.pose == along
    assert (header.stale_s, header.crew, header.cutter_m) == (
        8.0,
        frozenset({"gang"}),
        (5.0, 0.0, 0.0),
    )
    assert header.active is not None
    assert header.active.above == 1.0
    assert header.ring_m is not None
    assert float(header.ring_m[:, 0].max()) == pytest.approx(7.0, abs=0.1)
    assert rig.pose == Fixed(1.0, 2.0)
    assert rig.ring_m is not None
    np.testing.assert_array_equal(rig.ring_m, [(0, 0), (4, 0), (4, 4), (0, 0)])
    assert isinstance(bolter.pose, OnCards)
    assert bolter.cards == (bundle.people[1].card, bundle.people[2].card)


def test_nearness_and_floods_go_into_the_plan(mine: Path) -> None:
    plan = plan_of(load(mine))
    assert plan.flood is not None
    assert (plan.flood.count, plan.flood.window_s) == (10, 60.0)
    assert plan.near.person_vehicle_m is None
    with (mine / "mine.toml").open("a", encoding="utf-8") as file:
        file.write("\n[nearness]\nperson_vehicle_m = 20.0\n[flood]\ncount = 5\n")
    plan = plan_of(load(mine))
    assert plan.near.person_vehicle_m == 20.0
    assert plan.flood is not None
    assert plan.flood.count == 5


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "roadheader_3105",
            "roadheader_3106",
            "there is no device 'roadheader_3106'",
        ),
        ('point = "pitch"', 'point = "pich"', "no point 'pich' (did you mean 'pitch'?)"),
        ('"ROADWAY"', '"nowhere"', "along.roadway: there is no roadway 'nowhere' in map.geojson"),
        ('["CREW"]', '["gong"]', "crew: 'gong' is neither a card nor a team"),
        ('["CREW"]', '["gong"]', "did you mean 'gang'?"),
        ('"roadheader"\n', '"roadhedder"\n', "machines.toml:5: machine[1].kind"),
        ('id = "header"', 'id = "1header"', "machines.toml:3: machine[1].id"),
        ("stale_s = 8.0", "stale_s = 0", "machines.toml:7: machine[1].stale_s"),
        ("radius_m = 4.0", "radius_m = -4.0", "machines.toml:14: machine[1].fence.radius_m"),
        ("radius_m = 4.0", "radiusm = 4.0", "did you mean 'radius_m'?"),
        ('count_from = "end"', 'count_from = "middle"', "machine[1].along.count_from"),
        (
            "above = 1.0",
            "above = 1.0\nbelow = 2.0",
            "give exactly one of above, below, equals and unlike",
        ),
        ("ahead_m = 3.0", "polygon_m = [[0,0],[1,0],[1,1]]", "give either radius_m or polygon_m"),
    ],
)
def test_each_mistake_of_one_along_a_roadway(mine: Path, old: str, new: str, told: str) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    assert [told in one for one in mistakes(mine, text)].count(True) == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("fixed = { x_m = 1.0, y_m = 2.0 }", "", "give exactly one of along, cards and fixed"),
        ("[4, 0], [4, 4]]", "[4, 0], [0, 0]]", "polygon_m must have an area"),
        ("[4, 0], [4, 4]]", "[4, 4], [4, 0], [0, 4]]", "polygon_m must have an area"),
        ("[4, 0], [4, 4]]", "[4, 0]]", "machine[1].fence.polygon_m"),
        ("fence = { polygon_m = [[0, 0], [4, 0], [4, 4]] }", "", "give a fence, a cutter or both"),
        ("y_m = 2.0", "y_m = '2'", "machines.toml:6: machine[1].fixed.y_m"),
    ],
)
def test_each_mistake_of_one_that_is_set_up(mine: Path, old: str, new: str, told: str) -> None:
    (found,) = mistakes(mine, RIG.replace(old, new, 1))
    assert told in found


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("FRONT", "WALKER", "is a person's in people.csv (write it there with kind vehicle"),
        ("FRONT", "999999999", "the card 999999999 is not there in people.csv"),
        ("FRONT", "REAR", "front and rear are the same card"),
    ],
)
def test_each_mistake_of_one_with_cards(mine: Path, old: str, new: str, told: str) -> None:
    (found,) = mistakes(mine, MOUNTED.replace(old, new, 1))
    assert told in found


def test_one_card_on_two_machines(mine: Path) -> None:
    other = MOUNTED.replace('"bolter"', '"other"', 1)
    found = mistakes(mine, MOUNTED + other)
    assert ["is mounted on bolter already" in one for one in found] == [True, True]


def test_two_machines_of_one_id(mine: Path) -> None:
    found = mistakes(mine, RIG + RIG)
    assert ["'rig' is already the id of the machine at line 3" in one for one in found] == [True]


def test_a_cutter_needs_its_height_where_the_licence_has_heights(mine: Path) -> None:
    text = (mine / "map.geojson").read_text(encoding="utf-8")
    licence = (
        '{"type": "Feature", "properties": {"kind": "zone", "id": "lic", "zone": "licence", '
        '"z_band_m": [-2000, 2000]}, "geometry": {"type": "Polygon", "coordinates": '
        "[[[-9000, -9000], [9000, -9000], [9000, 9000], [-9000, 9000], [-9000, -9000]]]}},"
    )
    text = text.replace('"features": [', f'"features": [{licence}', 1)
    (mine / "map.geojson").write_text(text, encoding="utf-8")
    (found,) = mistakes(mine, RIG + "cutter = { ahead_m = 1.0 }\n")
    assert "the licence has heights, and that of the machine is not said (give z_m" in found
