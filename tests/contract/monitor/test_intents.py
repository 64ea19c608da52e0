"""What closing relies on in its table of intents: one suite for the real one and for the fake."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.monitor.v1.events_pb2 import ALERT_KIND_CLOSE_REFUSED, AlertTriggered
from services.common import leases
from services.common.database import transaction
from services.common.errors import FieldInvalid, LeaseLost
from services.common.trading.client_order_id import OrderCause
from services.common.trading.fill import Fill, OrderKind
from services.common.trading.side import OrderSide, PositionSide
from services.monitor.closing.ports import Intents
from services.monitor.closing.store import PostgresIntents
from services.monitor.domain.attempts import Begun, Joined, Settled, follow_up
from services.monitor.domain.errors import IntentMoved
from services.monitor.domain.intent import Claim, Decision, Evidence, Intent, IntentState, Outcome
from services.monitor.partitions.holding import fence, partition_key
from tests.fakes.crashes import CrashPlan
from tests.fakes.intents import MemoryIntents
from tests.unit.monitor.world import PARTITION, a_position

NOW = datetime(2025, 10, 21, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass
class Table:
    """A table of intents, and the way to take the partition away from whoever holds it."""

    intents: Intents
    take: Callable[[str], Awaitable[Claim]]


@pytest.fixture(params=["memory", "postgres"])
async def table(request: pytest.FixtureRequest, engine: AsyncEngine) -> AsyncIterator[Table]:
    if request.param == "memory":
        memory = MemoryIntents(CrashPlan(), uuid.uuid4)

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

    yield Table(PostgresIntents(engine, fence, uuid.uuid4), take)


def a_decision(cause: OrderCause = OrderCause.STOP_LOSS, request_id: str | None = None, **changes: object) -> Decision:
    evidence = Evidence(NOW, Decimal("63990.5"), Decimal(64000), NOW - timedelta(milliseconds=30))
    return Decision(a_position(**changes), cause, evidence, request_id)


def a_fill() -> Fill:
    return Fill(
        fill_id="f1",
        order_id="o1",
        client_order_id="c1",
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        order_side=OrderSide.SELL,
        price=Decimal("63990.1"),
        quantity=Decimal("0.002"),
        fee=Decimal("0.0511920800"),
        fee_currency="USDT",
        fee_quote=None,
        realized_pnl=Decimal("-2.02"),
        executed_at=NOW,
        order_kind=OrderKind.MARKET,
    )


async def begun(table: Table, claim: Claim | None, decision: Decision | None = None) -> Intent:
    opening = await table.intents.open(decision or a_decision(), claim, NOW)
    assert isinstance(opening, Begun)
    return opening.intent


async def test_an_intent_comes_back_as_it_was_written(table: Table) -> None:
    claim = await table.take("one")
    intent = await begun(table, claim)
    assert await table.intents.latest(intent.closing_id) == intent
    filled = replace(
        intent, state=IntentState.FILLED, deadline=NOW + timedelta(seconds=2), order_id="o1", fills=(a_fill(),)
    )
    await table.intents.save(intent, filled)
    assert await table.intents.latest(intent.closing_id) == filled


async def test_whoever_decides_joins_what_is_under_way(table: Table) -> None:
    claim = await table.take("one")
    intent = await begun(table, claim)
    for decision in (a_decision(OrderCause.TAKE_PROFIT), a_decision(OrderCause.MANUAL, "r1")):
        opening = await table.intents.open(decision, claim, NOW)
        assert isinstance(opening, Joined)
        assert opening.intent == intent


async def test_a_part_that_is_under_way_answers_nobody_else(table: Table) -> None:
    """Who asks for all of it is not bound to the close of a part: the next time there is a closing of their own."""
    claim = await table.take("one")
    part = replace(a_decision(OrderCause.MANUAL, "r1"), quantity=Decimal("0.001"))
    intent = await begun(table, claim, part)
    whole = a_decision(OrderCause.MANUAL, "r2")
    assert await table.intents.open(whole, claim, NOW) == Joined(intent)
    assert await table.intents.requested("demo", "r2") is None
    done = replace(intent, state=IntentState.DONE, outcome=Outcome.CLOSED)
    await table.intents.save(intent, done)
    assert isinstance(await table.intents.open(a_decision(), claim, NOW), Settled)
    own = await begun(table, claim, whole)
    assert own.whole
    assert await table.intents.requested("demo", "r2") == own


async def test_many_at_once_make_one_intent(table: Table) -> None:
    claim = await table.take("one")
    decisions = [a_decision(OrderCause.MANUAL, f"r{number}") for number in range(4)] + [a_decision()] * 4
    openings = await asyncio.gather(*(table.intents.open(decision, claim, NOW) for decision in decisions))
    assert len([opening for opening in openings if isinstance(opening, Begun)]) == 1
    assert len({opening.intent.intent_id for opening in openings}) == 1


async def test_many_causes_at_once_make_one_first_intent(table: Table) -> None:
    claim = await table.take("one")
    decisions = [a_decision(cause) for cause in OrderCause for _ in range(3)] + [a_decision(request_id="r1")]
    holders = [claim, None, claim]
    openings = await asyncio.gather(
        *(table.intents.open(decision, holders[number % 3], NOW) for number, decision in enumerate(decisions))
    )
    (first,) = [opening.intent for opening in openings if isinstance(opening, Begun)]
    assert {opening.intent.intent_id for opening in openings} == {first.intent_id}


async def test_a_request_id_is_the_same_closing_for_ever(table: Table) -> None:
    claim = await table.take("one")
    intent = await begun(table, claim, a_decision(OrderCause.MANUAL, "r1"))
    done = replace(intent, state=IntentState.DONE, outcome=Outcome.CLOSED)
    await table.intents.save(intent, done)
    opening = await table.intents.open(a_decision(OrderCause.MANUAL, "r1", version=9), claim, NOW)
    assert opening == Settled(done)
    assert await table.intents.requested("demo", "r1") == done
    assert await table.intents.requested("another user", "r1") is None
    with pytest.raises(FieldInvalid):
        await table.intents.open(a_decision(OrderCause.MANUAL, "r1", position_id="OP_2"), claim, NOW)


async def test_a_settled_version_begins_nothing_and_a_newer_one_does(table: Table) -> None:
    claim = await table.take("one")
    intent = await begun(table, claim)
    await table.intents.save(intent, replace(intent, state=IntentState.FAILED, outcome=Outcome.GONE))
    assert isinstance(await table.intents.open(a_decision(), claim, NOW), Settled)
    newer = await begun(table, claim, a_decision(version=4))
    assert newer.attempt == 2


async def test_a_follow_up_begins_with_the_end_of_the_attempt_before(table: Table) -> None:
    claim = await table.take("one")
    intent = await begun(table, claim)
    successor = follow_up(intent, uuid.uuid4(), NOW, timedelta(seconds=1))
    over = replace(intent, state=IntentState.FAILED, outcome=Outcome.NEVER_ARRIVED)
    await table.intents.save(intent, over, successor)
    assert await table.intents.latest(intent.closing_id) == successor
    assert await table.intents.attempts(intent.closing_id) == (over, successor)
    assert await table.intents.earlier(successor) == (over,)
    assert isinstance(await table.intents.open(a_decision(), claim, NOW), Joined)


async def test_a_write_from_another_state_is_refused(table: Table) -> None:
    claim = await table.take("one")
    intent = await begun(table, claim)
    sent = replace(intent, state=IntentState.SENT)
    await table.intents.save(intent, sent)
    with pytest.raises(IntentMoved):
        await table.intents.save(intent, sent)


async def test_whoever_lost_the_partition_can_write_nothing(table: Table) -> None:
    stale = await table.take("one")
    intent = await begun(table, stale)
    fresh = await table.take("two")
    with pytest.raises(LeaseLost):
        await table.intents.save(intent, replace(intent, state=IntentState.SENT))
    with pytest.raises(LeaseLost):
        await table.intents.open(a_decision(position_id="OP_2"), stale, NOW)
    assert await table.intents.take_over({PARTITION: fresh}) == (replace(intent, claim=fresh),)
    assert await table.intents.take_over({PARTITION: fresh}) == ()


async def test_an_intent_without_a_claim_waits_for_the_holder(table: Table) -> None:
    intent = await begun(table, None, a_decision(OrderCause.MANUAL, "r1"))
    claim = await table.take("one")
    assert await table.intents.take_over({PARTITION: claim}) == (replace(intent, claim=claim),)


async def test_what_is_over_is_not_taken_over(table: Table) -> None:
    first = await table.take("one")
    intent = await begun(table, first)
    await table.intents.save(intent, replace(intent, state=IntentState.DONE, outcome=Outcome.CLOSED))
    second = await table.take("two")
    assert await table.intents.take_over({PARTITION: second}) == ()


async def test_what_its_own_claimant_left_standing_is_found(table: Table) -> None:
    claim = await table.take("one")
    intent = await begun(table, claim)
    await begun(table, None, a_decision(position_id="OP_2"))
    over = await begun(table, claim, a_decision(position_id="OP_3"))
    await table.intents.save(over, replace(over, state=IntentState.FAILED, outcome=Outcome.NOT_OPEN))
    later, claims = NOW + timedelta(microseconds=1), {PARTITION: claim}
    assert await table.intents.unmoved(claims, later) == {intent.closing_id}
    assert await table.intents.unmoved(claims, NOW) == set()
    assert await table.intents.unmoved({}, later) == set()
    second = follow_up(intent, uuid.uuid4(), later, timedelta(0))
    await table.intents.save(intent, replace(intent, state=IntentState.FAILED, outcome=Outcome.BLOCKED), second)
    assert await table.intents.unmoved(claims, later) == set()
    assert await table.intents.unmoved(claims, later + timedelta(seconds=1)) == {intent.closing_id}
    assert await table.intents.unmoved({PARTITION: await table.take("two")}, later + timedelta(seconds=1)) == set()


async def test_postgres_itself_keeps_a_second_live_intent_out(engine: AsyncEngine) -> None:
    intents = PostgresIntents(engine, fence, uuid.uuid4)
    await intents.open(a_decision(), None, NOW)
    copy = """
        INSERT INTO intents (intent_id, closing_id, position_id, position_version, user_id, account_id, partition,
            venue, symbol, position_side, side, quantity, purpose, attempt, client_order_id, evidence, state,
            not_before, created_at, updated_at)
        SELECT gen_random_uuid(), closing_id, position_id, position_version, user_id, account_id, partition, venue,
            symbol, position_side, side, quantity, 'manual', 1, 'another', evidence, state, not_before,
            created_at, updated_at
        FROM intents
    """
    with pytest.raises(IntegrityError, match="intents_live_position_idx"):
        async with transaction(engine) as connection:
            await connection.execute(text(copy))


async def outbox(engine: AsyncEngine) -> list[AlertTriggered]:
    async with transaction(engine) as connection:
        rows = await connection.execute(text("SELECT payload FROM outbox ORDER BY place"))
        return [AlertTriggered.FromString(row.payload) for row in rows]


async def test_a_refusal_is_told_with_the_write_that_makes_it_true(engine: AsyncEngine) -> None:
    intents = PostgresIntents(engine, fence, uuid.uuid4)
    opening = await intents.open(a_decision(), None, NOW)
    refused = replace(opening.intent, state=IntentState.FAILED, outcome=Outcome.REFUSED, reason="filters")
    await intents.save(opening.intent, refused)
    with pytest.raises(IntentMoved):
        await intents.save(opening.intent, refused)
    (alert,) = await outbox(engine)
    assert (alert.kind, alert.position_id, alert.reason) == (
        ALERT_KIND_CLOSE_REFUSED,
        opening.intent.position_id,
        "filters",
    )
    assert (alert.price, alert.level_price) == ("63990.5", "64000")


async def test_the_last_orders_without_a_fill_are_found(engine: AsyncEngine) -> None:
    """Not what never had an order, nor what has fills, nor what is under way."""
    intents = PostgresIntents(engine, fence, uuid.uuid4)
    sent = NOW + timedelta(seconds=2)
    ends = [(outcome, sent) for outcome in Outcome] + [(Outcome.REFUSED, None)]
    found = {}
    for number, (outcome, deadline) in enumerate(ends):
        opening = await intents.open(a_decision(position_id=f"OP_unfilled_{number}"), None, NOW)
        state = IntentState.DONE if outcome.filled else IntentState.FAILED
        at = NOW + timedelta(seconds=number)
        over = replace(opening.intent, state=state, outcome=outcome, deadline=deadline, updated_at=at)
        await intents.save(opening.intent, over)
        found[outcome, deadline] = over
    await intents.open(a_decision(position_id="OP_unfilled_live"), None, NOW)
    expected = [found[end] for end in ends if end[1] is not None and not end[0].filled]
    here = [PARTITION]
    assert await intents.unfilled(here, 100) == tuple(expected)
    assert await intents.unfilled(here, 2) == tuple(expected[-2:])
    assert await intents.unfilled([PARTITION + 1], 100) == ()


async def test_what_has_been_over_for_long_is_pruned_but_the_last_of_a_position(engine: AsyncEngine) -> None:
    intents = PostgresIntents(engine, fence, uuid.uuid4)
    for number in range(3):
        decision = a_decision(OrderCause.MANUAL, f"r{number}", version=3 + number)
        opening = await intents.open(decision, None, NOW + timedelta(days=number))
        over = replace(opening.intent, state=IntentState.DONE, outcome=Outcome.CLOSED)
        await intents.save(opening.intent, over)
    assert await intents.prune(NOW - timedelta(days=1)) == 0
    assert await intents.prune(NOW + timedelta(days=9)) == 2
    assert await intents.requested("demo", "r0") is None
    assert await intents.requested("demo", "r2") is not None
    assert isinstance(await intents.open(a_decision(version=5), None, NOW), Settled)
