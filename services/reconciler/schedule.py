"""The schedule: every account at its time, shared by replicas through claims.

Invariants: the list of accounts is that of positions, refreshed now and then and corrected by its events; at start
every account is due soon, one after another; positions or the database being away is waited for, never fatal; a turn
that runs late is late, it skips nobody; each venue has its own room, so that one in trouble delays no other's accounts.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.trading.side import Venue
from services.reconciler.clients.observatory import Observatory
from services.reconciler.commands import Reconciliation
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import Trigger
from services.reconciler.store.accounts import AccountStore

_log = structlog.get_logger(__name__)

_RETRY = timedelta(seconds=1)
_SHORTEST_WAIT = timedelta(milliseconds=50)
_LONGEST_WAIT = timedelta(seconds=5)
"""Another replica's account may come free at any time, so nobody sleeps longer."""

_PROMPTS_EXPECTED = timedelta(seconds=100)
"""How long after something was asked for it is looked for: until the longest run that may be at it is over."""


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
        self._prompts_until: datetime | None = None
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
        self._expect_prompts()

    async def account_prompted(self, account_id: str) -> None:
        """Something has happened at the account's venue: it is looked at now. Prompts that come together are one."""
        if await self._accounts.prompt(account_id, self._clock.now()):
            self._expect_prompts()

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
        busy = self._reconciliation.busy()
        await self._answer_prompts(now, self._concurrency - busy[Trigger.PROMPT])
        idle = [venue for venue in Venue if await self._fill(venue, self._concurrency - busy[venue])]
        if not self._running:
            self._running = True
            self._begun()
        # Where there is no room left, the end of a run wakes us.
        dues = [due for venue in idle if (due := await self._accounts.next_due(venue)) is not None]
        wait = min(dues) - self._clock.now() if dues else _LONGEST_WAIT
        return max(_SHORTEST_WAIT, min(wait, _LONGEST_WAIT))

    async def _answer_prompts(self, now: datetime, room: int) -> None:
        """Start what was asked for. What only a replica that died had heard of is found by whoever finds it due."""
        if self._prompts_until is None or now >= self._prompts_until or room <= 0:
            return
        for claim in await self._reconciliation.claim_prompted(room):
            self._reconciliation.start(claim, Trigger.PROMPT)

    def _expect_prompts(self) -> None:
        # An account that is being looked at is asked for again once that is over.
        self._prompts_until = self._clock.now() + _PROMPTS_EXPECTED
        self.wake()

    async def _fill(self, venue: Venue, room: int) -> bool:
        """Start what is due at a venue; whether there is room left."""
        claims = await self._reconciliation.claim_due(venue, room) if room > 0 else []
        for claim in claims:
            self._reconciliation.start(claim, Trigger.PROMPT if claim.prompted else Trigger.SCHEDULE)
        return len(claims) < room

    async def _refresh(self, now: datetime) -> None:
        """Accounts that are known are looked at even while positions cannot list them."""
        try:
            await self._accounts.replace(await self._observatory.accounts(), now)
            self._list_at = now + self._refresh_every
        except DomainError as error:
            _log.warning("accounts not refreshed", reason=error.reason, error=error.message)
            self._list_at = now + _LONGEST_WAIT
