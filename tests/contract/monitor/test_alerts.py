"""Alerts in Postgres: told once, whoever is asked and however often, and only under the lease."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.monitor.v1.events_pb2 import AlertTriggered
from services.common import leases
from services.common.database import transaction
from services.common.errors import FieldInvalid, LeaseLost, VersionConflict
from services.common.trading.side import Venue
from services.monitor.alerts.rows import Told
from services.monitor.alerts.store import UNASKED, PostgresAlerts
from services.monitor.alerts.telling import Firing, Teller
from services.monitor.domain.alert import Alert, AlertKind
from services.monitor.domain.alerts.rule import AlertNotFound, Direction, Rule, TooManyAlerts, UserAlert
from services.monitor.domain.intent import Claim
from services.monitor.partitions.holding import fence, partition_key

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
RULE = Rule(
    AlertKind.PRICE_TARGET,
    "demo",
    Venue.BINANCE,
    "BTCUSDT",
    "",
    Direction.ABOVE,
    Decimal(66000),
    webhook=True,
    note="!",
)
CLOSED = replace(
    RULE, kind=AlertKind.POSITION_CLOSED, venue=None, symbol="", direction=None, threshold=None, repeating=True
)


@pytest.fixture
def store(engine: AsyncEngine) -> PostgresAlerts:
    return PostgresAlerts(engine, 3)


@pytest.fixture
def heard() -> list[Alert]:
    return []


@pytest.fixture
def teller(engine: AsyncEngine, heard: list[Alert]) -> Teller:
    def hear(alerts: Sequence[Alert]) -> None:
        heard.extend(alerts)

    return Teller(engine, fence, hear)


@pytest.fixture
async def claim(engine: AsyncEngine) -> Claim:
    return await take(engine, "one")


async def take(engine: AsyncEngine, owner: str) -> Claim:
    """The partition changes hands."""
    async with transaction(engine) as connection:
        await leases.ensure(connection, [partition_key(7)])
        await connection.execute(
            text("UPDATE leases SET expires_at = now() WHERE key = :key"), {"key": partition_key(7)}
        )
    async with transaction(engine) as connection:
        (lease,) = await leases.claim(connection, owner, 60, keys=[partition_key(7)])
    return Claim(owner, 7, lease.epoch)


def an_alert(rule: Rule = RULE) -> UserAlert:
    return UserAlert(uuid4(), rule, "", active=True, created_at=NOW, armed_at=NOW)


def firing(alert: UserAlert, position_id: str = "") -> Firing:
    about = Alert(
        alert.rule.kind,
        alert.rule.user_id,
        "",
        "the price reached 66000 from below",
        position_id,
        alert.rule.venue,
        alert.rule.symbol,
        Decimal("66000.5"),
        Decimal(66000),
        str(alert.alert_id),
        alert.rule.note,
    )
    return Firing((alert.alert_id, position_id), alert.version, about)


async def published(engine: AsyncEngine) -> list[AlertTriggered]:
    async with transaction(engine) as connection:
        rows = await connection.execute(text("SELECT payload FROM outbox ORDER BY place"))
        return [AlertTriggered.FromString(row.payload) for row in rows]


async def bodies(engine: AsyncEngine) -> list[dict[str, object]]:
    async with transaction(engine) as connection:
        rows = await connection.execute(text("SELECT body FROM webhook_deliveries ORDER BY created_at"))
        return [json.loads(row.body) for row in rows]


async def set_webhook(engine: AsyncEngine, user_id: str = "demo") -> None:
    async with transaction(engine) as connection:
        await connection.execute(
            text("INSERT INTO webhooks VALUES (:user, 'https://hooks.example', 1, 'r', now())"), {"user": user_id}
        )


async def test_what_is_told_is_one_thing(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, claim: Claim, heard: list[Alert]
) -> None:
    await set_webhook(engine)
    alert = await store.create(an_alert(), "r1", armed=True)
    assert await teller.reached(claim, [firing(alert)], NOW) == {(alert.alert_id, "")}
    (event,) = await published(engine)
    ((told,), _) = await store.told("demo", 10, None)
    (body,) = await bodies(engine)
    assert event.event_id == str(told.event_id) == body["eventId"]
    assert (event.alert_id, event.note, event.price, event.level_price) == (
        str(alert.alert_id),
        "!",
        "66000.5",
        "66000",
    )
    assert body["type"] == "alert_triggered"
    assert body["timestamp"] == "2026-01-01T12:00:00.000Z"
    assert body["data"] == {
        "alertId": str(alert.alert_id),
        "accountId": None,
        "positionId": None,
        "kind": "price_target",
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "price": 66000.5,
        "levelPrice": 66000,
        "reason": "the price reached 66000 from below",
        "note": "!",
    }
    after = await store.get("demo", alert.alert_id)
    assert (after.active, after.times_triggered, after.last_triggered_at) == (False, 1, NOW)
    assert [one.alert_id for one in heard] == [str(alert.alert_id)]


async def test_two_that_see_the_same_price_tell_it_once(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, claim: Claim
) -> None:
    alert = await store.create(an_alert(), "r1", armed=True)
    told = await asyncio.gather(*(teller.reached(claim, [firing(alert)], NOW) for _ in range(4)))
    assert sorted(map(len, told)) == [0, 0, 0, 1]
    assert len(await published(engine)) == 1


async def test_one_that_has_lost_its_partition_tells_nothing(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, claim: Claim
) -> None:
    alert = await store.create(an_alert(), "r1", armed=True)
    successor = await take(engine, "two")
    with pytest.raises(LeaseLost):
        await teller.reached(claim, [firing(alert)], NOW)
    with pytest.raises(LeaseLost):
        await teller.arm(claim, [(alert.alert_id, "")], NOW)
    assert await published(engine) == []
    assert await teller.reached(successor, [firing(alert)], NOW)


async def test_a_repeating_one_is_told_again_only_once_it_is_armed_again(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, claim: Claim
) -> None:
    alert = await store.create(an_alert(replace(RULE, repeating=True)), "r1", armed=True)
    key = (alert.alert_id, "")
    assert await teller.reached(claim, [firing(alert)], NOW)
    assert not await teller.reached(claim, [firing(alert)], NOW)
    later = NOW + timedelta(minutes=1)
    await teller.arm(claim, [key], later)
    _, states = await store.active()
    assert (states[key].armed, states[key].since) == (True, later)
    assert await teller.reached(claim, [firing(alert)], later)
    assert (await store.get("demo", alert.alert_id)).times_triggered == 2


async def test_one_for_all_positions_that_fires_once_fires_for_one_of_them(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, claim: Claim
) -> None:
    rule = replace(RULE, kind=AlertKind.PROFIT_AMOUNT, venue=None, symbol="")
    alert = await store.create(an_alert(rule), "r1", armed=True)
    told = await teller.reached(claim, [firing(alert, "OP_1"), firing(alert, "OP_2")], NOW)
    assert told == {(alert.alert_id, "OP_1")}


async def test_an_alert_that_was_changed_or_deleted_meanwhile_is_not_told(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, claim: Claim
) -> None:
    changed = await store.create(an_alert(), "r1", armed=True)
    deleted = await store.create(an_alert(), "r2", armed=True)
    await store.change("demo", changed.alert_id, "r3", None, NOW, lambda alert: (alert, True))
    await store.delete("demo", deleted.alert_id)
    assert not await teller.reached(claim, [firing(changed), firing(deleted)], NOW)


async def test_near_liquidation_is_told_unasked_until_it_has_gone_back(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, claim: Claim
) -> None:
    about = Alert(AlertKind.LIQUIDATION_NEAR, "demo", "a", "4.9 % of the price is left", "OP_1")
    unasked = Firing((UNASKED, "OP_1"), 0, about)
    assert await teller.reached(claim, [unasked], NOW)
    assert not await teller.reached(claim, [unasked], NOW)
    await teller.arm(claim, [unasked.key], NOW)
    assert await teller.reached(claim, [unasked], NOW)
    (first, second) = await published(engine)
    assert (first.alert_id, second.alert_id) == ("", "")
    # Its own event comes by as one that was told unasked: it is kept already.
    assert not await teller.keep(Told(UUID(first.event_id), NOW, about))


async def test_a_fact_tells_each_alert_about_it_once(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, heard: list[Alert]
) -> None:
    every = await store.create(an_alert(CLOSED), "r1", armed=True)
    this = await store.create(an_alert(replace(CLOSED, position_id="OP_1", repeating=False)), "r2", armed=True)
    await store.create(an_alert(replace(CLOSED, position_id="OP_2")), "r3", armed=True)
    await store.create(an_alert(replace(CLOSED, user_id="another")), "r1", armed=True)
    fact = Alert(AlertKind.POSITION_CLOSED, "demo", "a", "the position was closed: manual", "OP_1")
    for _ in range(2):
        await teller.happened(fact, "message 1", NOW, NOW)
    assert {event.alert_id for event in await published(engine)} == {str(every.alert_id), str(this.alert_id)}
    assert len(heard) == 2
    await teller.happened(fact, "message 0", NOW, NOW - timedelta(seconds=1))
    assert len(heard) == 2, "of what was before it an alert does not tell"
    await teller.happened(fact, "message 2", NOW, NOW)
    assert [one.alert_id for one in heard[2:]] == [str(every.alert_id)]


async def test_a_position_that_is_over_takes_its_own_alerts_with_it(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller
) -> None:
    own = await store.create(an_alert(replace(CLOSED, position_id="OP_1")), "r1", armed=True)
    every = await store.create(an_alert(CLOSED), "r2", armed=True)
    await teller.closed("OP_1")
    alerts, _ = await store.active()
    assert [alert.alert_id for alert in alerts] == [every.alert_id]
    assert not (await store.get("demo", own.alert_id)).active


async def test_a_stop_is_told_of_only_where_it_has_moved(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, claim: Claim
) -> None:
    alert = await store.create(an_alert(replace(CLOSED, kind=AlertKind.STOP_MOVED)), "r1", armed=True)
    about = Alert(AlertKind.STOP_MOVED, "demo", "a", "moved", "OP_1", alert_id=str(alert.alert_id))
    moves = [Decimal(100), Decimal(100), Decimal(101), Decimal(101), None, Decimal(100)]
    told = [await teller.stop_moved(claim, alert, "OP_1", price, NOW, about) for price in moves]
    assert told == [False, False, True, False, True, True]
    assert len(await published(engine)) == 3


async def test_what_others_told_is_kept_and_posted_once(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller
) -> None:
    await set_webhook(engine)
    told = Told(uuid4(), NOW, Alert(AlertKind.CLOSE_REFUSED, "demo", "a", "no margin", "OP_1"))
    assert [await teller.keep(told) for _ in range(3)] == [True, False, False]
    ((kept,), _) = await store.told("demo", 10, None)
    assert (kept.event_id, kept.alert) == (told.event_id, told.alert)
    assert len(await bodies(engine)) == 1
    assert await published(engine) == [], "it was published by whoever told it"


async def test_requests_are_made_once_and_limits_hold(store: PostgresAlerts) -> None:
    alert = an_alert()
    assert await store.create(alert, "r1", armed=True) == alert
    assert (await store.create(an_alert(), "r1", armed=True)).alert_id == alert.alert_id
    made = await asyncio.gather(
        *(store.create(an_alert(), f"r{number}", armed=True) for number in range(2, 8)), return_exceptions=True
    )
    assert sum(isinstance(one, UserAlert) for one in made) == 2
    assert sum(isinstance(one, TooManyAlerts) for one in made) == 4
    await store.create(an_alert(replace(RULE, user_id="another")), "r1", armed=True)


async def test_a_change_asks_for_the_version_and_arms_anew(store: PostgresAlerts) -> None:
    alert = await store.create(an_alert(replace(RULE, repeating=True)), "r1", armed=False)
    _, states = await store.active("demo")
    assert not states[(alert.alert_id, "")].armed

    def again(before: UserAlert) -> tuple[UserAlert, bool]:
        return replace(before, armed_at=NOW + timedelta(1)), True

    changed = await store.change("demo", alert.alert_id, "r2", 1, NOW, again)
    assert changed.version == 2
    assert await store.active("demo") == ([changed], {})
    assert await store.change("demo", alert.alert_id, "r2", 1, NOW, again) == changed
    with pytest.raises(VersionConflict):
        await store.change("demo", alert.alert_id, "r3", 1, NOW, again)
    other = await store.create(an_alert(), "r4", armed=True)
    with pytest.raises(FieldInvalid):
        await store.change("demo", other.alert_id, "r2", None, NOW, again)


async def test_another_user_has_no_such_alert(store: PostgresAlerts) -> None:
    alert = await store.create(an_alert(), "r1", armed=True)
    for asked in (
        store.get("another", alert.alert_id),
        store.delete("another", alert.alert_id),
        store.change("another", alert.alert_id, "r2", None, NOW, lambda one: (one, True)),
    ):
        with pytest.raises(AlertNotFound):
            await asked
    assert await store.page("another", 10, None) == ([], None)
    assert await store.get("demo", alert.alert_id) == alert


async def test_pages_and_what_is_forgotten(
    engine: AsyncEngine, store: PostgresAlerts, teller: Teller, claim: Claim
) -> None:
    alerts = [await store.create(an_alert(), f"r{number}", armed=True) for number in range(3)]
    for number, alert in enumerate(alerts):
        await teller.reached(claim, [firing(alert)], NOW + timedelta(days=number))
    first, token = await store.page("demo", 2, None)
    rest, end = await store.page("demo", 2, token)
    assert [one.alert_id for one in first + rest] == [alert.alert_id for alert in reversed(alerts)]
    assert end is None
    told, token = await store.told("demo", 2, None)
    older, _ = await store.told("demo", 2, token)
    assert [one.occurred_at.day for one in told + older] == [3, 2, 1]
    await store.prune(NOW + timedelta(days=1))
    assert [one.occurred_at.day for one in (await store.told("demo", 10, None))[0]] == [3, 2]
