"""What the operating system says went wrong, as an operator reads it."""

from __future__ import annotations

import os


def reason_of(error: BaseException | None) -> str:
    """Why a call failed, without the address, which the message has already."""
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        # asyncio's own words only repeat the address; a name that is not found has good ones.
        return os.strerror(error.errno)
    return str(getattr(error, "strerror", None) or error)
