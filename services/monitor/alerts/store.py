"""Users' alerts in Postgres: making, listing, changing and deleting them.

Invariants: a user has no more alerts than the limit, however many calls come at once; the same request id of a user is
the same write; another user's alert does not exist.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.errors import FieldInvalid, VersionConflict
from services.monitor.alerts.rows import State, Told, alert_from_row, alert_to_row, told_from_row
from services.monitor.domain.alerts.rule import AlertNotFound, TooManyAlerts, UserAlert
from services.monitor.store import ALERT_REQUESTS, ALERT_STATES, ALERTS, STOPS_TOLD, TRIGGERED_ALERTS

_LOCK_USER = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")

UNASKED = UUID(int=0)
"""Stands for the alert that nobody asked for: near liquidation."""

StateKey = tuple[UUID, str]
"""An alert, and the position that it is held against; empty for its price alone."""


class PostgresAlerts:
    """The alerts of all users. Every method raises DatabaseUnavailable."""

    def __init__(self, engine: AsyncEngine, limit: int) -> None:
        self._engine = engine
        self._limit = limit

    async def requested(self, user_id: str, request_id: str) -> UserAlert | None:
        """The alert that a request made or changed; None where it is a new request. Raises AlertNotFound: deleted."""
        async with transaction(self._engine) as connection:
            return await _requested(connection, user_id, request_id)

    async def create(self, alert: UserAlert, request_id: str, *, armed: bool) -> UserAlert:
        """Make an alert; not `armed`: only once the price has gone back. Raises TooManyAlerts."""
        user_id = alert.rule.user_id
        async with transaction(self._engine) as connection:
            await connection.execute(_LOCK_USER, {"name": f"alerts:{user_id}"})
            known = await _requested(connection, user_id, request_id)
            if known is not None:
                return known
            count = await connection.scalar(select(func.count()).where(ALERTS.c.user_id == user_id))
            if count is not None and count >= self._limit:
                raise TooManyAlerts(limit=self._limit)
            await connection.execute(insert(ALERTS), alert_to_row(alert))
            await _stand(connection, alert, armed=armed)
            await _note_request(connection, alert, request_id, alert.created_at)
        return alert

    async def get(self, user_id: str, alert_id: UUID) -> UserAlert:
        """Raises AlertNotFound."""
        async with transaction(self._engine) as connection:
            return await _get(connection, user_id, alert_id)

    async def page(self, user_id: str, size: int, before: int | None) -> tuple[list[UserAlert], int | None]:
        """A page of a user's alerts, the latest first, and where the next one begins."""
        query = select(ALERTS).where(ALERTS.c.user_id == user_id).order_by(ALERTS.c.place.desc()).limit(size + 1)
        if before is not None:
            query = query.where(ALERTS.c.place < before)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [alert_from_row(row) for row in rows[:size]], rows[size - 1]["place"] if len(rows) > size else None

    async def change(
        self,
        user_id: str,
        alert_id: UUID,
        request_id: str,
        expected_version: int | None,
        now: datetime,
        change: Callable[[UserAlert], tuple[UserAlert, bool]],
    ) -> UserAlert:
        """Put what `change` makes of an alert in its place; its answer's second part: may it fire at once.

        Raises AlertNotFound, VersionConflict.
        """
        async with transaction(self._engine) as connection:
            known = await _requested(connection, user_id, request_id)
            if known is not None:
                if known.alert_id != alert_id:
                    raise FieldInvalid(field="request_id", problem="was used for another alert")
                return known
            before = await _get(connection, user_id, alert_id, lock=True)
            if expected_version is not None and before.version != expected_version:
                raise VersionConflict(alert_id=alert_id, version=before.version)
            after, armed = change(before)
            after = replace(after, version=before.version + 1)
            await connection.execute(update(ALERTS).where(ALERTS.c.alert_id == alert_id).values(alert_to_row(after)))
            if after.armed_at != before.armed_at:
                for table in (ALERT_STATES, STOPS_TOLD):
                    await connection.execute(delete(table).where(table.c.alert_id == alert_id))
                await _stand(connection, after, armed=armed)
            await _note_request(connection, after, request_id, now)
        return after

    async def delete(self, user_id: str, alert_id: UUID) -> None:
        """Raises AlertNotFound."""
        async with transaction(self._engine) as connection:
            await _get(connection, user_id, alert_id, lock=True)
            for table in (ALERT_STATES, STOPS_TOLD):
                await connection.execute(delete(table).where(table.c.alert_id == alert_id))
            await connection.execute(delete(ALERTS).where(ALERTS.c.alert_id == alert_id))

    async def told(self, user_id: str, size: int, before: int | None) -> tuple[list[Told], int | None]:
        """A page of what a user was told, the latest first, and where the next one begins."""
        table = TRIGGERED_ALERTS
        query = select(table).where(table.c.user_id == user_id).order_by(table.c.place.desc()).limit(size + 1)
        if before is not None:
            query = query.where(table.c.place < before)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [told_from_row(row) for row in rows[:size]], rows[size - 1]["place"] if len(rows) > size else None

    async def active(self, user_id: str | None = None) -> tuple[list[UserAlert], dict[StateKey, State]]:
        """The alerts that may fire, of one user or of all, and where their thresholds stand.

        The unasked alerts' states are of no user: they come with everybody's.
        """
        alerts = select(ALERTS).where(ALERTS.c.active)
        states = select(ALERT_STATES)
        if user_id is not None:
            alerts = alerts.where(ALERTS.c.user_id == user_id)
            states = states.join(ALERTS, ALERTS.c.alert_id == ALERT_STATES.c.alert_id)
            states = states.where(ALERTS.c.user_id == user_id)
        async with transaction(self._engine) as connection:
            found = [alert_from_row(row) for row in (await connection.execute(alerts)).mappings()]
            rows = await connection.execute(states)
            stand = {(row.alert_id, row.position_id): State(row.armed, row.since) for row in rows}
        return found, stand

    async def prune(self, before: datetime) -> None:
        """Forget what was told, and which requests were made, before a moment."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(TRIGGERED_ALERTS).where(TRIGGERED_ALERTS.c.occurred_at < before))
            await connection.execute(delete(ALERT_REQUESTS).where(ALERT_REQUESTS.c.created_at < before))
            for table in (ALERT_STATES, STOPS_TOLD):
                gone = table.c.alert_id.not_in(select(ALERTS.c.alert_id)) & (table.c.alert_id != UNASKED)
                await connection.execute(delete(table).where(gone))


async def _get(connection: AsyncConnection, user_id: str, alert_id: UUID, *, lock: bool = False) -> UserAlert:
    query = select(ALERTS).where(ALERTS.c.alert_id == alert_id, ALERTS.c.user_id == user_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().first()
    if row is None:
        raise AlertNotFound(alert_id=alert_id)
    return alert_from_row(row)


async def _requested(connection: AsyncConnection, user_id: str, request_id: str) -> UserAlert | None:
    table = ALERT_REQUESTS
    alert_id = await connection.scalar(
        select(table.c.alert_id).where(table.c.user_id == user_id, table.c.request_id == request_id)
    )
    return None if alert_id is None else await _get(connection, user_id, alert_id)


async def _note_request(connection: AsyncConnection, alert: UserAlert, request_id: str, now: datetime) -> None:
    row = {"user_id": alert.rule.user_id, "request_id": request_id, "alert_id": alert.alert_id}
    await connection.execute(insert(ALERT_REQUESTS), {**row, "created_at": now})


async def _stand(connection: AsyncConnection, alert: UserAlert, *, armed: bool) -> None:
    """A threshold that may not fire at once is written down; one that may stands so without a row."""
    if not armed:
        row = {"alert_id": alert.alert_id, "position_id": alert.rule.position_id, "armed": False}
        await connection.execute(insert(ALERT_STATES), {**row, "since": alert.armed_at})
