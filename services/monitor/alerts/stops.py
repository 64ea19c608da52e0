"""Tells that a stop-loss is elsewhere than it was told last.

Invariants: what was told last is kept, so nothing is told twice and a move that nobody saw is told later; a stop that
was stated anew is told at once, one that trails with the price at most once in so many seconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError, LeaseLost
from services.common.trading.effective_levels import effective_levels
from services.common.trading.level import LevelRules
from services.common.trading.money import format_decimal, to_books
from services.common.trading.partition import partition_of
from services.monitor.alerts.store import StateKey
from services.monitor.alerts.telling import Teller
from services.monitor.alerts.watching import Watching
from services.monitor.carrying.work import Claims
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.alerts.rule import UserAlert
from services.monitor.domain.position import Position

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    levels: LevelRules
    price: Decimal | None
    at: datetime


class Stops:
    """`run` it as a task. `watermark_of` gives the watermark under a position's trailing stop."""

    def __init__(
        self,
        watching: Watching,
        teller: Teller,
        claims: Claims,
        clock: Clock,
        watermark_of: Callable[[str], Decimal | None],
        *,
        between: timedelta,
    ) -> None:
        self._watching = watching
        self._teller = teller
        self._claims = claims
        self._clock = clock
        self._watermark_of = watermark_of
        self._between = between
        self._seen: dict[StateKey, _Seen] = {}

    async def run(self, interval_seconds: float) -> None:
        """Again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except DomainError as error:
                _log.info("stops not told", reason=error.reason)
            await asyncio.sleep(interval_seconds)

    async def look(self) -> None:
        """Hold each stop that somebody wants to hear of against what was told last. Raises what is unavailable."""
        claims, seen = self._claims.claims(), {}
        for alert in self._watching.alerts(AlertKind.STOP_MOVED):
            for position in self._watching.positions.of_user(alert.rule.user_id):
                claim = claims.get(partition_of(position.account_id))
                if claim is None or not alert.covers(position.position_id):
                    continue
                key = (alert.alert_id, position.position_id)
                known, now, price = self._seen.get(key), self._clock.now(), self._stop(position)
                stated = known is None or known.levels != position.levels
                if known is None or (price != known.price and (stated or now - known.at >= self._between)):
                    try:
                        about = _about(alert, position, price, None if known is None else known.price)
                        await self._teller.stop_moved(claim, alert, position.position_id, price, now, about)
                    except LeaseLost:
                        continue
                    known = _Seen(position.levels, price, now)
                seen[key] = self._seen[key] = known
        self._seen = seen

    def _stop(self, position: Position) -> Decimal | None:
        """Where the stop is enforced; None where none is."""
        stop = position.levels.stop_loss
        if not stop.enforced or stop.armed_mark is None:
            return None
        watermark = self._watermark_of(position.position_id)
        price = effective_levels(position.side, position.levels, stop.armed_mark, watermark).stop_loss
        return None if price is None else to_books(price)


def _about(alert: UserAlert, position: Position, price: Decimal | None, before: Decimal | None) -> Alert:
    was = "" if before is None else f" from {format_decimal(before)}"
    reason = "the stop-loss was taken away" if price is None else f"the stop-loss moved{was} to {format_decimal(price)}"
    return Alert(
        kind=AlertKind.STOP_MOVED,
        user_id=position.user_id,
        account_id=position.account_id,
        reason=reason,
        position_id=position.position_id,
        venue=position.venue,
        symbol=position.symbol,
        level_price=price,
        alert_id=str(alert.alert_id),
        note=alert.rule.note,
    )
