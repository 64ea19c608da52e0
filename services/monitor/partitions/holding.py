"""Holds a fair share of the partitions by lease."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common import leases
from services.common.database import transaction
from services.common.errors import DomainError
from services.common.trading.partition import PARTITIONS
from services.monitor.domain.intent import Claim
from services.monitor.domain.share import fair_share

_log = structlog.get_logger(__name__)

_KEYS = {f"partition:{number}": number for number in range(PARTITIONS)}
_FORGET_REPLICAS = text(
    "DELETE FROM leases WHERE key LIKE 'replica:%' AND (owner IS NULL OR expires_at < now() - interval '1 hour')"
)


def partition_key(partition: int) -> str:
    """The lease's key of a partition."""
    return f"partition:{partition}"


async def fence(connection: AsyncConnection, claim: Claim) -> None:
    """Raises LeaseLost unless the claim's lease is held, which it then is until the transaction ends."""
    await leases.assert_held(connection, partition_key(claim.partition), claim.owner, claim.epoch)


class PartitionHolder:
    """Claims, renews and hands over partitions.

    `ttl_seconds` bounds how long the partitions of a dead replica stay unguarded, together with `interval_seconds`.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        owner: str,
        *,
        ttl_seconds: float = 6.0,
        interval_seconds: float = 2.0,
        on_taken: Callable[[Collection[int]], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.owner = owner
        self._engine = engine
        self._ttl_seconds = ttl_seconds
        self._interval_seconds = interval_seconds
        self._on_taken = on_taken
        self._monotonic = monotonic
        self._held: dict[int, leases.Lease] = {}
        self._member: leases.Lease | None = None
        self._good_until = float("-inf")
        self._released = False
        self._turn = asyncio.Lock()

    def claims(self) -> Mapping[int, Claim]:
        """The partitions held now, and under which epoch; none once the leases may have lapsed unseen."""
        if self._monotonic() >= self._good_until:
            return {}
        return {number: Claim(self.owner, number, lease.epoch) for number, lease in self._held.items()}

    async def run(self) -> None:
        """Keep this replica's share, until cancelled."""
        while True:
            try:
                await self.balance()
            except DomainError as error:
                _log.warning("partitions not renewed", reason=error.reason)
            await asyncio.sleep(self._interval_seconds)

    async def balance(self) -> None:
        """Renew what is held and move one step towards a fair share. Raises DatabaseUnavailable."""
        async with self._turn:
            if self._released:
                return
            asked_at = self._monotonic()
            async with transaction(self._engine) as connection:
                held, member, taken = await self._step(connection)
            lost = self._held.keys() - {_KEYS[lease.key] for lease in held}
            self._held = {_KEYS[lease.key]: lease for lease in held}
            self._member = member
            # From before the question: Postgres's clock began to count after it.
            self._good_until = asked_at + self._ttl_seconds
        if taken or lost:
            _log.info("partitions", held=len(self._held), taken=len(taken), lost=len(lost), owner=self.owner)
        if taken:
            self._on_taken([_KEYS[lease.key] for lease in taken])

    async def release(self) -> None:
        """Hand everything over; this replica takes nothing again. Raises DatabaseUnavailable."""
        async with self._turn:
            self._released = True
            given, self._held = list(self._held.values()), {}
            if self._member is not None:
                given.append(self._member)
            async with transaction(self._engine) as connection:
                await leases.release(connection, given)

    async def _step(
        self, connection: AsyncConnection
    ) -> tuple[list[leases.Lease], leases.Lease | None, Sequence[leases.Lease]]:
        member_key = f"replica:{self.owner}"
        before = list(self._held.values())
        renewed = await leases.renew(connection, before + ([self._member] if self._member else []), self._ttl_seconds)
        member = next((lease for lease in renewed if lease.key == member_key), None)
        held = [lease for lease in renewed if lease.key in _KEYS]
        if member is None:
            await connection.execute(_FORGET_REPLICAS)
            await leases.ensure(connection, [member_key, *_KEYS])
            member = next(iter(await leases.claim(connection, self.owner, self._ttl_seconds, keys=[member_key])), None)
        share = fair_share(PARTITIONS, self.owner, await leases.owners(connection))
        if len(held) > share:
            held, extra = held[:share], held[share:]
            await leases.release(connection, extra)
            return held, member, ()
        if len(held) == share:
            return held, member, ()
        taken = await leases.claim(connection, self.owner, self._ttl_seconds, keys=list(_KEYS), limit=share - len(held))
        return held + taken, member, taken
