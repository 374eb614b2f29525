"""The map of a generated mine: an incline, faces to the south of the haulage way, headings north.

Local metres as in the sample mine: x east, y north, z up, the portal at (0, 0, 0).
"""

from __future__ import annotations

from typing import Final

from hil_sim.layout_settings import Layout
from hil_sim.sample_map import MapPlan, Point

#: Where the haulage and the return airway begin and how far they are apart, how deep they are, and
#: how far it falls with each metre to the east.
BEGIN_M: Final = 300.0
APART_M: Final = 60.0
DEPTH_M: Final = -26.0
FALL: Final = 0.005

#: Coal that is left between two faces, and between two headings.
PILLAR_M: Final = 40.0
HEADING_GAP_M: Final = 60.0

#: Between two crosscuts at most.
CROSSCUT_M: Final = 300.0

#: The part of a heading before its machine, in which people work; and the danger zone.
WORK_M: Final = 40.0
DANGER_M: Final = 20.0

#: Half the width of a zone across a roadway.
_HALF_M: Final = 6.0

Roadway = tuple[str, str, float, tuple[Point, ...]]
Zone = tuple[str, str, str, tuple[float, float, float, float]]


def _level_m(x_m: float) -> float:
    return round(DEPTH_M - FALL * (x_m - BEGIN_M), 3)


def face_id(number: int) -> str:
    """The roadway and zone of face `number`, counted from 1."""
    return f"face_f{number}"


def heading_id(number: int) -> str:
    """The roadway and zone of heading `number`, counted from 1."""
    return f"heading_h{number}"


def layout_map(layout: Layout) -> MapPlan:
    """The plan of which `map_text` makes a map."""
    face_xs = [
        BEGIN_M + PILLAR_M + number * (layout.face_m + PILLAR_M) for number in range(layout.faces)
    ]
    heading_xs = [BEGIN_M + PILLAR_M + n * HEADING_GAP_M for n in range(layout.headings)]
    ends = [x + layout.face_m for x in face_xs] + heading_xs
    end_m = max(ends) + PILLAR_M
    roadways = [*_trunk(end_m), *_crosscuts(end_m)]
    zones: list[Zone] = [
        ("wellhead", "井口", "wellhead", (-6, -6, 30, 6)),
        ("substation", "中央变电所", "key", (230, -5, 270, 5)),
        ("refuge_1", "一号避难硐室", "refuge", (BEGIN_M + 16, -30, BEGIN_M + 24, -5)),
        (
            "old_stub",
            "旧巷（已封闭）",
            "restricted",
            (end_m - 24, APART_M + 10, end_m - 16, APART_M + 44),
        ),
    ]
    for number, x in enumerate(face_xs, start=1):
        roadways += _face(number, x, layout)
        y = -layout.gate_m
        sides = (x - _HALF_M, y - _HALF_M, x + layout.face_m + _HALF_M, y + _HALF_M)
        zones.append((face_id(number), f"{number}号综采工作面", "face", sides))
    for number, x in enumerate(heading_xs, start=1):
        roadways.append(_heading(number, x, layout))
        y = APART_M + layout.heading_m
        low = max(y - DANGER_M - WORK_M, APART_M + 5)
        sides = (x - _HALF_M, low, x + _HALF_M, y - DANGER_M)
        zones.append((heading_id(number), f"{number}号掘进工作面", "face", sides))
        sides = (x - _HALF_M, y - DANGER_M + 1, x + _HALF_M, y + 4)
        zones.append((f"danger_h{number}", f"{number}号掘进机作业区", "danger", sides))
    owners = {zone: {"owner": "通风队"} for zone, *_ in zones}
    readers = (((12.0, 2.0, 0.5), 12.0), ((BEGIN_M, 2.0, DEPTH_M + 2.5), 15.0))
    return MapPlan(tuple(roadways), tuple(zones), owners, readers, layout.anchor_spacing_m)


def _trunk(end_m: float) -> list[Roadway]:
    """The ways that every mine has."""
    begin, end = _level_m(BEGIN_M), _level_m(end_m)
    refuge_x, stub_x = BEGIN_M + 20, end_m - 20
    return [
        ("main_incline", "主斜井", 5.0, ((0, 0, 0), (30, 0, -3), (200, 0, -24))),
        ("pit_bottom", "井底车场", 5.5, ((200, 0, -24), (BEGIN_M, 0, begin))),
        ("haulage", "运输大巷", 5.0, ((BEGIN_M, 0, begin), (end_m, 0, end))),
        ("return_airway", "回风大巷", 4.5, ((BEGIN_M, APART_M, begin), (end_m, APART_M, end))),
        (
            "refuge_1",
            "一号避难硐室",
            4.0,
            ((refuge_x, 0, _level_m(refuge_x)), (refuge_x, -26, _level_m(refuge_x))),
        ),
        (
            "old_stub",
            "旧巷（已封闭）",
            4.0,
            ((stub_x, APART_M, _level_m(stub_x)), (stub_x, APART_M + 40, _level_m(stub_x))),
        ),
    ]


def _crosscuts(end_m: float) -> list[Roadway]:
    """Between haulage and return, at both ends and in between."""
    gaps = max(1, round((end_m - BEGIN_M) / CROSSCUT_M))
    ways: list[Roadway] = []
    for number in range(gaps + 1):
        x = round(BEGIN_M + (end_m - BEGIN_M) * number / gaps, 3)
        line = ((x, 0.0, _level_m(x)), (x, APART_M, _level_m(x)))
        ways.append((f"crosscut_{number + 1}", f"{number + 1}号联络巷", 4.5, line))
    return ways


def _face(number: int, x: float, layout: Layout) -> list[Roadway]:
    """A face with its two gates; its centreline begins at the main gate."""
    far, y = x + layout.face_m, -layout.gate_m
    near_z, far_z = _level_m(x), _level_m(far)
    deep = -3.0
    return [
        (
            f"main_gate_f{number}",
            f"{number}号运输顺槽",
            5.0,
            ((x, 0, near_z), (x, y, near_z + deep)),
        ),
        (
            face_id(number),
            f"{number}号综采工作面",
            6.0,
            ((x, y, near_z + deep), (far, y, far_z + deep)),
        ),
        (
            f"tail_gate_f{number}",
            f"{number}号回风顺槽",
            4.5,
            ((far, 0, far_z), (far, y, far_z + deep)),
        ),
    ]


def _heading(number: int, x: float, layout: Layout) -> Roadway:
    z = _level_m(x)
    line = ((x, APART_M, z), (x, APART_M + layout.heading_m, z + 0.01 * layout.heading_m))
    return heading_id(number), f"{number}号掘进巷", 5.0, line
