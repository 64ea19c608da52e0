"""Price extremes and alerts in Postgres.

Invariants: the rows of an instrument are a monotone stack as in `services.common.trading.extremes`, whoever writes
them; what is news in the table is told in the same transaction, once, whichever replica saw it first.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.outbox import OUTBOX, append
from services.common.trading.extremes import Extreme, Extremes, TriggerPrice
from services.common.trading.side import Side, Venue
from services.monitor.domain.alert import Alert
from services.monitor.domain.position import Instrument
from services.monitor.events.told import alert_triggered, extreme_moved
from services.monitor.store import PRICE_EXTREMES, PRICES_WATCHED, TRIGGERED_ALERTS
from services.monitor.triggers.watermarks import News

_LOCK_TELLING = text("SELECT pg_advisory_xact_lock(hashtextextended('crossed unwatched', 0))")


class PostgresExtremes:
    """The extremes and alerts of all instruments."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self) -> tuple[list[tuple[Instrument, Side, Extreme]], dict[Instrument, datetime]]:
        """All that is kept, and up to when each instrument was watched. Raises DatabaseUnavailable."""
        async with transaction(self._engine) as connection:
            kept = [
                (_instrument(row), Side(row["side"]), Extreme(row["price"], row["at"]))
                for row in (await connection.execute(select(PRICE_EXTREMES))).mappings()
            ]
            watched = {
                _instrument(row): row["until"] for row in (await connection.execute(select(PRICES_WATCHED))).mappings()
            }
        return kept, watched

    async def write(self, instrument: Instrument, news: News, now: datetime) -> bool:
        """Merge new extremes in and tell of those that were news; whether any was. Raises DatabaseUnavailable."""
        async with transaction(self._engine) as connection:
            highs = await _merge(connection, instrument, Side.LONG, news.highs)
            lows = await _merge(connection, instrument, Side.SHORT, news.lows)
            if highs or lows:
                await append(connection, extreme_moved(instrument, highs, lows, now))
            return bool(highs or lows)

    async def watched(self, until: Mapping[Instrument, datetime]) -> None:
        """Note up to when the extremes of these instruments are whole. Raises DatabaseUnavailable."""
        if not until:
            return
        rows = [{**_key(instrument), "until": moment} for instrument, moment in sorted(until.items(), key=str)]
        statement = insert(PRICES_WATCHED).values(rows)
        later = func.greatest(PRICES_WATCHED.c.until, statement.excluded.until)
        async with transaction(self._engine) as connection:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["venue", "symbol", "trigger_price"], set_={"until": later}
                )
            )

    async def prune(self, instrument: Instrument, before: datetime) -> None:
        """Forget what no level needs any more. Raises DatabaseUnavailable."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(PRICE_EXTREMES).where(_of(instrument), PRICE_EXTREMES.c.at < before))

    async def tell(self, alerts: Mapping[UUID, Alert], now: datetime) -> None:
        """Alerts that belong to no other write, each once whoever finds it. Raises DatabaseUnavailable."""
        async with transaction(self._engine) as connection:
            await connection.execute(_LOCK_TELLING)
            known = select(TRIGGERED_ALERTS.c.event_id).where(TRIGGERED_ALERTS.c.event_id.in_(alerts))
            told = set(await connection.scalars(known.union(select(OUTBOX.c.id).where(OUTBOX.c.id.in_(alerts)))))
            for event_id, alert in alerts.items():
                if event_id not in told:
                    await append(connection, alert_triggered(alert, now, event_id))


async def _merge(
    connection: AsyncConnection, instrument: Instrument, side: Side, points: tuple[Extreme, ...]
) -> tuple[Extreme, ...]:
    if not points:
        return ()
    rows = (
        await connection.execute(
            select(PRICE_EXTREMES.c.price, PRICE_EXTREMES.c.at)
            .where(_of(instrument), PRICE_EXTREMES.c.side == side.value)
            .with_for_update()
        )
    ).all()
    there = Extremes()
    there.take(side, [Extreme(row.price, row.at) for row in rows])
    before = set(there.points(side))
    there.take(side, points)
    after = set(there.points(side))
    gone = [point.at for point in before - after]
    if gone:
        await connection.execute(
            delete(PRICE_EXTREMES).where(
                _of(instrument), PRICE_EXTREMES.c.side == side.value, PRICE_EXTREMES.c.at.in_(gone)
            )
        )
    news = tuple(sorted(after - before, key=lambda point: point.at))
    if news:
        values = [{**_key(instrument), "side": side.value, "at": point.at, "price": point.price} for point in news]
        statement = insert(PRICE_EXTREMES).values(values)
        old, new = PRICE_EXTREMES.c.price, statement.excluded.price
        better = new > old if side is Side.LONG else new < old
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["venue", "symbol", "trigger_price", "side", "at"], set_={"price": new}, where=better
            )
        )
    return news


def _key(instrument: Instrument) -> dict[str, str]:
    return {
        "venue": instrument.venue.value,
        "symbol": instrument.symbol,
        "trigger_price": instrument.trigger_price.value,
    }


def _instrument(row: RowMapping) -> Instrument:
    return Instrument(Venue(row["venue"]), row["symbol"], TriggerPrice(row["trigger_price"]))


def _of(instrument: Instrument) -> ColumnElement[bool]:
    return and_(
        PRICE_EXTREMES.c.venue == instrument.venue.value,
        PRICE_EXTREMES.c.symbol == instrument.symbol,
        PRICE_EXTREMES.c.trigger_price == instrument.trigger_price.value,
    )
