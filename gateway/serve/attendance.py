"""Attendance and exposure, shift by shift, in pages. On the event loop only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np

from gateway.clock import Clock
from gateway.config.schema import AttendanceSettings
from gateway.mine.people.shift_exposure import Share, ShiftExposure
from gateway.mine.people.shifts import ShiftSpan
from gateway.mine.zones.visits import Visit
from gateway.serve.cursor import Kind, seal_page
from gateway.serve.failure import RequestError
from gateway.serve.paging import page_of, page_size, page_start, scope
from gateway.serve.reasons import Reason
from lamproom.v1 import attendance_pb2, exposure_pb2

_MIN_NS: Final = 60_000_000_000


class AttendanceAnswers:
    """The visits that the core keeps, each with a number in the order of their beginning."""

    def __init__(self, settings: AttendanceSettings, epoch: int, now_ns: Clock) -> None:
        self.reload(settings)
        self._epoch = epoch
        self._now_ns = now_ns
        self._visits: dict[int, Visit] = {}  # by number, which grows
        self._numbers: dict[tuple[int, str], int] = {}
        self._last = 0
        self._begun = False

    def reload(self, settings: AttendanceSettings) -> None:
        """Takes over from when on someone is late."""
        self._late_ns = round(settings.late_min * _MIN_NS)

    def publish(self, visits: Mapping[tuple[int, str], Visit | None]) -> None:
        """Takes over those that have changed."""
        self._begun = True
        for key, visit in visits.items():
            number = self._numbers.get(key)
            if visit is None:
                if number is not None:
                    del self._visits[number], self._numbers[key]
                continue
            if number is None:
                self._last += 1
                number = self._numbers[key] = self._last
            self._visits[number] = visit

    def list_shifts(
        self, request: attendance_pb2.ListShiftsRequest
    ) -> attendance_pb2.ListShiftsResponse:
        """One page of the shifts that are kept. A token is good until another shift is one of them.

        Raises:
            RequestError: a wrong page, or the core has not begun yet.
        """
        if not self._begun:
            msg = "the gateway has only just started"
            raise RequestError(Reason.JUST_STARTED, msg, remedy="ask again")
        by_shift: dict[ShiftSpan, list[Visit]] = {}
        for visit in self._visits.values():
            by_shift.setdefault(visit.shift, []).append(visit)
        ordered = sorted(by_shift, key=lambda shift: shift.start_ns, reverse=True)
        there = scope(self._epoch, *(f"{shift.start_ns} {shift.name}" for shift in ordered))
        page, token = page_of(
            ordered, Kind.SHIFT_PAGE, there, request.page_size, request.page_token
        )
        return attendance_pb2.ListShiftsResponse(
            shifts=[self._shift(shift, by_shift[shift]) for shift in page], next_page_token=token
        )

    def list_visits(
        self, request: attendance_pb2.ListAttendanceRequest
    ) -> attendance_pb2.ListAttendanceResponse:
        """One page of visits. Raises RequestError for a wrong page."""
        asked = (request.day, request.shift, request.person_id, request.team)
        size, epoch = page_size(request.page_size), scope(self._epoch, *asked)
        after = page_start(Kind.VISIT_PAGE, request.page_token, epoch)
        found = [
            number
            for number, one in self._visits.items()
            if number > after
            and _fits(asked, (one.shift.day, one.shift.name, one.person, one.team))
        ]
        page, token = found[:size], ""
        if len(found) > size:
            token = seal_page(Kind.VISIT_PAGE, epoch, page[-1])
        visits = [self._visit(self._visits[number]) for number in page]
        return attendance_pb2.ListAttendanceResponse(visits=visits, next_page_token=token)

    def _shift(self, shift: ShiftSpan, visits: Iterable[Visit]) -> attendance_pb2.ShiftAttendance:
        told = attendance_pb2.ShiftAttendance(shift=shift_message(shift))
        for visit in visits:
            is_below = visit.out_ns is None
            told.visits += 1
            told.late += self._is_late(visit)
            told.below += is_below
            told.leader_visits += visit.leader
            told.leaders_below += visit.leader and is_below
        return told

    def _is_late(self, visit: Visit) -> bool:
        return bool(visit.shift.name) and visit.in_ns > visit.shift.start_ns + self._late_ns

    def _visit(self, visit: Visit) -> attendance_pb2.Visit:
        now_ns, shift = self._now_ns(), visit.shift
        is_below = visit.out_ns is None
        message = attendance_pb2.Visit(
            card=visit.card,
            person_id=visit.person,
            name=visit.name,
            team=visit.team,
            leader=visit.leader,
            shift=shift_message(shift),
            minutes=visit.spent_ns(now_ns) / _MIN_NS,
            late=self._is_late(visit),
            left_early=bool(shift.name) and not is_below and (visit.out_ns or 0) < shift.end_ns,
            overstaying=bool(shift.name) and is_below and now_ns >= shift.end_ns,
        )
        message.in_time.FromNanoseconds(visit.in_ns)
        if visit.out_ns is not None:
            message.out_time.FromNanoseconds(visit.out_ns)
        return message


class ExposureAnswers:
    """The newest exposure of each shift."""

    def __init__(self, epoch: int, shifts_kept: int) -> None:
        self._epoch = epoch
        self._kept = shifts_kept
        self._shifts: dict[int, ShiftExposure] = {}  # by start, ascending

    def reload(self, shifts_kept: int) -> None:
        """Takes over how many shifts are kept."""
        self._kept = shifts_kept
        self._shifts = dict(sorted(self._shifts.items())[-shifts_kept:])

    def publish(self, exposure: Iterable[ShiftExposure]) -> None:
        """Takes over the shifts that have changed."""
        changed = {one.shift.start_ns: one for one in exposure}
        if changed:
            known = sorted((self._shifts | changed).items())
            self._shifts = dict(known[-self._kept :])

    def list_exposure(
        self, request: exposure_pb2.ListExposureRequest
    ) -> exposure_pb2.ListExposureResponse:
        """One page of rows that are not all zero. Raises RequestError for a wrong page."""
        asked = (request.day, request.shift, request.zone_id, request.team)
        size, epoch = page_size(request.page_size), scope(self._epoch, *asked)
        after = page_start(Kind.EXPOSURE_PAGE, request.page_token, epoch)
        rows: list[exposure_pb2.Exposure] = []
        last = after
        for position, row in self._rows(asked, after):
            if len(rows) == size:
                token = seal_page(Kind.EXPOSURE_PAGE, epoch, last)
                return exposure_pb2.ListExposureResponse(rows=rows, next_page_token=token)
            rows.append(row)
            last = position
        return exposure_pb2.ListExposureResponse(rows=rows)

    def _rows(
        self, asked: tuple[str, str, str, str], after: int
    ) -> Iterator[tuple[int, exposure_pb2.Exposure]]:
        """(position, row) of all that fit and come after a position: second, zone, team."""
        for start_ns, one in self._shifts.items():
            if not _fits(asked[:2], (one.shift.day, one.shift.name)):
                continue
            shift, teams = shift_message(one.shift), len(one.teams)
            for cell in np.flatnonzero(one.spent_ns.any(axis=2)).tolist():
                zone, team = divmod(cell, teams)
                position = _position(start_ns, zone, team)
                names = one.zones[zone], one.teams[team]
                if position > after and _fits(asked[2:], names):
                    yield position, _row(one, shift, (zone, team))


def shift_message(shift: ShiftSpan) -> attendance_pb2.ShiftSpan:
    """A shift of one day."""
    message = attendance_pb2.ShiftSpan(shift_id=shift.id, day=shift.day, name=shift.name)
    message.start_time.FromNanoseconds(shift.start_ns)
    message.end_time.FromNanoseconds(shift.end_ns)
    return message


def _row(
    one: ShiftExposure, shift: attendance_pb2.ShiftSpan, cell: tuple[int, int]
) -> exposure_pb2.Exposure:
    minutes = one.spent_ns[cell] / _MIN_NS
    row = exposure_pb2.Exposure(
        shift=shift,
        zone_id=one.zones[cell[0]],
        team=one.teams[cell[1]],
        person_min_with_robot=minutes[Share.BESIDE_ROBOT],
        person_min_without_robot=minutes[Share.ALONE],
        person_min_silent=minutes[Share.SILENT],
        robot_min=minutes[Share.ROBOT],
        robot_min_silent=minutes[Share.ROBOT_SILENT],
    )
    row.count_time.FromNanoseconds(one.t_ns)
    return row


def _position(start_ns: int, zone: int, team: int) -> int:
    """Where a row stands among all, in 64 bits: shifts are minutes apart at least."""
    minute = start_ns // _MIN_NS
    return minute << 36 | zone << 18 | (team + 1)


def _fits(asked: tuple[str, ...], found: tuple[str, ...]) -> bool:
    return all(not one or one == other for one, other in zip(asked, found, strict=True))
