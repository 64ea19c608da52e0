"""The schedule's accounts and claims in memory, for simulations of many accounts; the store's own contract suite is
passed by it.

Free accounts are in a heap by due time, held ones in one by the expiry of their lease, a pair of heaps for each venue.
An entry is checked when it is taken: it counts where it still says of its account what is true.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import count

from services.common.errors import LeaseLost
from services.common.trading.side import Venue
from services.reconciler.domain.errors import AccountNotScheduled
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.store.accounts import Claim


@dataclass(slots=True)
class _Row:
    account: ObservableAccount
    ordinal: int
    due_at: datetime
    prompted_at: datetime | None = None
    failures: int = 0
    owner: str | None = None
    epoch: int = 0
    looked_at: datetime | None = None
    placed: bool = False
    expires_at: datetime | None = None

    def free(self, now: datetime) -> bool:
        return self.owner is None or (self.expires_at is not None and self.expires_at <= now)

    def held_by(self, claim: Claim) -> bool:
        return (self.owner, self.epoch) == (claim.owner, claim.epoch)


class MemoryAccounts:
    """See AccountStore; `finish` is what RunStore.finish does to an account."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._due: dict[Venue, list[tuple[datetime, int, _Row]]] = {venue: [] for venue in Venue}
        self._held: dict[Venue, list[tuple[datetime, int, _Row]]] = {venue: [] for venue in Venue}
        self._prompted: dict[str, _Row] = {}
        self._ordinals = count(1)

    def schedule(
        self,
        accounts: Iterable[ObservableAccount],
        now: datetime,
        pace: timedelta = timedelta(0),
        looked_at: datetime | None = None,
    ) -> None:
        """Take on those that are new, all due now, or one after another; `looked_at` is when they were last."""
        fresh = [account for account in accounts if account.account_id not in self._rows]
        for number, account in enumerate(fresh):
            row = self._rows[account.account_id] = _Row(
                account, next(self._ordinals), now + number * pace, looked_at=looked_at
            )
            self._due[account.exchange].append((row.due_at, row.ordinal, row))
        for heap in self._due.values():
            heapify(heap)

    def prompt(self, account_id: str, now: datetime) -> bool:
        """See AccountStore."""
        row = self._rows.get(account_id)
        if row is None:
            return False
        row.prompted_at = now
        self._prompted[account_id] = row
        row.due_at = min(row.due_at, now)
        self._wait(row)
        return True

    def renew(self, claims: Iterable[Claim], expires_at: datetime) -> None:
        """See AccountStore."""
        for claim in claims:
            row = self._rows.get(claim.account.account_id)
            if row is not None and row.held_by(claim):
                row.expires_at = expires_at
                heappush(self._held[row.account.exchange], (expires_at, row.ordinal, row))

    def claim_due(self, owner: str, now: datetime, lease: timedelta, limit: int, exchange: Venue) -> list[Claim]:
        """See AccountStore."""
        self._expire(exchange, now)
        heap, claims = self._due[exchange], list[Claim]()
        while heap and heap[0][0] <= now and len(claims) < limit:
            due_at, _, row = heappop(heap)
            if due_at == row.due_at and row.free(now):
                claims.append(self._claim(row, owner, now + lease))
        return claims

    def claim_prompted(self, owner: str, now: datetime, lease: timedelta, limit: int) -> list[Claim]:
        """See AccountStore."""
        rows = sorted((row for row in self._prompted.values() if row.free(now)), key=lambda row: row.prompted_at or now)
        return [self._claim(row, owner, now + lease) for row in rows[:limit]]

    def claim_account(self, account_id: str, owner: str, now: datetime, lease: timedelta) -> Claim | None:
        """See AccountStore."""
        row = self._rows.get(account_id)
        if row is None:
            raise AccountNotScheduled(account_id=account_id)
        return self._claim(row, owner, now + lease) if row.free(now) else None

    def release(self, claim: Claim) -> None:
        """See AccountStore."""
        row = self._rows.get(claim.account.account_id)
        if row is not None and row.held_by(claim):
            row.owner = row.expires_at = None
            self._wait(row)

    def finish(self, claim: Claim, started_at: datetime, due_at: datetime, *, read_whole: bool = True) -> None:
        """A run is over. Raises LeaseLost."""
        row = self._rows.get(claim.account.account_id)
        if row is None or not row.held_by(claim):
            raise LeaseLost(key=claim.account.account_id)
        row.failures = 0 if read_whole else row.failures + 1
        row.looked_at, row.placed, row.owner, row.expires_at = started_at, True, None, None
        if row.prompted_at is None or row.prompted_at <= started_at:
            row.prompted_at, row.due_at = None, due_at
            self._prompted.pop(claim.account.account_id, None)
        self._wait(row)

    def next_due(self, exchange: Venue) -> datetime | None:
        """See AccountStore."""
        due, held = self._due[exchange], self._held[exchange]
        while due and not (due[0][0] == due[0][2].due_at and due[0][2].owner is None):
            heappop(due)
        while held and not _holds(held[0]):
            heappop(held)
        nexts = [due[0][0]] if due else []
        return min([*nexts, *([max(held[0][0], held[0][2].due_at)] if held else [])], default=None)

    def _expire(self, exchange: Venue, now: datetime) -> None:
        held = self._held[exchange]
        while held and (held[0][0] <= now or not _holds(held[0])):
            entry = heappop(held)
            if _holds(entry):
                self._wait(entry[2])

    def _wait(self, row: _Row) -> None:
        heappush(self._due[row.account.exchange], (row.due_at, row.ordinal, row))

    def _claim(self, row: _Row, owner: str, expires_at: datetime) -> Claim:
        row.owner, row.epoch, row.expires_at = owner, row.epoch + 1, expires_at
        heappush(self._held[row.account.exchange], (expires_at, row.ordinal, row))
        prompted = row.prompted_at is not None
        scheduled = row.placed and row.failures == 0 and not prompted
        due_at = row.due_at if scheduled else None
        return Claim(
            row.account,
            owner,
            row.epoch,
            row.failures,
            row.ordinal,
            None,
            None,
            due_at,
            prompted,
            last_run_at=row.looked_at,
        )


def _holds(entry: tuple[datetime, int, _Row]) -> bool:
    return entry[2].owner is not None and entry[2].expires_at == entry[0]
