"""Lists in pages."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, TypeVar

from gateway.serve.cursor import CursorError, Kind, seal_page, unseal_page
from gateway.serve.failure import invalid
from gateway.serve.reasons import Reason

#: The contract's promise; as plain messages of some 200 bytes far below a client's 4 MB.
PAGE_SIZE_MAX: Final = 1000

Item = TypeVar("Item")


def page_size(asked: int) -> int:
    """How many items a page has. Raises RequestError for a negative size."""
    if asked < 0:
        msg = f"page_size is {asked}: it must be 0 (as many as there may be) or more"
        raise invalid(msg, "page_size", Reason.PAGE_SIZE_INVALID)
    return min(asked or PAGE_SIZE_MAX, PAGE_SIZE_MAX)


def page_start(kind: Kind, token: str, epoch: int) -> int:
    """The position that a page token stands for. Raises RequestError for one not given out."""
    try:
        return unseal_page(kind, token, epoch)
    except CursorError as error:
        raise invalid(str(error), "page_token", Reason.PAGE_TOKEN_INVALID) from error


def page_of(
    items: Sequence[Item], kind: Kind, epoch: int, size: int, token: str
) -> tuple[Sequence[Item], str]:
    """A page of `items` and the token of the next page; empty on the last one.

    `items` may grow at its end between pages. Raises RequestError for a wrong size or token.
    """
    count = page_size(size)
    start = page_start(kind, token, epoch)
    end = start + count
    return items[start:end], seal_page(kind, epoch, end) if end < len(items) else ""


def scope(epoch: int, *filters: str) -> int:
    """`epoch` bound to a request's filters, so that a token is only good for the same request."""
    return epoch ^ zlib.crc32("\0".join(filters).encode()) if filters else epoch
