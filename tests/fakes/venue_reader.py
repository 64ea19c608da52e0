"""The reading half of the exchange door, with answers that a test sets."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fills import FillsReading
from services.common.exchange.keys import KeyReport
from services.common.exchange.prices import Price, PriceKind
from services.common.trading.fill import Fill
from services.common.trading.reading import AccountReading, ReadingStatus
from services.common.trading.side import Venue
from tests.factories import make_reading


class FakeVenueReader:
    """Answers by API key. Without a reading set, an account is flat; without a report, a key is valid for trading."""

    def __init__(self) -> None:
        self.readings: dict[str, AccountReading] = {}
        self.fills: dict[str, list[Fill]] = defaultdict(list)
        self.fills_status = ReadingStatus.COMPLETE
        self.reports: dict[str, KeyReport] = {}
        self.prices: dict[tuple[str, PriceKind], Decimal] = {}
        self.asked: list[str] = []
        self.lanes: list[Lane] = []
        self.held: list[bool] = []

    async def read_account(
        self,
        venue: Venue,
        credentials: Credentials,
        *,
        with_margin: bool = True,
        held: bool = True,
        lane: Lane = Lane.LIVE,
    ) -> AccountReading:
        self.held.append(held)
        self.asked.append(credentials.api_key)
        self.lanes.append(lane)
        return self.readings.get(credentials.api_key, make_reading())

    async def read_fills(
        self,
        venue: Venue,
        credentials: Credentials,
        symbol: str,
        since: datetime,
        until: datetime | None = None,
        lane: Lane = Lane.LIVE,
    ) -> FillsReading:
        found = tuple(
            fill
            for fill in self.fills[credentials.api_key]
            if fill.symbol == symbol and fill.executed_at >= since and (until is None or fill.executed_at <= until)
        )
        end = until or max((fill.executed_at for fill in found), default=since)
        return FillsReading(self.fills_status, found, since, end)

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK) -> Price:
        if (symbol, kind) not in self.prices:
            raise VenueError(venue, VenueErrorKind.UNKNOWN_SYMBOL, f"no {kind} price of {symbol}")
        return Price(venue, symbol, kind, self.prices[symbol, kind], 0, 0)

    async def verify_key(self, venue: Venue, credentials: Credentials) -> KeyReport:
        default = KeyReport(True, can_read=True, can_trade=True, venue_user_id=f"user of {credentials.api_key}")
        return self.reports.get(credentials.api_key, default)
