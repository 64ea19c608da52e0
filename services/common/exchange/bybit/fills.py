"""Bybit's fills: executions of all types but funding, in windows of seven days, all pages.

An execution names neither its position slot nor the account's mode. In hedge mode the slot follows from what the
execution did: it closed (closedSize) the slot opposite to its side, or opened the slot of its side.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from services.common.exchange.budget import Lane
from services.common.exchange.bybit.pages import read_pages
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import (
    Row,
    instant,
    number,
    optional_number,
    optional_text,
    text,
    to_milliseconds,
)
from services.common.exchange.fills import FillsReading
from services.common.exchange.time_windows import split_windows
from services.common.trading.fill import Fill, OrderKind, in_order
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import OrderSide, PositionSide

EXECUTIONS = Endpoint("private", "GET", "v5/execution/list")
POSITION_EXECUTIONS = frozenset(
    {"Trade", "BustTrade", "AdlTrade", "BlockTrade", "MovePosition", "FutureSpread", "Settle", "Delivery"}
)
"""The execution types that change a position; funding does not. Of any other nobody knows."""
_NO_FILLS = frozenset({"Funding"})

_BY_EXECUTION = {
    "BustTrade": OrderKind.LIQUIDATION,
    "AdlTrade": OrderKind.ADL,
    # The venue's own doing, of no order.
    "Settle": OrderKind.UNKNOWN,
    "Delivery": OrderKind.UNKNOWN,
    "MovePosition": OrderKind.UNKNOWN,
}
_CLOSES = frozenset({"BustTrade", "AdlTrade", "Settle", "Delivery"})
_BY_STOP_TYPE = {
    "StopLoss": OrderKind.STOP,
    "PartialStopLoss": OrderKind.STOP,
    "Stop": OrderKind.STOP,
    "BidirectionalTpsl": OrderKind.STOP,
    "TakeProfit": OrderKind.TAKE_PROFIT,
    "PartialTakeProfit": OrderKind.TAKE_PROFIT,
    "TrailingStop": OrderKind.TRAILING_STOP,
    "TrailingProfit": OrderKind.TRAILING_STOP,
}
_BY_ORDER_TYPE = {"Market": OrderKind.MARKET, "Limit": OrderKind.LIMIT}


async def read_fills(
    client: VenueClient, symbol: str, quote: str, since: datetime, until: datetime, lane: Lane, *, hedged: bool
) -> FillsReading:
    """The fills of a symbol in [since, until]; never raises for a venue's error."""
    found: list[Row] = []
    failure: VenueError | None = None
    for start, end in split_windows(since, until):
        params = {
            "category": "linear",
            "symbol": symbol,
            "startTime": to_milliseconds(start),
            "endTime": to_milliseconds(end),
            "limit": 100,
        }
        pages = await read_pages(client, EXECUTIONS, params, lane=lane)
        found.extend(pages.rows)
        failure = pages.failure
        if failure is not None:
            break
    try:
        fills = parse_fills(found, quote, hedged=hedged)
    except ValueError as error:
        return FillsReading(ReadingStatus.FAILED, (), since, until, f"fills cannot be read: {error}")
    strange = sorted({str(row.get("execType")) for row in found} - POSITION_EXECUTIONS - _NO_FILLS)
    if failure is None and strange:
        message = f"executions of unknown kinds: {', '.join(strange)}"
        failure = VenueError(client.venue, VenueErrorKind.BAD_ANSWER, message)
        return FillsReading(ReadingStatus.PARTIAL, fills, since, until, str(failure))
    if failure is None:
        return FillsReading(ReadingStatus.COMPLETE, fills, since, until)
    status = ReadingStatus.PARTIAL if fills else ReadingStatus.FAILED
    return FillsReading(status, fills, since, until, str(failure))


async def read_fills_of_order(
    client: VenueClient, symbol: str, quote: str, order_id: str, lane: Lane, *, hedged: bool
) -> tuple[Fill, ...]:
    """The fills of one order. Raises VenueError."""
    params = {"category": "linear", "symbol": symbol, "orderId": order_id, "limit": 100}
    pages = await read_pages(client, EXECUTIONS, params, lane=lane)
    if pages.failure is not None:
        raise pages.failure
    try:
        return parse_fills(pages.rows, quote, hedged=hedged)
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"fills cannot be read: {error}") from None


def parse_fills(executions: Iterable[Row], quote: str, *, hedged: bool) -> tuple[Fill, ...]:
    """Those executions that changed a position, each once and in order. Raises ValueError."""
    return in_order(
        parse_fill(row, quote, hedged=hedged) for row in executions if row.get("execType") in POSITION_EXECUTIONS
    )


def parse_fill(row: Row, quote: str, *, hedged: bool) -> Fill:
    """One execution. Raises ValueError."""
    fee = optional_number(row, "execFee") or Decimal(0)
    currency = optional_text(row, "feeCurrency") or quote
    side = OrderSide(text(row, "side").lower())
    return Fill(
        fill_id=text(row, "execId"),
        order_id=text(row, "orderId"),
        client_order_id=optional_text(row, "orderLinkId"),
        symbol=text(row, "symbol"),
        position_side=_slot(row, side) if hedged else PositionSide.BOTH,
        order_side=side,
        price=number(row, "execPrice"),
        quantity=number(row, "execQty"),
        fee=fee,
        fee_currency=currency,
        fee_quote=fee if currency == quote or fee == 0 else None,
        realized_pnl=optional_number(row, "execPnl"),
        executed_at=instant(row, "execTime"),
        order_kind=execution_kind(row),
        sequence=int(optional_text(row, "seq") or 0),
    )


def execution_kind(row: Row) -> OrderKind:
    """What brought an execution about: its type where the venue did, else what made its order."""
    by_execution = _BY_EXECUTION.get(str(row.get("execType")))
    if by_execution is not None:
        return by_execution
    created = str(row.get("createType") or "")
    if created.startswith(("CreateByLiq", "CreateByTakeOver")):
        return OrderKind.LIQUIDATION
    if created.startswith("CreateByAdl"):
        return OrderKind.ADL
    by_stop = _BY_STOP_TYPE.get(str(row.get("stopOrderType")))
    return by_stop or _BY_ORDER_TYPE.get(str(row.get("orderType")), OrderKind.UNKNOWN)


def _slot(row: Row, side: OrderSide) -> PositionSide:
    if row.get("closedSize") is None and row.get("execType") not in _CLOSES:
        raise ValueError("field closedSize is missing")
    # Blank is what the venue writes where nothing was closed.
    closes = row.get("execType") in _CLOSES or (optional_number(row, "closedSize") or 0) > 0
    long_leg = (side is OrderSide.SELL) == closes
    return PositionSide.LONG if long_leg else PositionSide.SHORT
