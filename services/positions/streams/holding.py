"""Which accounts this replica follows: its share of those that a stream is wanted for, by leases, so many and no more.

A replica that joins has its share within a few looks: each of the others gives up what is more than its own.

Two replicas that followed one account for a moment would only read it twice; the leases spare that, they fence nothing.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common import leases
from services.common.database import transaction
from services.common.errors import DomainError
from services.common.leases import Lease
from services.positions.store.streams import Streamed, list_streamed
from services.positions.streams.following import FollowedAccount
from services.positions.streams.hearing import Booked

_log = structlog.get_logger(__name__)

_PREFIX = "stream:"
_REPLICA = "replica:"


@dataclass(frozen=True, slots=True)
class Holding:
    """`limit`: how many accounts one process follows. `refused`: how long a key that a venue refused is left alone."""

    limit: int = 200
    ttl_seconds: float = 15
    interval_seconds: float = 2
    refused: timedelta = timedelta(minutes=5)
    given_up_at_once: int = 25
    """How many accounts a replica gives up at a time to one that has joined: each is followed anew there."""
    replicas: int = 16
    """How many times the limit is looked through for accounts that no other replica follows."""


class StreamKeeper:
    """Starts and stops the following of accounts."""

    def __init__(
        self,
        engine: AsyncEngine,
        owner: str,
        watched: Callable[[], frozenset[str]],
        follow: Callable[[Streamed], FollowedAccount],
        holding: Holding | None = None,
        nudged: asyncio.Event | None = None,
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._watched = watched
        self._follow = follow
        self._holding = holding or Holding()
        self._leases: dict[str, Lease] = {}
        self._membership: list[Lease] = []
        self._running: dict[str, tuple[FollowedAccount, asyncio.Task[None]]] = {}
        self._refused: dict[tuple[str, int], float] = {}
        self._nudged = nudged or asyncio.Event()
        self._settling = asyncio.Lock()

    @property
    def followed(self) -> frozenset[str]:
        """The accounts that this process follows now."""
        return frozenset(self._running)

    def nudge(self) -> None:
        """Look again at once: who is to be followed may have changed."""
        self._nudged.set()

    def tell(self, account_id: str, booked: Booked) -> None:
        """The books of an account have changed: its stream, where it is followed here, should tell that too."""
        if account_id in self._running:
            followed, _ = self._running[account_id]
            followed.tell(booked)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        try:
            while True:
                self._nudged.clear()
                try:
                    await self.settle()
                except DomainError as error:
                    _log.info("streams wait", reason=error.reason)
                try:
                    async with asyncio.timeout(self._holding.interval_seconds):
                        await self._nudged.wait()
                except TimeoutError:
                    continue
        finally:
            for account_id in tuple(self._running):
                await self._stop(account_id)

    async def drain(self) -> None:
        """Give the leases back, so that another replica goes on at once."""
        async with self._settling, transaction(self._engine) as connection:
            held = [*self._leases.values(), *self._membership]
            self._leases, self._membership = {}, []
            await leases.release(connection, held)

    async def settle(self) -> None:
        """Bring what is followed into line with what is wanted. Raises DatabaseUnavailable."""
        async with self._settling:
            await self._settle()

    async def _settle(self) -> None:
        self._bury()
        async with transaction(self._engine) as connection:
            wanted = {
                one.account_id: one
                for one in await list_streamed(
                    connection, self._watched(), self._holding.limit * self._holding.replicas
                )
                if (one.account_id, one.version) not in self._refused
            }
            await self._lease(connection, wanted)
        for account_id, (followed, _) in tuple(self._running.items()):
            if account_id not in self._leases or wanted.get(account_id) != followed.account:
                await self._stop(account_id)
        for account_id in self._leases:
            if account_id not in self._running:
                self._start(wanted[account_id])

    async def _lease(self, connection: AsyncConnection, wanted: dict[str, Streamed]) -> None:
        unwanted = [lease for account_id, lease in self._leases.items() if account_id not in wanted]
        await leases.release(connection, unwanted)
        kept = [lease for account_id, lease in self._leases.items() if account_id in wanted]
        held = {_account_of(lease): lease for lease in await leases.renew(connection, kept, self._holding.ttl_seconds)}
        share = min(self._holding.limit, await self._share(connection, len(wanted)))
        excess = sorted(held)[share:][: self._holding.given_up_at_once]
        await leases.release(connection, [held.pop(account_id) for account_id in excess])
        missing = [_PREFIX + account_id for account_id in wanted if account_id not in held and account_id not in excess]
        room = share - len(held)
        if missing and room > 0:
            await leases.ensure(connection, missing)
            claimed = await leases.claim(connection, self._owner, self._holding.ttl_seconds, keys=missing, limit=room)
            held |= {_account_of(lease): lease for lease in claimed}
        self._leases = held

    async def _share(self, connection: AsyncConnection, wanted: int) -> int:
        """How many of the wanted accounts are this replica's: as many as any other's, rounded up."""
        ttl_seconds = self._holding.ttl_seconds
        present = await leases.renew(connection, self._membership, ttl_seconds)
        if not present:
            own = [_REPLICA + self._owner]
            await leases.ensure(connection, own)
            present = await leases.claim(connection, self._owner, ttl_seconds, keys=own)
        self._membership = present
        return -(-wanted // max(1, len(await leases.owners(connection))))

    def _start(self, account: Streamed) -> None:
        followed = self._follow(account)
        task = asyncio.create_task(followed.run(), name=f"following {account.account_id}")
        self._running[account.account_id] = (followed, task)

    async def _stop(self, account_id: str) -> None:
        _, task = self._running.pop(account_id)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _bury(self) -> None:
        """Take note of those that ended by themselves: their venue refused the key, or it could not be opened."""
        now = time.monotonic()
        self._refused = {key: until for key, until in self._refused.items() if until > now}
        for account_id, (followed, task) in tuple(self._running.items()):
            if not task.done():
                continue
            del self._running[account_id]
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, DomainError):
                raise error
            if error is None:
                self._refused[account_id, followed.account.version] = now + self._holding.refused.total_seconds()


def _account_of(lease: Lease) -> str:
    return lease.key.removeprefix(_PREFIX)
