"""A case of `tests/cases/events`: its mine's folder, and the lines of its input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

CASES: Final = Path(__file__).parents[1] / "cases" / "events"
NAMES: Final = sorted(path.parent.name for path in CASES.glob("*/input.txt"))

S: Final = 1_000_000_000

_OWN: Final = ("input.txt", "expected.txt")
_MAP: Final = "map.geojson"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an input: when it is so, what it says, and where it stands, for a mistake."""

    t_ns: int
    words: tuple[str, ...]
    text: str
    number: int


class CaseError(Exception):
    """A case is written wrongly; the text says in which line of which file."""


def lay(folder: Path, case: str, *parts: str) -> None:
    """Writes the folder of a mine: `base`, the case's own files, and those of its `parts`."""
    if not folder.exists():
        shutil.copytree(CASES / "base", folder)
        _overlay(CASES / case, folder)
    for part in parts:
        source = CASES / case / part
        if not source.is_dir():
            msg = f"{case}: there is no folder {part!r}"
            raise CaseError(msg)
        _overlay(source, folder)


def _overlay(source: Path, folder: Path) -> None:
    for path in sorted(source.iterdir()):
        if (path.is_dir() and path.name != "profiles") or path.name in _OWN:
            continue
        if path.is_dir():
            shutil.copytree(path, folder / path.name, dirs_exist_ok=True)
        elif path.name == _MAP:
            _add_features(path, folder / _MAP)
        else:
            shutil.copyfile(path, folder / path.name)


def _add_features(source: Path, target: Path) -> None:
    """Features of a case come beside those of the map, or in place of one that is so called."""
    features: dict[tuple[str, str], dict[str, Any]] = {}
    for path in (target, source):
        for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
            properties = feature["properties"]
            features[properties["kind"], properties["id"]] = feature
    kept = [one for one in features.values() if one["properties"].get("zone") != "none"]
    data = {"type": "FeatureCollection", "features": kept}
    target.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def lines_of(case: str, zone: ZoneInfo) -> tuple[list[Line], list[str]]:
    """The lines of a case's input, and the remarks at its head.

    Raises:
        CaseError: a line has no time, or one that is not to come.
    """
    path = CASES / case / "input.txt"
    remarks: list[tuple[int, str]] = []
    head: list[str] = []
    found: list[Line] = []
    now_ns = 0
    rest: tuple[str, ...]
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = text.split()
        if text.startswith("#"):
            remarks.append((number, text))
        if not words or text.startswith("#"):
            continue
        try:
            if words[0] == "start":
                begun = datetime.fromisoformat(" ".join(words[1:3])).replace(tzinfo=zone)
                now_ns, rest = round(begun.timestamp()) * S, ("start",)
                head = [remark for _, remark in remarks]
            else:
                now_ns, rest = _time_of(words[0], now_ns, zone), tuple(words[1:])
                # A remark is about what follows it.
                found += [Line(now_ns, ("#",), remark, n) for n, remark in remarks]
        except ValueError as error:
            msg = f"{path}:{number}: {error}"
            raise CaseError(msg) from None
        remarks.clear()
        found.append(Line(now_ns, rest, text, number))
        now_ns += _passes_ns(rest)
    if not found or found[0].words != ("start",) or found[-1].words != ("end",):
        msg = f"{path}: the first line is `start DATE TIME`, the last one `TIME end`"
        raise CaseError(msg)
    return found, head


def _passes_ns(words: tuple[str, ...]) -> int:
    """How long nothing runs by what a line says."""
    if words[0] == "pause":
        return int(words[1]) * S
    return int(words[words.index("after") + 1]) * S if "after" in words else 0


def _time_of(word: str, now_ns: int, zone: ZoneInfo) -> int:
    """`+5` is five seconds after the line before; else the next time that a clock shows this."""
    if word.startswith("+"):
        return now_ns + int(word[1:]) * S
    wall = time.fromisoformat(word)
    return next(t_ns for t_ns in _showing(wall, now_ns, zone) if t_ns >= now_ns)


def _showing(wall: time, now_ns: int, zone: ZoneInfo) -> Iterator[int]:
    """When a clock shows a time, today and tomorrow; twice on the day on which it is set back."""
    today = datetime.fromtimestamp(now_ns // S, zone).date()
    for day in (today, today + timedelta(days=1)):
        for fold in (0, 1):
            shown = datetime.combine(day, wall, zone).replace(fold=fold)
            yield round(shown.timestamp()) * S
