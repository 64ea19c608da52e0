"""Heartbeats over the bus; changes kept in the schema and told through the outbox.

Invariant: a change is told once, whichever replica notices it: what was told last is kept in the same transaction,
under the lease of the account's partition, so that who has lost it cannot have the last word.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.outbox import append
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.guard import GuardState
from services.monitor.domain.intent import Claim
from services.monitor.events.told import alert_triggered, guard_changed, heartbeat_subject, write_heartbeat
from services.monitor.partitions.guarding import Heartbeat
from services.monitor.store import GUARDS

_STALE = frozenset({"FEED_STALE", "FEED_DOWN"})

Send = Callable[[str, bytes], Awaitable[bool]]
Fence = Callable[[AsyncConnection, Claim], Awaitable[None]]


class Notified(Protocol):
    """The outbox's relay."""

    def notify(self) -> None: ...


class Announcer:
    """`Announces` over NATS and Postgres."""

    def __init__(
        self, owner: str, engine: AsyncEngine, send: Send, relay: Notified, clock: Clock, fence: Fence
    ) -> None:
        self._owner = owner
        self._engine = engine
        self._send = send
        self._relay = relay
        self._clock = clock
        self._fence = fence

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Send it to whoever listens now; without a connection it is dropped."""
        payload = write_heartbeat(
            self._owner, heartbeat.partitions, dict(heartbeat.unguarded), heartbeat.followed_sequence, self._clock.now()
        )
        await self._send(heartbeat_subject(self._owner), payload)

    async def changed(self, state: GuardState, claim: Claim) -> None:
        """Keep the state of an account, and tell of it if it is not what was kept before. Raises LeaseLost."""
        now = self._clock.now()
        async with transaction(self._engine) as connection:
            await self._fence(connection, claim)
            found = await connection.execute(
                select(GUARDS.c.reason, GUARDS.c.version)
                .where(GUARDS.c.account_id == state.account_id)
                .with_for_update()
            )
            row = found.first()
            if row is not None and row.reason == state.reason:
                return
            version = 1 if row is None else row.version + 1
            values = {
                "user_id": state.user_id,
                "guarded": state.guarded,
                "reason": state.reason,
                "version": version,
                "changed_at": now,
            }
            await connection.execute(
                insert(GUARDS)
                .values(account_id=state.account_id, **values)
                .on_conflict_do_update(index_elements=["account_id"], set_=values)
            )
            await append(connection, guard_changed(state, version, now))
            if state.reason in _STALE and (row is None or row.reason not in _STALE):
                reason = "no price has come for too long: levels are not watched until one does"
                alert = Alert(AlertKind.FEED_STALE, state.user_id, state.account_id, reason)
                await append(connection, alert_triggered(alert, now))
        self._relay.notify()
