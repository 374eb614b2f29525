"""Reads the files of a mine's folder; whatever is wrong with a file is a mistake, not a crash."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final, NoReturn

from equipment.toml_source import ConfigurationError, Mistake

#: The largest file that is read. The map of a large mine takes a few megabytes; what is larger
#: than this is another file by mistake, and is not taken into memory.
FILE_BYTES_MAX: Final = 32_000_000

_BOM: Final = b"\xef\xbb\xbf"


#: Where `read_text` notes what it has read, while someone wants to know.
_noted: Final[ContextVar[dict[str, str] | None]] = ContextVar("noted", default=None)


@contextmanager
def noting_texts() -> Iterator[dict[str, str]]:
    """The texts of all files that are read within, by name; each line ends with a line feed."""
    texts: dict[str, str] = {}
    token = _noted.set(texts)
    try:
        yield texts
    finally:
        _noted.reset(token)


def read_text(folder: Path, name: str) -> str:
    """The text of `folder / name`, UTF-8, without a byte order mark.

    Raises:
        ConfigurationError: it is missing, can't be read, is too large, or is not UTF-8.
    """
    path = folder / name
    try:
        if not path.exists():
            _refuse(name, "the file is missing", _remedy_for_missing(path))
        if not path.is_file():
            _refuse(name, "is not a file")
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        _refuse(name, f"can't be read: {error.strerror}")
    if len(raw) > FILE_BYTES_MAX:
        _refuse(name, f"is larger than {FILE_BYTES_MAX // 1_000_000} MB", "is it another file?")
    raw = raw.removeprefix(_BOM)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        remedy = "save it as UTF-8"
        if path.suffix == ".csv":
            remedy += '; a spreadsheet calls it "CSV UTF-8"'
        _refuse(name, "is not UTF-8 text", remedy, line)
    noted = _noted.get()
    if noted is not None:
        noted[name] = text.replace("\r\n", "\n")
    return text


def _refuse(name: str, problem: str, remedy: str = "", line: int = 0) -> NoReturn:
    raise ConfigurationError([Mistake(name, line, "", problem, remedy)])


def _remedy_for_missing(path: Path) -> str:
    others = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    # One that is nearly named so; a file's ending alone does not make it near.
    near = difflib.get_close_matches(path.name.lower(), others, n=1, cutoff=0.8)
    if near:
        return f"rename {near[0]!r}?"
    return "`lamproom init DIR` writes a folder with all files"
