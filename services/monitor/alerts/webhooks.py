"""Users' webhooks, and the deliveries that are due to them, in Postgres.

Invariants: a delivery is handed to one sender at a time: taking it moves its next attempt past the longest an attempt
can last, so a sender that dies is followed by another; of one user no more than a few are handed out at once, so a slow
receiver leaves room for the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.errors import FieldInvalid, Precondition
from services.monitor.alerts.rows import Delivery, delivery_from_row
from services.monitor.domain.alerts.delivery import DeliveryState, derive_secret, retry_after
from services.monitor.domain.alerts.destination import AddressNotPublic, check_addresses, parse_url
from services.monitor.store import WEBHOOK_DELIVERIES, WEBHOOKS

SHOWN_DELIVERIES = 20
EACH_USER = 2
"""Deliveries of one user that are under way at once."""

_RESOLVE_SECONDS = 5.0
_GONE = "the webhook was taken away"
_LOCK_USER = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host. Raises OSError."""


class WebhooksNotConfigured(Precondition):
    """Webhooks are not set up here: the operator has given no key to sign them with."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a user's alerts are posted to, and how the last deliveries went, the latest first."""

    url: str
    created_at: datetime
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be attempted now, for the `attempts`-th time."""

    event_id: UUID
    user_id: str
    url: str
    secret: str
    body: str
    attempts: int


class Webhooks:
    """The webhooks of all users. Without a `master` key there are none. Every method raises DatabaseUnavailable."""

    def __init__(
        self, engine: AsyncEngine, clock: Clock, master: str | None, resolve: Resolve, *, loopback: bool
    ) -> None:
        self.loopback = loopback
        self._engine = engine
        self._clock = clock
        self._master = master
        self._resolve = resolve

    async def set(self, user_id: str, url: str, request_id: str) -> tuple[Webhook, str]:
        """Post a user's alerts there from now on; with the new key, which is shown this once.

        Raises FieldInvalid (not https, not public), WebhooksNotConfigured.
        """
        if self._master is None:
            raise WebhooksNotConfigured
        destination = parse_url(url, loopback=self.loopback)
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                addresses = await self._resolve(destination.host, destination.port)
            check_addresses(destination, addresses, loopback=self.loopback)
        except AddressNotPublic as error:
            raise FieldInvalid(field="url", problem=str(error)) from None
        except (OSError, TimeoutError, UnicodeError):
            raise FieldInvalid(field="url", problem="has a host that cannot be found") from None
        now = self._clock.now()
        async with transaction(self._engine) as connection:
            await connection.execute(_LOCK_USER, {"name": f"webhook:{user_id}"})
            row = (await connection.execute(select(WEBHOOKS).where(WEBHOOKS.c.user_id == user_id))).first()
            if row is not None and row.request_id == request_id and row.url == url:
                generation, created_at = row.generation, row.created_at
            else:
                generation, created_at = (1 if row is None else row.generation + 1), now
                values = {"url": url, "generation": generation, "request_id": request_id, "created_at": now}
                await connection.execute(
                    insert(WEBHOOKS)
                    .values(user_id=user_id, **values)
                    .on_conflict_do_update(index_elements=["user_id"], set_=values)
                )
        return Webhook(url, created_at, ()), derive_secret(self._master, user_id, generation)

    async def get(self, user_id: str) -> Webhook | None:
        """None without one."""
        table = WEBHOOK_DELIVERIES
        async with transaction(self._engine) as connection:
            row = (await connection.execute(select(WEBHOOKS).where(WEBHOOKS.c.user_id == user_id))).first()
            if row is None or row.url is None:
                return None
            latest = table.c.created_at.desc(), table.c.event_id
            query = select(table).where(table.c.user_id == user_id).order_by(*latest).limit(SHOWN_DELIVERIES)
            deliveries = [delivery_from_row(one) for one in (await connection.execute(query)).mappings()]
        return Webhook(row.url, row.created_at, tuple(deliveries))

    async def delete(self, user_id: str) -> None:
        """Post nothing more, what is still due included. Without a webhook nothing happens."""
        table = WEBHOOK_DELIVERIES
        async with transaction(self._engine) as connection:
            await connection.execute(_LOCK_USER, {"name": f"webhook:{user_id}"})
            await connection.execute(update(WEBHOOKS).where(WEBHOOKS.c.user_id == user_id).values(url=None))
            await connection.execute(
                update(table)
                .where(table.c.user_id == user_id, table.c.state == DeliveryState.PENDING.value)
                .values(state=DeliveryState.FAILED.value, result=_GONE)
            )

    async def take_due(self, limit: int, busy: Collection[str], attempt_lasts: timedelta) -> list[Due]:
        """Deliveries to be attempted now; none of `busy` users, at most EACH_USER of any other."""
        if self._master is None or limit <= 0:
            return []
        now, table = self._clock.now(), WEBHOOK_DELIVERIES
        turn = func.row_number().over(partition_by=table.c.user_id, order_by=table.c.next_attempt_at).label("turn")
        due = (table.c.state == DeliveryState.PENDING.value) & (table.c.next_attempt_at <= now)
        ranked = select(table.c.event_id, turn).where(due, table.c.user_id.not_in(busy)).subquery()
        chosen = select(ranked.c.event_id).where(ranked.c.turn <= EACH_USER).limit(limit)
        locked = select(table.c.event_id).where(due, table.c.event_id.in_(chosen)).with_for_update(skip_locked=True)
        taken = (
            update(table)
            .where(table.c.event_id.in_(locked.scalar_subquery()), table.c.user_id == WEBHOOKS.c.user_id)
            .where(WEBHOOKS.c.url.is_not(None))
            .values(attempts=table.c.attempts + 1, last_attempt_at=now, next_attempt_at=now + attempt_lasts)
            .returning(
                *(table.c.event_id, table.c.user_id, table.c.body, table.c.attempts),
                *(WEBHOOKS.c.url, WEBHOOKS.c.generation),
            )
        )
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(taken)).all()
        return [
            Due(
                row.event_id,
                row.user_id,
                row.url,
                derive_secret(self._master, row.user_id, row.generation),
                row.body,
                row.attempts,
            )
            for row in rows
        ]

    async def note(self, due: Due, result: str, *, delivered: bool, hopeless: bool) -> DeliveryState:
        """Write how an attempt went; when the next one is due, if there is one, follows from how many there were."""
        wait = None if hopeless else retry_after(due.attempts)
        values: dict[str, object] = {"result": result}
        state = DeliveryState.PENDING
        if delivered:
            state = DeliveryState.DELIVERED
        elif wait is None:
            state = DeliveryState.FAILED
        else:
            values["next_attempt_at"] = self._clock.now() + wait
        table = WEBHOOK_DELIVERIES
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(table)
                .where(table.c.event_id == due.event_id, table.c.state == DeliveryState.PENDING.value)
                .values(state=state.value, **values)
            )
        return state

    async def prune(self, before: datetime) -> None:
        """Forget deliveries that are over."""
        table = WEBHOOK_DELIVERIES
        over = (table.c.created_at < before) & (table.c.state != DeliveryState.PENDING.value)
        async with transaction(self._engine) as connection:
            await connection.execute(delete(table).where(over))
