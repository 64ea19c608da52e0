"""What the account stream needs to know of a venue's language."""

from collections.abc import Iterable
from typing import Protocol

from services.common.exchange.client import VenueClient
from services.common.exchange.hints import HintKind
from services.common.exchange.sockets import Send


class StreamEnded(Exception):
    """The venue says that this stream is over; a new one is needed. The text says why."""


class PrivateDialect(Protocol):
    """One venue's stream about one account. `renew_seconds` is None where nothing has to be renewed."""

    ping: str | None
    renew_seconds: float | None

    async def address(self, client: VenueClient) -> str:
        """Where to connect, with whatever grants access. Raises VenueError."""
        ...

    async def greet(self, client: VenueClient, send: Send) -> bool:
        """Log in; whether the stream is listened to from now on, or only after an answer."""
        ...

    async def renew(self, client: VenueClient) -> None:
        """Keep what grants access alive. Raises VenueError, StreamEnded."""
        ...

    def read(self, message: str) -> Iterable[tuple[HintKind, str | None]]:
        """What a message hints at, with the symbol. Raises StreamEnded, VenueError (the key was refused)."""
        ...

    def replies(self) -> list[str]:
        """What has to be sent because of what was read."""
        ...
