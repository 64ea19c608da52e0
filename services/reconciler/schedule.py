"""The schedule: every account at its time, shared by replicas through claims.

Invariants: the list of accounts is that of positions, refreshed now and then and corrected by its events; at start
every account is due soon, one after another; positions or the database being away is waited for, never fatal; a turn
that runs late is late, it skips nobody.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.reconciler.clients.observatory import Observatory
from services.reconciler.commands import Reconciliation
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import Trigger
from services.reconciler.store.accounts import AccountStore, Claim

_log = structlog.get_logger(__name__)

_RETRY = timedelta(seconds=1)
_SHORTEST_WAIT = timedelta(milliseconds=50)
_LONGEST_WAIT = timedelta(seconds=5)
"""Another replica's account may come free at any time, so nobody sleeps longer."""


class Schedule:
    """Runs for as long as the process does. `begun` is called once the first pass has begun."""

    def __init__(
        self,
        *,
        observatory: Observatory,
        accounts: AccountStore,
        reconciliation: Reconciliation,
        clock: Clock,
        refresh_every: timedelta,
        concurrency: int,
        pace: timedelta,
        begun: Callable[[], None],
    ) -> None:
        self._observatory = observatory
        self._accounts = accounts
        self._reconciliation = reconciliation
        self._clock = clock
        self._refresh_every = refresh_every
        self._concurrency = concurrency
        self._pace = pace
        self._prompted: set[str] = set()
        self._begun = begun
        self._running = False
        self._list_at: datetime | None = None
        self._woken = asyncio.Event()

    @property
    def is_running(self) -> bool:
        """Whether the first pass has begun."""
        return self._running

    def wake(self) -> None:
        """Something may be due: look now."""
        self._woken.set()

    def relist(self) -> None:
        """Events may have been missed: list the accounts anew at the next turn, which is now."""
        if self._list_at is not None:
            self._list_at = self._clock.now()
        self.wake()

    async def account_verified(self, account: ObservableAccount) -> None:
        """A key of this account was confirmed, or changed: it is looked at now."""
        await self._accounts.add(account, self._clock.now())
        self.wake()

    async def account_prompted(self, account_id: str) -> None:
        """Something has happened at the account's venue: it is looked at now. Prompts that come together are one."""
        if await self._accounts.make_due(account_id, self._clock.now()):
            self._prompted.add(account_id)
            self.wake()

    async def account_unverified(self, account_id: str) -> None:
        """There is no key to read this account with any more."""
        await self._accounts.remove(account_id)

    async def run(self) -> None:
        """Follow the schedule until cancelled."""
        while True:
            self._woken.clear()
            try:
                pause = await self.turn()
            except DomainError as error:
                _log.warning("schedule waits", reason=error.reason, error=error.message)
                pause = _RETRY
            try:
                async with asyncio.timeout(pause.total_seconds()):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def turn(self) -> timedelta:
        """Start whatever is due, and say how long nothing will be. Raises DomainErrors."""
        now = self._clock.now()
        if self._list_at is None:
            listed = await self._observatory.accounts()
            await self._accounts.replace(listed, now)
            await self._accounts.make_all_due(now, self._pace)
            self._list_at = now + self._refresh_every
        elif now >= self._list_at:
            await self._refresh(now)
        room = self._concurrency - self._reconciliation.under_way
        claims = await self._reconciliation.claim_due(room) if room > 0 else []
        for claim in claims:
            self._reconciliation.start(claim, self._trigger_of(claim))
        if not self._running:
            self._running = True
            self._begun()
        if room <= len(claims):
            return _LONGEST_WAIT  # the end of a run wakes us
        due = await self._accounts.next_due()
        wait = _LONGEST_WAIT if due is None else due - self._clock.now()
        return max(_SHORTEST_WAIT, min(wait, _LONGEST_WAIT))

    def _trigger_of(self, claim: Claim) -> Trigger:
        account_id = claim.account.account_id
        if account_id not in self._prompted:
            return Trigger.SCHEDULE
        self._prompted.discard(account_id)
        return Trigger.PROMPT

    async def _refresh(self, now: datetime) -> None:
        """Accounts that are known are looked at even while positions cannot list them."""
        try:
            await self._accounts.replace(await self._observatory.accounts(), now)
            self._list_at = now + self._refresh_every
        except DomainError as error:
            _log.warning("accounts not refreshed", reason=error.reason, error=error.message)
            self._list_at = now + _LONGEST_WAIT
