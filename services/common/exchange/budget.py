"""The rate budget of one process at one venue, and the breaker that a ban opens.

A venue counts requests by address, in windows of its own clock, and tells its count in a header. Here the same windows
are counted; the header's count, which covers every process behind the address, corrects ours upwards.

Lanes are priorities, not shares: orders, then live views, then reconciliation. Reading may use a process's whole share
but a small reserve of orders; reconciliation may use what the lanes ahead of it leave, and stays away from what they
are expected to ask for in the rest of the window. Orders alone may use what the venue itself allows the address, where
that is more than what the address was given.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.trading.side import Venue


class Lane(IntEnum):
    """Who goes first when the budget is short."""

    ORDERS = 0
    LIVE = 1
    RECONCILIATION = 2


ORDERS_RESERVE = 0.025
"""The part of every window that reading leaves to orders, whatever waits."""

_LOOKS_A_WINDOW = 12
"""How often reconciliation that waits looks whether the lanes ahead of it have left something after all."""

_CAUTION = 1.5
"""How much more than before the lanes ahead may ask for without being in want."""

_PATIENCE_SECONDS = {Lane.ORDERS: 1.0, Lane.LIVE: 3.0, Lane.RECONCILIATION: 65.0}


@dataclass(frozen=True, slots=True)
class Ban:
    """A venue told this address to stop until an instant."""

    venue: Venue
    until: datetime
    reason: str


OnBan = Callable[[Ban], None]


class Meter(Protocol):
    """Told of what a budget gives and refuses; it must be quick."""

    def taken(self, venue: Venue, lane: Lane, weight: int) -> None:
        """A request goes out."""
        ...

    def refused(self, venue: Venue, lane: Lane) -> None:
        """A request was not let through: there is no room for it soon, or a ban is in force."""
        ...


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """What all processes behind the address may use in one window, and the share of it that is this process's.

    `venue_limit` is what the venue itself allows an address in that time, where we mean to stay below it.
    """

    window_seconds: int
    address_limit: int
    share: float = 1.0
    venue_limit: int = 0


DEFAULT_LIMITS = {
    # REQUEST_WEIGHT in `rateLimits` of https://fapi.binance.com/fapi/v1/exchangeInfo.
    Venue.BINANCE: BudgetLimits(window_seconds=60, address_limit=1200, venue_limit=2400),
    # https://bybit-exchange.github.io/docs/v5/rate-limit: 600 requests in five seconds.
    Venue.BYBIT: BudgetLimits(window_seconds=1, address_limit=100, venue_limit=120),
}


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What was spent in the present window, by this process and by the whole address, and the ban if there is one."""

    spent: int
    address_spent: int
    waiting: int
    ban: Ban | None


class Budget:
    """Counts weight in the venue's windows and lets requests through by lane."""

    def __init__(
        self,
        venue: Venue,
        limits: BudgetLimits,
        *,
        on_ban: OnBan | None = None,
        meter: Meter | None = None,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self.venue = venue
        self._meter = meter
        self._limits = limits
        self._on_ban = on_ban
        self._seconds = seconds
        self._window = -1
        self._spent = 0
        self._address_spent = 0
        self._reconciling = 0
        # What was asked for ahead of reconciliation in the window before: by this process, and by the whole address.
        self._before = (0, 0)
        self._ban: Ban | None = None
        self._waiting: list[tuple[Lane, int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def ban(self) -> Ban | None:
        """The ban in force, or None."""
        if self._ban is not None and self._ban.until.timestamp() <= self._seconds():
            self._ban = None
        return self._ban

    @property
    def limits(self) -> BudgetLimits:
        """What may be used in a window."""
        return self._limits

    @property
    def used_ratio(self) -> float:
        """How much of what the address may use in a window is used in the present one, by whomever; 1 is all."""
        self._roll()
        return self._address_spent / self._limits.address_limit

    @property
    def window(self) -> int:
        """The number of the present window."""
        self._roll()
        return self._window

    def state(self) -> BudgetState:
        """What the budget looks like now."""
        self._roll()
        return BudgetState(self._spent, self._address_spent, len(self._waiting), self.ban)

    async def acquire(self, weight: int, lane: Lane) -> None:
        """Wait for room for a request. Raises VenueError (BANNED, RATE_LIMITED) where there will be none soon."""
        try:
            await self._acquire(weight, lane)
        except VenueError:
            if self._meter is not None:
                self._meter.refused(self.venue, lane)
            raise

    async def _acquire(self, weight: int, lane: Lane) -> None:
        self._check_ban()
        self._roll()
        if not self._must_queue(lane) and self._fits(weight, lane):
            self._take(weight, lane)
            return
        if self._window_end() - self._seconds() > _PATIENCE_SECONDS[lane]:
            raise self._exhausted(lane)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (lane, next(self._order), weight, turn))
        self._schedule()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS[lane]):
                await turn
        except TimeoutError:
            raise self._exhausted(lane) from None
        finally:
            if not turn.done():
                turn.cancel()
        self._check_ban()

    def observe_used(self, used: int, window: int | None = None) -> None:
        """Take over the venue's own count, which covers the whole address, of the window in which it was asked.

        What was asked in a window that is over is the count of that one.
        """
        self._roll()
        if window is None or window == self._window:
            self._address_spent = max(self._address_spent, used)

    def apply_ban(self, until: datetime, reason: str, *, announce: bool = True) -> None:
        """Stop everything until an instant. `announce=False` for a ban that another process told us of."""
        current = self.ban
        if current is not None and current.until >= until:
            return
        self._ban = Ban(self.venue, until, reason)
        while self._waiting:
            turn = heappop(self._waiting)[3]
            if not turn.done():
                turn.set_result(None)
        if announce and self._on_ban is not None:
            self._on_ban(self._ban)

    def _check_ban(self) -> None:
        ban = self.ban
        if ban is not None:
            raise VenueError(self.venue, VenueErrorKind.BANNED, ban.reason, retry_at=ban.until)

    def _exhausted(self, lane: Lane) -> VenueError:
        retry_at = datetime.fromtimestamp(self._window_end(), UTC)
        message = f"the rate budget of lane {lane.name.lower()} is used up"
        return VenueError(self.venue, VenueErrorKind.RATE_LIMITED, message, retry_at=retry_at)

    def _must_queue(self, lane: Lane) -> bool:
        self._forget_abandoned()
        return bool(self._waiting) and self._waiting[0][0] <= lane

    def _fits(self, weight: int, lane: Lane) -> bool:
        limits = self._limits
        if lane is Lane.ORDERS:
            return self._address_spent + weight <= max(limits.address_limit, limits.venue_limit)
        own, whole = self._expected() if lane is Lane.RECONCILIATION else (0.0, 0.0)
        free = limits.address_limit * (1 - ORDERS_RESERVE)
        return self._spent + own + weight <= free * limits.share and self._address_spent + whole + weight <= free

    def _expected(self) -> tuple[float, float]:
        """What the lanes ahead of reconciliation are about to ask for in the rest of this window.

        By this process, and by the whole address, as fast as in the window before, or in this one where that is faster.
        """
        left = max(0.0, self._window_end() - self._seconds()) / self._limits.window_seconds
        own, whole = self._ahead()
        return max(self._before[0], own) * left * _CAUTION, max(self._before[1], whole) * left * _CAUTION

    def _ahead(self) -> tuple[int, int]:
        return self._spent - self._reconciling, self._address_spent - self._reconciling

    def _take(self, weight: int, lane: Lane) -> None:
        self._spent += weight
        self._address_spent += weight
        if lane is Lane.RECONCILIATION:
            self._reconciling += weight
        if self._meter is not None:
            self._meter.taken(self.venue, lane, weight)

    def _roll(self) -> None:
        window = int(self._seconds() // self._limits.window_seconds)
        if window != self._window:
            self._before = self._ahead() if window == self._window + 1 else (0, 0)
            self._window, self._spent, self._address_spent, self._reconciling = window, 0, 0, 0

    def _window_end(self) -> float:
        return float((self._window + 1) * self._limits.window_seconds)

    def _schedule(self) -> None:
        if self._timer is None and self._waiting:
            delay = max(0.0, self._window_end() - self._seconds()) + 0.005
            if self._waiting[0][0] is Lane.RECONCILIATION:
                delay = min(delay, self._limits.window_seconds / _LOOKS_A_WINDOW)
            self._timer = asyncio.get_running_loop().call_later(delay, self._release)

    def _release(self) -> None:
        self._timer = None
        self._roll()
        self._forget_abandoned()
        while self._waiting:
            lane, _, weight, turn = self._waiting[0]
            if not self._fits(weight, lane):
                break
            heappop(self._waiting)
            self._take(weight, lane)
            turn.set_result(None)
            self._forget_abandoned()
        self._schedule()

    def _forget_abandoned(self) -> None:
        while self._waiting and self._waiting[0][3].done():
            heappop(self._waiting)
