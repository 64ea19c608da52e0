"""Bybit's answers about an account: its positions, its margin, and its margin mode.

A list of positions is read to its last page (20 rows by default, 200 at most). Zero or blank liquidation prices mean
none.
"""

from decimal import Decimal
from typing import Any

from services.common.exchange.account_parts import MarginPart, PositionsPart, read_rows, with_failure
from services.common.exchange.budget import Lane
from services.common.exchange.bybit.pages import read_pages, read_result
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
from services.common.trading.reading import AccountMargin, MarginMode, VenuePosition
from services.common.trading.side import PositionSide, Side

POSITION_LIST = Endpoint("private", "GET", "v5/position/list")
WALLET_BALANCE = Endpoint("private", "GET", "v5/account/wallet-balance")
ACCOUNT_INFO = Endpoint("private", "GET", "v5/account/info")
ORDER_HISTORY = Endpoint("private", "GET", "v5/order/history")

SETTLE_COIN = "USDT"
_SLOTS = {"0": PositionSide.BOTH, "1": PositionSide.LONG, "2": PositionSide.SHORT}
_SIDES = {"Buy": Side.LONG, "Sell": Side.SHORT}
_MARGIN_MODES = {
    "ISOLATED_MARGIN": MarginMode.ISOLATED,
    "REGULAR_MARGIN": MarginMode.CROSS,
    "PORTFOLIO_MARGIN": MarginMode.CROSS,
}


async def read_positions(client: VenueClient, lane: Lane) -> PositionsPart:
    """All pages of the list of positions; never raises for a venue's error."""
    params = {"category": "linear", "settleCoin": SETTLE_COIN, "limit": 200}
    pages = await read_pages(client, POSITION_LIST, params, lane=lane)
    return with_failure(read_rows(pages.rows, parse_position, pages.pages), pages.failure)


async def read_margin(client: VenueClient, lane: Lane) -> MarginPart:
    """The account's margin. Raises VenueError."""
    answer = await client.call(WALLET_BALANCE, {"accountType": "UNIFIED"}, lane=lane)
    try:
        return parse_margin(read_result(answer))
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the wallet cannot be read: {error}") from None


async def read_margin_mode(client: VenueClient, lane: Lane) -> MarginMode | None:
    """The margin mode of the whole account, which unified accounts do not state on a position. Raises VenueError."""
    answer = await client.call(ACCOUNT_INFO, lane=lane)
    try:
        return _MARGIN_MODES.get(text(read_result(answer), "marginMode"))
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the account cannot be read: {error}") from None


async def read_hedge_mode(client: VenueClient, symbol: str, lane: Lane) -> bool:
    """Whether a symbol is in hedge mode: the venue lists its slots even where they are empty. Raises VenueError.

    Of a symbol that is not traded any more it may list none; then its orders tell.
    """
    of_symbol = {"category": "linear", "symbol": symbol}
    refused = VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"no position slot is listed for {symbol}")
    try:
        slots = _slots_of(client, await client.call(POSITION_LIST, of_symbol, lane=lane))
    except VenueError as error:
        if error.kind is not VenueErrorKind.UNKNOWN_SYMBOL:
            raise
        slots, refused = set(), error
    if not slots:
        slots = _slots_of(client, await client.call(ORDER_HISTORY, of_symbol, lane=lane))
    if not slots:
        raise refused
    return bool(slots & {"1", "2"})


def _slots_of(client: VenueClient, answer: Any) -> set[str]:
    try:
        return {text(row, "positionIdx") for row in rows(read_result(answer), "list")}
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"positions cannot be read: {error}") from None


def parse_position(row: Row) -> VenuePosition | None:
    """One row of `list`; None for an empty slot. Raises ValueError."""
    quantity = number(row, "size")
    if quantity == 0:
        return None
    side = _SIDES.get(text(row, "side"))
    slot = _SLOTS.get(text(row, "positionIdx"))
    if side is None or slot is None:
        raise ValueError(f"side {row.get('side')!r} or slot {row.get('positionIdx')!r} is not known")
    if quantity < 0 or (slot is not PositionSide.BOTH and slot.value != side.value):
        raise ValueError(f"slot {slot} does not hold {quantity} {side}")
    mark_price = above_zero(row, "markPrice")
    return VenuePosition(
        symbol=text(row, "symbol"),
        position_side=slot,
        side=side,
        quantity=quantity,
        entry_price=to_books(number(row, "avgPrice")),
        mark_price=mark_price,
        unrealized_pnl=number(row, "unrealisedPnl"),
        notional=quantity * mark_price,
        leverage=positive_number(row, "leverage"),
        margin_mode=MarginMode.ISOLATED if str(row.get("tradeMode")) == "1" else MarginMode.CROSS,
        liquidation_price=positive_number(row, "liqPrice"),
        initial_margin=optional_number(row, "positionIM"),
        maintenance_margin=optional_number(row, "positionMM"),
        updated_at=optional_instant(row, "updatedTime"),
    )


def parse_margin(result: Row) -> MarginPart:
    """The `result` of wallet-balance. `initial_margin` is that of positions, without open orders. Raises ValueError.

    An account in isolated margin has no margin as a whole: its totals are blank, and its coins' are not.
    """
    wallets = rows(result, "list")
    if not wallets:
        raise ValueError("no wallet is listed")
    wallet = wallets[0]
    coins = {text(row, "coin"): row for row in rows(wallet, "coin")}
    settle = coins.get(SETTLE_COIN, {})
    position_margin = optional_number(settle, "totalPositionIM")
    maintenance = optional_number(wallet, "totalMaintenanceMargin")
    if maintenance is None and position_margin is not None:
        maintenance = optional_number(settle, "totalPositionMM") or Decimal(0)
    margin = AccountMargin(
        wallet_balance=number(wallet, "totalWalletBalance"),
        equity=number(wallet, "totalEquity"),
        initial_margin=position_margin if position_margin is not None else number(wallet, "totalInitialMargin"),
        maintenance_margin=maintenance if maintenance is not None else number(wallet, "totalMaintenanceMargin"),
    )
    return MarginPart(margin, position_margin)
