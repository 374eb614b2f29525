"""`lamproom attendance` and `lamproom exposure`: who was below, and for how long in which zone."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.asking import (
    ANSWER_MOST_S,
    HERE,
    CsvFile,
    Where,
    asking,
    mine_zone,
    pages,
    print_table,
    write_csv,
)
from gateway.cli.show import local

if TYPE_CHECKING:
    from lamproom.v1 import attendance_pb2, exposure_pb2

Day = Annotated[
    str, typer.Option("--day", metavar="YYYY-MM-DD", help="Only shifts that began on this day.")
]
ShiftName = Annotated[str, typer.Option("--shift", help="Only shifts of this name.")]
Team = Annotated[str, typer.Option("--team", help="Only this team.")]

_VISIT_COLUMNS: Final = {
    "day": "日期",
    "shift": "班次",
    "name": "姓名",
    "card": "卡号",
    "team": "队组",
    "leader": "带班",
    "in": "入井",
    "out": "出井",
    "min": "分钟",
    "remarks": "备注",
}
_EXPOSURE_COLUMNS: Final = {
    "day": "日期",
    "shift": "班次",
    "zone": "区域",
    "team": "队组",
    "person min": "人分钟",
    "with robot": "有机器人",
    "without": "无机器人",
    "silent": "失联",
    "robot min": "机器人分钟",
}


def attendance(
    where: Where = HERE,
    *,
    day: Day = "",
    shift: ShiftName = "",
    team: Team = "",
    csv_file: CsvFile = None,
) -> None:
    """Show who was below, from when to when, for which shift.

    The oldest first, with times in the mine's zone. Whoever was late, left early, or is below
    though the shift is over, has a remark.
    """
    from lamproom.v1 import attendance_pb2, attendance_pb2_grpc

    found: list[attendance_pb2.Visit] = []
    with asking(where) as channel:
        zone = mine_zone(channel)
        stub = attendance_pb2_grpc.AttendanceServiceStub(channel)

        def page(token: str) -> attendance_pb2.ListAttendanceResponse:
            request = attendance_pb2.ListAttendanceRequest(
                page_token=token, day=day, shift=shift, team=team
            )
            return stub.ListAttendance(request, timeout=ANSWER_MOST_S)

        for answer in pages(page):
            found += answer.visits
    rows = [_visit_cells(visit, zone) for visit in found]
    print_table(list(_VISIT_COLUMNS), rows, numbers=("min",))
    if csv_file:
        write_csv(csv_file, _both(_VISIT_COLUMNS), rows)


def exposure(
    where: Where = HERE,
    *,
    day: Day = "",
    shift: ShiftName = "",
    team: Team = "",
    zone: Annotated[str, typer.Option("--zone", help="Only this zone.")] = "",
    csv_file: CsvFile = None,
) -> None:
    """Show person-minutes by shift, zone and team.

    With and without robots in the zone. The whole mine is the zone `(mine)`. Silent minutes are
    those of people who were not heard.
    """
    from lamproom.v1 import exposure_pb2, exposure_pb2_grpc

    found: list[exposure_pb2.Exposure] = []
    with asking(where) as channel:
        stub = exposure_pb2_grpc.ExposureServiceStub(channel)

        def page(token: str) -> exposure_pb2.ListExposureResponse:
            request = exposure_pb2.ListExposureRequest(
                page_token=token, day=day, shift=shift, team=team, zone_id=zone
            )
            return stub.ListExposure(request, timeout=ANSWER_MOST_S)

        for answer in pages(page):
            found += answer.rows
    rows = [_exposure_cells(row) for row in found]
    columns = list(_EXPOSURE_COLUMNS)
    print_table(columns, rows, numbers=columns[4:])
    if csv_file:
        write_csv(csv_file, _both(_EXPOSURE_COLUMNS), rows)


def _both(columns: dict[str, str]) -> list[str]:
    return [f"{zh} {en}" for en, zh in columns.items()]


def _visit_cells(visit: attendance_pb2.Visit, zone: tzinfo) -> tuple[str, ...]:
    remarks = (
        ("late 迟到", visit.late),
        ("left early 早退", visit.left_early),
        ("overstaying 超班未升井", visit.overstaying),
    )
    return (
        visit.shift.day,
        visit.shift.name,
        visit.name,
        visit.card,
        visit.team,
        "yes" if visit.leader else "",
        local(visit.in_time.ToNanoseconds(), zone),
        local(visit.out_time.ToNanoseconds(), zone) if visit.HasField("out_time") else "below",
        f"{visit.minutes:.1f}",
        ", ".join(words for words, applies in remarks if applies),
    )


def _exposure_cells(row: exposure_pb2.Exposure) -> tuple[str, ...]:
    shares = (
        row.person_min_with_robot,
        row.person_min_without_robot,
        row.person_min_silent,
    )
    minutes = (sum(shares), *shares, row.robot_min + row.robot_min_silent)
    return (
        row.shift.day,
        row.shift.name,
        row.zone_id or "(mine)",
        row.team,
        *(f"{one:.1f}" for one in minutes),
    )
