"""Opened keys, for reading inside this service.

Invariants: an opened key is kept for five minutes at most and dropped at once when its account changes, in whichever
replica that was; every opening is a reading lease in the audit.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.exchange.credentials import Credentials
from services.positions.custody import Custodian
from services.positions.store import accounts

MOST_KEPT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Kept:
    credentials: Credentials
    until: datetime


class KeptKeys:
    """Credentials out of the books."""

    def __init__(self, engine: AsyncEngine, custodian: Custodian, clock: Clock) -> None:
        self._engine = engine
        self._custodian = custodian
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._drops = 0

    async def credentials(self, account_id: str) -> Credentials:
        """An account's key. Raises AccountNotFound."""
        now = self._clock.now()
        kept = self._kept.get(account_id)
        if kept is not None and now < kept.until:
            return kept.credentials
        drops, until = self._drops, now + MOST_KEPT
        async with transaction(self._engine) as connection:
            sealed = await accounts.sealed_credentials(connection, account_id)
            await accounts.record_lease(connection, account_id, "positions", now, until, "reading")
        credentials = self._custodian.open(account_id, sealed)
        if drops == self._drops:
            # Nothing changed while it was read: it is the present one.
            self._forget_old(now)
            self._kept[account_id] = _Kept(credentials, until)
        return credentials

    def drop(self, account_id: str) -> None:
        """Forget an account's key."""
        self._drops += 1
        self._kept.pop(account_id, None)

    def drop_all(self) -> None:
        """Forget every key: it is not known which of them changed."""
        self._drops += 1
        self._kept.clear()

    def _forget_old(self, now: datetime) -> None:
        for account_id in [one for one, kept in self._kept.items() if kept.until <= now]:
            del self._kept[account_id]
