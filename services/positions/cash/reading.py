"""Cash flows in, now and then: funding onto its positions, transfers beside the equity of their days.

Invariants: a payment is booked once, by the venue's id; what could not be read in full is asked for again; replicas
share the accounts by taking those that are due; a venue is asked behind everything else that asks it.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.exchange.cash_flows import CashFlowsReader, CashFlowsReading
from services.common.trading.cash_flow import CashFlow
from services.common.trading.money import format_decimal
from services.positions.commands.journal import Journal, write_change
from services.positions.domain.account import Account
from services.positions.domain.cash import assign_funding, holding_of, transfers_between
from services.positions.domain.position import fund
from services.positions.domain.timeline import Actor, Change
from services.positions.readings import Keys
from services.positions.store import accounts
from services.positions.store import cash as flows_kept

_log = structlog.get_logger(__name__)

_FURTHEST_BACK = timedelta(days=30)
"""How far the first reading of an account goes back, where a position of it is open for as long."""
_OVERLAP = timedelta(minutes=10)
"""A venue may list a payment a little later than it was made."""


@dataclass(frozen=True, slots=True)
class CashCadence:
    """`interval`: between two readings of an account; `retry`: after one that failed; `at_once`: how many accounts are
    taken at a time.
    """

    interval: timedelta = timedelta(hours=1)
    retry: timedelta = timedelta(minutes=10)
    at_once: int = 4


class CashReading:
    """Reads what is due. `run` is to be a supervised task."""

    def __init__(
        self, journal: Journal, reader: CashFlowsReader, keys: Keys, clock: Clock, cadence: CashCadence | None = None
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._keys = keys
        self._clock = clock
        self._cadence = cadence or CashCadence()

    async def run(self, poll_seconds: float) -> None:
        """Look for accounts that are due, until cancelled."""
        while True:
            try:
                while await self.read_due():
                    pass
            except DomainError as error:
                _log.info("cash flows wait", reason=error.reason)
            await asyncio.sleep(poll_seconds)

    async def read_due(self) -> int:
        """Read some of the accounts that are due; how many they were. Raises DatabaseUnavailable."""
        now = self._clock.now()
        async with self._journal.writing() as connection:
            due = await flows_kept.claim_due(connection, now, now + self._cadence.retry, self._cadence.at_once)
        for one in due:
            try:
                await self._read(one)
            except DomainError as error:
                # An account that went away meanwhile, or a database that did: nothing of it was kept.
                _log.info("cash flows not read", account_id=one.account_id, reason=error.reason)
        return len(due)

    async def _read(self, due: flows_kept.DueReading) -> None:
        async with self._journal.reading() as connection:
            account = await accounts.get_account(connection, due.account_id)
            first_open = await flows_kept.first_open(connection, due.account_id)
        since = _since(due, first_open, self._clock.now())
        credentials = await self._keys.credentials(due.account_id)
        reading = await self._reader.read_cash_flows(account.venue, credentials, since)
        if not reading.complete:
            _log.info("cash flows not read", account_id=due.account_id, reason=reading.reason)
            return
        async with self._journal.writing() as connection:
            await self._book(connection, account, due, reading)

    async def _book(
        self, connection: AsyncConnection, account: Account, due: flows_kept.DueReading, reading: CashFlowsReading
    ) -> None:
        account_id, now = account.account_id, self._clock.now()
        await flows_kept.insert_flows(connection, account_id, reading.flows)
        waiting = await flows_kept.list_unassigned(connection, account_id, now - _FURTHEST_BACK)
        await self._fund(connection, account_id, waiting)
        # Where the venue did not go back to the last reading, nobody knows what happened in between.
        gap = due.read_until is None or reading.since > due.read_until
        known_since = reading.since if gap or due.read_since is None else due.read_since
        await self._keep_transfers(connection, account_id, known_since, reading.since.date())
        done = replace(due, read_since=known_since, read_until=reading.until)
        await flows_kept.keep_reading(connection, done, now + self._cadence.interval)

    async def _keep_transfers(
        self, connection: AsyncConnection, account_id: str, known_since: datetime, first: date
    ) -> None:
        """Beside each equity of a day from `first` on, what was moved since the equity before it: a day's equity is its
        last reading, and what was moved after that shows in the next.
        """
        closings = await flows_kept.list_closings(connection, account_id, first)
        if not closings:
            return
        flows = await flows_kept.list_transfers(connection, account_id, closings[0][1])
        known = [
            (day, transfers_between(flows, after, until))
            for (_, after), (day, until) in pairwise(closings)
            if after >= known_since
        ]
        await flows_kept.keep_transfers(connection, account_id, known)

    async def _fund(self, connection: AsyncConnection, account_id: str, waiting: list[CashFlow]) -> None:
        if not waiting:
            return
        symbols = {flow.symbol for flow in waiting if flow.symbol is not None}
        held = await flows_kept.list_held(connection, account_id, symbols, waiting[0].at)
        assigned = assign_funding(waiting, [holding_of(row) for row in held])
        await flows_kept.assign_flows(connection, account_id, assigned)
        payments: dict[str, list[CashFlow]] = defaultdict(list)
        for flow in waiting:
            if flow.flow_id in assigned:
                payments[assigned[flow.flow_id]].append(flow)
        for row in held:
            own = payments.get(row.position_id)
            if own:
                amount = sum((flow.amount for flow in own), start=Decimal(0))
                await write_change(
                    connection,
                    fund(row, amount),
                    actor=Actor.VENUE,
                    change=Change.FUNDED,
                    evidence=_evidence(own, amount),
                    now=self._clock.now(),
                )


def _since(due: flows_kept.DueReading, first_open: datetime | None, now: datetime) -> datetime:
    """From where on to read: where the last reading ended; at first from the midnight before, or an open position's."""
    if due.read_until is not None:
        return due.read_until - _OVERLAP
    oldest = max(min(first_open or now, now), now - _FURTHEST_BACK)
    return datetime.combine(oldest.date(), time(0), UTC)


def _evidence(payments: list[CashFlow], amount: Decimal) -> str:
    verb = "received" if amount > 0 else "paid"
    last = payments[-1]
    count = "a funding payment" if len(payments) == 1 else f"{len(payments)} funding payments"
    return f"{format_decimal(abs(amount))} {last.currency} {verb} in {count}, the last at {last.at.isoformat()}."
