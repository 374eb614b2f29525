"""What a client is told when a call does not go well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

#: The metadata in which gRPC carries a whole `google.rpc.Status`.
STATUS_KEY: Final = "grpc-status-details-bin"

#: The gateway can't be reached, or goes on in a moment: the same request may do then.
PASSING: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DATA_LOSS,
    }
)


class LamproomError(Exception):
    """Whatever goes wrong with the gateway."""


class UnavailableError(LamproomError):
    """The gateway can't be reached or did not answer in time: try again later."""

    def __init__(self, text: str, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        super().__init__(text)
        self.code = code


class RefusedError(LamproomError):
    """The gateway does not do what it is asked: the same request will fail again.

    `reason` is a word for programs and `remedy` a sentence for people; both are empty where the
    gateway says none.
    """

    def __init__(
        self, text: str, code: grpc.StatusCode, *, reason: str = "", remedy: str = ""
    ) -> None:
        super().__init__(f"{text} ({remedy})" if remedy and remedy not in text else text)
        self.code = code
        self.reason = reason
        self.remedy = remedy


def error_of(
    code: grpc.StatusCode, details: str | None, metadata: Iterable[tuple[str, str | bytes]] | None
) -> LamproomError:
    """The exception for a status that a call has ended with."""
    said = details or code.name
    if code in PASSING:
        return UnavailableError(said, code)
    reason, remedy = _rich(metadata or ())
    return RefusedError(said, code, reason=reason, remedy=remedy)


def _rich(metadata: Iterable[tuple[str, str | bytes]]) -> tuple[str, str]:
    """Reason and remedy of a `google.rpc.Status`: its third field holds details of any type.

    ErrorInfo has the reason (1) and more about it by name (3); Help has links (1), each with a
    description (1); LocalizedMessage has a message (2).
    """
    reason = remedy = advice = ""
    for key, value in metadata:
        if key != STATUS_KEY or not isinstance(value, bytes):
            continue
        for one in _all(value, 3):
            kind = _text(one, 1).rpartition(".")[2]
            detail = next(_all(one, 2), b"")
            if kind == "ErrorInfo":
                reason = _text(detail, 1)
                pairs = {_text(pair, 1): _text(pair, 2) for pair in _all(detail, 3)}
                remedy = pairs.get("remedy", "")
            elif kind == "Help":
                advice = advice or _text(next(_all(detail, 1), b""), 1)
            elif kind == "LocalizedMessage":
                advice = advice or _text(detail, 2)
    return reason, remedy or advice


def _all(message: bytes, number: int) -> Iterator[bytes]:
    """The payloads of a field of bytes, text or messages; none of a message that is broken.

    The types of `google.rpc` are in a package that clients need for nothing else: all of their
    fields are unknown ones of an empty message.
    """
    try:
        known = UnknownFieldSet(Empty.FromString(message))
    except DecodeError:
        return
    for one in (known[place] for place in range(len(known))):
        if one.field_number == number and isinstance(one.data, bytes):
            yield one.data


def _text(message: bytes, number: int) -> str:
    return next(_all(message, number), b"").decode("utf-8", "replace")
