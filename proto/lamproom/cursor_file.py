"""A cursor kept in a file over runs of a client."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

from lamproom.errors import LamproomError


class CursorFileError(LamproomError):
    """The file holds no cursor, or can't be written; the text says which file and what to do."""


class CursorFile:
    """Keeps one stream's cursor in a file that is replaced as a whole, and on disk before it is.

    After a stop or a power cut it holds the newest cursor or the one before, never a part of one.
    The format is that of `lamproom watch --cursor-file`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def load(self) -> bytes:
        """The cursor; empty where there is no file yet.

        Raises:
            CursorFileError: the file holds something else.
        """
        try:
            written = self.path.read_text(encoding="ascii")
            return base64.b64decode(written.strip(), validate=True)
        except FileNotFoundError:
            return b""
        except (OSError, UnicodeDecodeError, binascii.Error) as error:
            msg = f"{self.path}: it holds no cursor ({error}); remove it, or name another"
            raise CursorFileError(msg) from error

    def save(self, cursor: bytes) -> None:
        """Keeps `cursor` instead of the one before.

        Raises:
            CursorFileError: it can't be written.
        """
        fresh = self.path.with_name(f"{self.path.name}.new")
        try:
            with fresh.open("wb") as file:
                file.write(base64.b64encode(cursor) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            msg = f"{self.path}: the cursor can't be kept ({error.strerror}); name another file"
            raise CursorFileError(msg) from error
