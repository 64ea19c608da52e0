"""Binance's answers about an account: its positions, its margin, and the settings of its symbols.

`/fapi/v3/positionRisk` lists only symbols with a position or an order and states neither leverage nor margin mode:
those come from `symbolConfig`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.common.exchange.account_parts import MarginPart, PositionsPart, read_rows
from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import (
    Row,
    above_zero,
    number,
    optional_instant,
    optional_number,
    positive_number,
    rows,
    text,
)
from services.common.trading.money import to_books
from services.common.trading.reading import AccountMargin, MarginMode, PositionKey, VenuePosition
from services.common.trading.side import PositionSide, Side

POSITION_RISK = Endpoint("fapiPrivateV3", "GET", "positionRisk", weight=5, answer=list)
ACCOUNT = Endpoint("fapiPrivateV3", "GET", "account", weight=5)
SYMBOL_CONFIG = Endpoint("fapiPrivate", "GET", "symbolConfig", weight=5, answer=list)

_ROUNDING = Decimal("0.001")
_MARGIN_MODES = {"CROSSED": MarginMode.CROSS, "CROSS": MarginMode.CROSS, "ISOLATED": MarginMode.ISOLATED}


@dataclass(frozen=True, slots=True)
class SymbolConfig:
    """What an account has set for a symbol."""

    leverage: Decimal | None
    margin_mode: MarginMode | None


async def read_positions(client: VenueClient, lane: Lane) -> PositionsPart:
    """The list of positions; never raises for a venue's error."""
    try:
        answer = await client.call(POSITION_RISK, lane=lane)
        listed = rows(answer)
    except VenueError as error:
        return PositionsPart(failure=error)
    except ValueError as error:
        return PositionsPart(failure=VenueError(client.venue, VenueErrorKind.BAD_ANSWER, str(error)))
    return read_rows(listed, parse_position)


async def read_margin(client: VenueClient, lane: Lane) -> MarginPart:
    """The account's margin and which positions that endpoint knows. Raises VenueError."""
    answer = await client.call(ACCOUNT, lane=lane)
    try:
        return parse_margin(answer)
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the account cannot be read: {error}") from None


async def read_symbol_configs(client: VenueClient, lane: Lane) -> Mapping[str, SymbolConfig]:
    """Leverage and margin mode by symbol. Raises VenueError."""
    answer = await client.call(SYMBOL_CONFIG, lane=lane)
    try:
        return {text(row, "symbol"): parse_symbol_config(row) for row in rows(answer)}
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"settings cannot be read: {error}") from None


def parse_position(row: Row) -> VenuePosition | None:
    """One row of positionRisk; None for a symbol without a position. Raises ValueError."""
    amount = number(row, "positionAmt")
    if amount == 0:
        return None
    position_side, side = position_sides(row, amount)
    return VenuePosition(
        symbol=text(row, "symbol"),
        position_side=position_side,
        side=side,
        quantity=abs(amount),
        entry_price=to_books(number(row, "entryPrice")),
        mark_price=above_zero(row, "markPrice"),
        unrealized_pnl=number(row, "unRealizedProfit"),
        notional=abs(number(row, "notional")),
        margin_mode=MarginMode.ISOLATED if positive_number(row, "isolatedWallet") else None,
        liquidation_price=positive_number(row, "liquidationPrice"),
        initial_margin=optional_number(row, "positionInitialMargin"),
        maintenance_margin=optional_number(row, "maintMargin"),
        updated_at=optional_instant(row, "updateTime"),
    )


def parse_margin(answer: Row) -> MarginPart:
    """The answer of `/fapi/v3/account`. Raises ValueError.

    `initial_margin` is that of positions, without open orders. The totals count USDT alone unless the account is in
    multi-assets mode, and then an asset's own margin is part of them: what is margined in USDC is in its asset.
    """
    keys = None
    if "positions" in answer:
        held = [row for row in rows(answer, "positions") if number(row, "positionAmt") != 0]
        keys = frozenset(PositionKey(text(row, "symbol"), _slot(row)) for row in held)
    margin = AccountMargin(
        wallet_balance=number(answer, "totalWalletBalance"),
        equity=number(answer, "totalMarginBalance"),
        initial_margin=max(number(answer, "totalPositionInitialMargin"), _margin_of_assets(answer)),
        maintenance_margin=number(answer, "totalMaintMargin"),
    )
    return MarginPart(margin, margin.initial_margin, keys)


def parse_symbol_config(row: Row) -> SymbolConfig:
    """One row of symbolConfig. Raises ValueError."""
    mode = _MARGIN_MODES.get(str(row.get("marginType", "")).upper())
    return SymbolConfig(leverage=positive_number(row, "leverage"), margin_mode=mode)


def leverage_of(position: VenuePosition, setting: Decimal | None) -> Decimal | None:
    """A position's leverage: its setting, or what its margin says where the setting was changed since it was read.

    A row states margin and notional at one mark price, so their ratio is the leverage, up to rounding.
    """
    margin = position.initial_margin
    if margin is None or margin <= 0:
        return setting
    ratio = position.notional / margin
    whole = ratio.to_integral_value()
    if whole < 1 or abs(ratio - whole) > whole * _ROUNDING:
        return setting
    return whole


def position_sides(row: Row, amount: Decimal) -> tuple[PositionSide, Side]:
    """The slot of a row and the direction of an amount in it. Raises ValueError."""
    position_side = _slot(row)
    if position_side is PositionSide.BOTH:
        return position_side, Side.LONG if amount > 0 else Side.SHORT
    side = Side(position_side.value)
    if amount * side.sign < 0:
        raise ValueError(f"a {side} leg does not hold {amount}")
    return position_side, side


def _slot(row: Row) -> PositionSide:
    return PositionSide(text(row, "positionSide").lower())


def _margin_of_assets(answer: Row) -> Decimal:
    listed = rows(answer, "assets") if "assets" in answer else []
    return sum((optional_number(asset, "positionInitialMargin") or Decimal(0) for asset in listed), start=Decimal(0))
