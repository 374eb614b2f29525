"""What a zone of a map may have besides its place: quota, longest stay, owner, nearness."""

import json

import pytest

from positioning.geojson import parse_map
from tests.positioning.test_geojson import ALL, SQUARE, ZONE, changed, feature, refused

DANGER = feature("zone", "Polygon", [SQUARE], id="z", zone="danger")


def test_a_zone_has_no_limits_unless_it_says_so() -> None:
    (zone,) = parse_map(json.dumps(ALL)).zones
    assert (zone.quota, zone.stay_limit_min, zone.owner, zone.near_m) == (None, None, "", None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("quota", 0),
        ("quota", 100_000),
        ("stay_limit_min", 0.5),
        ("stay_limit_min", 4320),
        ("owner", "机电队 王建国"),
        ("near_m", 5),
        ("near_m", 200.0),
    ],
)
def test_a_zone_may_have_limits_and_an_owner(key: str, value: object) -> None:
    zone = changed(DANGER, "properties", key, to=value)
    assert getattr(parse_map(json.dumps(zone)).zones[0], key) == value


QUOTA = "must be a whole number from 0 to 100,000, not"
STAY = "must be a number of minutes above 0 and up to 4320, not"
NEAR = "must be a number of metres above 0 and up to 200, not"


@pytest.mark.parametrize(
    ("key", "wrong", "problem"),
    [
        ("quota", -1, f"{QUOTA} -1"),
        ("quota", 100_001, f"{QUOTA} 100001"),
        ("quota", 3.0, f"{QUOTA} 3.0"),
        ("quota", True, f"{QUOTA} True"),
        ("quota", "3", f"{QUOTA} '3'"),
        ("quota", 10**30, f"{QUOTA} 1e+30"),
        ("quota", None, "is missing"),
        ("stay_limit_min", 0, f"{STAY} 0"),
        ("stay_limit_min", 4321, f"{STAY} 4321"),
        ("stay_limit_min", float("nan"), f"{STAY} nan"),
        ("stay_limit_min", "30", f"{STAY} '30'"),
        ("owner", "", "must be a text of 1 to 128 characters, not ''"),
        ("owner", ["a"], "must be a text of 1 to 128 characters, not ['a']"),
        ("owner", "a\x07", "has characters that can't be shown: 'a\\x07'"),
        ("near_m", 0, f"{NEAR} 0"),
        ("near_m", 201, f"{NEAR} 201"),
        ("near_m", False, f"{NEAR} False"),
    ],
)
def test_limits_of_a_zone_are_sane_and_mistakes_beside_them_are_told(
    key: str, wrong: object, problem: str
) -> None:
    zone = changed(DANGER, "properties", key, to=wrong)
    zone["features"][1]["geometry"]["coordinates"] = []
    told, rings = refused(zone, indent=1)
    assert told.startswith(f"features[2].properties.{key}: {problem} (")
    assert "there is no outer ring" in rings


def test_only_a_danger_zone_says_what_is_too_near() -> None:
    assert refused(changed(ZONE, "properties", "near_m", to=5)) == [
        "features[2].properties.near_m: only a danger zone has it, and this is 'refuge' "
        "(delete it, or make the zone 'danger')"
    ]


@pytest.mark.parametrize("key", ["qouta", "stay_limit", "near"])
def test_a_limit_that_there_is_not_is_refused(key: str) -> None:
    (told,) = refused(changed(ZONE, "properties", key, to=5))
    assert told.startswith(f"features[2].properties.{key}: unknown key (did you mean ")
