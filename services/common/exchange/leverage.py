"""What an account's leverage on a symbol is, and the brackets that bound it."""

from dataclasses import dataclass
from decimal import Decimal

from services.common.trading.reading import MarginMode


@dataclass(frozen=True, slots=True)
class LeverageBracket:
    """Up to `notional_cap` (quote currency) a position may have `max_leverage`, and its maintenance margin is
    notional × `maintenance_rate` − `maintenance_deduction` (quote currency)."""

    notional_cap: Decimal
    max_leverage: Decimal
    maintenance_rate: Decimal
    maintenance_deduction: Decimal


@dataclass(frozen=True, slots=True)
class SymbolLeverage:
    """`leverage` is what an order has now, `margin_mode` None where the venue does not say; brackets by their cap."""

    leverage: Decimal
    margin_mode: MarginMode | None
    brackets: tuple[LeverageBracket, ...]
