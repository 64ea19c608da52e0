"""The schedule in simulated time: the claims' own rules, the very arithmetic that places accounts in the interval, and
the rate budget as it is, before venues that count for themselves.

`run_budgeted` asks what one or several addresses carry, `Fleet` what becomes of accounts while replicas come and go.
"""

import asyncio
import random
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count, cycle

from services.common.exchange.budget import Budget, BudgetLimits, Lane
from services.common.exchange.errors import VenueError
from services.common.trading.side import Venue
from services.reconciler.domain.observation import ObservableAccount
from services.reconciler.domain.schedule import margin_due, next_due
from services.reconciler.store.accounts import Claim
from tests.fakes.claims import MemoryAccounts
from tests.simulated_time import run_simulated

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
INTERVAL = timedelta(minutes=5)
LEASE = timedelta(seconds=30)
MINUTE_WEIGHT = 1200
READING_WEIGHT = 5
MARGIN_WEIGHT = 5
CONCURRENCY = 8
"""Of each replica at each venue, as it is by default."""

_READING_SECONDS = 0.15
_WARM_ROUNDS = 4


def make_accounts(number: int) -> list[ObservableAccount]:
    return [ObservableAccount(f"account-{one}", f"user-{one}", Venue.BINANCE) for one in range(number)]


@dataclass
class Looks:
    """When each account was looked at, after the schedule had run warm. `gaps` are the seconds between two looks."""

    gaps: dict[str, list[float]]
    last: dict[str, datetime] = field(default_factory=dict)
    number: int = 0
    worst_lag: float = 0.0

    def note(self, account_id: str, at: datetime, due_at: datetime) -> None:
        self.number += 1
        self.worst_lag = max(self.worst_lag, (at - due_at).total_seconds())
        before = self.last.get(account_id)
        if before is not None:
            self.gaps[account_id].append((at - before).total_seconds())
        self.last[account_id] = at


@dataclass
class Address:
    """One egress address: the budget of the process behind it, and the venue's own count by the minute."""

    budget: Budget
    minutes: dict[int, int] = field(default_factory=dict)

    async def ask(self, weight: int, lane: Lane) -> None:
        """Raises VenueError where the budget lets nothing through."""
        await self.budget.acquire(weight, lane)
        minute = int(asyncio.get_running_loop().time() // 60)
        self.minutes[minute] = self.minutes.get(minute, 0) + weight


@dataclass
class Load:
    """What is run; `live_weight` and `orders` are what live views and orders ask for at each address in a minute."""

    accounts: int
    addresses: int = 1
    rounds: int = 12
    live_weight: int = 0
    orders: int = 0
    begin: datetime = START


@dataclass
class Outcome:
    """What it came to. `used` is the part of the budget that was used, `turned_away` requests that got no room.

    `margins` is how often the margin was read beside the list.
    """

    looks: Looks
    used: float = 0.0
    over_budget: int = 0
    turned_away: dict[Lane, int] = field(default_factory=dict)
    order_wait: float = 0.0
    margins: int = 0

    @property
    def starved(self) -> int:
        """Accounts that were not looked at twice."""
        return sum(1 for gaps in self.looks.gaps.values() if not gaps)

    @property
    def means(self) -> list[float]:
        """The mean interval of each account in seconds, sorted."""
        return sorted(sum(gaps) / len(gaps) for gaps in self.looks.gaps.values() if gaps)

    @property
    def longest(self) -> float:
        """The longest interval of any account in seconds."""
        return max(max(gaps) for gaps in self.looks.gaps.values() if gaps)


def run_budgeted(load: Load) -> Outcome:
    """So many intervals of the schedule, one replica of the reconciler and one of positions behind each address."""
    return run_simulated(_Budgeted(load).run())


class _Budgeted:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._accounts = MemoryAccounts()
        self._due: dict[str, datetime] = {}

    async def run(self) -> Outcome:
        load = self._load
        self._loop = asyncio.get_running_loop()
        limits = BudgetLimits(window_seconds=60, address_limit=MINUTE_WEIGHT)
        self._addresses = [
            Address(Budget(Venue.BINANCE, limits, seconds=self._loop.time)) for _ in range(load.addresses)
        ]
        self._robin: Iterator[Address] = cycle(self._addresses)
        accounts = make_accounts(load.accounts)
        self._accounts.schedule(accounts, load.begin, INTERVAL / load.accounts, looked_at=load.begin)
        self._outcome = Outcome(Looks({one.account_id: [] for one in accounts}), turned_away=dict.fromkeys(Lane, 0))
        tasks = [asyncio.create_task(self._replica(f"replica-{number}")) for number in range(load.addresses)]
        for address in self._addresses:
            tasks += [asyncio.create_task(one) for one in self._others(address)]
        await asyncio.sleep(load.rounds * INTERVAL.total_seconds())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        minutes = range(int(_WARM_ROUNDS * INTERVAL.total_seconds() // 60), int(self._loop.time() // 60))
        counted = [address.minutes.get(minute, 0) for address in self._addresses for minute in minutes]
        self._outcome.used = sum(counted) / (MINUTE_WEIGHT * len(counted))
        self._outcome.over_budget = sum(1 for one in counted if one > MINUTE_WEIGHT)
        return self._outcome

    def _now(self) -> datetime:
        return self._load.begin + timedelta(seconds=self._loop.time())

    async def _replica(self, name: str) -> None:
        """As Schedule.turn goes: whatever is due and has room, then until the next is due or a run is over."""
        under_way: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                room = CONCURRENCY - len(under_way)
                claims = self._accounts.claim_due(name, self._now(), timedelta(days=1), room, Venue.BINANCE)
                for claim in claims:
                    task = group.create_task(self._look(claim))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                due = self._accounts.next_due(Venue.BINANCE)
                wait = 5.0 if due is None or len(claims) == room else (due - self._now()).total_seconds()
                if under_way:
                    await asyncio.wait(under_way, timeout=max(0.05, wait), return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(max(0.05, wait))

    async def _look(self, claim: Claim) -> None:
        account_id, failures, started_at = claim.account.account_id, claim.failures + 1, self._now()
        try:
            with_margin = margin_due(claim.last_run_at, claim.failures, started_at, claim.ordinal)
            self._outcome.margins += with_margin
            address = next(self._robin)
            await address.ask(READING_WEIGHT, Lane.RECONCILIATION)
            if with_margin:
                await address.ask(MARGIN_WEIGHT, Lane.RECONCILIATION)
            await asyncio.sleep(_READING_SECONDS)
            failures = 0
            if self._loop.time() >= _WARM_ROUNDS * INTERVAL.total_seconds():
                self._outcome.looks.note(account_id, self._now(), self._due.get(account_id, self._now()))
        except VenueError:
            self._outcome.turned_away[Lane.RECONCILIATION] += 1
        due_at = self._due[account_id] = next_due(self._now(), failures, INTERVAL, claim.ordinal, due_at=claim.due_at)
        self._accounts.finish(claim, started_at, due_at, read_whole=failures == 0)

    def _others(self, address: Address) -> list[Coroutine[None, None, None]]:
        """What asks for the budget beside reconciliation."""
        chance, load, found = random.Random(7), self._load, []  # noqa: S311
        if load.live_weight:
            times = load.live_weight / READING_WEIGHT
            found.append(self._steadily(address, Lane.LIVE, times, READING_WEIGHT, chance))
        if load.orders:
            found.append(self._steadily(address, Lane.ORDERS, load.orders, 1, chance))
        return found

    async def _steadily(self, address: Address, lane: Lane, times: float, weight: int, chance: random.Random) -> None:
        """So many times a minute, at odd moments."""
        while True:
            await asyncio.sleep(chance.expovariate(times / 60))
            begun = self._loop.time()
            try:
                await address.ask(weight, lane)
            except VenueError:
                self._outcome.turned_away[lane] += 1
            if lane is Lane.ORDERS:
                self._outcome.order_wait = max(self._outcome.order_wait, self._loop.time() - begun)


@dataclass
class _Replica:
    name: str
    room: int
    alive: bool = True
    reading: set[str] = field(default_factory=set)


@dataclass
class Fleet:
    """Accounts over replicas that die and join; `longest` is the longest time without a look of each, in seconds."""

    accounts: int
    room: int
    changes: list[tuple[float, str]]
    """When what happens: "join" or "die"."""

    replicas: int = 12
    seconds: float = 380.0
    failing: float = 0.01
    seed: int = 1
    looks: int = 0
    takeovers: list[float] = field(default_factory=list)
    """Of accounts whose reader died: seconds until another took them over."""

    last: dict[str, float] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Raises AssertionError where two living replicas read the same account at once."""
        self._chance = random.Random(self.seed)  # noqa: S311
        self._claims, self._living, self._numbers = MemoryAccounts(), list[_Replica](), count()
        self._events: list[tuple[float, int, str, _Replica | None, Claim | None, float]] = []
        self._reading: dict[str, _Replica] = {}
        self._left: dict[str, float] = {}
        self._claims.schedule(make_accounts(self.accounts), START, INTERVAL / self.accounts)
        for _ in range(self.replicas):
            self._put(0.0, "join")
        for at, what in self.changes:
            self._put(at, what)
        while self._events and self._events[0][0] < self.seconds:
            now, _, what, replica, claim, begun = heappop(self._events)
            if what == "join":
                self._join(now)
            elif what == "die":
                self._die(now)
            elif replica is not None and replica.alive:
                if claim is not None:
                    self._end(now, replica, claim, begun)
                self._turn(now, replica)
        for account_id, at in self.last.items():
            self.longest[account_id] = max(self.longest[account_id], self.seconds - at)

    def _put(
        self, at: float, what: str, replica: _Replica | None = None, claim: Claim | None = None, begun: float = 0.0
    ) -> None:
        heappush(self._events, (at, next(self._numbers), what, replica, claim, begun))

    def _join(self, now: float) -> None:
        replica = _Replica(f"replica-{next(self._numbers)}", self.room)
        self._living.append(replica)
        self._put(now, "turn", replica)

    def _die(self, now: float) -> None:
        """With everything that it was reading: nobody is told."""
        replica = self._living.pop(self._chance.randrange(len(self._living)))
        replica.alive = False
        for account_id in replica.reading:
            del self._reading[account_id]
            self._left[account_id] = now

    def _turn(self, now: float, replica: _Replica) -> None:
        room = replica.room - len(replica.reading)
        moment = START + timedelta(seconds=now)
        claims = self._claims.claim_due(replica.name, moment, LEASE, room, Venue.BINANCE)
        for claim in claims:
            account_id = claim.account.account_id
            holder = self._reading.get(account_id)
            assert holder is None, f"{account_id} is read by {holder} and {replica} at once"
            self._reading[account_id] = replica
            replica.reading.add(account_id)
            left = self._left.pop(account_id, None)
            if left is not None:
                self.takeovers.append(now - left)
            self._put(now + 0.05 + self._chance.random() * 0.3, "end", replica, claim, now)
        if not replica.reading:
            due = self._claims.next_due(Venue.BINANCE)
            wait = 5.0 if due is None else (due - moment).total_seconds()
            self._put(now + min(5.0, max(0.05, wait)), "turn", replica)

    def _end(self, now: float, replica: _Replica, claim: Claim, begun: float) -> None:
        account_id = claim.account.account_id
        del self._reading[account_id]
        replica.reading.discard(account_id)
        failures = claim.failures + 1 if self._chance.random() < self.failing else 0
        moment = START + timedelta(seconds=now)
        due_at = next_due(moment, failures, INTERVAL, claim.ordinal, due_at=claim.due_at)
        self._claims.finish(claim, START + timedelta(seconds=begun), due_at, read_whole=failures == 0)
        self.looks += 1
        gap = now - self.last.get(account_id, 0.0)
        self.last[account_id] = now
        if gap > self.longest.get(account_id, 0.0):
            self.longest[account_id] = gap
