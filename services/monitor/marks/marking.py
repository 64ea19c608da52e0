"""Tells a watched user what each open position is worth at the mark that was checked last.

Invariants: a position is told of at most once in a turn, and only when its mark is a newer one; nobody who is not
watched costs anything; a position is told of by the replica that holds its account's partition alone. Profit is told at
the mark, whichever price triggers the levels; a stop that trails is where that price has it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from services.common.clock import Clock
from services.common.trading.effective_levels import effective_levels
from services.common.trading.extremes import TriggerPrice
from services.common.trading.partition import partition_of
from services.common.trading.pnl import percent_of_entry, price_pnl
from services.monitor.carrying.work import Claims
from services.monitor.domain.mark import Mark
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price

Tell = Callable[[Mark], Awaitable[object]]


class Marking:
    """`run` it as a task. `price_of` gives the price of an instrument, if it is young; `watched` what is to be told."""

    def __init__(
        self,
        claims: Claims,
        clock: Clock,
        tell: Tell,
        watched: Callable[[], Iterable[Position]],
        price_of: Callable[[Instrument], Price | None],
        watermark_of: Callable[[str], Decimal | None],
    ) -> None:
        self._claims = claims
        self._clock = clock
        self._tell = tell
        self._watched = watched
        self._price_of = price_of
        self._watermark_of = watermark_of
        self._told: dict[str, datetime] = {}

    async def mark(self) -> None:
        """Tell of every open position of everybody who is watched, once."""
        held = self._claims.claims()
        told, self._told = self._told, {}
        for position in self._watched():
            if partition_of(position.account_id) in held:
                await self._mark(position, told.get(position.position_id))

    async def run(self, interval_seconds: float) -> None:
        """Again and again, until cancelled."""
        while True:
            await self.mark()
            await asyncio.sleep(interval_seconds)

    async def _mark(self, position: Position, told_at: datetime | None) -> None:
        price = self._price_of(replace(position.instrument, trigger_price=TriggerPrice.MARK))
        if price is None or position.entry_price is None:
            return
        self._told[position.position_id] = price.at
        if told_at == price.at:
            return
        entry = position.entry_price
        pnl = price_pnl(position.side, entry, price.value, position.quantity)
        await self._tell(
            Mark(
                position=position,
                price=price.value,
                at=price.at,
                unrealized_pnl=pnl,
                unrealized_pnl_percent=percent_of_entry(pnl, entry, position.quantity),
                stop_loss=self._stop(position, price),
            )
        )

    def _stop(self, position: Position, mark: Price) -> Decimal | None:
        stop = position.levels.stop_loss
        price = self._price_of(position.instrument) if stop.enforced else mark
        watermark = self._watermark_of(position.position_id)
        return effective_levels(position.side, position.levels, (price or mark).value, watermark).stop_loss
