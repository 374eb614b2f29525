"""Values of points out of lines. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from equipment.report import Quality, Sample, Value
from protocols.text.kind import Found, PointColumn

GIVES_NONE = "the device gives no value"


def samples_of(device: str, found: Found, receive_t_ns: int) -> list[Sample]:
    """A sample of each point for each line, in the lines' order."""
    count = len(found.kept)
    times_us = [None] * count if found.times_us is None else found.times_us.tolist()
    times_ns = [None if time_us is None else time_us * 1000 for time_us in times_us]
    columns = [list(_samples(device, one, times_ns, receive_t_ns)) for one in found.points]
    return [sample for row in zip(*columns, strict=True) for sample in row]


def _samples(
    device: str, column: PointColumn, times_ns: list[int | None], receive_t_ns: int
) -> Iterator[Sample]:
    point = column.point
    for position, (raw, t_ns) in enumerate(zip(column.values.tolist(), times_ns, strict=True)):
        wrong = column.wrong.get(position)
        judged: tuple[Value | None, Quality, str]
        if wrong is not None:
            judged = (None, Quality.BAD, f"what it gives {wrong}")
        elif isinstance(raw, float) and math.isnan(raw):
            judged = (None, Quality.BAD, GIVES_NONE)
        else:
            judged = point.judge(raw)
        yield Sample(device, point.name, *judged, t_ns, receive_t_ns)
