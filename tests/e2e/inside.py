"""Calls of one service to another, as an end-to-end test makes them: with that service's own certificate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from services.common.channels import ServiceChannel, open_channel
from services.common.telemetry import Instruments
from tests.stack import RunningStack


@dataclass(frozen=True)
class _Identity:
    tls_cert_file: Path
    tls_key_file: Path
    tls_ca_file: Path
    rpc_timeout_seconds: float = 10


@asynccontextmanager
async def channel(stack: RunningStack, to: str, caller: str = "gateway") -> AsyncIterator[ServiceChannel]:
    """A channel to a service as another has it."""
    environment = environment_of(stack, caller)
    certificate, key, authority = (Path(environment[f"TLS_{name}_FILE"]) for name in ("CERT", "KEY", "CA"))
    target = environment[f"{to.upper()}_TARGET"]
    opened = open_channel(_Identity(certificate, key, authority), target, to, Instruments(CollectorRegistry()))
    try:
        yield opened
    finally:
        await opened.close()


def environment_of(stack: RunningStack, service: str) -> dict[str, str]:
    """What a process of the stack was started with."""
    pairs = Path(f"/proc/{stack.description['processes'][service]}/environ").read_bytes().decode()
    return dict(pair.split("=", 1) for pair in pairs.rstrip("\0").split("\0"))
