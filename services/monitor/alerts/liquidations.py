"""Asks where positions would be liquidated, of the live view of their users.

Invariants: only users of held partitions with a position for which it matters are asked about; a user whose positions
are all far from it is asked about more seldom, so that asking costs the venues' limits little; a position that is new
is asked about soon.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.trading.partition import partition_of
from services.monitor.alerts.bounded import for_each
from services.monitor.alerts.watching import Watching
from services.monitor.domain.alert import AlertKind
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price

_log = structlog.get_logger(__name__)

_FAR = Decimal("0.4")
"""A fraction of the price that is left."""
_SELDOM = 10
_AT_ONCE = 4


class Live(Protocol):
    """The live view."""

    async def liquidations(self, user_id: str) -> Mapping[str, Decimal | None]:
        """Liquidation prices of a user's positions by id, as the venue says now. Raises ServiceUnavailable, ..."""
        ...


class Liquidations:
    """`run` it as a task. `unasked`: positions with an enforced level are asked about without an alert as well."""

    def __init__(
        self,
        watching: Watching,
        live: Live,
        clock: Clock,
        price_of: Callable[[Instrument], Price | None],
        *,
        between: timedelta,
        unasked: bool,
    ) -> None:
        self._watching = watching
        self._live = live
        self._clock = clock
        self._price_of = price_of
        self._between = between
        self._unasked = unasked
        self._asked: dict[str, datetime] = {}
        self._due: dict[str, datetime] = {}

    async def run(self, interval_seconds: float) -> None:
        """Again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(interval_seconds)

    async def look(self) -> None:
        """Ask about everybody who is due, a few at a time."""
        positions = self._matter()
        for user_id in self._due.keys() - positions.keys():
            del self._due[user_id]
        self._asked = {
            one.position_id: at
            for many in positions.values()
            for one in many
            if (at := self._asked.get(one.position_id))
        }
        now = self._clock.now()
        due = [
            own
            for user_id, own in positions.items()
            if now >= self._due.get(user_id, now) or any(one.position_id not in self._asked for one in own)
        ]
        await for_each(due, self._ask, _AT_ONCE)

    async def _ask(self, own: list[Position]) -> None:
        user_id, now = own[0].user_id, self._clock.now()
        self._asked.update((one.position_id, now) for one in own)
        try:
            found = await self._live.liquidations(user_id)
        except DomainError as error:
            _log.info("liquidation prices not known", reason=error.reason)
            self._due[user_id] = now + self._between
            return
        for one in own:
            if one.position_id in found:
                # What the live view does not show just now says nothing of it.
                self._watching.set_liquidation(one.position_id, found[one.position_id])
        self._due[user_id] = now + self._between * (_SELDOM if self._far(own) else 1)

    def _matter(self) -> dict[str, list[Position]]:
        asking = {alert.rule.user_id for alert in self._watching.alerts(AlertKind.LIQUIDATION_NEAR)}
        held, found = self._watching.held(), dict[str, list[Position]]()
        for position in self._watching.positions.all():
            wanted = position.user_id in asking or (self._unasked and position.enforced)
            if wanted and partition_of(position.account_id) in held:
                found.setdefault(position.user_id, []).append(position)
        return found

    def _far(self, positions: list[Position]) -> bool:
        for position in positions:
            liquidation = self._watching.liquidation(position.position_id)
            if liquidation is None:
                continue
            price = self._price_of(Instrument(position.venue, position.symbol))
            if price is None or abs(price.value - liquidation) < _FAR * price.value:
                return False
        return True
