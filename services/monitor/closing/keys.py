"""Keys leased for trading, kept for as long as they were leased.

Invariants: a key is never used after its lease ended; it is renewed at half of its life, so that a stop can still be
placed while the positions service is briefly away; what was said about an account is forgotten when it changes.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import Conflict, DomainError, Unavailable
from services.common.exchange.credentials import Credentials

_log = structlog.get_logger(__name__)

_AT_ONCE = 8
_REFUSED_FOR = timedelta(seconds=30)
"""How long `keep` leaves an account alone that was refused a key; an order asks all the same."""


@dataclass(frozen=True, slots=True)
class KeyLease:
    """A key that may trade, and the moment after which it must be asked for again."""

    credentials: Credentials
    expires_at: datetime


class Keys(Protocol):
    """Who gives keys out."""

    async def lease(self, account_id: str) -> KeyLease:
        """Raises TradingNotEnabled, another DomainError, or ServiceUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class _Refused:
    reason: str
    ask_again_at: datetime


@dataclass(frozen=True, slots=True)
class _Held:
    lease: KeyLease
    renew_at: datetime


class KeyRing:
    """The keys of the accounts that this process may have to close positions of."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._refused: dict[str, _Refused] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def credentials(self, account_id: str) -> Credentials:
        """A key that may trade. Raises TradingNotEnabled, ServiceUnavailable (where none that is valid is held)."""
        held = self._held.get(account_id)
        if held is not None and self._clock.now() < held.renew_at:
            return held.lease.credentials
        async with self._asking.setdefault(account_id, asyncio.Lock()):
            held = self._held.get(account_id)
            if held is not None and self._clock.now() < held.renew_at:
                return held.lease.credentials
            try:
                return await self._lease(account_id)
            except (Unavailable, Conflict):
                held = self._held.get(account_id)
                if held is not None and self._clock.now() < held.lease.expires_at:
                    return held.lease.credentials
                raise

    def ready(self, account_id: str) -> bool:
        """Whether `credentials` answers at once."""
        held = self._held.get(account_id)
        return held is not None and self._clock.now() < held.renew_at

    def forget(self, account_id: str) -> None:
        """The next call asks afresh."""
        self._held.pop(account_id, None)
        self._refused.pop(account_id, None)

    def trouble(self, account_id: str) -> str:
        """Why an order could not be signed for an account now; empty where it could."""
        refused = self._refused.get(account_id)
        if refused is not None:
            return refused.reason
        held = self._held.get(account_id)
        if held is None or self._clock.now() >= held.lease.expires_at:
            return "NO_TRADING_KEY"
        return ""

    async def keep(self, account_ids: Iterable[str]) -> None:
        """Lease what is missing and renew what is half over, for these accounts; forget the others."""
        wanted = set(account_ids)
        for account_id in (self._held.keys() | self._refused.keys() | self._asking.keys()) - wanted:
            self.forget(account_id)
            lock = self._asking.get(account_id)
            if lock is not None and not lock.locked():
                del self._asking[account_id]
        now = self._clock.now()
        due = [
            account_id
            for account_id in sorted(wanted)
            if account_id not in self._refused or now >= self._refused[account_id].ask_again_at
        ]
        some = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._keep(account_id, some) for account_id in due))

    async def _keep(self, account_id: str, some: asyncio.Semaphore) -> None:
        async with some:
            try:
                await self.credentials(account_id)
            except DomainError as error:
                _log.info("no trading key", account_id=account_id, reason=error.reason)

    async def _lease(self, account_id: str) -> Credentials:
        try:
            lease = await self._keys.lease(account_id)
        except (Unavailable, Conflict):
            raise
        except DomainError as error:
            self._held.pop(account_id, None)
            self._refused[account_id] = _Refused(error.reason, self._clock.now() + _REFUSED_FOR)
            raise
        now = self._clock.now()
        self._held[account_id] = _Held(lease, now + (lease.expires_at - now) / 2)
        self._refused.pop(account_id, None)
        return lease.credentials
