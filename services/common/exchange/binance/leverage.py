"""Binance's leverage of a symbol: the account's setting, and the brackets.

`/fapi/v1/leverageBracket` answers a list, or for one symbol a single object: both are in its documentation.
"""

from typing import Any

from services.common.exchange.binance.account import SYMBOL_CONFIG, parse_symbol_config
from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, number, rows, text
from services.common.exchange.leverage import LeverageBracket, SymbolLeverage

LEVERAGE_BRACKET = Endpoint("fapiPrivate", "GET", "leverageBracket", answer=object)


async def read_leverage(client: VenueClient, symbol: str, lane: Lane) -> SymbolLeverage:
    """The leverage of one symbol. Raises VenueError."""
    configs = await client.call(SYMBOL_CONFIG, {"symbol": symbol}, lane=lane)
    brackets = await client.call(LEVERAGE_BRACKET, {"symbol": symbol}, lane=lane)
    try:
        return parse_leverage(symbol, configs, brackets)
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the leverage cannot be read: {error}") from None


def parse_leverage(symbol: str, configs: Any, brackets: Any) -> SymbolLeverage:
    """The answers of symbolConfig and leverageBracket. Raises ValueError."""
    config = parse_symbol_config(_row_of(configs, symbol))
    if config.leverage is None:
        raise ValueError("no leverage is listed")
    found = [_parse_bracket(row) for row in rows(_row_of(brackets, symbol), "brackets")]
    return SymbolLeverage(
        config.leverage, config.margin_mode, tuple(sorted(found, key=lambda bracket: bracket.notional_cap))
    )


def _parse_bracket(row: Row) -> LeverageBracket:
    return LeverageBracket(
        notional_cap=number(row, "notionalCap"),
        max_leverage=number(row, "initialLeverage"),
        maintenance_rate=number(row, "maintMarginRatio"),
        maintenance_deduction=number(row, "cum"),
    )


def _row_of(answer: Any, symbol: str) -> Row:
    for row in rows([answer] if isinstance(answer, dict) else answer):
        if text(row, "symbol") == symbol:
            return row
    raise ValueError(f"{symbol} is not listed")
