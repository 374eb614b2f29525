"""What a core has told, as the text lines of `expected.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from gateway.mine.alarms.states import AlarmMode
from gateway.mine.change import Alarm, Changes, Event, EventKind, Headcount
from gateway.mine.people.shift_exposure import Share, ShiftExposure
from gateway.mine.zones.visits import Visit
from tests.gateway.event_case import Line

S: Final = 1_000_000_000
#: Digests of configurations change with every file of the base.
_DIGEST: Final = re.compile(r"\b[0-9a-f]{12}\b")


class Words:
    """Names for cards, times of the mine's clock, and what is told in them."""

    def __init__(self, names: Mapping[str, str], zone: ZoneInfo) -> None:
        """`names` of the people, and vehicles, by card."""
        self.names = names
        self.zone = zone
        self._day = ""

    def name(self, card: str) -> str:
        return self.names.get(card, card)

    def clock(self, t_ns: int) -> str:
        at = datetime.fromtimestamp(t_ns // S, self.zone)
        rest_ms = t_ns % S // 1_000_000
        return f"{at:%H:%M:%S}" + (f".{rest_ms:03d}" if rest_ms else "")

    def day(self, t_ns: int) -> list[str]:
        """A line where the day, or the clock's distance from UTC, is another than before."""
        at = datetime.fromtimestamp(t_ns // S, self.zone)
        day = f"--- {at:%Y-%m-%d %z}"
        if day == self._day:
            return []
        self._day = day
        return [day]

    def line(self, line: Line) -> list[str]:
        """A line of the input as it is quoted: with the time of the mine's clock."""
        if line.words == ("#",):
            return ["", line.text]
        return [*self.day(line.t_ns), f"> {self.clock(line.t_ns)} {' '.join(line.words)}"]

    def event(self, event: Event) -> str:
        """One line: when it was told, what kind, about what, when it was if earlier, in words."""
        alarm = event.alarm
        subject = self._subject(alarm or event)
        what = [self.clock(event.record_t_ns), event.kind.name]
        if alarm:
            what.append(alarm.rule)
        parts = " ".join([*what, *subject])
        said = [parts, *self._remarks(event), _DIGEST.sub("…", event.text)]
        return " | ".join(said)

    def _subject(self, of: Alarm | Event) -> Iterator[str]:
        yield from [self.name(of.card)] if of.card else []
        for field in ("machine", "zone", "device", "limit", "hazard", "anchor"):
            value = getattr(of, field, "")
            if value:
                yield self.name(value)

    def _remarks(self, event: Event) -> Iterator[str]:
        late_ns = event.record_t_ns - event.event_t_ns
        if late_ns:
            yield f"since {self.clock(event.event_t_ns)}"
        if event.shift:
            yield event.shift
        if event.drill:
            yield "drill"
        if event.count:
            yield f"count {event.count}"
        if event.group:
            yield event.group
        if event.alarm:
            yield from self._alarm_remarks(event.kind, event.alarm)
        if event.place:
            place = event.place
            age_ns = event.event_t_ns - place.t_ns
            aged = f" {age_ns / S:g} s before" if age_ns > 0 else ""
            yield f"x {place.x_m:.1f}{aged}"

    def _alarm_remarks(self, kind: EventKind, alarm: Alarm) -> Iterator[str]:
        if kind is EventKind.ALARM_RAISED:
            yield f"level {alarm.level}"
        if kind is EventKind.ALARM_CHANGED:
            yield f"level {alarm.level}, {alarm.state.name.lower()}"
        if alarm.mode is not AlarmMode.IN_SERVICE:
            yield alarm.mode.name.lower()
        if alarm.escalated:
            yield "escalated to " + ", ".join(alarm.tell)
        if alarm.group:
            yield alarm.group
        if alarm.parent:
            yield f"because of {alarm.parent}"

    def alarm(self, alarm: Alarm) -> str:
        """One line of a list of alarms."""
        subject = " ".join(self._subject(alarm))
        since = self.clock(alarm.start_t_ns)
        ended = f" until {self.clock(alarm.end_t_ns)}" if alarm.end_t_ns else ""
        state = alarm.state.name.lower()
        mode = "" if alarm.mode is AlarmMode.IN_SERVICE else f", {alarm.mode.name.lower()}"
        return f"{alarm.rule} {subject}: level {alarm.level}, since {since}{ended}, {state}{mode}"

    def count(self, changes: Changes) -> Iterator[str]:
        """The headcount, and the ways in and out, in which in = out + inside always."""
        head = changes.headcount
        yield (
            f"underground {head.underground} ({head.silent} silent), attending {head.attending}, "
            f"leaders {head.leaders}, shift {head.shift or 'none'}"
        )
        for zone, flow in sorted(head.flows.items()):
            inside = self._inside(head, zone)
            if not flow.entered and not flow.left:
                continue
            yield f"{zone or 'mine'}: {inside} inside, {flow.entered} in, {flow.left} out"

    @staticmethod
    def _inside(head: Headcount, zone: str) -> int:
        return head.by_zone.get(zone, 0) if zone else head.attending

    def visit(self, visit: Visit) -> str:
        """One line of the attendance list."""
        out = self.clock(visit.out_ns) if visit.out_ns else "still below"
        who = f"{visit.name or 'nobody known'}, {visit.team or 'no team'}"
        lead = ", leads" if visit.leader else ""
        came = self.clock(visit.in_ns)
        return f"{self.name(visit.card)} ({who}{lead}): {visit.shift.id} {came} to {out}"

    def exposure(self, of: ShiftExposure) -> Iterator[str]:
        """Seconds, by shift, zone, team and what they are counted as."""
        for z, zone in enumerate(of.zones):
            for n, team in enumerate(of.teams):
                spent = of.spent_ns[z, n]
                shares = [
                    f"{share.name.lower()} {spent[share] / S:g} s"
                    for share in Share
                    if spent[share]
                ]
                if shares:
                    where = zone or "mine"
                    yield f"{of.shift.id} {where}, {team or 'no team'}: {', '.join(shares)}"
