"""Accounts and the leases of their keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.trading.side import Venue
from services.positions.domain.account import Account
from services.positions.domain.errors import AccountNotFound
from services.positions.store.tables import accounts, credential_leases


async def insert_account(connection: AsyncConnection, account: Account, sealed: bytes) -> None:
    """Add an account with its sealed credentials. The database refuses a second one of the same venue user id."""
    await connection.execute(insert(accounts).values(**_to_row(account), sealed_credentials=sealed))


async def replace_key(connection: AsyncConnection, account: Account, sealed: bytes) -> None:
    """Write an account with a new key over what it was."""
    await connection.execute(
        update(accounts)
        .where(accounts.c.account_id == account.account_id)
        .values(**_to_row(account), sealed_credentials=sealed)
    )


async def find_by_venue_user(connection: AsyncConnection, venue: Venue, venue_user_id: str) -> Account | None:
    """The account of a venue's user id, whosever it is; held against other writers."""
    row = (
        await connection.execute(
            select(accounts)
            .where(accounts.c.venue == venue.value, accounts.c.venue_user_id == venue_user_id)
            .with_for_update()
        )
    ).one_or_none()
    return None if row is None else _from_row(row)


async def get_account(connection: AsyncConnection, account_id: str) -> Account:
    """An account by id. Raises AccountNotFound."""
    row = (await connection.execute(select(accounts).where(accounts.c.account_id == account_id))).one_or_none()
    if row is None:
        raise AccountNotFound(account_id=account_id)
    return _from_row(row)


async def list_accounts(connection: AsyncConnection, user_id: str) -> list[Account]:
    """All accounts of a user, the oldest first."""
    rows = await connection.execute(
        select(accounts).where(accounts.c.user_id == user_id).order_by(accounts.c.created_at, accounts.c.account_id)
    )
    return [_from_row(row) for row in rows]


async def list_verified(connection: AsyncConnection, user_id: str | None, after: str, limit: int) -> list[Account]:
    """Accounts with a verified key, by id; of one user, where one is given."""
    query = select(accounts).where(accounts.c.verified, accounts.c.account_id > after)
    if user_id is not None:
        query = query.where(accounts.c.user_id == user_id)
    rows = await connection.execute(query.order_by(accounts.c.account_id).limit(limit))
    return [_from_row(row) for row in rows]


async def sealed_credentials(connection: AsyncConnection, account_id: str) -> bytes:
    """An account's key as it is kept. Raises AccountNotFound."""
    sealed = (
        await connection.execute(select(accounts.c.sealed_credentials).where(accounts.c.account_id == account_id))
    ).scalar_one_or_none()
    if sealed is None:
        raise AccountNotFound(account_id=account_id)
    return bytes(sealed)


async def record_lease(
    connection: AsyncConnection, account_id: str, caller: str, leased_at: datetime, expires_at: datetime
) -> None:
    """Keep who was given a key."""
    await connection.execute(
        insert(credential_leases).values(
            account_id=account_id, caller=caller, leased_at=leased_at, expires_at=expires_at
        )
    )


def _from_row(row: Row[Any]) -> Account:
    return Account(
        account_id=row.account_id,
        user_id=row.user_id,
        venue=Venue(row.venue),
        venue_user_id=row.venue_user_id,
        name=row.name,
        masked_key=row.masked_key,
        verified=row.verified,
        trading_enabled=row.trading_enabled,
        created_at=row.created_at,
        verified_at=row.verified_at,
        version=row.version,
    )


def _to_row(account: Account) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "user_id": account.user_id,
        "venue": account.venue.value,
        "venue_user_id": account.venue_user_id,
        "name": account.name,
        "masked_key": account.masked_key,
        "verified": account.verified,
        "trading_enabled": account.trading_enabled,
        "created_at": account.created_at,
        "verified_at": account.verified_at,
        "version": account.version,
    }
