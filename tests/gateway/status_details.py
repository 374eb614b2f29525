"""The details of an error as a client reads them, with gRPC's own library."""

from dataclasses import dataclass
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.serve.reasons import DOMAIN, Reason

_TYPES = (
    error_details_pb2.BadRequest,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.ResourceInfo,
    error_details_pb2.RetryInfo,
)


@dataclass(frozen=True)
class Details:
    """What an error says beside its words; the others by the names of their types."""

    reason: Reason
    metadata: dict[str, str]
    others: dict[str, Any]


def details_of(error: grpc.aio.AioRpcError) -> Details:
    """Fails where they are not there, or are not those that its reason must have."""
    # What the library reads of a call that has ended is what the error has as well.
    status = rpc_status.from_call(cast(grpc.Call, error))
    assert status is not None, f"an error without details: {error}"
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == DOMAIN
    others = {}
    for one in status.details[1:]:
        (found,) = [kind() for kind in _TYPES if one.Is(kind.DESCRIPTOR)]
        one.Unpack(found)
        others[type(found).__name__] = found
    reason = Reason[info.reason]
    assert (error.code(), error.details()) == (reason.code, status.message)
    assert ("RetryInfo" in others) == (reason.retry_s is not None)
    assert ("PreconditionFailure" in others) == (reason.code is grpc.StatusCode.FAILED_PRECONDITION)
    wrong_field = reason.code is grpc.StatusCode.INVALID_ARGUMENT and "field" in info.metadata
    assert ("BadRequest" in others) == wrong_field
    assert ("ResourceInfo" in others) >= (reason.code is grpc.StatusCode.NOT_FOUND)
    assert info.metadata["method"]
    assert reason is Reason.ACT_REFUSED or info.metadata["remedy"]
    return Details(reason, dict(info.metadata), others)
