"""From a wish and what the venue says now to a plan, or to the reason why there is none. Pure.

Invariants: the planned quantity is a whole number of the market's steps, never more than was asked for, and passes each
of its filters; a plan's stop lies on the losing side of the price and before the estimated liquidation.
"""

from dataclasses import dataclass
from decimal import Decimal

from services.common.errors import FieldInvalid, LevelAlreadyCrossed, StopBeyondLiquidation
from services.common.trading.effective_levels import effective_levels, is_beyond_stop, is_beyond_target
from services.common.trading.level import Level, LevelRules, NoLevel, Pinned
from services.common.trading.money import format_decimal, round_down_to_step
from services.common.trading.reading import AccountMargin, MarginMode, VenuePosition
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.domain.opening import Plan, Size, SizeKind, Wish
from services.monitor.domain.opening_errors import InsufficientMargin, SlotTaken, SymbolUnknown
from services.monitor.domain.opening_risk import (
    Bracket,
    bracket_for,
    estimate_liquidation,
    margin_available,
    margin_needed,
)


@dataclass(frozen=True, slots=True)
class Contract:
    """A symbol's filters. Quantities in base units, `min_notional` in quote currency; None where unlimited."""

    trading: bool
    quantity_step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal | None
    min_notional: Decimal | None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is true of an account and a symbol now. `price` is the one that triggers the account's levels."""

    venue: Venue
    contract: Contract
    price: Decimal
    leverage: Decimal
    margin_mode: MarginMode | None
    brackets: tuple[Bracket, ...]
    hedged: bool
    positions: tuple[VenuePosition, ...]
    margin: AccountMargin


def plan_opening(wish: Wish, now: Circumstances) -> Plan:
    """Raises FieldInvalid, SymbolUnknown, SlotTaken, InsufficientMargin, LevelAlreadyCrossed, StopBeyondLiquidation."""
    if not now.contract.trading:
        raise SymbolUnknown(exchange=now.venue, symbol=wish.symbol)
    position_side = PositionSide(wish.side.value) if now.hedged else PositionSide.BOTH
    rivals = [held for held in now.positions if held.symbol == wish.symbol]
    if any(not now.hedged or held.position_side is position_side for held in rivals):
        raise SlotTaken(symbol=wish.symbol)
    stop = _stop_of(wish, now.price)
    quantity = _quantity_of(wish, now, stop)
    notional = quantity * now.price
    leverage = now.leverage if wish.leverage is None else wish.leverage
    _check_leverage(wish, now, notional, leverage)
    needed, available = margin_needed(notional, leverage), margin_available(now.margin)
    if needed > available:
        raise InsufficientMargin(needed=_money(needed), available=_money(max(available, Decimal(0))))
    if stop is not None:
        liquidation = estimate_liquidation(
            wish.side, quantity, now.price, leverage, now.margin_mode, now.margin, now.brackets
        )
        if liquidation is not None and is_beyond_stop(wish.side, liquidation, stop):
            raise StopBeyondLiquidation(stop=format_decimal(stop), liquidation_price=_money(liquidation))
    return Plan(now.venue, position_side, quantity, now.price, leverage, sets_leverage=leverage != now.leverage)


def _stop_of(wish: Wish, price: Decimal) -> Decimal | None:
    """Where the stop would be at this price; None without one. Raises LevelAlreadyCrossed, for the target as well."""
    target, stop = wish.take_profit, wish.stop_loss
    if isinstance(target, Pinned) and is_beyond_target(wish.side, target.price, price):
        raise LevelAlreadyCrossed(
            price=format_decimal(price), level="take-profit", level_price=format_decimal(target.price)
        )
    if isinstance(stop, Pinned) and is_beyond_stop(wish.side, stop.price, price):
        raise LevelAlreadyCrossed(
            price=format_decimal(price), level="stop-loss", level_price=format_decimal(stop.price)
        )
    return effective_levels(wish.side, LevelRules(Level(stop), Level(NoLevel())), price).stop_loss


def _quantity_of(wish: Wish, now: Circumstances, stop: Decimal | None) -> Decimal:
    contract, size = now.contract, wish.size
    asked = _asked(wish.side, size, now, stop)
    quantity = round_down_to_step(asked, contract.quantity_step)
    if quantity <= 0 or quantity < contract.min_quantity:
        raise _refusal(
            size, f"comes to {format_decimal(quantity)}, below the least of {format_decimal(contract.min_quantity)}"
        )
    if contract.max_quantity is not None and quantity > contract.max_quantity:
        raise _refusal(
            size, f"comes to {format_decimal(quantity)}, above the most of {format_decimal(contract.max_quantity)}"
        )
    if contract.min_notional is not None and quantity * now.price < contract.min_notional:
        raise _refusal(size, f"is worth less than the least notional of {format_decimal(contract.min_notional)}")
    return quantity


def _asked(side: Side, size: Size, now: Circumstances, stop: Decimal | None) -> Decimal:
    match size.kind:
        case SizeKind.QUANTITY:
            return size.amount
        case SizeKind.NOTIONAL:
            return size.amount / now.price
        case SizeKind.RISK_PERCENT:
            if stop is None:
                raise FieldInvalid(field="stop_loss", problem="is required where the size is a risk")
            lost_each = side.sign * (now.price - stop)
            return max(now.margin.equity, Decimal(0)) * size.amount / 100 / lost_each


def _check_leverage(wish: Wish, now: Circumstances, notional: Decimal, leverage: Decimal) -> None:
    if wish.leverage is not None:
        if leverage < 1:
            raise FieldInvalid(field="leverage", problem="is below 1")
        if leverage != leverage.to_integral_value():
            raise FieldInvalid(field="leverage", problem="is not a whole number")
    bracket = bracket_for(now.brackets, notional)
    if bracket is None:
        raise _refusal(wish.size, "is more than the market allows in one position")
    if leverage > bracket.max_leverage:
        most = format_decimal(bracket.max_leverage)
        raise FieldInvalid(
            field="leverage", problem=f"{format_decimal(leverage)} is above {most}, the most for this size"
        )


def _refusal(size: Size, problem: str) -> FieldInvalid:
    return FieldInvalid(field=size.kind.value, problem=problem)


def _money(number: Decimal) -> str:
    return format_decimal(number.quantize(Decimal("0.00000001")))
