"""Accounts after they were added: verified anew, switched, renamed, removed; plans; keys that are kept and rotated."""

import asyncio
import base64
import json
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from services.common.database import transaction
from services.common.errors import TradingNotEnabled
from services.common.exchange.credentials import Credentials
from services.common.exchange.keys import KeyReport
from services.common.trading.side import Venue
from services.positions.commands.levels import Request
from services.positions.commands.rotation import rotate_keys
from services.positions.custody import Custodian
from services.positions.domain.account import Account
from services.positions.domain.care import DEFAULT_LEVELS
from services.positions.domain.decision import Close
from services.positions.domain.errors import (
    AccountHasManagedPositions,
    AccountNotFound,
    AccountOfAnotherUser,
    KeyCannotTrade,
    VenueUnavailable,
)
from services.positions.domain.provenance import Plan
from services.positions.store.tables import accounts, credential_leases
from tests.contract.positions.conftest import ENCRYPTION_KEYS, Books, NewAccount
from tests.factories import at, make_fill, make_reading, make_seen


async def report(books: Books, account: Account, **says: object) -> None:
    credentials = await books.keys.credentials(account.account_id)
    books.reader.reports[credentials.api_key] = KeyReport(
        **{  # type: ignore[arg-type]
            "valid": True,
            "can_read": True,
            "can_trade": True,
            "venue_user_id": account.venue_user_id,
            **says,
        }
    )


async def managed(books: Books, account: Account) -> str:
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(make_seen())
    position_id = await books.adopt(account)
    await books.levels.manage(Request(account.user_id, position_id), DEFAULT_LEVELS)
    return position_id


@pytest.mark.parametrize(
    ("says", "refusal"),
    [
        ({"valid": False, "reason": "invalid key"}, "invalid key"),
        ({"can_read": False}, "it may not read futures positions"),
        ({"can_withdraw": True}, "it can withdraw"),
        ({"venue_user_id": "another"}, "it belongs to another account by now"),
    ],
)
async def test_a_key_that_will_not_do_any_more_is_not_verified(
    books: Books, account: Account, says: dict[str, object], refusal: str
) -> None:
    await report(books, account, **says)
    changed = await books.accounts.verify(account.user_id, account.account_id)
    assert (changed.verified, changed.trading_enabled, changed.refusal) == (False, False, refusal)
    assert await books.events(account.account_id) == ["account_changed", "account_changed"]


async def test_a_key_that_may_no_longer_trade_is_switched_off(books: Books, account: Account) -> None:
    await report(books, account, can_trade=False, ip_restricted=True)
    changed = await books.accounts.verify(account.user_id, account.account_id)
    assert (changed.verified, changed.trading_enabled, changed.ip_restricted) == (True, False, True)
    with pytest.raises(KeyCannotTrade):
        await books.accounts.set_trading(account.user_id, account.account_id, enabled=True)


async def test_a_key_that_is_as_it_was_makes_no_event(books: Books, account: Account) -> None:
    books.clock.advance(60)
    changed = await books.accounts.verify(account.user_id, account.account_id)
    assert (changed.version, changed.verified_at) == (1, books.clock.now())
    assert await books.events(account.account_id) == ["account_changed"]


async def test_a_venue_that_does_not_answer_changes_nothing(books: Books, account: Account) -> None:
    await report(books, account, valid=None, reason="timed out")
    with pytest.raises(VenueUnavailable):
        await books.accounts.verify(account.user_id, account.account_id)
    assert await books.accounts.list_accounts(account.user_id) == [account]


async def test_trading_is_switched_off_and_on(books: Books, account: Account) -> None:
    off = await books.accounts.set_trading(account.user_id, account.account_id, enabled=False)
    assert not off.trading_enabled
    with pytest.raises(TradingNotEnabled):
        await books.accounts.lease(account.account_id, "monitor")
    assert (await books.accounts.set_trading(account.user_id, account.account_id, enabled=True)).trading_enabled


async def test_a_name_is_only_a_name(books: Books, account: Account) -> None:
    renamed = await books.accounts.rename(account.user_id, account.account_id, "Savings")
    assert (renamed.name, renamed.version) == ("Savings", 2)


async def test_removal_waits_for_what_is_managed(books: Books, account: Account) -> None:
    position_id = await managed(books, account)
    with pytest.raises(AccountHasManagedPositions, match="1 positions"):
        await books.accounts.remove(account.user_id, account.account_id)
    await books.levels.release(Request(account.user_id, position_id))
    await books.accounts.remove(account.user_id, account.account_id)
    assert await books.accounts.list_accounts(account.user_id) == []
    with pytest.raises(AccountNotFound):
        await books.keys.credentials(account.account_id)
    async with transaction(books.engine) as connection:
        row = (await connection.execute(select(accounts).where(accounts.c.account_id == account.account_id))).one()
    assert row.sealed_credentials == b""
    assert await books.events(account.account_id) == ["account_changed", "account_changed"]


async def test_an_account_is_never_removed_under_what_is_taken_into_care(books: Books, new_account: NewAccount) -> None:
    """Both at once: one of them is refused, and whatever is managed has its key."""
    for _ in range(6):
        account = await new_account()
        credentials = await books.keys.credentials(account.account_id)
        books.reader.readings[credentials.api_key] = make_reading(make_seen())
        position_id = await books.adopt(account)
        outcomes = await asyncio.gather(
            books.accounts.remove(account.user_id, account.account_id),
            books.levels.manage(Request(account.user_id, position_id), DEFAULT_LEVELS),
            return_exceptions=True,
        )
        assert sum(isinstance(one, AccountHasManagedPositions | AccountNotFound) for one in outcomes) == 1
        is_managed = (await books.queries.get_position(position_id, None)).managed
        assert is_managed == bool(await books.accounts.list_accounts(account.user_id))


async def test_an_account_comes_back_to_its_user_with_its_history(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    await books.apply(account, Close(position_id, 1, (make_fill(),), Decimal(0)))
    key = (await books.keys.credentials(account.account_id)).api_key
    await books.accounts.remove(account.user_id, account.account_id)
    again = await books.accounts.add(account.user_id, account.venue, "", Credentials(key, "s"), trading_enabled=True)
    assert (again.account_id, again.removed_at) == (account.account_id, None)
    assert (await books.queries.get_position(position_id, account.user_id)).position_id == position_id


async def test_a_removed_account_may_become_another_users(books: Books, account: Account) -> None:
    key = (await books.keys.credentials(account.account_id)).api_key
    other = f"user-{uuid4().hex}"
    with pytest.raises(AccountOfAnotherUser):
        await books.accounts.add(other, account.venue, "", Credentials(key, "s"), trading_enabled=True)
    await books.accounts.remove(account.user_id, account.account_id)
    theirs = await books.accounts.add(other, account.venue, "", Credentials(key, "s"), trading_enabled=True)
    assert theirs.account_id != account.account_id
    with pytest.raises(AccountOfAnotherUser):
        await books.accounts.add(account.user_id, account.venue, "", Credentials(key, "s"), trading_enabled=True)


async def test_another_users_account_is_not_found(books: Books, account: Account) -> None:
    for act in (
        books.accounts.verify("x", account.account_id),
        books.accounts.set_trading("x", account.account_id, enabled=False),
        books.accounts.rename("x", account.account_id, "mine"),
        books.accounts.set_auto_manage("x", account.account_id, enabled=True),
        books.accounts.remove("x", account.account_id),
    ):
        with pytest.raises(AccountNotFound):
            await act
    assert await books.accounts.list_accounts(account.user_id) == [account]


async def test_a_plan_gives_rows_their_commission(books: Books, account: Account) -> None:
    before = await books.adopt(account)
    plan = Plan("pro", Decimal("12.5"))
    await books.accounts.set_plan(account.user_id, plan, "admin-1")
    assert await books.accounts.get_plan(account.user_id) == plan
    won = await books.adopt(account, symbol="ETHUSDT")
    assert (await books.queries.get_position(before, None)).plan == plan
    await books.apply(account, Close(won, 1, (make_fill("a", symbol="ETHUSDT"),), Decimal(0)))
    await books.apply(account, Close(before, 1, (make_fill("b", price=Decimal(64000)),), Decimal(0)))
    position = await books.queries.get_position(won, None)
    assert position.exit is not None
    assert (position.exit.realized_pnl, position.commission) == (Decimal("973.6"), Decimal("121.7"))
    assert (await books.queries.get_position(before, None)).commission == 0


async def test_a_plan_does_not_touch_what_is_closed(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    await books.apply(account, Close(position_id, 1, (make_fill(),), Decimal(0)))
    await books.accounts.set_plan(account.user_id, Plan("pro", Decimal(10)), "admin-1")
    position = await books.queries.get_position(position_id, None)
    assert (position.plan, position.commission) == (None, None)


async def leases(books: Books, account: Account) -> list[tuple[str, str]]:
    async with transaction(books.engine) as connection:
        rows = await connection.execute(
            select(credential_leases)
            .where(credential_leases.c.account_id == account.account_id)
            .order_by(credential_leases.c.lease_id)
        )
        return [(row.caller, row.purpose) for row in rows]


async def test_a_kept_key_is_good_for_five_minutes_and_every_opening_is_audited(books: Books, account: Account) -> None:
    for seconds in (0, 299, 1):
        books.clock.advance(seconds)
        await books.keys.credentials(account.account_id)
    await books.accounts.lease(account.account_id, "monitor")
    assert await leases(books, account) == [("positions", "reading"), ("positions", "reading"), ("monitor", "trading")]


async def test_a_new_key_takes_the_kept_ones_place_at_once(books: Books, account: Account) -> None:
    before = await books.keys.credentials(account.account_id)
    books.reader.reports["new-key"] = KeyReport(
        True, can_read=True, can_trade=True, venue_user_id=account.venue_user_id
    )
    await books.accounts.add(account.user_id, Venue.BINANCE, "", Credentials("new-key", "s"), trading_enabled=True)
    after = await books.keys.credentials(account.account_id)
    assert (before.api_key == after.api_key, after.api_key) == (False, "new-key")


def ring(active: str) -> str:
    old = json.loads(ENCRYPTION_KEYS)["keys"]["k1"]
    return json.dumps({"active": active, "keys": {"k1": old, "k2": base64.b64encode(b"n" * 32).decode()}})


async def test_rotation_wraps_every_key_anew_and_may_be_run_again(books: Books, new_account: NewAccount) -> None:
    held = [await new_account() for _ in range(3)]
    async with transaction(books.engine) as connection:
        await connection.execute(
            update(accounts)
            .where(accounts.c.account_id.not_in([one.account_id for one in held]), accounts.c.removed_at.is_(None))
            .values(sealed_credentials=b"another test's")
        )
    first = await rotate_keys(books.engine, Custodian(ring("k2")), batch=2)
    again = await rotate_keys(books.engine, Custodian(ring("k2")), batch=2)
    assert first.rewrapped == 3
    assert (again.rewrapped, again.untouched, again.broken) == (0, 3, first.broken)
    new_key_alone = json.dumps({"active": "k2", "keys": {"k2": json.loads(ring("k2"))["keys"]["k2"]}})
    for account in held:
        async with transaction(books.engine) as connection:
            query = select(accounts.c.sealed_credentials).where(accounts.c.account_id == account.account_id)
            sealed = (await connection.execute(query)).scalar_one()
        assert Custodian(new_key_alone).open(account.account_id, sealed).secret == "s3cret"
    assert await books.events(held[0].account_id) == ["account_changed"]
    assert held[0].created_at == at(20)
