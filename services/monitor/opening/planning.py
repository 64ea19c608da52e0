"""Asks the books and the venue for what a wish is checked against.

Invariants: a plan rests on a complete reading of the account, made for it; what cannot be asked is no reason to guess.
"""

import asyncio
from typing import TypeVar

from services.common.errors import DomainError, PriceUnavailable, TradingNotEnabled
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.leverage import SymbolLeverage
from services.common.exchange.prices import Price, PriceKind
from services.common.exchange.symbols import SymbolInfo
from services.common.trading.reading import AccountReading, ReadingStatus
from services.common.trading.side import PositionSide, Venue
from services.monitor.closing.parts import VenueSilent
from services.monitor.closing.ports import TradingKeys
from services.monitor.domain.opening import Plan, Wish
from services.monitor.domain.opening_errors import OpenRejected, SlotTaken, SymbolUnknown
from services.monitor.domain.opening_plan import Circumstances, Contract, plan_opening
from services.monitor.domain.opening_risk import Bracket
from services.monitor.opening.ports import AccountFacts, MarketReader, OpeningBooks, OpeningGate, OpeningOrders

T = TypeVar("T")

_SURE = frozenset({VenueErrorKind.BAD_KEY, VenueErrorKind.NOT_PERMITTED})

_READINGS = 3
"""How often an account is asked for whose positions and margin do not fit: they are two answers of the venue."""


class Planner:
    """Makes plans of wishes."""

    def __init__(
        self, books: OpeningBooks, market: MarketReader, orders: OpeningOrders, keys: TradingKeys, gate: OpeningGate
    ) -> None:
        self._books = books
        self._market = market
        self._orders = orders
        self._keys = keys
        self._gate = gate

    async def plan(self, wish: Wish) -> Plan:
        """What would be opened now.

        Raises OpeningPaused, AccountNotFound, TradingNotEnabled, PriceUnavailable, VenueSilent, ServiceUnavailable,
        OpenRejected, and what `plan_opening` raises.
        """
        await self._gate.check(wish.user_id)
        account = await self._books.find_account(wish.user_id, wish.account_id)
        if not account.trading_enabled:
            raise TradingNotEnabled(account_id=wish.account_id)
        credentials = await self._keys.credentials(wish.account_id)
        plan = plan_opening(wish, await self._circumstances(wish, account, credentials))
        # A venue's list may lag behind what the books have from the fills themselves.
        for held in await self._books.list_open(wish.user_id, account, wish.symbol):
            if plan.position_side in (held.position_side, PositionSide.BOTH):
                raise SlotTaken(symbol=wish.symbol)
        return plan

    async def _read_account(self, venue: Venue, credentials: Credentials) -> AccountReading:
        """The account; asked again where its parts contradict each other, as they do while something is opened."""
        for _ in range(_READINGS - 1):
            reading = await self._market.read_account(venue, credentials)
            if reading.status is not ReadingStatus.SUSPICIOUS:
                return reading
        return await self._market.read_account(venue, credentials)

    async def _circumstances(self, wish: Wish, account: AccountFacts, credentials: Credentials) -> Circumstances:
        venue, symbol = account.venue, wish.symbol
        info, reading, price, leverage, hedged = await asyncio.gather(
            self._market.read_symbol(venue, symbol),
            self._read_account(venue, credentials),
            self._market.read_price(venue, symbol, PriceKind(account.trigger_price.value)),
            self._market.read_leverage(venue, credentials, symbol),
            self._orders.read_position_mode(venue, credentials, symbol),
            return_exceptions=True,
        )
        known = _known(account, symbol, info)
        if isinstance(price, VenueError):
            raise PriceUnavailable(exchange=venue, symbol=symbol) from price
        return _put_together(
            account,
            known,
            _known(account, symbol, reading),
            _known(account, symbol, price),
            _known(account, symbol, leverage),
            hedged=_known(account, symbol, hedged),
        )


def _put_together(
    account: AccountFacts,
    info: SymbolInfo,
    reading: AccountReading,
    price: Price,
    leverage: SymbolLeverage,
    *,
    hedged: bool,
) -> Circumstances:
    if not reading.complete or reading.margin is None:
        raise VenueSilent(venue=account.venue, why=reading.reason or "the account's margin is not told")
    return Circumstances(
        venue=account.venue,
        contract=Contract(
            info.trading, info.quantity_step, info.min_quantity, info.max_market_quantity, info.min_notional
        ),
        price=price.price,
        leverage=leverage.leverage,
        margin_mode=leverage.margin_mode,
        brackets=tuple(
            Bracket(one.notional_cap, one.max_leverage, one.maintenance_rate, one.maintenance_deduction)
            for one in leverage.brackets
        ),
        hedged=hedged,
        positions=reading.positions,
        margin=reading.margin,
    )


def _known(account: AccountFacts, symbol: str, answer: T | BaseException) -> T:
    if isinstance(answer, VenueError):
        raise _refusal(account, symbol, answer) from answer
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _refusal(account: AccountFacts, symbol: str, error: VenueError) -> DomainError:
    """What a venue's error means to whoever wants to open."""
    if error.kind is VenueErrorKind.UNKNOWN_SYMBOL:
        return SymbolUnknown(exchange=account.venue, symbol=symbol)
    if error.kind in _SURE:
        return OpenRejected(why=error.message)
    return VenueSilent(venue=account.venue, why=error.message)
