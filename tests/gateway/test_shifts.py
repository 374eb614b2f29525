"""Which shift it is when: over midnight, between shifts, and where the clock leaps."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mine.people.shifts import Shifts, ShiftSpan, ShiftTime

S = 1_000_000_000
SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
THREE = (
    ShiftTime("night", time(22), time(6)),
    ShiftTime("early", time(6), time(14)),
    ShiftTime("late", time(14), time(22)),
)


def ns(zone: ZoneInfo, *parts: int, fold: int = 0) -> int:
    year, month, day, hour, minute = parts
    moment = datetime(year, month, day, hour, minute, tzinfo=zone, fold=fold)
    return round(moment.timestamp()) * S


def hours(span: ShiftSpan) -> float:
    return (span.end_ns - span.start_ns) / S / 3600


def test_a_shift_over_midnight_is_of_the_day_on_which_it_began() -> None:
    shifts = Shifts(THREE, SHANGHAI)
    before, after = (
        shifts.at(ns(SHANGHAI, 2026, 11, 25, 23, 0)),
        shifts.at(ns(SHANGHAI, 2026, 11, 26, 5, 59)),
    )
    assert before == after
    assert (before.id, before.start_ns) == ("2026-11-25/night", ns(SHANGHAI, 2026, 11, 25, 22, 0))
    following = shifts.at(ns(SHANGHAI, 2026, 11, 26, 6, 0))
    assert (following.id, following.start_ns) == ("2026-11-26/early", before.end_ns)


def test_between_two_shifts_is_a_span_without_a_name() -> None:
    shifts = Shifts((ShiftTime("day", time(8), time(16)),), SHANGHAI)
    gap = shifts.at(ns(SHANGHAI, 2026, 11, 25, 17, 0))
    assert (gap.name, gap.start_ns, gap.end_ns) == (
        "",
        ns(SHANGHAI, 2026, 11, 25, 16, 0),
        ns(SHANGHAI, 2026, 11, 26, 8, 0),
    )


def test_without_shifts_each_local_day_is_one() -> None:
    shifts = Shifts((), SHANGHAI, early_ns=3600 * S)
    span = shifts.come_for(ns(SHANGHAI, 2026, 11, 25, 23, 59))
    assert (span.id, hours(span)) == ("2026-11-25/-", 24.0)


@pytest.mark.parametrize(
    ("day", "lengths"), [(28, [7.0, 8.0, 8.0]), (27, [8.0, 8.0, 8.0])], ids=["leaps", "does not"]
)
def test_a_night_in_which_the_clock_leaps_forward_is_shorter(
    day: int, lengths: list[float]
) -> None:
    shifts = Shifts(THREE, BERLIN)  # at 02:00 of 29 March 2026 it becomes 03:00
    starts = [ns(BERLIN, 2026, 3, day, 22, 0)]
    for _ in range(2):
        starts.append(shifts.at(starts[-1]).end_ns)
    assert [hours(shifts.at(start)) for start in starts] == lengths


def test_a_night_in_which_the_clock_is_set_back_is_longer() -> None:
    span = Shifts(THREE, BERLIN).at(ns(BERLIN, 2026, 10, 25, 2, 30, fold=1))
    assert (span.id, hours(span)) == ("2026-10-24/night", 9.0)


def test_a_shift_that_begins_at_a_time_that_is_leapt_over_begins_with_the_leap() -> None:
    times = (ShiftTime("a", time(18), time(2, 30)), ShiftTime("b", time(2, 30), time(18)))
    leap_ns = round(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()) * S
    shifts = Shifts(times, BERLIN)
    assert shifts.at(leap_ns - 1).end_ns == leap_ns == shifts.at(leap_ns).start_ns
    assert (shifts.at(leap_ns - 1).name, shifts.at(leap_ns).name) == ("a", "b")


def test_a_shift_that_begins_at_a_time_that_comes_twice_begins_at_the_first() -> None:
    times = (ShiftTime("a", time(18), time(2, 30)), ShiftTime("b", time(2, 30), time(18)))
    span = Shifts(times, BERLIN).at(ns(BERLIN, 2026, 10, 25, 2, 45))
    assert (span.name, span.start_ns) == ("b", ns(BERLIN, 2026, 10, 25, 2, 30, fold=0))


def test_who_comes_shortly_before_a_shift_comes_for_it() -> None:
    shifts = Shifts(THREE, SHANGHAI, early_ns=3600 * S)
    for hour, minute, name in ((5, 0, "early"), (4, 59, "night"), (6, 30, "early")):
        assert shifts.come_for(ns(SHANGHAI, 2026, 11, 25, hour, minute)).name == name


@given(
    cuts=st.lists(st.integers(0, 1439), min_size=2, max_size=8, unique=True),
    missing=st.integers(0, 7),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "UTC"]),
    start_h=st.integers(0, 24 * 366),
    length_min=st.integers(0, 60 * 72),
)
def test_spans_follow_one_another_without_a_gap(
    cuts: list[int], missing: int, zone: str, start_h: int, length_min: int
) -> None:
    clock = [time(*divmod(minute, 60)) for minute in sorted(cuts)]
    times = [
        ShiftTime(f"s{n}", one, clock[(n + 1) % len(clock)])
        for n, one in enumerate(clock)
        if n != missing
    ]
    shifts = Shifts(times, ZoneInfo(zone))
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=start_h)
    from_ns = round(start.timestamp()) * S
    to_ns = from_ns + length_min * 60 * S
    parts = list(shifts.between(from_ns, to_ns))
    assert sum(spent for _, spent in parts) == to_ns - from_ns
    assert all(spent > 0 for _, spent in parts)
    spans = [span for span, _ in parts]
    assert [one.end_ns for one in spans[:-1]] == [one.start_ns for one in spans[1:]]
    assert len({one.id for one in spans}) == len(spans)
    assert all(shifts.at(one.start_ns) == one == shifts.at(one.end_ns - 1) for one in spans)
