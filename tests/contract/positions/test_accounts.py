"""Key custody: what is kept opens for its own row alone; whose account it is, the venue says."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from services.common.database import transaction
from services.common.errors import TradingNotEnabled
from services.common.exchange.credentials import Credentials
from services.common.exchange.keys import KeyReport
from services.common.trading.side import Venue
from services.positions.commands.accounts import AccountCommands
from services.positions.commands.journal import Journal
from services.positions.custody import Custodian, SealBroken
from services.positions.domain.account import Account
from services.positions.domain.errors import (
    AccountNotFound,
    AccountOfAnotherUser,
    KeyCanWithdraw,
    KeyRefusedByVenue,
    VenueUnavailable,
)
from services.positions.store.tables import accounts, credential_leases
from tests.contract.positions.conftest import ENCRYPTION_KEYS, Books, NewAccount
from tests.factories import at


async def add(books: Books, user_id: str, key: str, report: KeyReport | None = None) -> Account:
    if report is not None:
        books.reader.reports[key] = report
    return await books.accounts.add(user_id, Venue.BYBIT, "", Credentials(key, "s3cret"), trading_enabled=True)


async def test_what_is_kept_does_not_show_the_secret(books: Books, account: Account) -> None:
    async with transaction(books.engine) as connection:
        row = (await connection.execute(select(accounts).where(accounts.c.account_id == account.account_id))).one()
    credentials = await books.keys.credentials(account.account_id)
    assert credentials.secret == "s3cret"
    assert b"s3cret" not in row.sealed_credentials
    assert credentials.api_key.encode() not in row.sealed_credentials
    assert credentials.api_key not in (row.name, row.masked_key)
    assert await books.events(account.account_id) == ["account_changed"]


async def test_a_credential_does_not_open_on_another_row(books: Books, new_account: NewAccount) -> None:
    one, other = await new_account(), await new_account()
    async with transaction(books.engine) as connection:
        moved = select(accounts.c.sealed_credentials).where(accounts.c.account_id == one.account_id).scalar_subquery()
        await connection.execute(
            update(accounts).where(accounts.c.account_id == other.account_id).values(sealed_credentials=moved)
        )
    with pytest.raises(SealBroken):
        await books.keys.credentials(other.account_id)


async def test_two_keys_of_one_account_are_one_account(books: Books) -> None:
    report = KeyReport(True, can_read=True, can_trade=True, venue_user_id=uuid4().hex)
    first = await add(books, "u1", "key-1", report)
    second = await add(books, "u1", "key-2", report)
    assert second.account_id == first.account_id
    assert second.version == 2
    assert (await books.keys.credentials(first.account_id)).api_key == "key-2"


@pytest.mark.parametrize(
    ("report", "error"),
    [
        (KeyReport(None, reason="timed out"), VenueUnavailable),
        (KeyReport(False, reason="invalid key"), KeyRefusedByVenue),
        (KeyReport(True, can_read=False, venue_user_id="1"), KeyRefusedByVenue),
        (KeyReport(True, can_read=True, can_withdraw=True, venue_user_id="1"), KeyCanWithdraw),
    ],
)
async def test_a_key_that_will_not_do_is_not_kept(books: Books, report: KeyReport, error: type[Exception]) -> None:
    user = f"user-{uuid4().hex}"
    with pytest.raises(error):
        await add(books, user, uuid4().hex, report)
    assert await books.accounts.list_accounts(user) == []


async def test_another_users_account_is_refused(books: Books) -> None:
    report = KeyReport(True, can_read=True, venue_user_id=uuid4().hex)
    await add(books, "u1", uuid4().hex, report)
    with pytest.raises(AccountOfAnotherUser):
        await add(books, "u2", uuid4().hex, report)


async def test_a_lease_is_audited(books: Books, account: Account) -> None:
    lease = await books.accounts.lease(account.account_id, "monitor")
    assert lease.credentials.secret == "s3cret"
    assert lease.expires_at == at(20 + 300)
    async with transaction(books.engine) as connection:
        rows = await connection.execute(
            select(credential_leases).where(credential_leases.c.account_id == account.account_id)
        )
        assert [row.caller for row in rows] == ["monitor"]


async def test_a_key_that_may_not_trade_is_not_leased(books: Books) -> None:
    report = KeyReport(True, can_read=True, can_trade=False, venue_user_id=uuid4().hex)
    account = await add(books, "u1", uuid4().hex, report)
    assert not account.trading_enabled
    with pytest.raises(TradingNotEnabled):
        await books.accounts.lease(account.account_id, "monitor")


async def test_an_unknown_account_has_no_key(books: Books) -> None:
    with pytest.raises(AccountNotFound):
        await books.accounts.lease(str(uuid4()), "monitor")


class Order:
    """What happens in which order: commits, and keys that are dropped."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def committed(self) -> None:
        self.told.append("committed")

    def drop(self, account_id: str) -> None:
        self.told.append("dropped")


@pytest.mark.parametrize("change", ["verify", "set_trading", "rename", "set_auto_manage", "remove", "add"])
async def test_a_key_is_dropped_once_its_change_has_committed(books: Books, account: Account, change: str) -> None:
    """Whoever opened it between a drop and the commit would keep what it was for five minutes."""
    order = Order()
    journal = Journal(books.engine, order.committed)
    commands = AccountCommands(
        journal, books.reader, Custodian(ENCRYPTION_KEYS), books.readings, books.clock, timedelta(minutes=5), order
    )
    key = await books.keys.credentials(account.account_id)
    books.reader.reports[key.api_key] = KeyReport(
        True, can_read=True, can_trade=False, venue_user_id=account.venue_user_id
    )
    mine = (account.user_id, account.account_id)
    match change:
        case "verify":
            await commands.verify(*mine)
        case "set_trading":
            await commands.set_trading(*mine, enabled=False)
        case "rename":
            await commands.rename(*mine, "Other")
        case "set_auto_manage":
            await commands.set_auto_manage(*mine, enabled=True)
        case "remove":
            await commands.remove(*mine)
        case "add":
            await commands.add(account.user_id, account.venue, "", key, trading_enabled=True)
    assert order.told == ["committed", "dropped"]


@pytest.mark.parametrize("same_user", [True, False])
async def test_two_who_add_an_account_at_once_do_so_one_after_the_other(books: Books, same_user: bool) -> None:
    report = KeyReport(True, can_read=True, can_trade=True, venue_user_id=uuid4().hex)
    users = [f"u-{uuid4().hex}"] * 2 if same_user else [f"u-{uuid4().hex}" for _ in range(2)]
    added = await asyncio.gather(
        *(add(books, user, f"key-{number}-{user}", report) for number, user in enumerate(users)),
        return_exceptions=True,
    )
    if same_user:
        [first, second] = added
        assert isinstance(first, Account)
        assert isinstance(second, Account)
        assert first.account_id == second.account_id
        assert sorted((first.version, second.version)) == [1, 2]
    else:
        assert sorted(type(one).__name__ for one in added) == ["Account", "AccountOfAnotherUser"]
