"""What happens around every call that a server answers: log context, identity, access, errors and measurement.

Invariants: no servicer runs before its caller is known and allowed; a domain error leaves with its reason, anything
else as INTERNAL without details; a cancelled call stays cancelled; every call is counted exactly once.
"""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import structlog

from services.common.errors import DomainError
from services.common.identity import AccessTable, authorize, identify, set_current_peer
from services.common.status import to_status
from services.common.telemetry import Instruments
from services.common.tracing import TRACE_PARENT, server_span

_log = structlog.get_logger(__name__)

REQUEST_ID = "x-request-id"
_PLAIN_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
else:  # generic in its stubs only
    Handler = grpc.RpcMethodHandler


def new_request_id() -> str:
    """A fresh id by which the logs of all services about one request are found."""
    return uuid.uuid4().hex


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of a server, unary and streaming."""

    def __init__(self, access: AccessTable, instruments: Instruments) -> None:
        self._access = access
        self._instruments = instruments

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return None  # gRPC answers UNIMPLEMENTED
        method = handler_call_details.method
        request_id, carrier = _request_id(handler_call_details), _carrier(handler_call_details)
        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            behavior = handler.stream_stream if handler.request_streaming else handler.unary_stream

            async def stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
                async with self._around(method, request_id, carrier, context):
                    responses = behavior(request, context)
                    if not hasattr(responses, "__aiter__"):  # a coroutine that writes to the context itself
                        await responses
                        return
                    async with aclosing(responses):
                        async for response in responses:
                            await context.write(response)

            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(stream, **codec)

        unary_behavior = handler.stream_unary if handler.request_streaming else handler.unary_unary

        async def unary(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            async with self._around(method, request_id, carrier, context):
                return await unary_behavior(request, context)

        make_unary = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make_unary(unary, **codec)

    @asynccontextmanager
    async def _around(
        self, method: str, request_id: str, carrier: dict[str, str], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[None]:
        started = time.perf_counter()
        caller, code = "unknown", grpc.StatusCode.OK
        structlog.contextvars.bind_contextvars(request_id=request_id, method=method)
        self._instruments.rpc_server_in_flight.inc()
        try:
            peer = identify(context.auth_context())
            caller = peer.service
            set_current_peer(peer)
            structlog.contextvars.bind_contextvars(caller=caller)
            authorize(self._access, method, peer)
            with server_span(method.lstrip("/"), carrier, **{"rpc.system": "grpc", "tandem.caller": caller}):
                yield
        except DomainError as error:
            code, message, trailing = to_status(error)
            _log.info("rpc refused", reason=error.reason, error=error.message)
            await context.abort(code, message, trailing)
        except grpc.aio.AbortError:
            code = _aborted_code(context)
            raise
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception:  # noqa: BLE001 - the edge of the process: what nobody meant is logged here and goes no further
            code = grpc.StatusCode.INTERNAL
            _log.exception("rpc failed")
            await context.abort(code, "internal error", ((REQUEST_ID, request_id),))
        finally:
            self._instruments.rpc_server_in_flight.dec()
            self._instruments.rpc_server_calls.labels(method, caller, code.name).inc()
            self._instruments.rpc_server_seconds.labels(method).observe(time.perf_counter() - started)


def _request_id(details: grpc.HandlerCallDetails) -> str:
    metadata: Any = details.invocation_metadata
    for key, value in metadata or ():
        if key == REQUEST_ID and isinstance(value, str) and _PLAIN_REQUEST_ID.fullmatch(value):
            return value
    return new_request_id()


def _carrier(details: grpc.HandlerCallDetails) -> dict[str, str]:
    metadata: Any = details.invocation_metadata
    return {key: value for key, value in metadata or () if key == TRACE_PARENT and isinstance(value, str)}


def _aborted_code(context: grpc.aio.ServicerContext[Any, Any]) -> grpc.StatusCode:
    code: Any = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    return next((known for known in grpc.StatusCode if known.value[0] == code), grpc.StatusCode.UNKNOWN)
