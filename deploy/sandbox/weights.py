"""What a venue allows an address and an account to ask, and its headers about it.

Invariant: everybody on this machine is one IP address, as processes behind one egress are.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

MINUTE_MS = 60_000
BAN_AFTER = 20
BAN_MS = 120_000
ADDRESS_BAN_MS = 600_000


class Charge(NamedTuple):
    """The headers to send, and the refusal if the limit is reached: (HTTP status, milliseconds to wait)."""

    headers: dict[str, str]
    refused: tuple[int, int] | None = None


class MinuteWeight:
    """Binance's request weight: per IP and calendar minute; 429 beyond it, 418 for who goes on asking."""

    def __init__(self, limit: int, now_ms: Callable[[], int]) -> None:
        self.limit = limit
        self.banned_until_ms = 0
        self._now_ms = now_ms
        self._minute = 0
        self._used = 0
        self._refusals = 0
        self._orders: dict[str, deque[int]] = {}

    def pardon(self, limit: int) -> None:
        """Set another limit and forget the ban."""
        self.limit, self.banned_until_ms, self._refusals = limit, 0, 0

    def charge(self, weight: int, account: str = "") -> Charge:
        """Count a request; with an account it is an order, counted by ten seconds and by minute as well."""
        now_ms = self._now_ms()
        minute = now_ms // MINUTE_MS
        if minute != self._minute:
            self._minute, self._used, self._refusals = minute, 0, 0
        self._used += weight
        headers = {"X-MBX-USED-WEIGHT-1M": str(self._used)}
        if now_ms < self.banned_until_ms:
            wait_ms = self.banned_until_ms - now_ms
            return Charge({**headers, "Retry-After": str(-(-wait_ms // 1000))}, (418, wait_ms))
        if self._used > self.limit:
            self._refusals += 1
            wait_ms = (minute + 1) * MINUTE_MS - now_ms
            if self._refusals > BAN_AFTER:
                self.banned_until_ms, wait_ms = now_ms + BAN_MS, BAN_MS
                return Charge({**headers, "Retry-After": str(BAN_MS // 1000)}, (418, wait_ms))
            return Charge({**headers, "Retry-After": str(-(-wait_ms // 1000))}, (429, wait_ms))
        if account:
            orders = self._orders.setdefault(account, deque())
            while orders and orders[0] <= now_ms - MINUTE_MS:
                orders.popleft()
            orders.append(now_ms)
            recent = sum(time_ms > now_ms - 10_000 for time_ms in orders)
            headers["X-MBX-ORDER-COUNT-10S"] = str(recent)
            headers["X-MBX-ORDER-COUNT-1M"] = str(len(orders))
        return Charge(headers)


class SlidingCount:
    """Bybit's limits: requests of an IP in five seconds (403), and of an account at an endpoint in one (10006)."""

    def __init__(self, limit: int, now_ms: Callable[[], int]) -> None:
        self.limit = limit
        self._now_ms = now_ms
        self._banned_until_ms = 0
        self._requests: deque[int] = deque()
        self._by_endpoint: dict[tuple[str, str], deque[int]] = {}

    def charge_address(self) -> bool:
        """Count a request of the IP; False if it is one too many, and for ten minutes after."""
        if self._now_ms() < self._banned_until_ms:
            return False
        allowed = self._count(self._requests, 5_000, self.limit)[0]
        if not allowed:
            self._banned_until_ms = self._now_ms() + ADDRESS_BAN_MS
        return allowed

    def pardon(self, limit: int) -> None:
        """Set another limit and forget the ban."""
        self.limit, self._banned_until_ms = limit, 0

    def charge_endpoint(self, account: str, endpoint: str, limit: int) -> Charge:
        """Count a request of an account at an endpoint of that many a second."""
        times = self._by_endpoint.setdefault((account, endpoint), deque())
        allowed, used = self._count(times, 1_000, limit)
        reset_ms = self._now_ms() if allowed else times[0] + 1_000
        headers = {
            "X-Bapi-Limit": str(limit),
            "X-Bapi-Limit-Status": str(max(0, limit - used)),
            "X-Bapi-Limit-Reset-Timestamp": str(reset_ms),
        }
        return Charge(headers, None if allowed else (429, max(1, reset_ms - self._now_ms())))

    def _count(self, times: deque[int], window_ms: int, limit: int) -> tuple[bool, int]:
        now_ms = self._now_ms()
        while times and times[0] <= now_ms - window_ms:
            times.popleft()
        if len(times) >= limit:
            return False, len(times)
        times.append(now_ms)
        return True, len(times)
