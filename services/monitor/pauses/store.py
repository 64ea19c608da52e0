"""Pauses in Postgres, told to their user in the transaction that sets them."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.outbox import append
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.pause import EVERYBODY, Pause, Pauses, check_setter
from services.monitor.events.told import alert_triggered
from services.monitor.store import PAUSES


class PostgresPauses:
    """Reads and writes pauses."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self) -> Pauses:
        """All of them. Raises DatabaseUnavailable."""
        async with transaction(self._engine) as connection:
            rows = await connection.execute(select(PAUSES).where(PAUSES.c.opening | PAUSES.c.closing))
            return Pauses(
                Pause(row.user_id, row.opening, row.closing, row.reason, row.set_by, row.set_at) for row in rows
            )

    async def write(self, pause: Pause, now: datetime) -> None:
        """Set one; what holds already is not set again. Raises PauseByOperator, DatabaseUnavailable."""
        async with transaction(self._engine) as connection:
            row = (
                await connection.execute(select(PAUSES).where(PAUSES.c.user_id == pause.user_id).with_for_update())
            ).first()
            if row is not None:
                kept = Pause(row.user_id, row.opening, row.closing, row.reason, row.set_by)
                check_setter(kept, pause)
                if _said(kept) == _said(pause):
                    return
            values = {
                "opening": pause.opening,
                "closing": pause.closing,
                "reason": pause.reason,
                "set_by": pause.set_by,
                "set_at": now,
                "version": 1 if row is None else row.version + 1,
            }
            await connection.execute(
                insert(PAUSES)
                .values(user_id=pause.user_id, **values)
                .on_conflict_do_update(index_elements=["user_id"], set_=values)
            )
            # What stops everybody is seen on each account: its levels are unguarded from then on, and that is told.
            if pause.user_id != EVERYBODY:
                alert = Alert(AlertKind.TRADING_PAUSED, pause.user_id, "", _told(pause))
                await append(connection, alert_triggered(alert, now))


def _said(pause: Pause) -> tuple[bool, bool, str, bool]:
    return pause.opening, pause.closing, pause.reason, pause.by_operator


def _told(pause: Pause) -> str:
    stopped = [name for name, is_so in (("opening", pause.opening), ("closing", pause.closing)) if is_so]
    return f"{' and '.join(stopped)} paused: {pause.reason}" if stopped else "trading goes on"
