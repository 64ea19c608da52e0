"""A service's gRPC server: mutual TLS, identity and access, typed errors, measurement, health and reflection.

Invariants: a connection without a certificate of our authority is not accepted; certificates are re-read when their
files change; connections are of bounded age, so that replicas share calls and a new certificate reaches everybody.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common.certificates import CertificateFiles, Credentials, TlsSettings
from services.common.config import split_address
from services.common.errors import StartupError
from services.common.health import HealthRegistry, HealthService
from services.common.identity import AccessTable
from services.common.interceptors import CallInterceptor
from services.common.telemetry import Instruments

_log = structlog.get_logger(__name__)

_CONNECTION_GRACE_SECONDS = 30


class ServerSettings(TlsSettings, Protocol):
    """The settings that a server reads."""

    @property
    def grpc_listen(self) -> str: ...
    @property
    def grpc_max_connection_age_seconds(self) -> int: ...


class Registration(NamedTuple):
    """One service of a server; a plain tuple of the three will do."""

    add: Callable[[Any, Any], None]
    """The generated add_…Servicer_to_server."""
    servicer: object
    full_name: str
    """package.Service, which is also its health name."""


class GrpcServer:
    """Serves `services` on settings.grpc_listen.

    Health names are declared NOT_SERVING here; the service's main sets them when they are true. Streams end when their
    connection reaches its age plus 30 s: whoever follows one asks again.
    """

    def __init__(
        self,
        settings: ServerSettings,
        services: Iterable[tuple[Callable[[Any, Any], None], object, str]],
        access: AccessTable,
        health: HealthRegistry,
        instruments: Instruments,
    ) -> None:
        self._settings = settings
        self._files = CertificateFiles(settings)
        self._services = [Registration(*service) for service in services]
        self._access = access
        self._health = health
        self._instruments = instruments
        self._server: grpc.aio.Server | None = None
        for service in self._services:
            health.declare(service.full_name)

    async def start(self) -> tuple[str, int]:
        """Bind and serve; the host and port in use. StartupError where the port cannot be had."""
        server = grpc.aio.server(
            interceptors=(CallInterceptor(self._access, self._instruments),),
            options=(
                ("grpc.so_reuseport", 0),
                ("grpc.max_connection_age_ms", self._settings.grpc_max_connection_age_seconds * 1000),
                ("grpc.max_connection_age_grace_ms", _CONNECTION_GRACE_SECONDS * 1000),
                ("grpc.keepalive_time_ms", 20_000),
                ("grpc.keepalive_timeout_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ),
        )
        for service in self._services:
            service.add(service.servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(HealthService(self._health), server)
        names = [service.full_name for service in self._services]
        reflection.enable_server_reflection(
            [*names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME], server
        )
        try:
            port = server.add_secure_port(self._settings.grpc_listen, self._credentials())
        except RuntimeError as error:
            raise StartupError(
                f"GRPC_LISTEN {self._settings.grpc_listen} cannot be used: is the port taken?"
            ) from error
        await server.start()
        self._server = server
        host = split_address(self._settings.grpc_listen)[0]
        _log.info("grpc serving", address=f"{host}:{port}", services=names)
        return host, port

    async def drain(self, grace_seconds: float = 5) -> None:
        """Take no new calls, let those under way finish for `grace_seconds`, cancel the rest."""
        if self._server is not None:
            await self._server.stop(grace_seconds)

    def _credentials(self) -> grpc.ServerCredentials:
        used = self._files.current()

        def renewed() -> grpc.ServerCertificateConfiguration | None:
            # gRPC asks at each handshake, from a thread of its own; None keeps what it has.
            nonlocal used
            newest = self._files.current()
            if newest is used:
                return None
            used = newest
            return _configuration(newest)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(used),
            renewed,  # type: ignore[arg-type]  # the stubs do not know that None is an answer
            require_client_authentication=True,
        )


def _configuration(credentials: Credentials) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(credentials.key, credentials.certificate)], root_certificates=credentials.authority
    )
