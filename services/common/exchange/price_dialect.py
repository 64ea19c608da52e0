"""What the price feed needs to know of a venue's language."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Protocol

from services.common.exchange.budget import Lane
from services.common.exchange.client import VenueClient
from services.common.exchange.prices import Price


class PriceDialect(Protocol):
    """One venue's stream of prices. `url` and `ping` are what the stream is opened and kept alive with."""

    url: str
    ping: str | None

    def greeting(self) -> list[str]:
        """What to send first on a new connection; forgets what was known from the one before."""
        ...

    def changes(self, added: Collection[str], removed: Collection[str]) -> list[str]:
        """What to send when other symbols are wanted."""
        ...

    def read(self, message: str, wanted: Collection[str], received_time_ms: int) -> Iterator[Price]:
        """The prices of wanted symbols in a message; nothing for messages of another kind."""
        ...

    def replies(self) -> list[str]:
        """What has to be sent because of what was read."""
        ...

    async def poll(self, client: VenueClient, symbols: Collection[str], lane: Lane, now: datetime) -> list[Price]:
        """Ask for mark and last prices without the stream. Raises VenueError."""
        ...
