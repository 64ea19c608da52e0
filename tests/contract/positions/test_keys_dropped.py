"""A key that changed in one replica is dropped in every other at once."""

import asyncio

from prometheus_client import CollectorRegistry

from deploy.local.nats import NatsServer
from services.common.database import transaction
from services.common.outbox import append
from services.common.relay import Relay
from services.common.subjects import all_users
from services.common.telemetry import Instruments
from services.positions import events
from services.positions.custody import Custodian
from services.positions.domain.account import Account
from services.positions.events import forget, hear_account_changes
from services.positions.keys import KeptKeys
from tests.contract.common.conftest import bus_of, declare, running, until
from tests.contract.positions.conftest import ENCRYPTION_KEYS, Books


async def test_every_replica_hears_of_a_change(books: Books, account: Account, nats_server: NatsServer) -> None:
    await declare(nats_server)
    replicas = [KeptKeys(books.engine, Custodian(ENCRYPTION_KEYS), books.clock) for _ in range(2)]
    buses = [bus_of(nats_server, "positions") for _ in replicas]
    followers = [
        bus.follow(
            [all_users("positions", "account_changed")], hear_account_changes(keys.drop), on_gap=forget(keys.drop_all)
        )
        for bus, keys in zip(buses, replicas, strict=True)
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
