"""How the numeric kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def njit(function: F) -> F:
    """Compiles on first use, without the GIL and without reordering any sum.

    Not parallel, because numba's default threading layer ends the process when two threads enter
    parallel kernels; not fastmath, because the same input must give the same output, bit for bit.
    The compiled code is kept on disk where some folder can be written. A kernel calls only kernels
    of its own file: numba does not notice when the source of another file has changed.
    """
    try:
        return cast("F", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return cast("F", numba.njit(nogil=True)(function))
