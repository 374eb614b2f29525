"""The table of faults as `docs/reliability.md` shows it: made from `fault_table`, with times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.places import ROOT
from tests.system.fault_table import CELLS, FAULTS, PROTOCOLS, Cell, Sign, Tried, Untold

DOC: Final = ROOT / "docs/reliability.md"

#: What stands for a time that was not measured yet.
UNKNOWN: Final = "?"

_LETTERS: Final = {
    Sign.DOWN: "D",
    Sign.FELL: "F",
    Sign.BAD: "B",
    Sign.REFUSED: "R",
    Sign.LOST: "L",
    Sign.AHEAD: "C",
    Sign.SKEW: "S",
}
_TIME: Final = re.compile(r"(\d+\.\d|\?) s")
_HEAD: Final = "| fault |"


def reasons() -> list[str]:
    """Why a fault is not told, or makes no sense, each once; they are numbered from 1."""
    cells = [cell for cells in CELLS.values() for cell in cells.values()]
    found = [cell.reason for cell in cells if not isinstance(cell, Tried)]
    return list(dict.fromkeys(found))


def _words(cell: Cell, time: str) -> str:
    if isinstance(cell, Tried):
        letters = "".join(letter for sign, letter in _LETTERS.items() if sign in cell.signs)
        return f"{letters} {time} s"
    number = reasons().index(cell.reason) + 1
    return f"{'✗' if isinstance(cell, Untold) else '–'} {number}"


def table(times: Mapping[tuple[str, str], str]) -> str:
    """The table and its reasons; `times` by fault and protocol, seconds."""
    lines = [f"{_HEAD} {' | '.join(PROTOCOLS.values())} |", "|---" * (len(PROTOCOLS) + 1) + "|"]
    for fault, words in FAULTS.items():
        cells = [
            _words(CELLS[protocol][fault], times.get((fault, protocol), UNKNOWN))
            for protocol in PROTOCOLS
        ]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    lines.append("")
    lines += [f"{number}. {reason}." for number, reason in enumerate(reasons(), start=1)]
    return "\n".join(lines) + "\n"


def _place(text: str) -> slice:
    """Where the table and its reasons stand."""
    begin = text.index(_HEAD)
    end = text.find("\n#", begin)
    return slice(begin, end if end >= 0 else len(text))


def shown(text: str) -> tuple[str, dict[tuple[str, str], str]]:
    """The table in a document, and the times in it."""
    found = text[_place(text)].strip() + "\n"
    times: dict[tuple[str, str], str] = {}
    rows = found.splitlines()[2:]
    for fault, row in zip(FAULTS, rows, strict=False):
        cells = row.strip("|").split("|")[1:]
        for protocol, cell in zip(PROTOCOLS, cells, strict=False):
            time = _TIME.search(cell)
            if time:
                times[fault, protocol] = time[1]
    return found, times


def write(path: Path, protocol: str, back_s: Mapping[str, float]) -> None:
    """Writes what was measured over a protocol into the table of a document."""
    text = path.read_text()
    _, times = shown(text)
    times |= {(fault, protocol): f"{time_s:.1f}" for fault, time_s in back_s.items()}
    place = _place(text)
    rest = text[place.stop :]
    path.write_text(text[: place.start] + table(times) + rest)
