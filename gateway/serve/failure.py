"""How a request ends that can't be answered."""

from __future__ import annotations

import grpc


class RequestError(Exception):
    """A request that ends with a status; the text tells the client what is wrong."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def invalid(text: str) -> RequestError:
    """The request itself is wrong: sending it again is of no use."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, text)


def stopping() -> RequestError:
    """The gateway is going down: the client should come back."""
    return RequestError(
        grpc.StatusCode.UNAVAILABLE, "the gateway is stopping: come back with the last cursor"
    )
