"""The schedule: which accounts there are, when each is due, and who is looking at it.

A claim is a row of the accounts table with an owner, an epoch and an expiry. Replicas claim with FOR UPDATE SKIP
LOCKED, so none waits for another and no account is looked at twice at once; the accounts of a dead replica come free
when their leases expire.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, Text, any_, bindparam, delete, exists, func, literal, or_, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.common.database import transaction
from services.common.trading.side import Venue
from services.reconciler.domain.errors import AccountNotScheduled
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.run import Suspicion
from services.reconciler.store.tables import ACCOUNTS, ESTIMATED_EXITS


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to look at one account until the lease expires.

    `due_at` is when the schedule wants the look; None where the account is looked at first or for another reason.
    Nothing is missing where `pending_since` is None; `awaits_fills` says that estimated exits are to be tried again.
    `last_run_at` is None before the first look.
    """

    account: ObservableAccount
    owner: str
    epoch: int
    failures: int
    ordinal: int
    suspicion: Suspicion | None
    pending_since: datetime | None
    due_at: datetime | None = None
    prompted: bool = False
    awaits_fills: bool = False
    last_run_at: datetime | None = None


class AccountStore:
    """Accounts, due times and leases. Every instant is given by the caller."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, account: ObservableAccount, now: datetime) -> None:
        """Schedule an account, whether it is new or not; it is asked for at once."""
        async with transaction(self._engine) as connection:
            await connection.execute(
                insert(ACCOUNTS)
                .values(_values(account, now) | {"prompted_at": now})
                .on_conflict_do_update(
                    index_elements=[ACCOUNTS.c.account_id],
                    set_={"user_id": account.user_id, "exchange": account.exchange, "due_at": now, "prompted_at": now},
                )
            )

    async def remove(self, account_id: str) -> None:
        """Take an account off the schedule; what its runs found is kept."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.account_id == account_id))

    async def replace(
        self, accounts: Iterable[ObservableAccount], listed_at: datetime, *, user_id: str | None = None
    ) -> None:
        """Make the schedule hold exactly these accounts (of one user, or of all); new ones are due at once.

        `listed_at` is when the list was asked for: accounts that were added since are left alone.
        """
        listed = {account.account_id: account for account in accounts}
        scope = ACCOUNTS.c.user_id == user_id if user_id is not None else true()
        known = select(ACCOUNTS.c.account_id).where(scope)
        async with transaction(self._engine) as connection:
            scheduled = set((await connection.execute(known)).scalars())
            if gone := sorted(scheduled - listed.keys()):
                is_gone = ACCOUNTS.c.account_id == any_(literal(gone, ARRAY(Text)))
                await connection.execute(delete(ACCOUNTS).where(is_gone, ACCOUNTS.c.added_at < listed_at))
            if fresh := [_values(account, listed_at) for key, account in listed.items() if key not in scheduled]:
                # Row by row, because the parameters of one statement are limited and accounts are not.
                await connection.execute(insert(ACCOUNTS).on_conflict_do_nothing(), fresh)

    async def make_all_due(self, now: datetime, pace: timedelta) -> None:
        """Every account is to be looked at soon: one each `pace`, and none later than it is due anyhow."""
        query = select(ACCOUNTS.c.account_id, ACCOUNTS.c.due_at).order_by(ACCOUNTS.c.due_at, ACCOUNTS.c.ordinal)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
            sooner = [
                {"id": row.account_id, "at": now + number * pace}
                for number, row in enumerate(rows)
                if now + number * pace < row.due_at
            ]
            if sooner:
                advance = update(ACCOUNTS).where(ACCOUNTS.c.account_id == bindparam("id"))
                await connection.execute(advance.values(due_at=bindparam("at")), sooner)

    async def prompt(self, account_id: str, now: datetime) -> bool:
        """The account is to be looked at now, ahead of all that are due; False where it is not on the schedule.

        A look that had begun before does not do: another follows it.
        """
        known = ACCOUNTS.c.account_id == account_id
        due = update(ACCOUNTS).where(known).values(due_at=func.least(ACCOUNTS.c.due_at, now), prompted_at=now)
        async with transaction(self._engine) as connection:
            return (await connection.execute(due.returning(ACCOUNTS.c.account_id))).first() is not None

    async def renew(self, claims: Iterable[Claim], expires_at: datetime) -> None:
        """Hold on to claims; those that are lost already stay lost."""
        async with transaction(self._engine) as connection:
            for claim in claims:
                await connection.execute(update(ACCOUNTS).where(held_by(claim)).values(lease_expires_at=expires_at))

    async def claim_due(self, owner: str, now: datetime, lease: timedelta, limit: int, exchange: Venue) -> list[Claim]:
        """Claim up to `limit` accounts of a venue that are due and that nobody holds, the longest due first."""
        due = (
            _free(now)
            .where(ACCOUNTS.c.exchange == exchange, ACCOUNTS.c.due_at <= now)
            .order_by(ACCOUNTS.c.due_at)
            .limit(limit)
        )
        async with transaction(self._engine) as connection:
            return await _claim(connection, due, owner, now, lease)

    async def claim_prompted(self, owner: str, now: datetime, lease: timedelta, limit: int) -> list[Claim]:
        """Claim up to `limit` accounts that were asked for and that nobody holds, the longest waiting first."""
        asked_for = _free(now).where(ACCOUNTS.c.prompted_at.is_not(None)).order_by(ACCOUNTS.c.prompted_at).limit(limit)
        async with transaction(self._engine) as connection:
            return await _claim(connection, asked_for, owner, now, lease)

    async def claim_account(self, account_id: str, owner: str, now: datetime, lease: timedelta) -> Claim | None:
        """Claim one account, due or not; None while somebody holds it. Raises AccountNotScheduled."""
        known = select(exists().where(ACCOUNTS.c.account_id == account_id))
        async with transaction(self._engine) as connection:
            this = _free(now).where(ACCOUNTS.c.account_id == account_id)
            claims = await _claim(connection, this, owner, now, lease)
            if claims:
                return claims[0]
            if not (await connection.execute(known)).scalar_one():
                raise AccountNotScheduled(account_id=account_id)
            return None

    async def release(self, claim: Claim) -> None:
        """Give up a claim without a run: the account stays due. Nothing happens where the claim is lost already."""
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(ACCOUNTS).where(held_by(claim)).values(lease_owner=None, lease_expires_at=None)
            )

    async def next_due(self, exchange: Venue) -> datetime | None:
        """When a venue's next account comes due, or a held one comes free; None where it has no accounts."""
        # Two questions, because each has an index that answers it however many accounts there are.
        of_venue = select(ACCOUNTS.c.due_at).where(ACCOUNTS.c.exchange == exchange)
        free = of_venue.where(ACCOUNTS.c.lease_owner.is_(None)).order_by(ACCOUNTS.c.due_at).limit(1)
        free_again = func.min(func.greatest(ACCOUNTS.c.due_at, ACCOUNTS.c.lease_expires_at))
        held = select(free_again).where(ACCOUNTS.c.exchange == exchange, ACCOUNTS.c.lease_owner.is_not(None))
        query = select(func.least(free.scalar_subquery(), held.scalar_subquery()))
        async with transaction(self._engine) as connection:
            due: datetime | None = (await connection.execute(query)).scalar_one()
            return due


def held_by(claim: Claim) -> Any:
    """The condition that a claim is still the newest one of its account."""
    return (
        (ACCOUNTS.c.account_id == claim.account.account_id)
        & (ACCOUNTS.c.lease_owner == claim.owner)
        & (ACCOUNTS.c.lease_epoch == claim.epoch)
    )


def _free(now: datetime) -> Select[tuple[str]]:
    free = or_(ACCOUNTS.c.lease_owner.is_(None), ACCOUNTS.c.lease_expires_at <= now)
    return select(ACCOUNTS.c.account_id).where(free).with_for_update(skip_locked=True)


async def _claim(connection: AsyncConnection, which: Any, owner: str, now: datetime, lease: timedelta) -> list[Claim]:
    # Asked here, because nearly every account has none, and a question of its own would cost each run a round trip.
    awaits_fills = exists().where(
        ESTIMATED_EXITS.c.account_id == ACCOUNTS.c.account_id, ESTIMATED_EXITS.c.next_try_at <= now
    )
    statement = (
        update(ACCOUNTS)
        .where(ACCOUNTS.c.account_id.in_(which))
        .values(lease_owner=owner, lease_epoch=ACCOUNTS.c.lease_epoch + 1, lease_expires_at=now + lease)
        .returning(*ACCOUNTS.c, awaits_fills.label("awaits_fills"))
    )
    return [_to_claim(row) for row in await connection.execute(statement)]


def _to_claim(row: Row[Any]) -> Claim:
    account = ObservableAccount(row.account_id, row.user_id, Venue(row.exchange))
    since = row.suspicious_since
    suspicion = None if since is None else Suspicion(since, row.suspicion_announced)
    scheduled = row.last_run_at is not None and row.failures == 0 and row.pending_since is None
    return Claim(
        account=account,
        owner=row.lease_owner,
        epoch=row.lease_epoch,
        failures=row.failures,
        ordinal=row.ordinal,
        suspicion=suspicion,
        pending_since=row.pending_since,
        due_at=row.due_at if scheduled and row.prompted_at is None else None,
        prompted=row.prompted_at is not None,
        awaits_fills=row.awaits_fills,
        last_run_at=row.last_run_at,
    )


def _values(account: ObservableAccount, now: datetime) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "user_id": account.user_id,
        "exchange": account.exchange,
        "added_at": now,
        "due_at": now,
    }
