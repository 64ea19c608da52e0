"""Bybit's list of linear symbols and their filters."""

from services.common.exchange.budget import Lane
from services.common.exchange.bybit.account import SETTLE_COIN
from services.common.exchange.bybit.pages import read_pages
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.fields import Row, above_zero, nested, number, optional_text, positive_number, text
from services.common.exchange.symbols import SymbolInfo, read_symbols

INSTRUMENTS = Endpoint("public", "GET", "v5/market/instruments-info")


async def load_symbols(client: VenueClient, lane: Lane) -> dict[str, SymbolInfo]:
    """All linear contracts whose positions are read. Raises VenueError."""
    pages = await read_pages(client, INSTRUMENTS, {"category": "linear", "limit": 1000}, lane=lane)
    if pages.failure is not None:
        raise pages.failure
    return read_symbols(client.venue, pages.rows, parse_symbol)


def parse_symbol(row: Row) -> SymbolInfo:
    """One row of `list`. Raises ValueError."""
    settled_in = optional_text(row, "settleCoin") or SETTLE_COIN
    if settled_in != SETTLE_COIN:
        raise ValueError(f"positions that are settled in {settled_in} are not read")
    lot = nested(row, "lotSizeFilter")
    return SymbolInfo(
        symbol=text(row, "symbol"),
        base=text(row, "baseCoin"),
        quote=text(row, "quoteCoin"),
        trading=row.get("status") == "Trading",
        tick_size=above_zero(nested(row, "priceFilter"), "tickSize"),
        quantity_step=above_zero(lot, "qtyStep"),
        min_quantity=number(lot, "minOrderQty"),
        max_market_quantity=positive_number(lot, "maxMktOrderQty") or positive_number(lot, "maxOrderQty"),
        min_notional=positive_number(lot, "minNotionalValue"),
    )
