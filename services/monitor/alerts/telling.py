"""The transactions in which something is told."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy import delete, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.outbox import append
from services.monitor.alerts.body import write_body
from services.monitor.alerts.rows import Told, alert_from_row, told_to_row
from services.monitor.alerts.store import UNASKED, StateKey
from services.monitor.domain.alert import Alert
from services.monitor.domain.alerts.delivery import DeliveryState
from services.monitor.domain.alerts.rule import UserAlert
from services.monitor.domain.intent import Claim
from services.monitor.events.told import alert_triggered
from services.monitor.store import ALERT_STATES, ALERTS, STOPS_TOLD, TRIGGERED_ALERTS, WEBHOOK_DELIVERIES, WEBHOOKS

Fence = Callable[[AsyncConnection, Claim], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Firing:
    """A threshold that was reached: whose, at which version of the alert, and what is to be told."""

    key: StateKey
    version: int
    alert: Alert


@dataclass(frozen=True, slots=True)
class _Telling:
    told: Told
    cause: str
    webhook: bool


class Teller:
    """Writes what is told. `on_told` hears of it after the commit. Every method raises DatabaseUnavailable."""

    def __init__(self, engine: AsyncEngine, fence: Fence, on_told: Callable[[Sequence[Alert]], None]) -> None:
        self._engine = engine
        self._fence = fence
        self._on_told = on_told

    async def reached(self, claim: Claim, firings: Sequence[Firing], now: datetime) -> set[StateKey]:
        """Tell of thresholds of one partition; the keys of those that were told of. Raises LeaseLost.

        Those of an alert that has changed, or has told of it already, are not.
        """
        tellings: list[_Telling] = []
        told_of: set[StateKey] = set()
        async with transaction(self._engine) as connection:
            await self._fence(connection, claim)
            alerts = await _lock(connection, {firing.key[0] for firing in firings} - {UNASKED})
            waiting = await _waiting(connection, [firing.key for firing in firings])
            for firing in firings:
                alert_id, _ = firing.key
                alert = alerts.get(alert_id)
                spent = alert is None or not alert.active or alert.version != firing.version
                if firing.key in waiting | told_of or (spent and alert_id != UNASKED):
                    continue
                tellings.append(_telling(firing.alert, now, None, webhook=alert is None or alert.rule.webhook))
                told_of.add(firing.key)
                if alert is not None and not alert.rule.repeating:
                    alerts[alert_id] = replace(alert, active=False)
            await self._tell(connection, tellings)
            lasting = [
                key for key in told_of if key[0] == UNASKED or ((one := alerts.get(key[0])) and one.rule.repeating)
            ]
            await _stand(connection, lasting, now, armed=False)
        self._on_told([telling.told.alert for telling in tellings])
        return told_of

    async def arm(self, claim: Claim, keys: Iterable[StateKey], now: datetime) -> None:
        """Their prices have gone back: they may fire again. Raises LeaseLost."""
        async with transaction(self._engine) as connection:
            await self._fence(connection, claim)
            await _stand(connection, keys, now, armed=True)

    async def stop_moved(
        self, claim: Claim, alert: UserAlert, position_id: str, price: Decimal | None, now: datetime, about: Alert
    ) -> bool:
        """Tell that a stop is elsewhere than was told last; the first time, note where it is. Raises LeaseLost."""
        told = False
        row = {"alert_id": alert.alert_id, "position_id": position_id, "price": price, "told_at": now}
        async with transaction(self._engine) as connection:
            await self._fence(connection, claim)
            current = (await _lock(connection, {alert.alert_id})).get(alert.alert_id)
            if current is None or not current.active:
                return False
            place = (STOPS_TOLD.c.alert_id == alert.alert_id) & (STOPS_TOLD.c.position_id == position_id)
            before = (await connection.execute(select(STOPS_TOLD.c.price).where(place))).first()
            if before is not None and before.price == price:
                return False
            statement = insert(STOPS_TOLD)
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["alert_id", "position_id"],
                    set_={"price": statement.excluded.price, "told_at": statement.excluded.told_at},
                ),
                row,
            )
            if before is not None:
                telling = _telling(about, now, None, webhook=current.rule.webhook)
                await self._tell(connection, [telling])
                told = True
        if told:
            self._on_told([about])
        return told

    async def happened(self, fact: Alert, cause: str, now: datetime, occurred_at: datetime) -> bool:
        """Tell each alert of a user that a fact is about; once, however often it is brought."""
        tellings = []
        async with transaction(self._engine) as connection:
            rows = await connection.execute(
                select(ALERTS)
                .where(
                    ALERTS.c.user_id == fact.user_id,
                    ALERTS.c.kind == fact.kind.value,
                    ALERTS.c.active,
                    ALERTS.c.armed_at <= occurred_at,
                    or_(ALERTS.c.position_id == "", ALERTS.c.position_id == fact.position_id),
                )
                .order_by(ALERTS.c.alert_id)
                .with_for_update()
            )
            for alert in [alert_from_row(row) for row in rows.mappings()]:
                about = replace(fact, alert_id=str(alert.alert_id), note=alert.rule.note)
                tellings.append(_telling(about, now, cause, webhook=alert.rule.webhook))
            tellings = await self._tell(connection, tellings)
        self._on_told([telling.told.alert for telling in tellings])
        return bool(tellings)

    async def closed(self, position_id: str) -> None:
        """A position is over: what is about it alone is over as well."""
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(ALERTS)
                .where(ALERTS.c.position_id == position_id, ALERTS.c.active)
                .values(active=False, version=ALERTS.c.version + 1)
            )
            for table in (ALERT_STATES, STOPS_TOLD):
                await connection.execute(delete(table).where(table.c.position_id == position_id))

    async def keep(self, told: Told) -> bool:
        """Keep what another room told unasked, and post it to its user's webhook; once. Whether it was news."""
        async with transaction(self._engine) as connection:
            kept = await _record(connection, [_Telling(told, str(told.event_id), webhook=True)])
        if kept:
            self._on_told([told.alert])
        return bool(kept)

    async def _tell(self, connection: AsyncConnection, tellings: Sequence[_Telling]) -> list[_Telling]:
        news = await _record(connection, tellings)
        for telling in news:
            told = telling.told
            await append(connection, alert_triggered(told.alert, told.occurred_at, told.event_id))
        for telling in news:
            if telling.told.alert.alert_id:
                await connection.execute(
                    update(ALERTS)
                    .where(ALERTS.c.alert_id == UUID(telling.told.alert.alert_id))
                    .values(
                        last_triggered_at=telling.told.occurred_at,
                        times_triggered=ALERTS.c.times_triggered + 1,
                        active=ALERTS.c.repeating,
                    )
                )
        return news


def _telling(alert: Alert, now: datetime, cause: str | None, *, webhook: bool) -> _Telling:
    event_id = uuid4()
    return _Telling(Told(event_id, now, alert), cause or str(event_id), webhook)


async def _record(connection: AsyncConnection, tellings: Sequence[_Telling]) -> list[_Telling]:
    """Write what is told, and what is posted of it; those that were not there yet."""
    news = []
    for telling in tellings:
        statement = insert(TRIGGERED_ALERTS).on_conflict_do_nothing().returning(TRIGGERED_ALERTS.c.event_id)
        if (await connection.execute(statement, told_to_row(telling.told, telling.cause))).first() is not None:
            news.append(telling)
    users = {telling.told.alert.user_id for telling in news if telling.webhook}
    if users:
        query = select(WEBHOOKS.c.user_id).where(WEBHOOKS.c.user_id.in_(users), WEBHOOKS.c.url.is_not(None))
        having = set(await connection.scalars(query))
        rows = [
            {
                "event_id": telling.told.event_id,
                "user_id": telling.told.alert.user_id,
                "body": write_body(telling.told),
                "state": DeliveryState.PENDING.value,
                "attempts": 0,
                "created_at": telling.told.occurred_at,
                "next_attempt_at": telling.told.occurred_at,
                "result": "",
            }
            for telling in news
            if telling.webhook and telling.told.alert.user_id in having
        ]
        if rows:
            await connection.execute(insert(WEBHOOK_DELIVERIES), rows)
    return news


async def _lock(connection: AsyncConnection, alert_ids: set[UUID]) -> dict[UUID, UserAlert]:
    query = select(ALERTS).where(ALERTS.c.alert_id.in_(alert_ids)).order_by(ALERTS.c.alert_id).with_for_update()
    rows = (await connection.execute(query)).mappings() if alert_ids else ()
    return {row["alert_id"]: alert_from_row(row) for row in rows}


async def _waiting(connection: AsyncConnection, keys: Sequence[StateKey]) -> set[StateKey]:
    table = ALERT_STATES
    place = tuple_(table.c.alert_id, table.c.position_id)
    rows = await connection.execute(
        select(table.c.alert_id, table.c.position_id).where(place.in_(keys), table.c.armed.is_(False))
    )
    return {(row.alert_id, row.position_id) for row in rows}


async def _stand(connection: AsyncConnection, keys: Iterable[StateKey], now: datetime, *, armed: bool) -> None:
    rows = [{"alert_id": key[0], "position_id": key[1], "armed": armed, "since": now} for key in sorted(keys, key=str)]
    if rows:
        statement = insert(ALERT_STATES)
        news = {"armed": statement.excluded.armed, "since": statement.excluded.since}
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["alert_id", "position_id"], set_=news), rows
        )
