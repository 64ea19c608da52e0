"""The gateway's own state, for those who run it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.common.errors import BusUnavailable
from services.common.health import HealthRegistry
from services.gateway.hub import Hub


class Stream(Protocol):
    """The bus, as far as this module asks it."""

    @property
    def connected(self) -> bool: ...

    async def last_sequence(self) -> int:
        """Raises BusUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class OwnState:
    """`replica`: this process's name among the gateways. `lag`: facts in the stream, of whatever kind, that it has not
    looked past; None where not known.
    """

    replica: str
    sockets: int
    users: int
    bus_connected: bool
    lag: int | None
    health: dict[str, str]


class OwnStateReader:
    """Reads it. `place`: the sequence up to which facts were handed on; 0 where not known."""

    def __init__(
        self, hub: Hub, stream: Stream, health: HealthRegistry, *, replica: str, place: Callable[[], int]
    ) -> None:
        self._replica = replica
        self._hub = hub
        self._stream = stream
        self._health = health
        self._place = place

    async def read(self) -> OwnState:
        """The state now."""
        return OwnState(
            replica=self._replica,
            sockets=self._hub.size,
            users=len(self._hub.users),
            bus_connected=self._stream.connected,
            lag=await self._lag(),
            health=self._health.snapshot(),
        )

    async def _lag(self) -> int | None:
        place = self._place()
        if not place or not self._stream.connected:
            return None
        try:
            return max(0, await self._stream.last_sequence() - place)
        except BusUnavailable:
            return None
