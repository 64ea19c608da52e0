"""Price extremes over a real Postgres: a monotone stack whoever writes, each news told once."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.monitor.v1.events_pb2 import TRIGGER_PRICE_MARK, ExtremeMoved
from services.common.database import transaction
from services.common.trading.extremes import Extreme, Extremes
from services.common.trading.side import Side, Venue
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.position import Instrument
from services.monitor.triggers.store import PostgresExtremes
from services.monitor.triggers.watermarks import News

NOW = datetime(2025, 10, 21, 12, 0, tzinfo=UTC)
BTC = Instrument(Venue.BINANCE, "BTCUSDT")
POINTS = st.lists(
    st.builds(
        Extreme,
        st.integers(95, 105).map(Decimal),
        st.integers(0, 9).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    ),
    max_size=6,
)


async def events(engine: AsyncEngine) -> list[tuple[str, ExtremeMoved]]:
    async with transaction(engine) as connection:
        rows = await connection.execute(text("SELECT subject, payload FROM outbox ORDER BY place"))
        return [(row.subject, ExtremeMoved.FromString(row.payload)) for row in rows]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(POINTS, POINTS), max_size=4))
async def test_whatever_is_written_in_whatever_order_is_one_stack_and_its_events_make_it_too(
    engine: AsyncEngine, writes: list[tuple[list[Extreme], list[Extreme]]]
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("TRUNCATE price_extremes, outbox"))
    rows, all_seen = PostgresExtremes(engine), Extremes()
    for highs, lows in writes:
        all_seen.take(Side.LONG, highs)
        all_seen.take(Side.SHORT, lows)
        await rows.write(BTC, News(tuple(highs), tuple(lows)), NOW)
        assert not await rows.write(BTC, News(tuple(highs), tuple(lows)), NOW)
    kept, from_events = Extremes(), Extremes()
    for instrument, side, extreme in (await rows.load())[0]:
        assert instrument == BTC
        assert kept.take(side, [extreme])
    for subject, message in reversed(await events(engine)):
        assert subject == "monitor.v1.extreme_moved.binance%3ABTCUSDT%3Amark"
        assert message.trigger_price == TRIGGER_PRICE_MARK
        for side, points in ((Side.LONG, message.highs), (Side.SHORT, message.lows)):
            from_events.take(side, [Extreme(Decimal(point.price), point.at.ToDatetime(tzinfo=UTC)) for point in points])
    for side in Side:
        assert kept.points(side) == from_events.points(side) == all_seen.points(side)


async def test_how_far_prices_were_watched_only_moves_on(engine: AsyncEngine) -> None:
    rows = PostgresExtremes(engine)
    await rows.watched({})
    for seconds in (5, 3):
        await rows.watched({BTC: NOW + timedelta(seconds=seconds)})
    assert (await rows.load())[1] == {BTC: NOW + timedelta(seconds=5)}


async def test_what_no_level_needs_is_forgotten(engine: AsyncEngine) -> None:
    rows = PostgresExtremes(engine)
    other = Instrument(Venue.BYBIT, "BTCUSDT")
    for instrument in (BTC, other):
        await rows.write(instrument, News((Extreme(Decimal(100), NOW),), ()), NOW)
    await rows.prune(BTC, NOW + timedelta(seconds=1))
    assert [row[0] for row in (await rows.load())[0]] == [other]


async def test_what_was_crossed_unwatched_is_told_once_whoever_finds_it(engine: AsyncEngine) -> None:
    rows = PostgresExtremes(engine)
    found = {
        UUID(int=number): Alert(AlertKind.CROSSED_AND_RECOVERED, "demo", f"account-{number}", "crossed")
        for number in (1, 2)
    }
    await asyncio.gather(rows.tell({UUID(int=1): found[UUID(int=1)]}, NOW), rows.tell(found, NOW))
    await rows.tell(found, NOW)
    async with transaction(engine) as connection:
        told = await connection.scalars(text("SELECT id FROM outbox ORDER BY id"))
        assert [UUID(str(one)) for one in told] == [UUID(int=1), UUID(int=2)]
