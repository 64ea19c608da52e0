"""The reading half of the door, over ccxt. Nothing here can place an order."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import datetime

from services.common.exchange.account_parts import MarginPart, PositionsPart, assemble
from services.common.exchange.account_settings import AccountSettings
from services.common.exchange.binance import account as binance_account
from services.common.exchange.binance import cash_flows as binance_cash_flows
from services.common.exchange.binance import keys as binance_keys
from services.common.exchange.binance import leverage as binance_leverage
from services.common.exchange.binance import market as binance_market
from services.common.exchange.binance.account import SymbolConfig
from services.common.exchange.binance.fills import BinanceFills
from services.common.exchange.budget import Lane
from services.common.exchange.bybit import account as bybit_account
from services.common.exchange.bybit import cash_flows as bybit_cash_flows
from services.common.exchange.bybit import fills as bybit_fills
from services.common.exchange.bybit import keys as bybit_keys
from services.common.exchange.bybit import leverage as bybit_leverage
from services.common.exchange.bybit import market as bybit_market
from services.common.exchange.cash_flows import CashFlowsReading
from services.common.exchange.client import VenueClient
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fills import FillsReading
from services.common.exchange.keys import KeyReport
from services.common.exchange.leverage import SymbolLeverage
from services.common.exchange.prices import Candle, CandleSpan, Price, PriceKind
from services.common.exchange.symbols import SymbolInfo, likely_quote
from services.common.exchange.venues import Venues
from services.common.trading.reading import AccountReading, MarginMode, ReadingStatus
from services.common.trading.side import Venue

_KEY_REFUSED = frozenset({VenueErrorKind.BAD_KEY, VenueErrorKind.NOT_PERMITTED})


class VenueReader:
    """Implements the Account-, Fills-, CashFlows-, Leverage-, Price- and SymbolReader, and KeyVerifier."""

    def __init__(self, venues: Venues) -> None:
        self._venues = venues
        self._binance_fills = BinanceFills()
        self._symbol_configs: AccountSettings[Mapping[str, SymbolConfig]] = AccountSettings(
            lambda client: binance_account.read_symbol_configs(client, Lane.LIVE)
        )
        self._margin_modes: AccountSettings[MarginMode | None] = AccountSettings(
            lambda client: bybit_account.read_margin_mode(client, Lane.LIVE)
        )

    async def read_account(
        self,
        venue: Venue,
        credentials: Credentials,
        *,
        with_margin: bool = True,
        held: bool = True,
        lane: Lane = Lane.LIVE,
    ) -> AccountReading:
        """The account's open positions; never raises for a venue's error."""
        client = self._venues.client(venue, credentials)
        of_binance = venue is Venue.BINANCE
        read_positions = binance_account.read_positions if of_binance else bybit_account.read_positions
        read_margin = binance_account.read_margin if of_binance else bybit_account.read_margin
        asked_at = self._venues.now()
        margin: MarginPart | VenueError | None = None
        if with_margin:
            part, margin = await asyncio.gather(read_positions(client, lane), _or_error(read_margin(client, lane)))
        else:
            part = await read_positions(client, lane)
            if held and not part.positions and part.failure is None:
                margin = await _or_error(read_margin(client, lane))
        taken_at = self._venues.now()
        return assemble(await self._complete_rows(client, part), margin, asked_at, taken_at, held=held)

    async def read_fills(
        self,
        venue: Venue,
        credentials: Credentials,
        symbol: str,
        since: datetime,
        *,
        until: datetime | None = None,
        lane: Lane = Lane.LIVE,
    ) -> FillsReading:
        """All fills of a symbol since an instant; never raises for a venue's error."""
        client = self._venues.client(venue, credentials)
        end = until or self._venues.now()
        try:
            quote = await self._quote(venue, symbol, lane)
            if venue is Venue.BINANCE:
                return await self._binance_fills.read(client, symbol, quote, since, end, lane)
            hedged = await bybit_account.read_hedge_mode(client, symbol, lane)
        except VenueError as error:
            return FillsReading(ReadingStatus.FAILED, (), since, end, str(error))
        return await bybit_fills.read_fills(client, symbol, quote, since, end, lane, hedged=hedged)

    async def read_cash_flows(
        self,
        venue: Venue,
        credentials: Credentials,
        since: datetime,
        *,
        until: datetime | None = None,
        lane: Lane = Lane.RECONCILIATION,
    ) -> CashFlowsReading:
        """Funding payments and transfers since an instant; never raises for a venue's error."""
        read = binance_cash_flows.read_cash_flows if venue is Venue.BINANCE else bybit_cash_flows.read_cash_flows
        return await read(self._venues.client(venue, credentials), since, until or self._venues.now(), lane)

    async def verify_key(self, venue: Venue, credentials: Credentials) -> KeyReport:
        """What the venue says about a key; never raises for a venue's error."""
        client = self._venues.client(venue, credentials)
        try:
            if venue is Venue.BINANCE:
                return await binance_keys.read_key(client, Lane.LIVE)
            return await bybit_keys.read_key(client, Lane.LIVE)
        except VenueError as error:
            return KeyReport(valid=False if error.kind in _KEY_REFUSED else None, reason=str(error))

    async def read_price(
        self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK, lane: Lane = Lane.LIVE
    ) -> Price:
        """The price now. Raises VenueError."""
        read = binance_market.read_price if venue is Venue.BINANCE else bybit_market.read_price
        return await read(self._venues.public(venue), symbol, kind, lane, self._venues.now())

    async def read_candles(
        self,
        venue: Venue,
        symbol: str,
        *,
        interval_minutes: int,
        since: datetime,
        until: datetime,
        kind: PriceKind = PriceKind.LAST,
    ) -> tuple[Candle, ...]:
        """Bars opened in [since, until), oldest first. Raises VenueError."""
        read = binance_market.read_candles if venue is Venue.BINANCE else bybit_market.read_candles
        span = CandleSpan(symbol, interval_minutes, since, until, kind)
        return await read(self._venues.public(venue), span, Lane.LIVE)

    async def read_symbol(self, venue: Venue, symbol: str) -> SymbolInfo:
        """What the venue says about a symbol. Raises VenueError (UNKNOWN_SYMBOL)."""
        return await self._venues.symbol(venue, symbol)

    async def read_leverage(self, venue: Venue, credentials: Credentials, symbol: str) -> SymbolLeverage:
        """An account's leverage on a symbol, and its brackets. Raises VenueError."""
        client = self._venues.client(venue, credentials)
        if venue is Venue.BINANCE:
            return await binance_leverage.read_leverage(client, symbol, Lane.ORDERS)
        mode = await self._margin_modes.get(client)
        return await bybit_leverage.read_leverage(client, symbol, mode, Lane.ORDERS)

    async def _quote(self, venue: Venue, symbol: str, lane: Lane) -> str:
        """Also of a symbol that is not listed any more: its fills tell how a position ended. Raises VenueError."""
        try:
            return (await self._venues.symbol(venue, symbol, lane)).quote
        except VenueError as error:
            if error.kind is not VenueErrorKind.UNKNOWN_SYMBOL:
                raise
            return likely_quote(symbol)

    async def _complete_rows(self, client: VenueClient, part: PositionsPart) -> PositionsPart:
        """Join what the venue's rows lack: leverage and margin mode, from settings that are read seldom."""
        if not part.positions:
            return part
        if client.venue is Venue.BYBIT:
            mode = await self._margin_modes.get(client)
            if mode is None:
                return part
            stated = [one if one.margin_mode is mode else replace(one, margin_mode=mode) for one in part.positions]
            return replace(part, positions=tuple(stated))
        held = {position.symbol for position in part.positions}
        configs = await self._symbol_configs.get(client, enough=lambda known: held <= known.keys()) or {}
        joined = []
        for position in part.positions:
            config = configs.get(position.symbol)
            if config is None:
                joined.append(position)
                continue
            mode = position.margin_mode or config.margin_mode
            leverage = binance_account.leverage_of(position, config.leverage)
            joined.append(replace(position, leverage=leverage, margin_mode=mode))
        return replace(part, positions=tuple(joined))


async def _or_error(asked: Awaitable[MarginPart]) -> MarginPart | VenueError:
    try:
        return await asked
    except VenueError as error:
        return error
