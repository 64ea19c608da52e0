"""Binance's list of symbols and their filters."""

from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, above_zero, number, positive_number, rows, text
from services.common.exchange.symbols import SymbolInfo, read_symbols

EXCHANGE_INFO = Endpoint("fapiPublic", "GET", "exchangeInfo")


async def load_symbols(client: VenueClient, lane: Lane) -> dict[str, SymbolInfo]:
    """All contracts margined in their quote currency. Raises VenueError."""
    answer = await client.call(EXCHANGE_INFO, lane=lane)
    try:
        listed = rows(answer, "symbols")
    except ValueError as error:
        message = f"symbol information cannot be read: {error}"
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, message) from None
    return read_symbols(client.venue, listed, parse_symbol)


def parse_symbol(row: Row) -> SymbolInfo:
    """One row of `symbols`. Raises ValueError."""
    filters = {str(item.get("filterType")): item for item in rows(row, "filters")}
    lot = filters.get("LOT_SIZE", {})
    market_lot = filters.get("MARKET_LOT_SIZE", lot)
    return SymbolInfo(
        symbol=text(row, "symbol"),
        base=text(row, "baseAsset"),
        quote=text(row, "quoteAsset"),
        trading=row.get("status") == "TRADING",
        tick_size=above_zero(filters.get("PRICE_FILTER", {}), "tickSize"),
        quantity_step=positive_number(market_lot, "stepSize") or above_zero(lot, "stepSize"),
        min_quantity=positive_number(market_lot, "minQty") or number(lot, "minQty"),
        max_market_quantity=positive_number(market_lot, "maxQty"),
        min_notional=positive_number(filters.get("MIN_NOTIONAL", {}), "notional"),
    )
