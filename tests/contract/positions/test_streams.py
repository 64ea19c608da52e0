"""Private streams shared out over replicas, and daily equity, over a real Postgres."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.common.trading.level import LevelKind, Pinned
from services.positions.domain.account import Account
from services.positions.equity.recording import record_equity
from services.positions.store.equity import EquitySnapshot, equity_snapshots
from services.positions.store.streams import Streamed, list_streamed
from services.positions.streams.hearing import Booked
from services.positions.streams.holding import Holding, StreamKeeper
from tests.contract.positions.conftest import Books, NewAccount
from tests.contract.positions.test_queries import show
from tests.factories import at, make_seen
from tests.waiting import until


class Followed:
    """Stands for the following of an account; ends when it is told to."""

    def __init__(self, account: Streamed) -> None:
        self.account = account
        self.end = asyncio.Event()
        self.running = False
        self.told: list[Booked] = []

    def tell(self, booked: Booked) -> None:
        self.told.append(booked)

    async def run(self) -> None:
        self.running = True
        try:
            await self.end.wait()
        finally:
            self.running = False


class Replica:
    """A keeper and what it follows."""

    def __init__(self, engine: AsyncEngine, name: str, watched: set[str], limit: int = 10, ttl: float = 60) -> None:
        self.started: list[Followed] = []
        self.keeper = StreamKeeper(
            engine,
            name,
            lambda: frozenset(watched),
            self._follow,  # type: ignore[arg-type]
            Holding(limit=limit, ttl_seconds=ttl, interval_seconds=60),
        )

    def _follow(self, account: Streamed) -> Followed:
        self.started.append(Followed(account))
        return self.started[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Replica"]:
        task = asyncio.create_task(self.keeper.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.keeper.drain()

    def follows(self, accounts: list[Account]) -> frozenset[str]:
        return self.keeper.followed & {one.account_id for one in accounts}


async def accounts_of(new_account: NewAccount, number: int) -> list[Account]:
    first = await new_account()
    return [first, *[await new_account(first.user_id) for _ in range(number - 1)]]


async def test_who_needs_a_stream(books: Books, new_account: NewAccount) -> None:
    watched, enforced, idle = await new_account(), await new_account(), await new_account()
    position_id = await books.adopt(enforced)
    await books.adopt(idle)
    await show(books, enforced, make_seen())
    await books.levels.set_level(enforced.user_id, position_id, LevelKind.STOP_LOSS, Pinned(Decimal(64000)), None)
    async with transaction(books.engine) as connection:
        found = await list_streamed(connection, [watched.user_id], 1000)
    ids = [one.account_id for one in found]
    assert watched.account_id in ids
    assert enforced.account_id in ids
    assert idle.account_id not in ids
    assert ids.index(enforced.account_id) < ids.index(watched.account_id), "what is enforced goes first"


async def test_replicas_share_the_streams_and_one_takes_over_from_another(
    books: Books, new_account: NewAccount
) -> None:
    accounts = await accounts_of(new_account, 3)
    watched = {accounts[0].user_id}
    # Other tests of this module leave enforced accounts behind: there is room for all.
    async with Replica(books.engine, "one", watched).running() as one:
        await until(lambda: len(one.follows(accounts)) == 3)
        async with Replica(books.engine, "two", watched).running() as two:
            await two.keeper.settle()
            assert two.follows(accounts) == set()
            await one.keeper.drain()
            await two.keeper.settle()
            assert len(two.follows(accounts)) == 3
            await one.keeper.settle()
            assert one.follows(accounts) == set()
            await two.keeper.drain()


async def test_a_replica_that_joins_has_its_share_after_a_few_looks(books: Books, new_account: NewAccount) -> None:
    accounts = await accounts_of(new_account, 5)
    watched = {accounts[0].user_id}
    async with Replica(books.engine, "one", watched, limit=50).running() as one:
        await until(lambda: len(one.follows(accounts)) == 5)
        alone = one.keeper.followed
        async with Replica(books.engine, "two", watched, limit=50).running() as two:
            for replica in (two, one, two, one, two):
                await replica.keeper.settle()
            shares = (one.keeper.followed, two.keeper.followed)
            assert not shares[0] & shares[1]
            assert shares[0] | shares[1] == alone
            assert abs(len(shares[0]) - len(shares[1])) <= 1
        await one.keeper.settle()
        assert one.keeper.followed == alone, "what the other gave back is followed at once"


async def test_a_silent_replicas_streams_are_taken_over_when_its_leases_end(
    books: Books, new_account: NewAccount
) -> None:
    accounts = await accounts_of(new_account, 1)
    watched = {accounts[0].user_id}
    dead, alive = (Replica(books.engine, name, watched, ttl=0.2) for name in ("dead", "alive"))
    await dead.keeper.settle()

    async with asyncio.timeout(10):
        while True:
            await alive.keeper.settle()
            if alive.follows(accounts):
                break
            await asyncio.sleep(0.05)
    await alive.keeper.drain()


async def test_a_process_follows_no_more_than_its_limit(books: Books, new_account: NewAccount) -> None:
    accounts = await accounts_of(new_account, 4)
    replica = Replica(books.engine, "small", {accounts[0].user_id}, limit=2)
    await replica.keeper.settle()
    assert len(replica.keeper.followed) == 2
    await replica.keeper.drain()


async def test_who_is_not_watched_any_more_is_not_followed_any_more(books: Books, new_account: NewAccount) -> None:
    accounts = await accounts_of(new_account, 1)
    watched = {accounts[0].user_id}
    replica = Replica(books.engine, "one", watched)
    await replica.keeper.settle()
    [followed] = [one for one in replica.started if one.account.account_id == accounts[0].account_id]
    await until(lambda: followed.running)
    watched.clear()
    await replica.keeper.settle()
    assert (replica.follows(accounts), followed.running) == (frozenset(), False)
    await replica.keeper.drain()


async def test_what_the_books_say_reaches_who_follows_the_account_here(books: Books, new_account: NewAccount) -> None:
    [account] = await accounts_of(new_account, 1)
    replica = Replica(books.engine, "one", {account.user_id})
    closed = Booked(make_seen().key, Decimal(0), at(30))
    replica.keeper.tell(account.account_id, closed)
    await replica.keeper.settle()
    replica.keeper.tell(account.account_id, closed)
    assert {one.account.account_id: one.told for one in replica.started if one.told} == {account.account_id: [closed]}
    await replica.keeper.drain()


async def test_a_refused_key_is_left_alone_until_there_is_another(books: Books, new_account: NewAccount) -> None:
    [account] = await accounts_of(new_account, 1)
    replica = Replica(books.engine, "one", {account.user_id})

    def starts() -> list[Followed]:
        return [one for one in replica.started if one.account.account_id == account.account_id]

    await replica.keeper.settle()
    starts()[0].end.set()
    await until(lambda: starts()[0].running or starts()[0].end.is_set())
    for _ in range(3):
        await asyncio.sleep(0)
        await replica.keeper.settle()
    assert len(starts()) == 1
    credentials = await books.keys.credentials(account.account_id)
    await books.accounts.add(account.user_id, account.venue, "Main", credentials, trading_enabled=False)
    await replica.keeper.settle()
    assert len(starts()) == 2
    await replica.keeper.drain()


async def equity_of(engine: AsyncEngine, account: Account) -> list[tuple[date, Decimal, Decimal]]:
    table = equity_snapshots
    async with transaction(engine) as connection:
        query = select(table.c.day, table.c.opened_equity, table.c.closed_equity, table.c.transfers)
        rows = await connection.execute(query.where(table.c.account_id == account.account_id).order_by(table.c.day))
        return [(row.day, row.opened_equity, row.closed_equity) for row in rows if row.transfers is None]


async def test_a_day_is_one_row_whoever_writes_it_and_in_whatever_order(books: Books, account: Account) -> None:
    def snapshot(first: tuple[int, int], last: tuple[int, int], day: int = 5) -> EquitySnapshot:
        moments = [datetime(2026, 1, day, hour, tzinfo=UTC) for hour, _ in (first, last)]
        return EquitySnapshot(
            account.account_id, date(2026, 1, day), Decimal(first[1]), moments[0], Decimal(last[1]), moments[1]
        )

    write: Callable[..., Awaitable[None]] = record_equity
    await write(books.engine, [snapshot((10, 100), (12, 120)), snapshot((0, 1), (1, 2), day=6)])
    await write(books.engine, [snapshot((11, 7), (11, 7))])
    await write(books.engine, [snapshot((9, 90), (9, 90))])
    await write(books.engine, [snapshot((13, 130), (14, 140))])
    await write(books.engine, [])
    assert await equity_of(books.engine, account) == [
        (date(2026, 1, 5), Decimal(90), Decimal(140)),
        (date(2026, 1, 6), Decimal(1), Decimal(2)),
    ]
