"""Funding payments and transfers as a venue lists them, and how far the list can be trusted."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError
from services.common.exchange.time_windows import split_windows
from services.common.trading.cash_flow import CashFlow, flows_in_order
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue


@dataclass(frozen=True, slots=True)
class CashFlowsReading:
    """The cash flows of an account from `since` to `until`, each once, oldest first.

    `since` may be later than what was asked for: Binance keeps three months, Bybit two years. COMPLETE: every page of
    every window was read. PARTIAL: some are missing, those given are right. FAILED: nothing was read.
    """

    status: ReadingStatus
    flows: tuple[CashFlow, ...]
    since: datetime
    until: datetime
    reason: str = ""

    @property
    def complete(self) -> bool:
        return self.status is ReadingStatus.COMPLETE


class CashFlowsReader(Protocol):
    """Reads the cash flows of an account, of all its symbols and currencies."""

    async def read_cash_flows(
        self,
        venue: Venue,
        credentials: Credentials,
        since: datetime,
        *,
        until: datetime | None = None,
        lane: Lane = Lane.RECONCILIATION,
    ) -> CashFlowsReading:
        """Funding and transfers since an instant. Never raises for a venue's error."""
        ...


ReadWindow = Callable[[str, datetime, datetime], Awaitable[list[CashFlow]]]


async def collect_windows(
    read_window: ReadWindow, kinds: Iterable[str], since: datetime, until: datetime
) -> CashFlowsReading:
    """All windows of each kind that a venue keeps apart, up to the first that cannot be read."""
    found: list[CashFlow] = []
    try:
        for kind in kinds:
            for start, end in split_windows(since, until):
                found.extend(await read_window(kind, start, end))
    except VenueError as error:
        status = ReadingStatus.PARTIAL if found else ReadingStatus.FAILED
        return CashFlowsReading(status, flows_in_order(found), since, until, str(error))
    return CashFlowsReading(ReadingStatus.COMPLETE, flows_in_order(found), since, until)
