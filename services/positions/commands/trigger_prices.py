"""Which price triggers the levels of an account: a change holds for what is open too, in one transaction.

A watermark of one source says nothing about the other, so that what trails starts anew at the new source's price. A
level that this price has passed already refuses the change: it would close the position, not guard it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.trading.extremes import TriggerPrice
from services.common.trading.money import format_decimal
from services.positions.commands.accounts import AccountCommands
from services.positions.commands.journal import Journal, write_change
from services.positions.domain.account import Account
from services.positions.domain.care import judge_enforced, triggered_by
from services.positions.domain.errors import PriceUnavailable
from services.positions.domain.position import Position
from services.positions.domain.timeline import Actor, Change
from services.positions.prices import TriggerPrices
from services.positions.store import accounts
from services.positions.store import positions as rows
from services.positions.store.decisions import lock_account

_TRIES = 3
"""A level that is set while prices are asked for needs a price of its own."""


class _PriceMissing(Exception):
    """A level was set while prices were asked for."""


class TriggerPriceCommands:
    """The setting of an account, and what it means for its positions."""

    def __init__(
        self, journal: Journal, account_commands: AccountCommands, prices: TriggerPrices, clock: Clock
    ) -> None:
        self._journal = journal
        self._accounts = account_commands
        self._prices = prices
        self._clock = clock

    async def set(self, user_id: str, account_id: str, source: TriggerPrice) -> Account:
        """Trigger the levels of an account's positions by this price; the same again changes nothing.

        Raises AccountNotFound, PriceUnavailable, LevelAlreadyCrossed.
        """
        prices: dict[str, Decimal] = {}
        for _ in range(_TRIES):
            async with self._journal.reading() as connection:
                account = await accounts.get_account(connection, account_id, user_id)
                if account.trigger_price is source:
                    return account
                opened = await rows.list_open(connection, account_id=account_id)
            needed = {row.symbol for row in opened if row.enforced} - prices.keys()
            read = await asyncio.gather(*(self._prices.read(account.venue, one, source) for one in needed))
            prices.update(zip(needed, read, strict=True))
            with suppress(_PriceMissing):
                async with self._journal.writing() as connection:
                    return await self._write(connection, user_id, account_id, source, prices)
        raise PriceUnavailable(exchange=account.venue.value.capitalize(), symbol=", ".join(sorted(needed)))

    async def _write(
        self,
        connection: AsyncConnection,
        user_id: str,
        account_id: str,
        source: TriggerPrice,
        prices: Mapping[str, Decimal],
    ) -> Account:
        """The account after the change. Raises _PriceMissing where a position is enforced whose price is not known."""
        # Nothing is adopted, opened or changed meanwhile. Rows before the account: whoever sets a level does so too.
        await lock_account(connection, account_id)
        opened = await rows.lock_open(connection, account_id)
        account = await accounts.get_account(connection, account_id, user_id, lock=True)
        if account.trigger_price is source:
            return account
        enforced = [row for row in opened if row.enforced]
        if any(row.symbol not in prices for row in enforced):
            raise _PriceMissing
        await rows.set_trigger_price_of_open(connection, account_id, source)
        for row in enforced:
            await self._rearm(connection, row, source, prices[row.symbol])
        return await self._accounts.switch_trigger_price(connection, account, source)

    async def _rearm(self, connection: AsyncConnection, row: Position, source: TriggerPrice, price: Decimal) -> None:
        now = self._clock.now()
        judge_enforced(row, price)
        await write_change(
            connection,
            triggered_by(row, source, price, now),
            actor=Actor.USER,
            change=Change.TRIGGER_PRICE_SET,
            evidence=f"The {source.value} price triggers the account's levels from now on; it was"
            f" {format_decimal(price)}.",
            now=now,
        )
