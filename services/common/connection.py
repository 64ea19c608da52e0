"""The connection of a process to NATS, that its publisher and its consumers share.

Invariants: a process starts and stays alive without NATS and connects for ever; whoever needs the connection waits
for it and asks for it anew each time, because a connection that was closed for good is replaced by another.
"""

import asyncio
from typing import Protocol

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from pydantic import SecretStr

from services.common.messages import end_if_cancelled
from services.common.telemetry import Instruments

_log = structlog.get_logger(__name__)

API_TIMEOUT_SECONDS = 5.0
_CONNECT_TIMEOUT_SECONDS = 2
_RETRY_SECONDS = 0.5
_PING_SECONDS = 1


class BusSettings(Protocol):
    """The settings that the bus reads."""

    @property
    def nats_url(self) -> str: ...
    @property
    def nats_user(self) -> str | None: ...
    @property
    def nats_password(self) -> SecretStr | None: ...


class NatsConnection:
    """One connection of one process. Spawn `run`; everything else may be called at any time."""

    def __init__(self, settings: BusSettings, name: str, instruments: Instruments) -> None:
        self.instruments = instruments
        self._settings = settings
        self._name = name
        self._client: Client | None = None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._warned = ""

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client is not None and self._client.is_connected

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost; runs until it is cancelled, then closes it."""
        client: Client | None = None
        try:
            while True:
                end_if_cancelled()
                self._lost.clear()
                client = Client()
                await self._connect(client)
                await self._lost.wait()  # closed for good, as after an authorization error: begin anew
                await asyncio.sleep(_RETRY_SECONDS)
        finally:
            self._down()
            self._client = None
            if client is not None:
                await _close(client)

    def client_now(self) -> Client | None:
        """The connected client, or None where there is no connection now."""
        return self._client if self.connected else None

    async def client(self) -> Client:
        """The connected client; waits for one for as long as it takes."""
        while True:
            await self._up.wait()
            if self._client is not None and self._client.is_connected:
                return self._client
            self._up.clear()

    async def replaced(self, client: Client) -> None:
        """Return once `client` has been closed for good (while it reconnects by itself it has not)."""
        while not client.is_closed:
            await self._lost.wait()

    async def jetstream(self) -> tuple[Client, JetStreamContext]:
        """The connected client and JetStream over it; waits for one for as long as it takes."""
        client = await self.client()
        return client, client.jetstream(timeout=API_TIMEOUT_SECONDS)

    async def _connect(self, client: Client) -> None:
        async def on_error(error: Exception) -> None:
            # Once per kind of trouble, not twice a second for as long as NATS is away.
            if repr(error) != self._warned:
                self._warned = repr(error)
                _log.warning("nats error", error=self._warned)

        async def on_disconnected() -> None:
            self._down()
            _log.warning("nats disconnected")

        async def on_reconnected() -> None:
            self._connected()

        async def on_closed() -> None:
            self._down()
            self._lost.set()

        password = self._settings.nats_password
        await client.connect(
            servers=self._settings.nats_url.split(","),
            name=self._name,
            user=self._settings.nats_user,
            password=password.get_secret_value() if password is not None else None,
            error_cb=on_error,
            disconnected_cb=on_disconnected,
            reconnected_cb=on_reconnected,
            closed_cb=on_closed,
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            reconnect_time_wait=_RETRY_SECONDS,  # type: ignore[arg-type]  # the annotation says int, any number does
            max_reconnect_attempts=-1,
            ping_interval=_PING_SECONDS,
            max_outstanding_pings=2,
            # A publish while disconnected fails at once instead of waiting in a buffer that nobody can see.
            pending_size=-1,
        )
        self._client = client
        self._connected()

    def _connected(self) -> None:
        self._warned = ""
        self.instruments.bus_connected.set(1)
        self._up.set()
        _log.info("nats connected")

    def _down(self) -> None:
        self.instruments.bus_connected.set(0)
        self._up.clear()


async def _close(client: Client) -> None:
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
            await client.close()
    except (nats.errors.Error, TimeoutError, OSError) as error:
        _log.info("nats did not close in good order", error=type(error).__name__)
