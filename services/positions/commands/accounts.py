"""Key custody: take keys in, and lease them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.errors import TradingNotEnabled
from services.common.exchange.credentials import Credentials
from services.common.exchange.keys import KeyReport, KeyVerifier
from services.common.outbox import append
from services.common.trading.side import Venue
from services.positions import events
from services.positions.commands.journal import Journal
from services.positions.custody import Custodian
from services.positions.domain.account import Account, mask_key
from services.positions.domain.errors import AccountOfAnotherUser, KeyCanWithdraw, KeyRefusedByVenue, VenueUnavailable
from services.positions.readings import AccountReadings
from services.positions.store import accounts as rows


@dataclass(frozen=True, slots=True)
class Lease:
    """A key for trading, and until when it may be used."""

    account: Account
    credentials: Credentials
    expires_at: datetime


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
    ) -> None:
        self._journal = journal
        self._verifier = verifier
        self._custodian = custodian
        self._readings = readings
        self._clock = clock
        self._lease_duration = lease_duration

    async def add(
        self, user_id: str, venue: Venue, name: str, credentials: Credentials, *, trading_enabled: bool
    ) -> Account:
        """Verify a key with its venue and keep it. A second key of an account takes the place of the first.

        Raises KeyRefusedByVenue, KeyCanWithdraw, AccountOfAnotherUser, VenueUnavailable.
        """
        report, venue_user_id = await self._verify(venue, credentials)
        async with self._journal.writing() as connection:
            known = await rows.find_by_venue_user(connection, venue, venue_user_id)
            if known is not None and known.user_id != user_id:
                raise AccountOfAnotherUser(exchange=venue.value.capitalize())
            if known is None:
                account = self._new(user_id, venue, venue_user_id)
            else:
                account = replace(known, version=known.version + 1)
            account = replace(
                account,
                name=name or account.name,
                masked_key=mask_key(credentials.api_key),
                verified=True,
                verified_at=self._clock.now(),
                trading_enabled=trading_enabled and report.can_trade,
            )
            await self._keep(connection, account, known is None, credentials)
        self._readings.drop(account.account_id)
        return account

    async def list_accounts(self, user_id: str) -> list[Account]:
        """The accounts of a user."""
        async with self._journal.writing() as connection:
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
