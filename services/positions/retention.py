"""What is only kept for a while, and is forgotten in batches beside everything else.

Invariants: who was given a key is kept for as long as the setting says; what a run of the reconciler decided is kept
for longer than any run may be sent again.
"""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.errors import DomainError
from services.positions.store.accounts import prune_leases
from services.positions.store.decisions import prune_applied

_log = structlog.get_logger(__name__)

DECISIONS_KEPT = timedelta(days=2)
_AT_ONCE = 5_000


class Retention:
    """Forgets. `run` is to be a supervised task."""

    def __init__(self, engine: AsyncEngine, clock: Clock, leases_kept: timedelta, at_once: int = _AT_ONCE) -> None:
        self._engine = engine
        self._clock = clock
        self._leases_kept = leases_kept
        self._at_once = at_once

    async def run(self, interval_seconds: float) -> None:
        """Forget what is old again and again, until cancelled."""
        while True:
            try:
                while await self.forget_some():
                    pass
            except DomainError as error:
                _log.info("old rows not forgotten", reason=error.reason)
            await asyncio.sleep(interval_seconds)

    async def forget_some(self) -> bool:
        """Forget one batch of each; whether there may be more. Raises DatabaseUnavailable."""
        now = self._clock.now()
        async with transaction(self._engine) as connection:
            leases = await prune_leases(connection, now - self._leases_kept, self._at_once)
        async with transaction(self._engine) as connection:
            decisions = await prune_applied(connection, now - DECISIONS_KEPT, self._at_once)
        return max(leases, decisions) >= self._at_once
