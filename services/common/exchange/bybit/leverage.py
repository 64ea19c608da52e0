"""Bybit's leverage of a symbol: the account's setting, and the risk limits.

`position/list` of one symbol lists its slots even where they are empty. Rates are fractions on linear contracts; the
documentation's example gives percent, so which of the two it is follows from the initial margin, which is one divided
by the leverage.
"""

from decimal import Decimal
from typing import Any

from services.common.exchange.budget import Lane
from services.common.exchange.bybit.account import POSITION_LIST
from services.common.exchange.bybit.pages import read_result
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, number, optional_number, rows, text
from services.common.exchange.leverage import LeverageBracket, SymbolLeverage
from services.common.trading.reading import MarginMode

RISK_LIMIT = Endpoint("public", "GET", "v5/market/risk-limit")

_BETWEEN_FRACTION_AND_PERCENT = 10


async def read_leverage(client: VenueClient, symbol: str, mode: MarginMode | None, lane: Lane) -> SymbolLeverage:
    """The leverage of one symbol; the margin mode is the account's. Raises VenueError."""
    params = {"category": "linear", "symbol": symbol}
    slots = await client.call(POSITION_LIST, params, lane=lane)
    limits = await client.call(RISK_LIMIT, params, lane=lane)
    try:
        return parse_leverage(symbol, slots, limits, mode)
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the leverage cannot be read: {error}") from None


def parse_leverage(symbol: str, slots: Any, limits: Any, mode: MarginMode | None) -> SymbolLeverage:
    """The answers of position/list and market/risk-limit. Of two legs the higher leverage counts. Raises ValueError."""
    leverages = [number(row, "leverage") for row in rows(read_result(slots), "list") if text(row, "symbol") == symbol]
    if not leverages:
        raise ValueError(f"no slot of {symbol} is listed")
    found = [_parse_bracket(row) for row in rows(read_result(limits), "list") if text(row, "symbol") == symbol]
    if not found:
        raise ValueError(f"no risk limit of {symbol} is listed")
    return SymbolLeverage(max(leverages), mode, tuple(sorted(found, key=lambda bracket: bracket.notional_cap)))


def _parse_bracket(row: Row) -> LeverageBracket:
    leverage = number(row, "maxLeverage")
    percent = number(row, "initialMargin") * leverage > _BETWEEN_FRACTION_AND_PERCENT
    return LeverageBracket(
        notional_cap=number(row, "riskLimitValue"),
        max_leverage=leverage,
        maintenance_rate=number(row, "maintenanceMargin") / (100 if percent else 1),
        maintenance_deduction=optional_number(row, "mmDeduction") or Decimal(0),
    )
