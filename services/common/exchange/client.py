"""One credential's way to a venue, over ccxt.

Each credential has a ccxt instance of its own, made by copying the venue's first instance: session, TLS context and
ccxt's tables are shared, keys and options are not. ccxt signs and sends; answers are read here as the venue wrote them,
every fractional number as Decimal. The door's budget replaces ccxt's rate limiter, which counts one instance only.
"""

import copy
import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal

import ccxt
import ccxt.async_support
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

from services.common.exchange.budget import Budget, Lane
from services.common.exchange.classification import Answer, classify, classify_answer
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import instant, to_milliseconds
from services.common.tracing import client_span
from services.common.trading.side import Venue

_DEFAULT_BAN = {Venue.BINANCE: timedelta(seconds=60), Venue.BYBIT: timedelta(minutes=10)}
_CLOCK_CHECK_SECONDS = 60.0
_LONGEST_COMPARISON_SECONDS = 1.5
_LONGEST_COUNT = 9
_LARGEST_OFFSET_MS = 86_400_000
"""Clocks that are a day apart agree on no certificate either: such a time is not the venue's."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_answer: ContextVar[Answer | None] = ContextVar("exchange_answer", default=None)
_signed_at: ContextVar[datetime | None] = ContextVar("exchange_signed_at", default=None)

# ccxt logs whole requests, headers and signatures included, at debug level.
_quiet_logger = logging.getLogger("tandem.ccxt")
_quiet_logger.setLevel(logging.ERROR)
_quiet_logger.propagate = False
_quiet_logger.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call of a venue's API: ccxt's name of the section, path, and what it weighs in the venue's count."""

    section: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    weight: int = 1
    answer: type = dict


@dataclass(slots=True)
class VenueClock:
    """How far the venue's clock is ahead of ours, shared by all clients of the venue."""

    offset_ms: int = 0
    checked_at: float = float("-inf")


class _Hooks:
    """What the door changes in ccxt's exchange classes, by overriding the methods that ccxt means to be overridden."""

    venue_clock: VenueClock
    apiKey: str | None  # noqa: N815 - ccxt's name

    @staticmethod
    def on_json_response(body: str) -> Any:
        """Read a body. Raises ValueError, which ccxt takes for a body that is no JSON."""
        try:
            return _decode(body)
        except (RecursionError, ArithmeticError):
            raise ValueError("nested too deeply, or a number too large") from None

    def sign(self, *request: Any, **more: Any) -> Any:
        """Sign a request. Raises ccxt.AuthenticationError where nothing can be signed or sent with this key."""
        if not (self.apiKey or "").isprintable():
            raise ccxt.AuthenticationError("the key holds control characters")
        try:
            return super().sign(*request, **more)  # type: ignore[misc]
        except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
            # Whatever cryptography makes of a secret that is said to be a private key, and is not one.
            raise ccxt.AuthenticationError(type(error).__name__) from None

    def __del__(self) -> None:
        # ccxt warns of an instance that is collected with a session; this session is shared and closed by its owner.
        return

    def nonce(self) -> int:
        moment = _signed_at.get()
        milliseconds = int(time.time() * 1000) if moment is None else to_milliseconds(moment)
        return milliseconds + self.venue_clock.offset_ms

    def on_rest_response(
        self, code: int, _reason: str, _url: str, _method: str, headers: Mapping[str, str], body: str, *_request: object
    ) -> str:
        answer = _answer.get()
        if answer is not None:
            answer.status, answer.headers, answer.body = code, headers, body
        return body.strip()


class _Binance(_Hooks, ccxt.async_support.binanceusdm):  # type: ignore[misc]
    pass


class _Bybit(_Hooks, ccxt.async_support.bybit):  # type: ignore[misc]
    pass


_CLASSES: dict[Venue, Callable[[dict[str, Any]], Any]] = {Venue.BINANCE: _Binance, Venue.BYBIT: _Bybit}
_TIME = {
    Venue.BINANCE: Endpoint("fapiPublic", "GET", "time"),
    Venue.BYBIT: Endpoint("public", "GET", "v5/market/time"),
}


class VenueClient:
    """Sends one credential's requests (or public ones, where it has none)."""

    def __init__(self, exchange: Any, budget: Budget) -> None:
        self.venue = budget.venue
        self.budget = budget
        self._exchange = exchange

    @classmethod
    def first(cls, *, session: Any, ssl_context: Any, budget: Budget, timeout_seconds: float) -> "VenueClient":
        """The venue's first client, without keys, that all others are copied from."""
        exchange = _CLASSES[budget.venue](
            {
                "session": session,
                "ssl_context": ssl_context,
                "enableRateLimit": False,
                "timeout": int(timeout_seconds * 1000),
                "logger": _quiet_logger,
                "enableLastHttpResponse": False,
                "enableLastJsonResponse": False,
                "enableLastResponseHeaders": False,
                "options": {"fetchCurrencies": False, "brokerId": "TANDEM"},
            }
        )
        exchange.venue_clock = VenueClock()
        return cls(exchange, budget)

    def for_credentials(
        self, credentials: Credentials, *, receive_window_seconds: int, timeout_seconds: float
    ) -> "VenueClient":
        """A client of its own for one credential."""
        exchange = copy.copy(self._exchange)
        exchange.apiKey = credentials.api_key
        exchange.secret = credentials.secret
        exchange.options = {**self._exchange.options, "recvWindow": receive_window_seconds * 1000}
        exchange.timeout = int(timeout_seconds * 1000)
        return VenueClient(exchange, self.budget)

    async def call(
        self,
        endpoint: Endpoint,
        params: Mapping[str, Any] | None = None,
        *,
        lane: Lane,
        weight: int | None = None,
        signed_at: datetime | None = None,
    ) -> Any:
        """Send one request and return what the venue answered. Raises VenueError, and nothing else.

        A reading that the venue refuses for its time is sent once more after the clocks were compared; an order never.
        """
        try:
            return await self._call_once(endpoint, params or {}, lane, weight, signed_at)
        except VenueError as error:
            if error.kind is not VenueErrorKind.CLOCK:
                raise
            refused = error
        if await self._compare_clocks(lane) and endpoint.method == "GET":
            return await self._call_once(endpoint, params or {}, lane, weight, signed_at)
        raise refused

    def sign_stream_login(self, payload: str) -> tuple[str, str]:
        """The API key, and the signature of a payload for logging in to a private stream."""
        exchange = self._exchange
        signature = exchange.hmac(payload.encode(), exchange.secret.encode(), sha256, "hex")
        return str(exchange.apiKey), str(signature)

    def venue_milliseconds(self) -> int:
        """The venue's time, as far as we know it."""
        return int(self._exchange.nonce())

    @property
    def session(self) -> Any:
        """The shared HTTP session."""
        return self._exchange.session

    async def _call_once(
        self,
        endpoint: Endpoint,
        params: Mapping[str, Any],
        lane: Lane,
        weight: int | None,
        signed_at: datetime | None,
    ) -> Any:
        await self.budget.acquire(endpoint.weight if weight is None else weight, lane)
        answer, window = Answer(), self.budget.window
        failure: VenueError | None = None
        content: Any = None
        answer_token = _answer.set(answer)
        signed_token = _signed_at.set(signed_at)
        try:
            with client_span(f"{self.venue} {endpoint.method} {endpoint.path}", **{"tandem.venue": self.venue.value}):
                content = await self._exchange.request(endpoint.path, [endpoint.section], endpoint.method, dict(params))
        except (ccxt.BaseError, OSError) as error:
            failure = classify(self.venue, error, answer, datetime.now(UTC))
        finally:
            _answer.reset(answer_token)
            _signed_at.reset(signed_token)
        self._take_notice(endpoint, answer, failure, window)
        if failure is None and not isinstance(content, endpoint.answer):
            failure = classify_answer(self.venue, answer, datetime.now(UTC))
        if failure is not None:
            # Raised here and not where it was caught, so that it drags no request along as its context.
            raise failure
        return content

    def _take_notice(self, endpoint: Endpoint, answer: Answer, failure: VenueError | None, window: int) -> None:
        # The limits of Binance's other hosts (the key's permissions are asked there) are counted apart.
        counted = self.venue is not Venue.BINANCE or endpoint.section.startswith("fapi")
        if not counted:
            return
        if self.venue is Venue.BINANCE:
            used = next((v for name, v in answer.headers.items() if name.lower() == "x-mbx-used-weight-1m"), "")
            if used.isascii() and used.isdigit() and len(used) < _LONGEST_COUNT:
                self.budget.observe_used(int(used), window)
        if failure is not None and failure.kind is VenueErrorKind.BANNED and answer.status is not None:
            until = failure.retry_at or datetime.now(UTC) + _DEFAULT_BAN[self.venue]
            failure.retry_at = until
            self.budget.apply_ban(until, f"{self.venue} answered {failure.code}: {failure.message}")

    async def _compare_clocks(self, lane: Lane) -> bool:
        clock: VenueClock = self._exchange.venue_clock
        if time.monotonic() - clock.checked_at < _CLOCK_CHECK_SECONDS:
            return True
        before = time.time()
        try:
            content = await self._call_once(_TIME[self.venue], {}, lane, None, None)
            stamp = to_milliseconds(instant(content, "serverTime" if self.venue is Venue.BINANCE else "time"))
        except (VenueError, ValueError):
            return False
        after = time.time()
        if after - before > _LONGEST_COMPARISON_SECONDS:
            # Nobody knows when in between the venue looked at its clock.
            return False
        offset_ms = stamp - int((before + after) / 2 * 1000)
        if abs(offset_ms) > _LARGEST_OFFSET_MS:
            return False
        clock.offset_ms = offset_ms
        clock.checked_at = time.monotonic()
        return True
