"""Binance's fills: `userTrades` in windows of seven days and pages of a thousand, joined with their orders."""

from datetime import datetime, timedelta
from decimal import Decimal

from services.common.exchange.binance.fee_conversion import FeeConverter
from services.common.exchange.binance.orders_seen import OrderFacts, OrdersSeen
from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, instant, number, optional_number, rows, text, to_milliseconds
from services.common.exchange.fills import FillsReading
from services.common.exchange.time_windows import split_windows
from services.common.trading.fill import Fill, OrderKind, in_order
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import OrderSide, PositionSide

USER_TRADES = Endpoint("fapiPrivate", "GET", "userTrades", weight=5, answer=list)
FORCE_ORDERS = Endpoint("fapiPrivate", "GET", "forceOrders", weight=20, answer=list)
PAGE = 1000
MAX_PAGES = 200


class BinanceFills:
    """Reads fills; remembers the orders behind them."""

    def __init__(self) -> None:
        self._orders = OrdersSeen()
        self._fees = FeeConverter()

    async def read(
        self, client: VenueClient, symbol: str, quote: str, since: datetime, until: datetime, lane: Lane
    ) -> FillsReading:
        """The fills of a symbol in [since, until]; never raises for a venue's error."""
        trades: dict[str, Row] = {}
        status, reason = ReadingStatus.COMPLETE, ""
        try:
            for start, end in split_windows(since, until):
                await _read_window(client, symbol, start, end, lane, trades)
        except VenueError as error:
            status, reason = ReadingStatus.PARTIAL if trades else ReadingStatus.FAILED, str(error)
        try:
            fills = await self._join(client, symbol, quote, list(trades.values()), lane)
        except VenueError as error:
            # Without its order a fill says neither whose it was nor why, and without the price of its fee no profit:
            # what is booked is not asked for again, so it is better not told yet.
            return FillsReading(ReadingStatus.FAILED, (), since, until, f"orders or fees of fills: {error}")
        except ValueError as error:
            return FillsReading(ReadingStatus.FAILED, (), since, until, f"fills cannot be read: {error}")
        return FillsReading(status, in_order(fills), since, until, reason)

    async def read_of_order(
        self, client: VenueClient, symbol: str, quote: str, order_id: str, facts: OrderFacts, lane: Lane
    ) -> tuple[Fill, ...]:
        """The fills of one order whose facts are known. Raises VenueError."""
        trades = await client.call(USER_TRADES, {"symbol": symbol, "orderId": order_id, "limit": PAGE}, lane=lane)
        try:
            fills = [parse_fill(row, quote, facts) for row in rows(trades)]
        except ValueError as error:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"fills cannot be read: {error}") from None
        return in_order([await self._convert_if_told(client, fill, quote, lane) for fill in fills])

    async def _convert_if_told(self, client: VenueClient, fill: Fill, quote: str, lane: Lane) -> Fill:
        """Whoever has sent an order waits for its fills, not for the price of a fee."""
        try:
            return await self._fees.convert(client, fill, quote, lane)
        except VenueError:
            return fill

    async def _join(self, client: VenueClient, symbol: str, quote: str, trades: list[Row], lane: Lane) -> list[Fill]:
        if not trades:
            return []
        times = [instant(row, "time") for row in trades]
        first, last = min(times) - timedelta(days=1), max(times)
        order_ids = [text(row, "orderId") for row in trades]
        facts = await self._orders.facts(client, symbol, order_ids, first, last, lane)
        if len(facts) < len(set(order_ids)):
            facts = {**await _forced(client, symbol, first, last, lane), **facts}
        unknown = OrderFacts(None, OrderKind.UNKNOWN)
        fills = [parse_fill(row, quote, facts.get(text(row, "orderId"), unknown)) for row in trades]
        return [await self._fees.convert(client, fill, quote, lane) for fill in fills]


def parse_fill(row: Row, quote: str, facts: OrderFacts) -> Fill:
    """One row of userTrades. Raises ValueError."""
    fee = optional_number(row, "commission") or Decimal(0)
    currency = str(row.get("commissionAsset") or quote)
    return Fill(
        fill_id=text(row, "id"),
        order_id=text(row, "orderId"),
        client_order_id=facts.client_order_id,
        symbol=text(row, "symbol"),
        position_side=PositionSide(text(row, "positionSide").lower()),
        order_side=OrderSide(text(row, "side").lower()),
        price=number(row, "price"),
        quantity=number(row, "qty"),
        fee=fee,
        fee_currency=currency,
        fee_quote=fee if currency == quote or fee == 0 else None,
        realized_pnl=optional_number(row, "realizedPnl"),
        executed_at=instant(row, "time"),
        order_kind=facts.kind,
        # Trade ids of a symbol count up.
        sequence=int(text(row, "id")),
    )


async def _read_window(
    client: VenueClient, symbol: str, start: datetime, end: datetime, lane: Lane, trades: dict[str, Row]
) -> None:
    last_millisecond = to_milliseconds(end)
    params: dict[str, object] = {"symbol": symbol, "startTime": to_milliseconds(start), "endTime": last_millisecond}
    for _ in range(MAX_PAGES):
        page = await client.call(USER_TRADES, {**params, "limit": PAGE}, lane=lane)
        try:
            listed = rows(page)
            inside = [row for row in listed if int(text(row, "time")) <= last_millisecond]
            trades.update({text(row, "id"): row for row in inside})
            newest = max((int(text(row, "id")) for row in listed), default=0)
        except ValueError as error:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"fills cannot be read: {error}") from None
        if len(listed) < PAGE or len(inside) < len(listed):
            return
        # A number to go on from may not be sent together with times.
        params = {"symbol": symbol, "fromId": newest + 1}
    raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, "the list of fills has no end")


async def _forced(
    client: VenueClient, symbol: str, since: datetime, until: datetime, lane: Lane
) -> dict[str, OrderFacts]:
    """Liquidations and deleveragings of the last week, for orders that cannot be asked for any more."""
    found: dict[str, OrderFacts] = {}
    params = {"symbol": symbol, "startTime": to_milliseconds(max(since, until - timedelta(days=6))), "limit": 100}
    for row in rows(await client.call(FORCE_ORDERS, params, lane=lane)):
        client_order_id = str(row.get("clientOrderId") or "")
        kind = OrderKind.ADL if client_order_id.startswith("adl") else OrderKind.LIQUIDATION
        found[text(row, "orderId")] = OrderFacts(client_order_id or None, kind)
    return found
