"""How a bug gets into the core, and how it is seen where a core comes and what it tells."""

from __future__ import annotations

import importlib.abc
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, Final

import numpy as np

from bench.mutation import mutated

MINE: Final = Path(__file__).parents[1] / "gateway" / "mine"


def name_of(path: Path) -> str:
    """A module of the core by its file: its name within the core."""
    return ".".join(path.relative_to(MINE).with_suffix("").parts)


def modules() -> dict[str, Path]:
    """The files of all modules of the core by their names."""
    files = (path for path in sorted(MINE.rglob("*.py")) if path.name != "__init__.py")
    return {name_of(path): path for path in files}


class Planter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module of the core with its bug to whoever imports it."""

    def __init__(self, module: str, number: int) -> None:
        self._name, self._file = f"gateway.mine.{module}", MINE / f"{module.replace('.', '/')}.py"
        self._number = number

    def find_spec(self, fullname: str, path: object, target: object = None) -> Any:
        """Finds this one module."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._file, loader=self)

    def create_module(self, spec: object) -> None:
        """As usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Runs the source with its bug."""
        tree = mutated(self._file.read_text(), self._number)
        exec(compile(tree, str(self._file), "exec"), module.__dict__)


class Reach:
    """The lines of the core that were run, by module; a function is watched until all of it was."""

    def __init__(self) -> None:
        self.lines: dict[str, set[int]] = {}
        self._left: dict[CodeType, set[int]] = {}

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        """For sys.settrace."""
        code = frame.f_code
        left = self._left.get(code)
        if left is None:
            if not code.co_filename.startswith(str(MINE)):
                self._left[code] = set()
                return None
            left = {line for *_, line in code.co_lines() if line}
            self._left[code] = left
        if event in ("call", "line") and frame.f_lineno in left:
            left.discard(frame.f_lineno)
            module = name_of(Path(code.co_filename))
            self.lines.setdefault(module, set()).add(frame.f_lineno)
        return self.trace if left else None


def listen(mine: Any, digest: Any) -> None:
    """Adds to the digest all that a core tells."""

    def listened(name: str) -> Callable[..., Any]:
        before = getattr(mine, name)

        def told(*given: Any) -> Any:
            changes = before(*given)
            for field in changes.__slots__:
                value = getattr(changes, field)
                digest.update(_bytes(value))
            return changes

        return told

    for name in ("begin", "step", "end"):
        setattr(mine, name, listened(name))


def _bytes(value: Any) -> bytes:
    """Of records each column: what lies between them is not set."""
    if not isinstance(value, np.ndarray):
        return repr(value).encode()
    columns = [value[name] for name in value.dtype.names] if value.dtype.names else [value]
    return b"".join(column.tobytes() for column in columns)
