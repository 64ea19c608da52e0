"""What a venue says about a symbol: its currencies and the filters that an order must pass."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row
from services.common.trading.side import Venue

_QUOTES = ("USDT", "USDC")


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """One linear contract. Quantities in base units, prices and notional in quote currency; None where unlimited."""

    symbol: str
    base: str
    quote: str
    trading: bool
    tick_size: Decimal
    quantity_step: Decimal
    min_quantity: Decimal
    max_market_quantity: Decimal | None
    min_notional: Decimal | None


class SymbolReader(Protocol):
    """Tells about symbols."""

    async def read_symbol(self, venue: Venue, symbol: str) -> SymbolInfo:
        """What the venue says about a symbol, at most an hour old. Raises VenueError (UNKNOWN_SYMBOL)."""
        ...


def likely_quote(symbol: str) -> str:
    """The quote currency by a symbol's name, for one that is not listed (any more)."""
    return next((quote for quote in _QUOTES if symbol.endswith(quote)), _QUOTES[0])


def read_symbols(venue: Venue, rows: Iterable[Row], parse: Callable[[Row], SymbolInfo]) -> dict[str, SymbolInfo]:
    """The symbols that can be read, by name. One that cannot (not traded yet, of a new kind) costs no other.

    Raises VenueError (BAD_ANSWER) where there is none.
    """
    found: dict[str, SymbolInfo] = {}
    for row in rows:
        with suppress(ValueError):
            info = parse(row)
            found[info.symbol] = info
    if not found:
        raise VenueError(venue, VenueErrorKind.BAD_ANSWER, "no symbol can be read")
    return found
