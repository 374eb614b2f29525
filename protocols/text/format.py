"""A device's lines by its profile: kinds are told apart, each is read, others refused. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from equipment.text_profile import TextProfile
from protocols.losses import Loss
from protocols.text.kind import Found, KindReader, Refusal

UNKNOWN = "they begin like no line of the profile"


@dataclass(slots=True)
class Read:
    """What a batch of lines gave; positions are those of lines in the batch.

    `alive`: at least one line was as the profile says, or empty. `found`: the number of a kind, the
    positions of its lines, and what they gave.
    """

    alive: bool
    found: list[tuple[int, Sequence[int], Found]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


class Format:
    """The profile's lines, compiled once."""

    def __init__(self, profile: TextProfile) -> None:
        self._kinds = [
            KindReader(line, profile.points_of(line), profile.encoding, profile.line_bytes)
            for line in profile.line
        ]
        self._ignored = tuple(text.encode() for text in profile.ignore)

    def read(self, lines: Sequence[bytes], now_s: float) -> Read:
        """Reads (n,) lines, without their ends."""
        joined = b"\n" + b"\n".join(lines)
        for number, kind in enumerate(self._kinds):
            if joined.count(b"\n" + kind.prefix) == len(lines) and self._all_count(joined):
                read = Read(alive=False)
                _add(read, number, range(len(lines)), kind.read(lines, now_s))
                return read
        return self._sorted_out(lines, now_s)

    def _all_count(self, joined: bytes) -> bool:
        """Whether none of the lines is ignored or empty."""
        if b"\n\n" in joined or joined.endswith(b"\n"):
            return False
        return not any(b"\n" + text in joined for text in self._ignored)

    def _sorted_out(self, lines: Sequence[bytes], now_s: float) -> Read:
        left = [position for position, line in enumerate(lines) if line and not line.isspace()]
        left = [position for position in left if not lines[position].startswith(self._ignored)]
        read = Read(alive=len(left) < len(lines))
        for number, kind in enumerate(self._kinds):
            mine = [position for position in left if lines[position].startswith(kind.prefix)]
            if mine:
                found = kind.read([lines[position] for position in mine], now_s)
                _add(read, number, mine, found)
                left = [at for at in left if not lines[at].startswith(kind.prefix)]
        read.refusals += [Refusal(position, UNKNOWN) for position in left]
        return read

    def losses(self, now_s: float) -> list[Loss]:
        """Lines that are now known to be lost on the way."""
        return [loss for kind in self._kinds for loss in kind.losses(now_s)]


def _add(read: Read, number: int, positions: Sequence[int], found: Found) -> None:
    """Adds what lines of one kind gave; `positions` are those of its lines."""
    read.found.append((number, positions, found))
    read.alive = read.alive or bool(len(found.kept))
    read.refusals += [Refusal(positions[one.line], one.reason) for one in found.refusals]
