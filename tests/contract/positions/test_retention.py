"""What is only kept for a while is forgotten in batches; what is younger stays."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import func, select

from services.common.database import transaction
from services.positions.domain.account import Account
from services.positions.domain.decision import Adopt, Decision
from services.positions.retention import DECISIONS_KEPT, Retention
from services.positions.store.tables import applied_decisions, credential_leases
from tests.contract.positions.conftest import Books
from tests.factories import at, make_seen


async def leases_of(books: Books, account: Account) -> int:
    async with transaction(books.engine) as connection:
        mine = credential_leases.c.account_id == account.account_id
        query = select(func.count()).select_from(credential_leases).where(mine)
        return int((await connection.execute(query)).scalar_one())


async def forget(retention: Retention) -> None:
    while await retention.forget_some():
        pass


async def test_who_was_given_a_key_is_forgotten_after_its_time(books: Books, account: Account) -> None:
    retention = Retention(books.engine, books.clock, timedelta(days=30), at_once=2)
    for _ in range(3):
        await books.accounts.lease(account.account_id, "monitor")
    books.clock.advance(20 * 86_400)
    await books.accounts.lease(account.account_id, "monitor")
    await forget(retention)
    assert await leases_of(books, account) == 4
    books.clock.advance(10 * 86_400 + 1)
    await forget(retention)
    assert await leases_of(books, account) == 1


async def test_a_run_that_may_be_sent_again_is_remembered(books: Books, account: Account) -> None:
    retention = Retention(books.engine, books.clock, timedelta(days=30))
    run_id, decision = str(uuid4()), Decision("1", Adopt(make_seen(), at(10), at(10.2)), "as the test says")
    first = await books.decisions.apply(run_id, account.account_id, [decision])
    await forget(retention)
    assert await books.decisions.apply(run_id, account.account_id, [decision]) == first
    books.clock.advance(DECISIONS_KEPT.total_seconds() + 1)
    await forget(retention)
    async with transaction(books.engine) as connection:
        query = select(func.count()).select_from(applied_decisions).where(applied_decisions.c.run_id == run_id)
        assert (await connection.execute(query)).scalar_one() == 0
