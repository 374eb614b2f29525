"""Bytes as they come to whole lines. Pure."""

from __future__ import annotations

from typing import Final

#: A line ends with \n, \r or both; between the two there may be an empty one, which is no matter.
_ENDS: Final = bytes.maketrans(b"\r", b"\n")


class Splitter:
    """Cuts one connection's bytes into lines; keeps what has no end yet."""

    def __init__(self, line_bytes: int) -> None:
        """Of a line that is longer than `line_bytes` nothing is kept."""
        self._most = line_bytes
        self._rest = b""
        self._skips = False
        #: Lines that were too long, until someone takes note.
        self.too_long = 0
        #: How the last of these began.
        self.excerpt = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that end in `data`, without their ends; empty ones too."""
        lines = (self._rest + _with_one_end(data)).split(b"\n")
        self._rest = lines.pop()
        if self._skips and lines:
            # Its end has come: it was counted when it became too long.
            del lines[0]
            self._skips = False
        if self._skips:
            self._rest = b""
        elif len(self._rest) > self._most:
            self._note(self._rest)
            self._rest, self._skips = b"", True
        return self._without_long(lines)

    def whole(self, data: bytes) -> list[bytes]:
        """The lines of a datagram: its end is the end of a line as well."""
        return self._without_long(_with_one_end(data).split(b"\n"))

    def begin(self) -> bytes:
        """Begins with another connection; what is left of the one before, without its end."""
        rest, self._rest, self._skips = self._rest, b"", False
        return rest

    def _without_long(self, lines: list[bytes]) -> list[bytes]:
        if not lines or len(max(lines, key=len)) <= self._most:
            return lines
        for line in lines:
            if len(line) > self._most:
                self._note(line)
        return [line for line in lines if len(line) <= self._most]

    def _note(self, line: bytes) -> None:
        self.too_long += 1
        self.excerpt = line[: self._most]


def _with_one_end(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").translate(_ENDS)
