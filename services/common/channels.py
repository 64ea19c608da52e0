"""Channels to other services: mutual TLS, shared over replicas, with a deadline on every call and typed errors.

Invariants: no call is without a deadline (a stream that a server sends is bounded by the server's connection age
instead); what a call raises is the typed error of the other side, ServiceUnavailable, or RemoteFailure, never an
AioRpcError; after the certificate files change, new calls go over a new channel with the new certificate.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import grpc
import structlog

from services.common.certificates import CertificateFiles, Credentials, TlsSettings
from services.common.interceptors import REQUEST_ID, new_request_id
from services.common.status import from_rpc_error
from services.common.telemetry import Instruments
from services.common.tracing import client_span, with_trace_parent

_OLD_CHANNEL_GRACE_SECONDS = 30.0
_OPTIONS = (
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),
)


class ChannelSettings(TlsSettings, Protocol):
    """The settings that a channel reads."""

    @property
    def rpc_timeout_seconds(self) -> float: ...


def open_channel(settings: ChannelSettings, target: str, authority: str, instruments: Instruments) -> "ServiceChannel":
    """A channel to the service whose DNS name is `authority`, at `target`; it connects when it is first used.

    Raises StartupError where the certificate files cannot be used.
    """
    return ServiceChannel(CertificateFiles(settings), target, authority, settings.rpc_timeout_seconds, instruments)


class ServiceChannel(grpc.aio.Channel):
    """A gRPC channel for generated stubs, over whichever inner channel has the newest certificate."""

    def __init__(
        self,
        files: CertificateFiles,
        target: str,
        authority: str,
        timeout_seconds: float,
        instruments: Instruments,
    ) -> None:
        self.service = authority
        self.timeout_seconds = timeout_seconds
        self.instruments = instruments
        self._files = files
        self._target = target
        self._credentials: Credentials | None = None
        self._inner: grpc.aio.Channel | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def current(self) -> grpc.aio.Channel:
        """The inner channel to make the next call on."""
        credentials = self._files.current()
        if self._inner is None or credentials is not self._credentials:
            if self._inner is not None:
                old = asyncio.ensure_future(self._inner.close(_OLD_CHANNEL_GRACE_SECONDS))
                self._closing.add(old)
                old.add_done_callback(self._closing.discard)
            self._credentials = credentials
            self._inner = grpc.aio.secure_channel(
                self._target,
                grpc.ssl_channel_credentials(credentials.authority, credentials.key, credentials.certificate),
                options=(("grpc.default_authority", self.service), *_OPTIONS),
            )
        return self._inner

    async def __aenter__(self) -> "ServiceChannel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close; calls under way have `grace` seconds to end."""
        inner, self._inner, self._credentials = self._inner, None, None
        for task in self._closing:
            task.cancel()
        if inner is not None:
            await inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self.current().channel_ready()

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _UnaryMethod(self, method, lambda channel: channel.unary_unary(method, *args, **kwargs))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _UnaryMethod(self, method, lambda channel: channel.stream_unary(method, *args, **kwargs))

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _StreamMethod(self, method, lambda channel: channel.unary_stream(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _StreamMethod(self, method, lambda channel: channel.stream_stream(method, *args, **kwargs))


class _Method:
    def __init__(self, channel: ServiceChannel, method: str, make: Callable[[grpc.aio.Channel], Any]) -> None:
        self._channel = channel
        self._method = method
        self._make = make
        self._made: tuple[grpc.aio.Channel, Any] | None = None

    def _callable(self) -> Any:
        channel = self._channel.current()
        if self._made is None or self._made[0] is not channel:
            self._made = (channel, self._make(channel))
        return self._made[1]

    def _typed(self, error: grpc.aio.AioRpcError) -> Exception:
        return from_rpc_error(error, service=self._channel.service, method=self._method)

    def _measure(self, code: str, started: float) -> None:
        self._channel.instruments.rpc_client_calls.labels(self._method, code).inc()
        self._channel.instruments.rpc_client_seconds.labels(self._method).observe(time.perf_counter() - started)


class _UnaryMethod(_Method):
    """`await stub.Method(request, timeout=seconds)`; without a timeout the channel's own applies."""

    async def __call__(self, request: Any, *, timeout: float | None = None, metadata: Any = None, **kwargs: Any) -> Any:
        started, code = time.perf_counter(), "OK"
        try:
            with client_span(self._method.lstrip("/"), **{"rpc.system": "grpc"}):
                return await self._callable()(
                    request,
                    timeout=self._channel.timeout_seconds if timeout is None else timeout,
                    metadata=with_trace_parent(_with_request_id(metadata)),
                    **kwargs,
                )
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            raise self._typed(error) from error
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        finally:
            self._measure(code, started)


class _StreamMethod(_Method):
    """`async for item in stub.Method(request)`; leaving the loop cancels the call when the iterator is closed."""

    def __call__(
        self, request: Any = None, *, timeout: float | None = None, metadata: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        return self._responses(request, timeout, metadata, kwargs)

    async def _responses(
        self, request: Any, timeout: float | None, metadata: Any, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        started, code = time.perf_counter(), "OK"
        carried = with_trace_parent(_with_request_id(metadata))
        call = self._callable()(request, timeout=timeout, metadata=carried, **kwargs)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            raise self._typed(error) from error
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        finally:
            call.cancel()
            self._measure(code, started)


def _with_request_id(metadata: Any) -> tuple[tuple[str, str | bytes], ...]:
    given = tuple(metadata or ())
    if any(key == REQUEST_ID for key, _ in given):
        return given
    bound = structlog.contextvars.get_contextvars().get("request_id")
    return (*given, (REQUEST_ID, str(bound) if bound else new_request_id()))
