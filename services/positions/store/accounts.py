"""Accounts and the leases of their keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.trading.extremes import TriggerPrice
from services.common.trading.side import Venue
from services.positions.domain.account import Account
from services.positions.domain.errors import AccountNotFound
from services.positions.domain.provenance import Plan
from services.positions.store.tables import accounts, credential_leases, plans


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


async def get_account(
    connection: AsyncConnection, account_id: str, user_id: str | None = None, *, lock: bool = False
) -> Account:
    """An account by id; of that user, where one is given. Raises AccountNotFound, for a removed one as well."""
    query = select(accounts).where(accounts.c.account_id == account_id, accounts.c.removed_at.is_(None))
    if user_id is not None:
        query = query.where(accounts.c.user_id == user_id)
    row = (await connection.execute(query.with_for_update(key_share=True) if lock else query)).one_or_none()
    if row is None:
        raise AccountNotFound(account_id=account_id)
    return _from_row(row)


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """An account and its user's plan."""

    account: Account
    plan: Plan | None


def standing_with(*more: ColumnElement[Any]) -> Select[Any]:
    """A statement for the standing of the account `of_account`, and for whatever else is asked of it at once."""
    return (
        select(
            *(one for one in accounts.c if one is not accounts.c.sealed_credentials),
            plans.c.name.label("plan_name"),
            plans.c.commission_percent.label("plan_percent"),
            *more,
        )
        .select_from(accounts.outerjoin(plans, plans.c.user_id == accounts.c.user_id))
        .where(accounts.c.account_id == bindparam("of_account"), accounts.c.removed_at.is_(None))
    )


def standing_from_row(row: Row[Any] | None, account_id: str, user_id: str | None = None) -> AccountStanding:
    """What such a statement answered. Raises AccountNotFound, for another user's as well."""
    if row is None or user_id not in (None, row.user_id):
        raise AccountNotFound(account_id=account_id)
    plan = None if row.plan_name is None else Plan(row.plan_name, row.plan_percent)
    return AccountStanding(_from_row(row), plan)


async def list_accounts(connection: AsyncConnection, user_id: str) -> list[Account]:
    """The accounts of a user, the oldest first; removed ones are left out."""
    rows = await connection.execute(
        select(accounts)
        .where(accounts.c.user_id == user_id, accounts.c.removed_at.is_(None))
        .order_by(accounts.c.created_at, accounts.c.account_id)
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
        await connection.execute(
            select(accounts.c.sealed_credentials).where(
                accounts.c.account_id == account_id, accounts.c.removed_at.is_(None)
            )
        )
    ).scalar_one_or_none()
    if sealed is None:
        raise AccountNotFound(account_id=account_id)
    return bytes(sealed)


async def list_sealed(connection: AsyncConnection, after: str, limit: int) -> list[tuple[str, bytes]]:
    """Ids of accounts with their keys as they are kept, by id; held against other writers."""
    rows = await connection.execute(
        select(accounts.c.account_id, accounts.c.sealed_credentials)
        .where(accounts.c.removed_at.is_(None), accounts.c.account_id > after)
        .order_by(accounts.c.account_id)
        .limit(limit)
        .with_for_update()
    )
    return [(row.account_id, bytes(row.sealed_credentials)) for row in rows]


async def reseal(connection: AsyncConnection, account_id: str, sealed: bytes) -> None:
    """Keep the same key under another seal: nothing of the account changes."""
    await connection.execute(
        update(accounts).where(accounts.c.account_id == account_id).values(sealed_credentials=sealed)
    )


async def update_account(connection: AsyncConnection, account: Account) -> None:
    """Write an account's next version; its key stays, unless it was removed."""
    values = _to_row(account)
    if account.removed_at is not None:
        values["sealed_credentials"] = b""
    await connection.execute(update(accounts).where(accounts.c.account_id == account.account_id).values(**values))


async def retire(connection: AsyncConnection, account: Account) -> None:
    """Let another user have the venue's account that this removed one was: its history keeps a name of its own."""
    await connection.execute(
        update(accounts)
        .where(accounts.c.account_id == account.account_id)
        .values(venue_user_id=f"{account.venue_user_id}#{account.account_id}")
    )


async def find_plan(connection: AsyncConnection, user_id: str) -> Plan | None:
    """A user's plan."""
    row = (await connection.execute(select(plans).where(plans.c.user_id == user_id))).one_or_none()
    return None if row is None else Plan(row.name, row.commission_percent)


async def set_plan(connection: AsyncConnection, user_id: str, plan: Plan, set_by: str, now: datetime) -> None:
    """Give a user a plan in place of the one before."""
    values = {"name": plan.name, "commission_percent": plan.commission_percent, "set_by": set_by, "set_at": now}
    await connection.execute(
        upsert(plans).values(user_id=user_id, **values).on_conflict_do_update(index_elements=["user_id"], set_=values)
    )


async def record_lease(
    connection: AsyncConnection,
    account_id: str,
    caller: str,
    leased_at: datetime,
    expires_at: datetime,
    purpose: str = "trading",
) -> None:
    """Keep who was given a key, and what for: `trading` or `reading`."""
    await connection.execute(
        insert(credential_leases).values(
            account_id=account_id, caller=caller, leased_at=leased_at, expires_at=expires_at, purpose=purpose
        )
    )


async def prune_leases(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Forget who was given a key before a moment, at most so many; how many they were."""
    leases = credential_leases.c
    # Their numbers are in the order in which they were given: nothing is searched behind the oldest.
    oldest = select(leases.lease_id, leases.leased_at).order_by(leases.lease_id).limit(limit).subquery()
    old = select(oldest.c.lease_id).where(oldest.c.leased_at < before)
    return (await connection.execute(delete(credential_leases).where(leases.lease_id.in_(old)))).rowcount


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
        can_trade=row.can_trade,
        ip_restricted=row.ip_restricted,
        auto_manage=row.auto_manage,
        refusal=row.refusal,
        removed_at=row.removed_at,
        trigger_price=TriggerPrice(row.trigger_price),
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
        "can_trade": account.can_trade,
        "ip_restricted": account.ip_restricted,
        "auto_manage": account.auto_manage,
        "refusal": account.refusal,
        "removed_at": account.removed_at,
        "trigger_price": account.trigger_price.value,
    }
