"""A key that changed in one replica is dropped in every other at once."""

import asyncio

from prometheus_client import CollectorRegistry

from deploy.local.nats import NatsServer
from services.common.database import transaction
from services.common.outbox import append
from services.common.relay import Relay
from services.common.telemetry import Instruments
from services.positions import events
from services.positions.custody import Custodian
from services.positions.domain.account import Account
from services.positions.guards import LevelPlaces
from services.positions.keys import KeptKeys
from services.positions.streams.events import OWN_FACTS, OwnFacts
from tests.contract.common.conftest import bus_of, declare, running, until
from tests.contract.positions.conftest import ENCRYPTION_KEYS, Books


def follow(keys: KeptKeys, books: Books) -> OwnFacts:
    return OwnFacts(
        books.readings,
        LevelPlaces(books.clock.now()),
        books.clock,
        on_user=lambda _: None,
        on_account=keys.drop,
        on_missed=keys.drop_all,
    )


async def test_every_replica_hears_of_a_change(books: Books, account: Account, nats_server: NatsServer) -> None:
    await declare(nats_server)
    replicas = [KeptKeys(books.engine, Custodian(ENCRYPTION_KEYS), books.clock) for _ in range(2)]
    buses = [bus_of(nats_server, "positions") for _ in replicas]
    followers = [
        bus.follow(OWN_FACTS, own.handle, on_gap=own.missed)
        for bus, own in zip(buses, (follow(keys, books) for keys in replicas), strict=True)
    ]
    relay = Relay(books.engine, buses[0], Instruments(CollectorRegistry()))
    async with running(*buses, *followers, relay):
        await asyncio.gather(*(follower.started() for follower in followers))
        kept = [await keys.credentials(account.account_id) for keys in replicas]
        async with transaction(books.engine) as connection:
            await append(connection, events.account_changed(account, books.clock.now()))
        relay.notify()

        async def opened_anew() -> bool:
            now = [await keys.credentials(account.account_id) for keys in replicas]
            return all(after is not before for after, before in zip(now, kept, strict=True))

        await until(opened_anew)


async def test_after_a_gap_no_key_is_kept(books: Books, account: Account) -> None:
    keys = KeptKeys(books.engine, Custodian(ENCRYPTION_KEYS), books.clock)
    kept = await keys.credentials(account.account_id)
    await follow(keys, books).missed()
    assert await keys.credentials(account.account_id) is not kept
