"""Routes, shifts, quotas and the time zone; what people and routes name is on the map."""

import shutil
from datetime import time
from pathlib import Path

import pytest

from equipment.toml_source import ConfigurationError
from gateway.config.bundle import load
from gateway.config.risks import RISK_POINTS_FILE
from gateway.config.routes import ROUTES_FILE
from gateway.config.schema import Shift
from gateway.config.summary import summary

GOOD = Path(__file__).parents[1] / "cases" / "config" / "good"

PEOPLE = """\
card,name,job,team,leader,special,zones,route
14010000000200001,王建国,副矿长,,yes,,sub,
14010000000200002,李伟,瓦斯检查员,通风队,,yes,sub vent,round
14010000000200003,张敏,,通风队,,,,
"""
ROUTES = """\
[[route]]
id = "round"
name = "瓦斯巡检"
[[route.stop]]
zone = "pit_top"
from = "08:00"
to = "08:30"
[[route.stop]]
zone = "sub"
from = "23:30"
to = "00:30"

[[route]]
id = "other"
stop = [{ zone = "vent", from = "01:00", to = "02:00" }]
"""
RISK_POINTS = """\
[[risk_point]]
id = "transformer"
name = "变压器"
level = 2
owner = "机电队"
zone = "sub"
device = "pump_1"
"""
RULES = """\
[mine]
code = "140100000002"
name = "试验煤矿"
timezone = "Asia/Shanghai"

[people]
quota = 120
below_max_h = 9.5

[[shift]]
name = "早班"
from = "07:00"
to = "15:00"
[[shift]]
name = "夜班"
from = "23:00"
to = "07:00"
"""


def controlled(zone_id: str, x_m: int, limits: str = "") -> str:
    ring = [[x_m, -5], [x_m + 9, -5], [x_m + 9, 5], [x_m, 5], [x_m, -5]]
    properties = f'"kind": "zone", "id": "{zone_id}", "zone": "controlled"{limits}'
    place = f'"type": "Polygon", "coordinates": [{ring}]'
    return f'{{"type": "Feature", "properties": {{{properties}}}, "geometry": {{{place}}}}},'


def with_rules(folder: Path) -> Path:
    """Gives the good mine two controlled zones, routes, shifts and quotas."""
    (folder / "people.csv").write_text(PEOPLE, encoding="utf-8")
    (folder / ROUTES_FILE).write_text(ROUTES, encoding="utf-8")
    (folder / RISK_POINTS_FILE).write_text(RISK_POINTS, encoding="utf-8")
    (folder / "mine.toml").write_text(RULES, encoding="utf-8")
    zones = controlled("sub", 100, ', "quota": 4, "stay_limit_min": 30') + controlled("vent", 200)
    replace(folder / "map.geojson", '"features": [', f'"features": [{zones}')
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return with_rules(shutil.copytree(GOOD, tmp_path / "mine"))


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def mistakes(folder: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        load(folder)
    return [str(mistake) for mistake in error.value.mistakes]


def test_all_of_it_is_loaded(mine: Path) -> None:
    bundle = load(mine)
    people, (early, night) = bundle.settings.people, bundle.settings.shift
    assert (people.quota, people.below_max_h) == (120, 9.5)
    assert (early.name, early.start, early.end) == ("早班", time(7), time(15))
    assert (str(night), str(bundle.timezone)) == ("23:00 to 07:00", "Asia/Shanghai")
    assert [(person.leader, person.special) for person in bundle.people] == [
        (True, False), (False, True), (False, False),
    ]  # fmt: skip
    (point,) = bundle.risk_points
    assert (point.level, point.owner, point.zone, point.device) == (2, "机电队", "sub", "pump_1")
    first, other = bundle.routes
    assert (first.id, first.name, other.name) == ("round", "瓦斯巡检", "")
    assert [(stop.zone, str(stop)) for stop in first.stop] == [
        ("pit_top", "08:00 to 08:30"),
        ("sub", "23:30 to 00:30"),
    ]


def test_a_mine_needs_none_of_it(tmp_path: Path) -> None:
    bundle = load(shutil.copytree(GOOD, tmp_path / "mine"))
    assert (bundle.routes, bundle.settings.shift) == ((), ())
    assert (bundle.settings.people.quota, bundle.settings.people.below_max_h) == (None, 10.0)


def test_a_file_of_no_routes_is_taken(mine: Path) -> None:
    (mine / ROUTES_FILE).write_text("# none yet\n")
    replace(mine / "people.csv", ",round", ",")
    assert load(mine).routes == ()


def test_it_is_summed_up(mine: Path) -> None:
    said = summary(load(mine))
    assert (
        "3 people on the roster. Among them: 1 shift leader, 1 special worker, 2 who may "
        "enter controlled zones. 2 routes planned, for 1 person." in said
    )
    assert (
        "Underground at most 120 people, for at most 9.5 h. There is a quota in 1 zone, a "
        "longest stay in 1 zone. Shifts, time of Asia/Shanghai: 早班 07:00 to 15:00, "
        "夜班 23:00 to 07:00. 1 risk point: 1 of level 2."
    ) in said
    assert "Note: nobody has the route other." in said
    replace(mine / "people.csv", "sub vent", "sub")
    replace(mine / "mine.toml", "quota = 120\n", "")
    said = summary(load(mine))
    assert "Note: nobody may enter vent, which is controlled." in said
    assert "Underground any number of people, for at most 9.5 h." in said


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        (("08:00", "16:00"), ("08:00", "15:59"), ("07:59", "16:00", "00:00")),
        (("22:00", "06:00"), ("22:00", "23:59", "00:00", "05:59"), ("06:00", "21:59")),
        (("16:00", "00:00"), ("16:00", "23:59"), ("00:00", "15:59")),
    ],
)
def test_a_span_may_cross_midnight(
    span: tuple[str, str], inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    shift = Shift.model_validate({"name": "a", "from": span[0], "to": span[1]})
    assert all(shift.holds(time.fromisoformat(at)) for at in inside)
    assert not any(shift.holds(time.fromisoformat(at)) for at in outside)


TIME = 'must be a time from "00:00" to "23:59" in quotes'


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('to = "15:00"', 'to = "24:00"', f"13: shift[1].to: {TIME}, not '24:00'"),
        ('to = "15:00"', 'to = "7:00"', f"13: shift[1].to: {TIME}, not '7:00'"),
        ('to = "15:00"', 'to = "１５:00"', f"13: shift[1].to: {TIME}, not '１５:00'"),
        ('to = "15:00"', "to = 15", f"13: shift[1].to: {TIME}, not 15"),
        ('to = "15:00"', "to = 15:00:00", f"13: shift[1].to: {TIME}, not "),
        ('to = "15:00"', "", "10: shift[1].to: is missing"),
        ('to = "15:00"', 'til = "15:00"', "13: shift[1].til: unknown key (known: from, to, name)"),
        ('to = "15:00"', 'to = "07:00"', "10: shift[1]: `from` and `to` are the same time"),
        (
            '"夜班"', '"早班"',
            "15: shift[2].name: '早班' is already the name of the shift at line 11 "
            "(give it another)",
        ),
        (
            'to = "15:00"', 'to = "23:01"',
            "16: shift[2].from: 23:00 to 07:00 overlaps with the shift '早班' at line 11, "
            "07:00 to 23:01 (let one begin when the other ends)",
        ),
        ('from = "07:00"', 'from = "06:59"', "16: shift[2].from: 23:00 to 07:00 overlaps with"),
        ("quota = 120", "quota = -1", "7: people.quota: must be at least 0, not -1"),
        ("quota = 120", "quota = 100001", "7: people.quota: must be at most 100000"),
        ("quota = 120", "quota = 1.5", "7: people.quota: must be a whole number"),
        ("quota = 120", 'quota = "120"', "7: people.quota: must be a whole number"),
        ("= 9.5", "= 0", "8: people.below_max_h: must be above 0, not 0"),
        ("= 9.5", "= 72.5", "8: people.below_max_h: must be at most 72, not 72.5"),
        ("= 9.5", "= nan", "8: people.below_max_h: must be"),
        ("below_max_h", "below_max", "8: people.below_max: unknown key (did you mean 'below_max_h"),
    ],
)  # fmt: skip
def test_shifts_and_limits_are_checked(mine: Path, old: str, new: str, told: str) -> None:
    replace(mine / "mine.toml", old, new)
    said = mistakes(mine)
    assert [one for one in said if one.startswith(f"mine.toml:{told}")], said


def test_a_day_has_no_more_shifts_than_hours(mine: Path) -> None:
    spans = [
        f'[[shift]]\nname = "{n}"\nfrom = "00:{n:02}"\nto = "00:{n + 1:02}"' for n in range(25)
    ]
    (mine / "mine.toml").write_text("\n".join([RULES.partition("[[shift]]")[0], *spans]))
    (told,) = mistakes(mine)
    assert told.startswith("mine.toml:11: shift: must have at most 24 elements")


@pytest.mark.parametrize("name", ["UTC", "Asia/Urumqi", "Etc/GMT-8", "PRC"])
def test_a_mine_may_be_in_any_time_zone(mine: Path, name: str) -> None:
    replace(mine / "mine.toml", "Asia/Shanghai", name)
    assert load(mine).timezone.key == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Asia/Shanghia", "did you mean 'Asia/Shanghai'?"),
        ("Asia/Urumqui", "did you mean 'Asia/Urumqi'?"),
        ("Asia/Beijing", "Beijing time is 'Asia/Shanghai'"),
        ("Asia", "Beijing time is 'Asia/Shanghai'"),
        ("../etc/passwd", "Beijing time is 'Asia/Shanghai'"),
        ("/etc/passwd", "Beijing time is 'Asia/Shanghai'"),
        ("", "Beijing time is 'Asia/Shanghai'"),
        ("x" * 3000, "Beijing time is 'Asia/Shanghai'"),
    ],
)
def test_what_is_no_time_zone_is_told(mine: Path, name: str, hint: str) -> None:
    replace(mine / "mine.toml", "Asia/Shanghai", name)
    (told,) = mistakes(mine)
    line = f"mine.toml:4: mine.timezone: must be the IANA name of a time zone ({hint}), not "
    assert told.startswith(line)
    assert len(told) < 250


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (
            "people.csv", "sub vent", "sub vnet",
            "people.csv:3: zones: there is no zone 'vnet' in map.geojson (did you mean 'vent'?)",
        ),
        (
            "people.csv", "sub vent", "9",
            "people.csv:3: zones: there is no zone '9' in map.geojson (known: sub, vent)",
        ),
        (
            "people.csv", "sub vent", "sealed",
            "people.csv:3: zones: the zone 'sealed' is 'restricted'; leave is given for controlled "
            "zones only (delete it here, or make it 'controlled' in map.geojson)",
        ),
        (
            "people.csv", ",round", ",ruond",
            "people.csv:3: route: there is no route 'ruond' in routes.toml (did you mean 'round'?)",
        ),
        (
            "people.csv", "yes,sub vent,round", ",sub vent,round",
            "people.csv:3: route: routes are planned for special workers, and this is none "
            "(write yes under special, or leave the route empty)",
        ),
        (
            "routes.toml", '"pit_top"', '"pit-top"',
            "routes.toml:5: route[1].stop[1].zone: there is no zone 'pit-top' in map.geojson "
            "(did you mean 'pit_top'?)",
        ),
        (
            "routes.toml", '"sub"', '""',
            "routes.toml:9: route[1].stop[2].zone: must have at least 1 character(s), not ''",
        ),
        (
            "routes.toml", '"08:30"', '"08.30"',
            f"routes.toml:7: route[1].stop[1].to: {TIME}, not '08.30'",
        ),
        (
            "routes.toml", '"08:30"', '"08:00"',
            "routes.toml:4: route[1].stop[1]: `from` and `to` are the same time: write when it "
            "ends",
        ),
        (
            "routes.toml", '"other"', '"round"',
            "routes.toml:14: route[2].id: 'round' is already the id of the route at line 2 "
            "(give it another)",
        ),
        (
            "routes.toml", '"other"', '"a b"',
            "routes.toml:14: route[2].id: must have the form ^[A-Za-z0-9][A-Za-z0-9._-]*$, not "
            "'a b'",
        ),
        (
            "routes.toml", "stop = [{", "stops = [{",
            "routes.toml:15: route[2].stops: unknown key (did you mean 'stop'?)",
        ),
        (
            "routes.toml", '"vent", from', '"vent", frm',
            "routes.toml:15: route[2].stop[1].frm: unknown key (did you mean 'from'?)",
        ),
        ("routes.toml", 'name = "瓦斯巡检"', 'name = " "', "routes.toml:3: route[1].name: must be"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told(
    mine: Path, file: str, old: str, new: str, told: str
) -> None:
    replace(mine / file, old, new)
    said = mistakes(mine)
    assert [one for one in said if one.startswith(told)], said
    assert {one.partition(":")[0] for one in said} == {file}


def test_a_route_needs_a_stop(mine: Path) -> None:
    (mine / ROUTES_FILE).write_text('[[route]]\nid = "round"\nstop = []\n[[route]]\nid = "b"\n')
    assert mistakes(mine) == [
        "routes.toml:3: route[1].stop: must have at least 1 element(s), not 0",
        "routes.toml:4: route[2].stop: is missing",
    ]


@pytest.mark.parametrize("text", ["route = 1", "route = [1]", "routes = []", "[route]\nid = 1"])
def test_what_is_no_list_of_routes_is_told(mine: Path, text: str) -> None:
    (mine / ROUTES_FILE).write_text(text)
    assert [told for told in mistakes(mine) if told.startswith("routes.toml:1: rout")]


def test_what_can_not_be_read_of_routes_is_told_alone(mine: Path) -> None:
    (mine / ROUTES_FILE).write_text("[[route]\n")
    assert [told.partition(":")[0] for told in mistakes(mine)] == ["routes.toml"]
    (mine / ROUTES_FILE).unlink()
    (mine / ROUTES_FILE).mkdir()
    assert mistakes(mine) == ["routes.toml: is not a file"]
    (mine / ROUTES_FILE).rmdir()
    assert mistakes(mine) == [
        "people.csv:3: route: there is no route 'round' in routes.toml (write it into routes.toml)"
    ]


def test_mistakes_of_all_files_are_told_at_once(mine: Path) -> None:
    replace(mine / "people.csv", "14010000000200003", "1")
    replace(mine / "people.csv", "yes,,sub,", "yes,,sbu,")
    replace(mine / ROUTES_FILE, '"08:30"', '"8:30"')
    replace(mine / ROUTES_FILE, '"vent"', '"vnt"')
    replace(mine / "mine.toml", "quota = 120", "quota = -120")
    told = [one.partition(": ")[0] for one in mistakes(mine)]
    assert told == [
        "mine.toml:7",
        "people.csv:2",
        "people.csv:4",
        "routes.toml:7",
        "routes.toml:15",
    ]


def test_a_map_without_controlled_zones_says_how_to_draw_one(mine: Path) -> None:
    replace(mine / "map.geojson", '"id": "sub", "zone": "controlled"', '"id": "x", "zone": "key"')
    replace(mine / "map.geojson", '"zone": "controlled"', '"zone": "key"')
    replace(mine / ROUTES_FILE, '"sub"', '"x"')
    assert mistakes(mine)[0] == (
        "people.csv:2: zones: there is no zone 'sub' in map.geojson "
        "(draw it as a Polygon with zone 'controlled')"
    )
