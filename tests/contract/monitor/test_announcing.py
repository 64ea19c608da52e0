"""A change of guard is kept and told once, whichever replica notices it."""

from dataclasses import dataclass, field

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.monitor.v1.events_pb2 import ALERT_KIND_FEED_STALE, AlertTriggered, GuardChanged, GuardHeartbeat
from services.common import leases
from services.common.database import transaction
from services.common.errors import LeaseLost
from services.monitor.domain.guard import GuardState
from services.monitor.domain.intent import Claim
from services.monitor.partitions.announcing import Announcer
from services.monitor.partitions.guarding import Heartbeat
from services.monitor.partitions.holding import fence, partition_key
from tests.fakes.clock import FixedClock


@dataclass
class Wire:
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    notified: int = 0

    async def send(self, subject: str, payload: bytes) -> bool:
        self.sent.append((subject, payload))
        return True

    def notify(self) -> None:
        self.notified += 1


PARTITION = 7


def announcer(engine: AsyncEngine, wire: Wire, owner: str = "one") -> Announcer:
    return Announcer(owner, engine, wire.send, wire, FixedClock(), fence)


async def take(engine: AsyncEngine, owner: str) -> Claim:
    """The partition's lease, from whoever holds it."""
    key = partition_key(PARTITION)
    async with transaction(engine) as connection:
        await leases.ensure(connection, [key])
        await connection.execute(text("UPDATE leases SET owner = NULL, expires_at = NULL"))
        (lease,) = await leases.claim(connection, owner, 600, keys=[key])
    return Claim(owner, PARTITION, lease.epoch)


async def events(engine: AsyncEngine) -> list[tuple[str, GuardChanged]]:
    async with transaction(engine) as connection:
        rows = await connection.execute(
            text("SELECT subject, payload FROM outbox WHERE subject LIKE 'monitor.v1.guard_changed.%' ORDER BY place")
        )
        return [(row.subject, GuardChanged.FromString(row.payload)) for row in rows]


async def test_each_change_is_told_once_over_all_replicas(engine: AsyncEngine) -> None:
    wire = Wire()
    one, two = announcer(engine, wire), announcer(engine, wire, "two")
    for state in (
        GuardState("a", "demo.user", ""),
        GuardState("a", "demo.user", "FEED_STALE"),
        GuardState("a", "demo.user", "FEED_DOWN"),
        GuardState("a", "demo.user", ""),
    ):
        await one.changed(state, await take(engine, "one"))
        await two.changed(state, await take(engine, "two"))
    told = await events(engine)
    assert [(message.guarded, message.reason) for _, message in told] == [
        (True, ""),
        (False, "FEED_STALE"),
        (False, "FEED_DOWN"),
        (True, ""),
    ]
    assert {subject for subject, _ in told} == {"monitor.v1.guard_changed.demo%2Euser"}
    assert wire.notified == 4
    async with transaction(engine) as connection:
        rows = await connection.execute(
            text("SELECT payload FROM outbox WHERE subject = 'monitor.v1.alert_triggered.demo%2Euser'")
        )
        # One alert for one outage, whatever is known of its cause by and by.
        (alert,) = (AlertTriggered.FromString(row.payload) for row in rows)
    assert (alert.kind, alert.account_id) == (ALERT_KIND_FEED_STALE, "a")


async def test_who_has_lost_the_partition_does_not_have_the_last_word(engine: AsyncEngine) -> None:
    wire = Wire()
    one, two = announcer(engine, wire), announcer(engine, wire, "two")
    before = await take(engine, "one")
    await one.changed(GuardState("b", "demo", "FEED_STALE"), before)
    await two.changed(GuardState("b", "demo", ""), await take(engine, "two"))
    with pytest.raises(LeaseLost):
        await one.changed(GuardState("b", "demo", "FEED_STALE"), before)
    assert [message.guarded for _, message in await events(engine) if message.account_id == "b"] == [False, True]


async def test_a_heartbeat_says_what_is_held(engine: AsyncEngine) -> None:
    wire = Wire()
    await announcer(engine, wire).beat(Heartbeat((3, 4), {"a": "FEED_DOWN"}, 57))
    ((subject, payload),) = wire.sent
    assert subject == "monitor.ephemeral.v1.guard_heartbeat.one"
    beat = GuardHeartbeat.FromString(payload)
    assert beat.followed_sequence == 57
    assert (list(beat.partitions), dict(beat.unguarded_accounts)) == ([3, 4], {"a": "FEED_DOWN"})
