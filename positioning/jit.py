"""How the numeric kernels are compiled.

Not parallel, because numba's default threading layer ends the process when two threads enter
parallel kernels; not fastmath, because the same input must give the same output, bit for bit; and
without the GIL, so that the event loop goes on meanwhile.

Only what Python itself calls is kept on disk: numba notices when the source file of a function has
changed, but not that of a function it calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.extending import overload

F = TypeVar("F", bound=Callable[..., Any])


def njit(function: F) -> F:
    """Compiles a function that other compiled functions call."""
    return cast("F", numba.njit(nogil=True, error_model="numpy")(function))


def njit_within(function: F) -> F:
    """Compiles a function as a part of those that call it: what is small, or called at every range.

    LLVM takes it in; numba's own `inline="always"` would copy the function's variables once for
    each of its branches, which makes a deep tree of calls take twice as long to compile.
    """
    return cast("F", numba.njit(nogil=True, error_model="numpy", forceinline=True)(function))


def by_fields(choose: Callable[[Collection[str]], F]) -> F:
    """A function (card, site, x) that is compiled as what `choose` gives for the card's fields.

    So only the models that a map needs are compiled, which takes much of the time of a first start.
    """

    def chosen(card: Any, site: Any, x: Any) -> Any:
        return choose(card.dtype.names)(card, site, x)

    @overload(chosen, jit_options={"error_model": "numpy", "forceinline": True})
    def compile_chosen(card: Any, site: Any, x: Any) -> Callable[[Any, Any, Any], Any]:
        found = choose(card.fields)

        def call(card: Any, site: Any, x: Any) -> Any:
            return found(card, site, x)

        return call

    return cast("F", chosen)


def njit_cached(function: F) -> F:
    """Compiles a function that Python calls, and keeps the result on disk where it may be written.

    A function that calls compiled functions of other files must hold their `sources_stamp` as a
    closure variable: these are part of the cache's key.
    """
    try:
        return cast("F", numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return cast("F", numba.njit(nogil=True, error_model="numpy")(function))


def sources_stamp(*files: str) -> str:
    """Another text for other contents of these source files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()
