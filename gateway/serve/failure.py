"""How a request ends that can't be answered: a status in words, with details for programs.

The details are those of google.rpc (AIP-193), in the trailing metadata `grpc-status-details-bin`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.serve.reasons import DOMAIN, Reason

#: Where gRPC's own libraries look for a status with details.
DETAILS_KEY: Final = "grpc-status-details-bin"

#: Of a text in UTF-8. It goes out up to four times, and clients take 8 kB of such metadata in all.
TEXT_BYTES_MAX: Final = 900
#: Of an id or another part of a request that is told again.
PART_BYTES_MAX: Final = 100

_NOTHING: Final[Mapping[str, str]] = {}


class RequestError(Exception):
    """A request that ends with a status; the text tells the client what is wrong and what to do."""

    def __init__(
        self,
        reason: Reason,
        problem: str,
        *,
        field: str = "",
        remedy: str = "",
        resource: tuple[str, str] | None = None,
        metadata: Mapping[str, str] = _NOTHING,
    ) -> None:
        """What is wrong, and with which details.

        `field` is the request's that is wrong. `remedy` is what to do, where the reason's own can
        be said better. `resource` is the kind and id of what is meant. `metadata` is for programs.
        """
        self.reason = reason
        self.code = reason.code
        self.field = field
        self.remedy = remedy or reason.remedy
        self.resource = resource and (resource[0], clipped(resource[1], PART_BYTES_MAX))
        self.metadata = metadata
        # What to do stays whole, however long what is wrong is.
        told = f": {remedy}" if remedy else ""
        self.text = clipped(problem, TEXT_BYTES_MAX - len(told.encode())) + told
        super().__init__(self.text)

    def status(self, method: str) -> status_pb2.Status:
        """The status with its details."""
        status = status_pb2.Status(code=self.code.value[0], message=self.text)
        for detail in self._details(method):
            status.details.add().Pack(detail)
        return status

    def _details(self, method: str) -> list[Message]:
        told = {"method": method, "field": self.field, "remedy": self.remedy, **self.metadata}
        metadata = {key: text for key, text in told.items() if text}
        name, code = self.reason.name, self.code
        details: list[Message] = [
            error_details_pb2.ErrorInfo(reason=name, domain=DOMAIN, metadata=metadata)
        ]
        if self.field and code is grpc.StatusCode.INVALID_ARGUMENT:
            bad = error_details_pb2.BadRequest()
            bad.field_violations.add(field=self.field, description=self.text, reason=name)
            details.append(bad)
        if code is grpc.StatusCode.FAILED_PRECONDITION:
            failed = error_details_pb2.PreconditionFailure()
            subject = "/".join(self.resource or (self.field,))
            failed.violations.add(type=name, subject=subject, description=self.text)
            details.append(failed)
        if self.resource:
            kind, resource_id = self.resource
            details.append(
                error_details_pb2.ResourceInfo(
                    resource_type=kind, resource_name=resource_id, description=self.text
                )
            )
        if self.reason.retry_s is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromMilliseconds(round(self.reason.retry_s * 1000))
            details.append(retry)
        return details


def clipped(text: str, most: int) -> str:
    """`text`, or its beginning where it has more than `most` bytes."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= most:
        return text
    return f"{encoded[: most - 3].decode(errors='ignore')}…"


def invalid(
    text: str, field: str = "", reason: Reason = Reason.FIELD_INVALID, *, remedy: str = ""
) -> RequestError:
    """The request itself is wrong: sending it again is of no use."""
    return RequestError(reason, text, field=field, remedy=remedy)


def stopping() -> RequestError:
    """The gateway is going down: the client should come back."""
    return RequestError(
        Reason.STOPPING, "the gateway is stopping", remedy="come back with the last cursor"
    )


def reason_alone(details: bytes, text: str) -> bytes:
    """The details of an error, with other words, and of all that they say only the reason."""
    status: status_pb2.Status = status_pb2.Status.FromString(details)
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    told = {"method": info.metadata["method"]}
    del status.details[:]
    status.message = text
    bare = error_details_pb2.ErrorInfo(reason=info.reason, domain=info.domain, metadata=told)
    status.details.add().Pack(bare)
    left: bytes = status.SerializeToString()
    return left


async def end_call(
    context: grpc.aio.ServicerContext[Any, Any], error: RequestError, method: str
) -> NoReturn:
    """Ends a call of `method` with the status of `error`."""
    details = error.status(method).SerializeToString()
    await context.abort(error.code, error.text, ((DETAILS_KEY, details),))
