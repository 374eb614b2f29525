"""Lines that were refused, told now and then with one of them as an example. Pure."""

from __future__ import annotations

from typing import Final

from protocols.losses import REASONS_MOST, Loss, Losses

#: Letters of a line that a notice shows.
EXCERPT_LETTERS: Final = 80


class Refusals:
    """Refusals that are not yet told, by reason; the first line of each is kept."""

    def __init__(self) -> None:
        self._losses = Losses()
        self._examples: dict[str, str] = {}

    def add(self, reason: str, line: bytes = b"", count: int = 1) -> None:
        """Notes that `count` lines were refused, of which `line` is one."""
        self._losses.add([Loss(count, reason)])
        if line and reason not in self._examples and len(self._examples) < REASONS_MOST:
            self._examples[reason] = excerpt(line)

    def due(self, now_s: float) -> list[Loss]:
        """What is to be told now, with an example; it is then forgotten."""
        due = self._losses.due(now_s)
        told = [Loss(loss.count, self._with_example(loss.reason)) for loss in due]
        if due:
            self._examples.clear()
        return told

    def _with_example(self, reason: str) -> str:
        example = self._examples.get(reason)
        return reason if example is None else f"{reason}, such as {example}"


def excerpt(line: bytes) -> str:
    """The beginning of a line as it can be printed, in quotes."""
    text = line[:EXCERPT_LETTERS].decode("utf-8", "backslashreplace")
    more = "…" if len(line) > EXCERPT_LETTERS else ""
    return f"{text!r}{more}"
