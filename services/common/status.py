"""Domain errors over gRPC: one table of kinds and status codes, and google.rpc.ErrorInfo to carry the rest.

Invariants: a typed error crosses the wire with its kind, reason, message and metadata intact; whatever carries no
ErrorInfo of ours is either a service that cannot be reached or an unexpected failure, never a domain error.
"""

from typing import Any, NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from services.common.errors import DomainError, ErrorKind, ServiceUnavailable, restore_error

ERROR_DOMAIN = "tandem"
_DETAILS_KEY = "grpc-status-details-bin"
# Trailers are limited to 8 KiB in all by default; a long value is cut rather than the whole answer lost.
_LONGEST_VALUE = 512
_LONGEST_MESSAGE = 1024

CODE_OF_KIND: dict[ErrorKind, grpc.StatusCode] = {
    ErrorKind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorKind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorKind.CONFLICT: grpc.StatusCode.ABORTED,
    ErrorKind.ALREADY: grpc.StatusCode.ALREADY_EXISTS,
    ErrorKind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorKind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorKind.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorKind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorKind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
}
_KIND_OF_CODE = {code: kind for kind, code in CODE_OF_KIND.items()}
# Who cancels its own call sees no status: CANCELLED is a server that stopped in the middle of it.
_UNREACHABLE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})


class RemoteFailure(Exception):
    """Another service failed in a way that it did not mean to; not a domain error, so an edge answers INTERNAL."""

    def __init__(self, service: str, method: str, code: grpc.StatusCode) -> None:
        super().__init__(f"{service} answered {method} with {code.name}")
        self.service = service
        self.method = method
        self.code = code


class WireStatus(NamedTuple):
    """What `context.abort` takes."""

    code: grpc.StatusCode
    message: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def to_status(error: DomainError) -> WireStatus:
    """The gRPC status of a domain error, with its ErrorInfo in the trailing metadata."""
    code = CODE_OF_KIND[error.kind]
    message = error.message[:_LONGEST_MESSAGE]
    info = ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN)
    for name, value in error.metadata.items():
        info.metadata[name] = value[:_LONGEST_VALUE]
    detail = AnyMessage()
    detail.Pack(info)
    number: Any = code.value
    status = Status(code=number[0], message=message, details=[detail])
    return WireStatus(code, message, ((_DETAILS_KEY, status.SerializeToString()),))


def from_rpc_error(error: grpc.aio.AioRpcError, *, service: str, method: str) -> Exception:
    """The exception to raise instead of `error`.

    The typed error that the other side raised; ServiceUnavailable(service=…) where it could not be reached or did not
    answer in time (whether a write took effect is then unknown); RemoteFailure for everything else.
    """
    info = _error_info(error)
    kind = _KIND_OF_CODE.get(error.code())
    if info is not None and kind is not None:
        return restore_error(kind, info.reason, error.details() or "", dict(info.metadata))
    if error.code() in _UNREACHABLE:
        return ServiceUnavailable(service=service)
    return RemoteFailure(service, method, error.code())


def _error_info(error: grpc.aio.AioRpcError) -> ErrorInfo | None:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            info = ErrorInfo()
            try:
                for detail in Status.FromString(value).details:
                    if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                        return info
            except DecodeError:
                return None
    return None
