"""Whether the other services do what they are there for."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.errors import DomainError
from services.common.status import RemoteFailure

_HEALTH_TIMEOUT_SECONDS = 1.0
SERVING = "SERVING"
UNREACHABLE = "UNREACHABLE"


class ServiceHealth(Protocol):
    """Whether a service does what it is there for."""

    async def check(self) -> Mapping[str, str]:
        """Each name that it answers for and what it says: SERVING, NOT_SERVING, or UNREACHABLE."""
        ...


class GrpcHealth:
    """A service's own gRPC health, by each of these names."""

    def __init__(self, channel: grpc.aio.Channel, names: Sequence[str]) -> None:
        self._health: Any = health_pb2_grpc.HealthStub(channel)  # its stubs lack the methods
        self._names = names

    async def check(self) -> Mapping[str, str]:
        """Each name and what it says; UNREACHABLE where nobody answers within a second."""
        answers = await asyncio.gather(*(self._check(name) for name in self._names))
        return dict(zip(self._names, answers, strict=True))

    async def _check(self, name: str) -> str:
        try:
            answer = await self._health.Check(
                health_pb2.HealthCheckRequest(service=name), timeout=_HEALTH_TIMEOUT_SECONDS
            )
        except (DomainError, RemoteFailure):
            return UNREACHABLE
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
