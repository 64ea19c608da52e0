"""Key custody: take keys in, and lease them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.errors import TradingNotEnabled
from services.common.exchange.credentials import Credentials
from services.common.exchange.keys import KeyReport, KeyVerifier
from services.common.outbox import append
from services.common.trading.extremes import TriggerPrice
from services.common.trading.side import Venue
from services.positions import events
from services.positions.commands.journal import Journal
from services.positions.custody import Custodian
from services.positions.domain.account import Account, mask_key
from services.positions.domain.errors import (
    AccountHasManagedPositions,
    AccountOfAnotherUser,
    KeyCannotTrade,
    KeyCanWithdraw,
    KeyRefusedByVenue,
    VenueUnavailable,
)
from services.positions.domain.provenance import Plan
from services.positions.readings import AccountReadings
from services.positions.store import accounts as rows
from services.positions.store.decisions import lock_account
from services.positions.store.positions import count_in_care, set_plan_of_open


@dataclass(frozen=True, slots=True)
class Lease:
    """A key for trading, and until when it may be used."""

    account: Account
    credentials: Credentials
    expires_at: datetime


class KeyCache(Protocol):
    """Opened keys that are kept for a while."""

    def drop(self, account_id: str) -> None: ...


class AccountCommands:
    """Accounts and their keys."""

    def __init__(
        self,
        journal: Journal,
        verifier: KeyVerifier,
        custodian: Custodian,
        readings: AccountReadings,
        clock: Clock,
        lease_duration: timedelta,
        keys: KeyCache,
    ) -> None:
        self._journal = journal
        self._verifier = verifier
        self._custodian = custodian
        self._readings = readings
        self._clock = clock
        self._lease_duration = lease_duration
        self._keys = keys

    async def add(
        self, user_id: str, venue: Venue, name: str, credentials: Credentials, *, trading_enabled: bool
    ) -> Account:
        """Verify a key with its venue and keep it. A second key of an account takes the place of the first.

        Raises KeyRefusedByVenue, KeyCanWithdraw, AccountOfAnotherUser, VenueUnavailable.
        """
        report, venue_user_id = await self._verify(venue, credentials)
        async with self._journal.writing() as connection:
            # Of two who add it at the same time, the second one finds it.
            await lock_account(connection, f"{venue.value} {venue_user_id}")
            known = await rows.find_by_venue_user(connection, venue, venue_user_id)
            if known is not None and known.user_id != user_id:
                if known.removed_at is None:
                    raise AccountOfAnotherUser(exchange=venue.value.capitalize())
                await rows.retire(connection, known)
                known = None
            if known is None:
                account = self._new(user_id, venue, venue_user_id)
            else:
                account = replace(known, version=known.version + 1, removed_at=None)
            account = replace(
                account,
                name=name or account.name,
                masked_key=mask_key(credentials.api_key),
                verified=True,
                verified_at=self._clock.now(),
                trading_enabled=trading_enabled and report.can_trade,
                can_trade=report.can_trade,
                ip_restricted=report.ip_restricted,
                refusal="",
            )
            await self._keep(connection, account, known is None, credentials)
        self._forget(account.account_id)
        return account

    async def verify(self, user_id: str, account_id: str) -> Account:
        """Ask the venue again about an account's key. One that it refuses is no longer verified, and trading is off.

        Raises AccountNotFound, and VenueUnavailable where the venue could not be asked: then nothing changes.
        """
        async with self._journal.reading() as connection:
            account = await rows.get_account(connection, account_id, user_id)
            sealed = await rows.sealed_credentials(connection, account_id)
        report = await self._verifier.verify_key(account.venue, self._custodian.open(account_id, sealed))
        if report.valid is None:
            raise VenueUnavailable(exchange=account.venue.value.capitalize(), why=report.reason)
        refusal = _refusal(account, report)
        async with self._changing(account_id) as connection:
            current = await rows.get_account(connection, account_id, user_id, lock=True)
            if await rows.sealed_credentials(connection, account_id) != sealed:
                # Another key has taken its place meanwhile: what was asked is about neither.
                return current
            changed = replace(
                current,
                verified=not refusal,
                verified_at=current.verified_at if refusal else self._clock.now(),
                trading_enabled=current.trading_enabled and not refusal and report.can_trade,
                can_trade=report.can_trade and not refusal,
                ip_restricted=report.ip_restricted,
                refusal=refusal,
            )
            return await self._change(connection, current, changed)

    async def set_trading(self, user_id: str, account_id: str, *, enabled: bool) -> Account:
        """Allow or forbid Tandem to trade. Raises AccountNotFound, KeyCannotTrade."""
        async with self._changing(account_id) as connection:
            account = await rows.get_account(connection, account_id, user_id, lock=True)
            if enabled and not (account.verified and account.can_trade):
                raise KeyCannotTrade(exchange=account.venue.value.capitalize())
            return await self._change(connection, account, replace(account, trading_enabled=enabled))

    async def rename(self, user_id: str, account_id: str, name: str) -> Account:
        """Give an account another name. Raises AccountNotFound."""
        async with self._changing(account_id) as connection:
            account = await rows.get_account(connection, account_id, user_id, lock=True)
            return await self._change(connection, account, replace(account, name=name))

    async def set_auto_manage(self, user_id: str, account_id: str, *, enabled: bool) -> Account:
        """Whether positions that are adopted from now on are managed. Raises AccountNotFound."""
        async with self._changing(account_id) as connection:
            account = await rows.get_account(connection, account_id, user_id, lock=True)
            return await self._change(connection, account, replace(account, auto_manage=enabled))

    async def switch_trigger_price(
        self, connection: AsyncConnection, account: Account, trigger_price: TriggerPrice
    ) -> Account:
        """Write the setting of an account that the caller's transaction holds, and announce it. What is kept of an
        account without this setting may be kept on.
        """
        return await self._change(connection, account, replace(account, trigger_price=trigger_price))

    async def remove(self, user_id: str, account_id: str) -> None:
        """Forget an account's key; what happened stays in the books.

        Raises AccountNotFound, AccountHasManagedPositions.
        """
        async with self._changing(account_id) as connection:
            # Nobody adopts a position of it, or takes one into care, until this is done.
            await lock_account(connection, account_id)
            account = await rows.get_account(connection, account_id, user_id, lock=True)
            count = await count_in_care(connection, account_id)
            if count:
                raise AccountHasManagedPositions(count=str(count))
            removed = replace(
                account,
                verified=False,
                trading_enabled=False,
                can_trade=False,
                auto_manage=False,
                removed_at=self._clock.now(),
            )
            await self._change(connection, account, removed)

    async def set_plan(self, user_id: str, plan: Plan, set_by: str) -> Plan:
        """Give a user a plan; it holds for open positions too. `set_by` is the administrator."""
        async with self._journal.writing() as connection:
            await rows.set_plan(connection, user_id, plan, set_by, self._clock.now())
            await set_plan_of_open(connection, user_id, plan)
        return plan

    async def get_plan(self, user_id: str) -> Plan | None:
        """A user's plan."""
        async with self._journal.reading() as connection:
            return await rows.find_plan(connection, user_id)

    async def get(self, user_id: str, account_id: str) -> Account:
        """One account of a user. Raises AccountNotFound."""
        async with self._journal.reading() as connection:
            return await rows.get_account(connection, account_id, user_id)

    async def list_accounts(self, user_id: str) -> list[Account]:
        """The accounts of a user."""
        async with self._journal.reading() as connection:
            return await rows.list_accounts(connection, user_id)

    async def lease(self, account_id: str, caller: str) -> Lease:
        """A key to trade with, and a note of who was given it. Raises AccountNotFound, TradingNotEnabled."""
        now = self._clock.now()
        expires_at = now + self._lease_duration
        async with self._journal.writing() as connection:
            account = await rows.get_account(connection, account_id)
            if not account.verified or not account.trading_enabled:
                raise TradingNotEnabled(account_id=account_id)
            sealed = await rows.sealed_credentials(connection, account_id)
            await rows.record_lease(connection, account_id, caller, now, expires_at)
        return Lease(account, self._custodian.open(account_id, sealed), expires_at)

    async def _change(self, connection: AsyncConnection, before: Account, after: Account) -> Account:
        """Write an account's next version and announce it; where nothing changed but the time, only keep that."""
        if replace(after, verified_at=before.verified_at) == before:
            await rows.update_account(connection, after)
            return after
        changed = replace(after, version=before.version + 1)
        await rows.update_account(connection, changed)
        await append(connection, events.account_changed(changed, self._clock.now()))
        return changed

    @asynccontextmanager
    async def _changing(self, account_id: str) -> AsyncIterator[AsyncConnection]:
        """A transaction on an account. What was kept of it is forgotten once it has committed: what is read of the
        account until then is what it was before.
        """
        async with self._journal.writing() as connection:
            yield connection
        self._forget(account_id)

    def _forget(self, account_id: str) -> None:
        self._readings.drop(account_id)
        self._keys.drop(account_id)

    async def _verify(self, venue: Venue, credentials: Credentials) -> tuple[KeyReport, str]:
        report = await self._verifier.verify_key(venue, credentials)
        exchange = venue.value.capitalize()
        if report.valid is None:
            raise VenueUnavailable(exchange=exchange, why=report.reason)
        if not report.valid or not report.can_read or report.venue_user_id is None:
            raise KeyRefusedByVenue(exchange=exchange, why=report.reason or "it may not read futures positions")
        if report.can_withdraw:
            raise KeyCanWithdraw(exchange=exchange)
        return report, report.venue_user_id

    def _new(self, user_id: str, venue: Venue, venue_user_id: str) -> Account:
        return Account(
            account_id=str(uuid4()),
            user_id=user_id,
            venue=venue,
            venue_user_id=venue_user_id,
            name=venue.value.capitalize(),
            masked_key="",
            verified=False,
            trading_enabled=False,
            created_at=self._clock.now(),
            verified_at=None,
        )

    async def _keep(self, connection: AsyncConnection, account: Account, new: bool, credentials: Credentials) -> None:
        sealed = self._custodian.seal(account.account_id, credentials)
        if new:
            await rows.insert_account(connection, account, sealed)
        else:
            await rows.replace_key(connection, account, sealed)
        await append(connection, events.account_changed(account, self._clock.now()))


def _refusal(account: Account, report: KeyReport) -> str:
    """Why a key will not do any more; empty where it will."""
    if not report.valid or not report.can_read:
        return report.reason or "it may not read futures positions"
    if report.venue_user_id != account.venue_user_id:
        return "it belongs to another account by now"
    if report.can_withdraw:
        return "it can withdraw"
    return ""
