"""Fills as a venue lists them, and how far the list can be trusted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.trading.fill import Fill
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue


@dataclass(frozen=True, slots=True)
class FillsReading:
    """The fills of one symbol from `since` to `until`, each once and in order.

    COMPLETE: every page of every window was read. PARTIAL: some are missing, those given are right. FAILED: nothing
    was read.
    """

    status: ReadingStatus
    fills: tuple[Fill, ...]
    since: datetime
    until: datetime
    reason: str = ""

    @property
    def complete(self) -> bool:
        return self.status is ReadingStatus.COMPLETE


class FillsReader(Protocol):
    """Reads the fills of an account."""

    async def read_fills(
        self,
        venue: Venue,
        credentials: Credentials,
        symbol: str,
        since: datetime,
        *,
        until: datetime | None = None,
        lane: Lane = Lane.LIVE,
    ) -> FillsReading:
        """All fills of a symbol since an instant, liquidations and ADL among them. Never raises for a venue's error."""
        ...
