"""What opening relies on in its table: one suite for the real one and for the fake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.monitor.v1.events_pb2 import ALERT_KIND_OPEN_UNRESOLVED, AlertTriggered
from services.common import leases
from services.common.database import transaction
from services.common.errors import LeaseLost
from services.common.trading.level import NoLevel, Pinned, Trailing
from services.common.trading.side import PositionSide, Venue
from services.monitor.domain.intent import Claim
from services.monitor.domain.opening import Opening, OpeningOutcome, OpeningState, Plan, Size, SizeKind
from services.monitor.domain.opening_errors import OpeningMoved, SlotTaken
from services.monitor.opening.ports import Openings
from services.monitor.opening.store import PostgresOpenings
from services.monitor.partitions.holding import fence, partition_key
from tests.factories import make_fill
from tests.fakes.crashes import CrashPlan
from tests.fakes.openings import MemoryOpenings
from tests.unit.monitor.opening_world import PARTITION, a_wish, prepared

NOW = datetime(2025, 10, 21, 12, 0, 0, 123456, tzinfo=UTC)
PLAN = Plan(Venue.BINANCE, PositionSide.BOTH, Decimal(2), Decimal("100.5"), Decimal(10), sets_leverage=True)


@dataclass
class Table:
    """A table of openings, and the way to take the partition away from whoever holds it."""

    openings: Openings
    take: Callable[[str], Awaitable[Claim]]


async def unseen(_: AsyncConnection, __: OpeningState | None, ___: Opening) -> None:
    """Nobody follows."""


def in_postgres(engine: AsyncEngine) -> PostgresOpenings:
    return PostgresOpenings(engine, fence, unseen, lambda: None)


@pytest.fixture(params=["memory", "postgres"])
async def table(request: pytest.FixtureRequest, engine: AsyncEngine) -> AsyncIterator[Table]:
    if request.param == "memory":
        memory = MemoryOpenings(CrashPlan())

        async def take_memory(owner: str) -> Claim:
            held = memory.held.get(PARTITION)
            memory.held[PARTITION] = Claim(owner, PARTITION, 1 if held is None else held.epoch + 1)
            return memory.held[PARTITION]

        yield Table(memory, take_memory)
        return

    async def take(owner: str) -> Claim:
        key = partition_key(PARTITION)
        async with transaction(engine) as connection:
            await leases.ensure(connection, [key])
            await connection.execute(text("UPDATE leases SET owner = NULL, expires_at = NULL"))
            (lease,) = await leases.claim(connection, owner, 60, keys=[key])
        return Claim(owner, PARTITION, lease.epoch)

    yield Table(in_postgres(engine), take)


def an_opening(claim: Claim | None, request_id: str | None = "r1", **changes: object) -> Opening:
    return prepared(a_wish(**changes), PLAN, claim, NOW, request_id)


async def test_an_opening_comes_back_as_it_was_written(table: Table) -> None:
    claim = await table.take("one")
    opening = await table.openings.begin(
        an_opening(claim, stop_loss=Pinned(Decimal("99.5")), take_profit=NoLevel(), leverage=None)
    )
    assert await table.openings.latest(opening.intent_id) == opening
    filled = replace(
        opening,
        plan=replace(PLAN, quantity=Decimal("1.5")),
        state=OpeningState.FILLED,
        deadline=NOW + timedelta(seconds=2),
        order_id="o1",
        fills=(make_fill(),),
    )
    await table.openings.save(opening, filled)
    assert await table.openings.latest(opening.intent_id) == filled


async def test_a_request_is_one_opening(table: Table) -> None:
    claim = await table.take("one")
    first = await table.openings.begin(an_opening(claim))
    assert await table.openings.begin(an_opening(claim, symbol="ETHUSDT")) == first
    assert await table.openings.requested("demo", "r1") == first
    assert await table.openings.requested("another user", "r1") is None
    assert await table.openings.requested("demo", "r2") is None


async def test_a_slot_has_one_opening_under_way(table: Table) -> None:
    claim = await table.take("one")
    first = await table.openings.begin(an_opening(claim))
    with pytest.raises(SlotTaken):
        await table.openings.begin(an_opening(claim, "r2"))
    await table.openings.begin(an_opening(claim, "r3", symbol="ETHUSDT"))
    failed = replace(first, state=OpeningState.FAILED, outcome=OpeningOutcome.REJECTED, reason="no")
    await table.openings.save(first, failed)
    second = await table.openings.begin(an_opening(claim, "r2", stop_loss=Trailing(Decimal("0.1"))))
    assert second.state is OpeningState.PREPARED


async def test_many_at_once_make_one(table: Table) -> None:
    claim = await table.take("one")
    same = await asyncio.gather(*(table.openings.begin(an_opening(claim)) for _ in range(4)))
    assert len({opening.intent_id for opening in same}) == 1
    others = (table.openings.begin(an_opening(claim, f"r{number}")) for number in range(2, 6))
    assert all(isinstance(one, SlotTaken) for one in await asyncio.gather(*others, return_exceptions=True))


async def test_a_write_from_another_state_is_refused(table: Table) -> None:
    claim = await table.take("one")
    opening = await table.openings.begin(an_opening(claim))
    sent = replace(opening, state=OpeningState.SENT)
    await table.openings.save(opening, sent)
    with pytest.raises(OpeningMoved):
        await table.openings.save(opening, sent)
    with pytest.raises(OpeningMoved):
        await table.openings.latest(uuid4())


async def test_whoever_lost_the_partition_can_write_nothing(table: Table) -> None:
    stale = await table.take("one")
    opening = await table.openings.begin(an_opening(stale))
    fresh = await table.take("two")
    with pytest.raises(LeaseLost):
        await table.openings.save(opening, replace(opening, state=OpeningState.SENT))
    with pytest.raises(LeaseLost):
        await table.openings.begin(an_opening(stale, "r2", symbol="ETHUSDT"))
    assert await table.openings.take_over({PARTITION: fresh}) == (replace(opening, claim=fresh),)
    assert await table.openings.take_over({PARTITION: fresh}) == ()
    assert await table.openings.take_over({}) == ()


async def test_what_is_over_is_not_taken_over(table: Table) -> None:
    opening = await table.openings.begin(an_opening(None))
    claim = await table.take("one")
    (taken,) = await table.openings.take_over({PARTITION: claim})
    assert taken == replace(opening, claim=claim)
    booked = replace(taken, state=OpeningState.BOOKED, outcome=OpeningOutcome.OPENED, position_id="OP_1_1")
    await table.openings.save(taken, booked)
    assert await table.openings.take_over({PARTITION: await table.take("two")}) == ()


async def test_what_its_own_claimant_left_standing_is_found(table: Table) -> None:
    claim = await table.take("one")
    opening = await table.openings.begin(an_opening(claim))
    await table.openings.begin(an_opening(None, "r2", symbol="ETHUSDT"))
    over = await table.openings.begin(an_opening(claim, "r3", symbol="SOLUSDT"))
    await table.openings.cancel(over.intent_id, "enough", NOW)
    later, claims = NOW + timedelta(microseconds=1), {PARTITION: claim}
    assert await table.openings.unmoved(claims, later) == {opening.intent_id}
    assert await table.openings.unmoved(claims, NOW) == set()
    assert await table.openings.unmoved({}, later) == set()
    await table.openings.save(opening, replace(opening, state=OpeningState.SENT, updated_at=later))
    assert await table.openings.unmoved(claims, later) == set()
    assert await table.openings.unmoved({PARTITION: await table.take("two")}, later + timedelta(seconds=1)) == set()


async def test_only_what_was_not_sent_can_be_cancelled(table: Table) -> None:
    claim = await table.take("one")
    opening = await table.openings.begin(an_opening(claim))
    assert await table.openings.cancel(opening.intent_id, "enough", NOW)
    ended = await table.openings.latest(opening.intent_id)
    assert (ended.state, ended.outcome, ended.reason) == (OpeningState.FAILED, OpeningOutcome.CANCELLED, "enough")
    with pytest.raises(OpeningMoved):
        await table.openings.save(opening, replace(opening, state=OpeningState.SENT))
    other = await table.openings.begin(an_opening(claim, "r2"))
    await table.openings.save(other, replace(other, state=OpeningState.SENT))
    assert not await table.openings.cancel(other.intent_id, "enough", NOW)
    assert not await table.openings.cancel(uuid4(), "enough", NOW)


async def test_only_what_had_never_arrived_can_come_to_light(table: Table) -> None:
    claim = await table.take("one")
    opening = await table.openings.begin(an_opening(claim))
    assert not await table.openings.reopen(opening.intent_id, NOW)
    lost = replace(opening, state=OpeningState.FAILED, outcome=OpeningOutcome.NEVER_ARRIVED, reason="lost")
    await table.openings.save(opening, lost)
    rival = await table.openings.begin(an_opening(claim, "r2"))
    assert not await table.openings.reopen(opening.intent_id, NOW)
    await table.openings.cancel(rival.intent_id, "enough", NOW)
    assert await table.openings.reopen(opening.intent_id, NOW)
    (again,) = await table.openings.take_over({PARTITION: claim})
    assert (again.intent_id, again.state, again.outcome) == (opening.intent_id, OpeningState.SENT, None)


async def test_postgres_itself_keeps_a_second_live_opening_out(engine: AsyncEngine) -> None:
    await in_postgres(engine).begin(an_opening(None))
    copy = """
        INSERT INTO openings (intent_id, request_id, client_order_id, user_id, account_id, partition, venue, symbol,
            position_side, side, quantity, price, leverage, wish, state, expires_at, created_at, updated_at)
        SELECT gen_random_uuid(), 'another', 'another', user_id, account_id, partition, venue, symbol,
            position_side, side, quantity, price, leverage, wish, state, expires_at, created_at, updated_at
        FROM openings
    """
    with pytest.raises(IntegrityError, match="openings_live_slot_idx"):
        async with transaction(engine) as connection:
            await connection.execute(text(copy))


async def test_that_nobody_knows_is_told_once(engine: AsyncEngine) -> None:
    openings = in_postgres(engine)
    opening = await openings.begin(an_opening(None))
    unresolved = replace(opening, state=OpeningState.UNRESOLVED, reason="no answer")
    await openings.save(opening, unresolved)
    await openings.save(unresolved, replace(unresolved, reason="no answer again"))
    async with transaction(engine) as connection:
        rows = await connection.execute(text("SELECT payload FROM outbox"))
        (alert,) = [AlertTriggered.FromString(row.payload) for row in rows]
    assert (alert.kind, alert.user_id, alert.symbol) == (ALERT_KIND_OPEN_UNRESOLVED, "demo", "BTCUSDT")
    assert "long 2 BTCUSDT" in alert.reason


async def test_the_last_orders_that_opened_nothing_are_found(engine: AsyncEngine) -> None:
    openings = in_postgres(engine)
    sent = {"deadline": NOW + timedelta(seconds=2)}
    failed = {"state": OpeningState.FAILED, "outcome": OpeningOutcome.REJECTED, "reason": "no"}
    booked = {"state": OpeningState.BOOKED, "outcome": OpeningOutcome.OPENED, "position_id": "OP_1"}
    over = []
    for number, values in enumerate(({**failed, **sent}, failed, {**booked, **sent}, {**failed, **sent})):
        opening = await openings.begin(an_opening(None, f"r{number}"))
        over.append(replace(opening, **values, updated_at=NOW + timedelta(seconds=number)))  # type: ignore[arg-type]
        await openings.save(opening, over[-1])
    assert await openings.unfilled([PARTITION], 10) == (over[0], over[3])
    assert await openings.unfilled([PARTITION], 1) == (over[3],)
    assert await openings.unfilled([PARTITION + 1], 10) == ()


async def test_what_has_been_over_for_long_is_pruned(engine: AsyncEngine) -> None:
    openings = in_postgres(engine)
    for number, state in enumerate(("live", "over")):
        opening = await openings.begin(an_opening(None, state, symbol=f"S{number}USDT"))
        if state == "over":
            await openings.cancel(opening.intent_id, "enough", NOW)
    assert await openings.prune(NOW) == 0
    assert await openings.prune(NOW + timedelta(days=1)) == 1
    assert await openings.requested("demo", "live") is not None
    assert await openings.requested("demo", "over") is None


SIZE = Size(SizeKind.RISK_PERCENT, Decimal("0.5"))


async def test_a_size_that_is_a_risk_comes_back_as_it_was_stated(table: Table) -> None:
    opening = await table.openings.begin(an_opening(None, size=SIZE))
    assert (await table.openings.latest(opening.intent_id)).wish.size == SIZE
