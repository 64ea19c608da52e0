"""Up to when each partition's thresholds were held against prices, in Postgres.

Invariant: what is noted never goes back, and is never later than what its holder saw.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.trading.side import Venue
from services.monitor.domain.position import Instrument
from services.monitor.store import ALERT_WATCHES


class PostgresWatches:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(
        self, partitions: Collection[int]
    ) -> tuple[dict[int, datetime], dict[int, dict[Instrument, datetime]]]:
        """Up to when each was watched, and the instruments for which it was not so long."""
        query = select(ALERT_WATCHES).where(ALERT_WATCHES.c.partition.in_(partitions))
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        behind = {row.partition: {_instrument(name): _moment(at) for name, at in row.behind.items()} for row in rows}
        return {row.partition: row.until for row in rows}, behind

    async def note(self, partitions: Collection[int], until: datetime, behind: Mapping[Instrument, datetime]) -> None:
        """These were watched up to a moment, but for the instruments that lag behind it."""
        if not partitions:
            return
        lagging = {f"{one.venue.value}:{one.symbol}": at.isoformat() for one, at in behind.items()}
        statement = insert(ALERT_WATCHES)
        news = {"until": statement.excluded.until, "behind": statement.excluded.behind}
        async with transaction(self._engine) as connection:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["partition"], set_=news, where=ALERT_WATCHES.c.until < statement.excluded.until
                ),
                [{"partition": number, "until": until, "behind": lagging} for number in sorted(partitions)],
            )


def _instrument(name: str) -> Instrument:
    venue, _, symbol = name.partition(":")
    return Instrument(Venue(venue), symbol)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
