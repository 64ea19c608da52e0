"""Tells a watched user what each position is worth at the price that was checked last.

Invariants: a position is told of at most once in a turn, and only when its price is a newer one; nobody who is not
watched costs anything; a position is told of by the replica that holds its partition alone. Only positions with an
enforced level are followed here, so only they are told of.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

from services.common.bus import Received
from services.common.clock import Clock
from services.common.subjects import user_token
from services.common.trading.effective_levels import effective_levels
from services.common.trading.partition import partition_of
from services.common.trading.pnl import percent_of_entry, price_pnl
from services.monitor.closing.closer import Claims
from services.monitor.domain.following import Change
from services.monitor.domain.mark import Mark
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price

WATCHED_FOR = timedelta(seconds=30)
"""How long a user counts as watched after the gateway said so last; it says so every ten seconds."""

Tell = Callable[[Mark], Awaitable[object]]


class Marking:
    """`run` it as a task, and `hear` each user_watched. `price_of` gives the price of an instrument, if it is young."""

    def __init__(
        self,
        claims: Claims,
        clock: Clock,
        tell: Tell,
        price_of: Callable[[Instrument], Price | None],
        watermark_of: Callable[[str], Decimal | None],
    ) -> None:
        self._claims = claims
        self._clock = clock
        self._tell = tell
        self._price_of = price_of
        self._watermark_of = watermark_of
        self._watched: dict[str, datetime] = {}
        self._positions: dict[str, dict[str, Position]] = {}
        self._told: dict[str, datetime] = {}

    def on_change(self, change: Change) -> None:
        """Take in what became of a followed position."""
        if change.after is not None:
            known = self._positions.setdefault(user_token(change.after.user_id), {})
            known[change.after.position_id] = change.after
        elif change.before is not None:
            token, position_id = user_token(change.before.user_id), change.before.position_id
            known = self._positions.get(token, {})
            known.pop(position_id, None)
            self._told.pop(position_id, None)
            if not known:
                self._positions.pop(token, None)

    async def hear(self, received: Received) -> None:
        """Somebody watches the user that the subject names."""
        self._watched[received.subject.rsplit(".", 1)[-1]] = self._clock.now()

    async def mark(self) -> None:
        """Tell of every position of everybody who is watched, once."""
        now = self._clock.now()
        self._watched = {token: at for token, at in self._watched.items() if now - at <= WATCHED_FOR}
        held = self._claims.claims()
        for token in self._watched:
            for position in tuple(self._positions.get(token, {}).values()):
                if partition_of(position.account_id) in held:
                    await self._mark(position)

    async def run(self, interval_seconds: float) -> None:
        """Again and again, until cancelled."""
        while True:
            await self.mark()
            await asyncio.sleep(interval_seconds)

    async def _mark(self, position: Position) -> None:
        price = self._price_of(position.instrument)
        entry = position.entry_price
        if price is None or entry is None or self._told.get(position.position_id) == price.at:
            return
        self._told[position.position_id] = price.at
        pnl = price_pnl(position.side, entry, price.value, position.quantity)
        watermark = self._watermark_of(position.position_id)
        await self._tell(
            Mark(
                position=position,
                price=price.value,
                at=price.at,
                unrealized_pnl=pnl,
                unrealized_pnl_percent=percent_of_entry(pnl, entry, position.quantity),
                stop_loss=effective_levels(position.side, position.levels, price.value, watermark).stop_loss,
            )
        )
