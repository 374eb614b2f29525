"""Reads values out of JSON, noting every mistake with its line and going on."""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from positioning.json_source import JsonSource, Path, path_text

#: Coordinates leave in millimetres as 32-bit integers, which end at 2,147 km.
COORDINATE_MAX_M: Final = 1_000_000.0


@dataclass(frozen=True, slots=True, order=True)
class MapMistake:
    """One thing that is wrong with a map; `line` and the numbers in `key` count from 1."""

    line: int
    key: str
    problem: str
    remedy: str = ""


class RefusedError(Exception):
    """A value can't be read; its mistake has been noted."""


class MapValues:
    """The values of one file; `mistakes` is what was found wrong so far."""

    def __init__(self, source: JsonSource) -> None:
        self.source = source
        self.mistakes: list[MapMistake] = []
        for path, line in source.twice:
            remedy = "keep one of the two"
            self.mistakes.append(MapMistake(line, path_text(path), "stands twice", remedy))

    def say(self, path: Path, problem: str, remedy: str = "") -> None:
        """Notes a mistake and goes on."""
        line = self.source.line_of(path)
        self.mistakes.append(MapMistake(line, path_text(path), problem, remedy))

    def refuse(self, path: Path, problem: str, remedy: str = "") -> RefusedError:
        """Notes a mistake; the answer is to be raised."""
        self.say(path, problem, remedy)
        return RefusedError()

    def object(self, path: Path, given: Any) -> dict[str, Any]:
        """`given`, which must be an object."""
        if not isinstance(given, dict):
            raise self.refuse(path, wrong(given, "an object { … }"))
        return given

    def array(self, path: Path, given: Any) -> list[Any]:
        """`given`, which must be an array."""
        if not isinstance(given, list):
            raise self.refuse(path, wrong(given, "an array [ … ]"))
        return given

    def choice(self, path: Path, given: Any, known: Collection[str]) -> str:
        """`given`, which must be one of `known`."""
        if given is None:
            raise self.refuse(path, "is missing", _known(known))
        if not isinstance(given, str) or given not in known:
            raise self.refuse(path, f"can't be {shown(given)}", _suggest(given, known))
        return given

    def known_keys(
        self, path: Path, given: dict[str, Any], known: tuple[str, ...], besides: Iterable[str] = ()
    ) -> None:
        """Notes keys that are neither known nor have been spoken of."""
        for key in sorted(given.keys() - {*known, *besides}):
            self.say((*path, key), "unknown key", _suggest(key, known))

    def is_type(self, path: Path, given: dict[str, Any], expected: str) -> None:
        """Notes a `type` that isn't the expected one."""
        if given.get("type") != expected:
            self.say((*path, "type"), wrong(given.get("type"), f'"{expected}"'))

    def length_m(self, path: Path, given: Any, most_m: float) -> float:
        """A length above 0 and up to `most_m`."""
        length_m = _number(given)
        if not 0 < length_m <= most_m:
            expected = f"a number of metres above 0 and up to {most_m:g}"
            raise self.refuse(path, wrong(given, expected))
        return length_m

    def minutes(self, path: Path, given: Any, most_min: float) -> float:
        """A time above 0 and up to `most_min`."""
        time_min = _number(given)
        if not 0 < time_min <= most_min:
            expected = f"a number of minutes above 0 and up to {most_min:g}"
            raise self.refuse(path, wrong(given, expected))
        return time_min

    def count(self, path: Path, given: Any, most: int) -> int:
        """A whole number from 0 to `most`."""
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= most:
            raise self.refuse(path, wrong(given, f"a whole number from 0 to {most:,}"))
        return given

    def speed_m_s(self, path: Path, given: Any, most_m_s: float) -> float:
        """A speed, above 0 and up to `most_m_s` metres a second."""
        speed_m_s = _number(given)
        if not 0 < speed_m_s <= most_m_s:
            expected = f"a number of metres a second above 0 and up to {most_m_s:g}"
            raise self.refuse(path, wrong(given, expected))
        return speed_m_s

    def heading_deg(self, path: Path, given: Any) -> float:
        """A direction, from -360 up to 360 degrees."""
        heading_deg = _number(given)
        if not -360 <= heading_deg <= 360:
            raise self.refuse(path, wrong(given, "a number of degrees from -360 to 360"))
        return heading_deg

    def band_m(self, path: Path, given: Any) -> tuple[float, float]:
        """Two heights, the lower one first."""
        low_m, high_m = self.point(path, given, width=2, form="[lowest, highest]")
        if low_m >= high_m:
            problem = f"the lower height must come first: {shown(given)}"
            raise self.refuse(path, problem, "heights are metres, negative below the origin")
        return low_m, high_m

    def points(self, path: Path, given: Any, width: int, least: int) -> NDArray[np.float64]:
        """Points, (n, width) metres; refused as a whole after all of them were looked at."""
        array = self.array(path, given)
        if len(array) < least:
            raise self.refuse(path, f"needs at least {least} points, not {len(array)}")
        points: list[list[float]] = []
        for number, point in enumerate(array):
            try:
                points.append(self.point((*path, number), point, width))
            except RefusedError:
                continue
        if len(points) < len(array):
            raise RefusedError
        return np.array(points, dtype=np.float64)

    def point(self, path: Path, given: Any, width: int, form: str = "") -> list[float]:
        """A point of `width` coordinates, metres; `form` says what it is where it is none."""
        if not isinstance(given, list) or len(given) != width:
            form = form or ("a point [x, y, z]" if width == 3 else "a point [x, y]")
            raise self.refuse(path, wrong(given, form))
        for axis, value in enumerate(given):
            number = _number(value)
            if not math.isfinite(number):
                raise self.refuse((*path, axis), wrong(value, "a finite number of metres"))
            if abs(number) > COORDINATE_MAX_M:
                problem = f"{number:g} is beyond ±{COORDINATE_MAX_M / 1000:,.0f} km"
                remedy = "shift the map to an origin of the mine's own"
                raise self.refuse((*path, axis), problem, remedy)
        return [float(value) for value in given]


def _number(given: Any) -> float:
    """`given` as a float, NaN where it isn't a number."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return math.nan
    return float(given)


def wrong(given: Any, expected: str) -> str:
    """Says that `given` is not what was expected, or that it is missing."""
    return "is missing" if given is None else f"must be {expected}, not {shown(given)}"


def shown(given: Any) -> str:
    """What stands in the file, cut to fit into a message."""
    cut = reprlib.Repr()
    cut.maxlevel, cut.maxlist, cut.maxdict, cut.maxstring = 2, 3, 2, 60
    return cut.repr(given)


def _suggest(given: Any, known: Collection[str]) -> str:
    near = difflib.get_close_matches(str(given), list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else _known(known)


def _known(known: Collection[str]) -> str:
    return f"known: {', '.join(known)}"
