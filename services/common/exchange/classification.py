"""Turns what came back from a venue, or did not, into a VenueError.

The venue's own code decides, then the HTTP status; the class of ccxt's exception only where there is neither, because
ccxt calls several certain rejections network errors and several unknown outcomes exchange errors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import ccxt
import msgspec

from services.common.exchange.error_codes import BINANCE, BYBIT
from services.common.exchange.errors import VenueError
from services.common.exchange.errors import VenueErrorKind as Kind
from services.common.exchange.fields import to_milliseconds
from services.common.exchange.scrub import scrub
from services.common.trading.side import Venue

_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
_LONGEST_WAIT = timedelta(days=3)
"""The longest ban that Binance documents. A longer one is not believed: it is tried after that."""
_NO_WAIT_MS = 10**14
"""What is given in another unit, or made up, says nothing."""
_TOO_MANY_ORDERS = -1015
"""Binance's count of one account's orders: no reason for anybody to stop reading."""
_EXISTS = re.compile(r"already exist", re.IGNORECASE)
_TRUNCATED = re.compile(r"truncated to zero", re.IGNORECASE)
_PARAMETERS = (
    (re.compile(r"position\s?idx", re.IGNORECASE), Kind.POSITION_MODE),
    (re.compile(r"leverage", re.IGNORECASE), Kind.LEVERAGE),
    (re.compile(r"symbol", re.IGNORECASE), Kind.UNKNOWN_SYMBOL),
    (re.compile(r"\bqty\b|quantity|number of contracts", re.IGNORECASE), Kind.FILTERS),
)
"""Bybit has one code for every wrong parameter; its text names the parameter."""


@dataclass(slots=True)
class Answer:
    """What the venue sent back to one request; `status` is None while nothing has come."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


def classify(venue: Venue, error: Exception, answer: Answer, now: datetime) -> VenueError:
    """The typed error for a request that ccxt says went wrong."""
    if answer.status is None:
        return VenueError(venue, _transport_kind(error), type(error).__name__)
    return classify_answer(venue, answer, now)


def classify_answer(venue: Venue, answer: Answer, now: datetime) -> VenueError:
    """The typed error for an answer that is not a success."""
    status = answer.status or 0
    code, message = _code_and_message(answer.body)
    kind = _kind(venue, status, code, message)
    text = scrub(message or f"HTTP {status}, {_describe(answer.body)}")
    retry_at = _retry_at(kind, answer.headers, message, now) if kind in (Kind.RATE_LIMITED, Kind.BANNED) else None
    return VenueError(venue, kind, text, code=str(code) if code is not None else f"http_{status}", retry_at=retry_at)


def _transport_kind(error: Exception) -> Kind:
    if isinstance(error, ccxt.RequestTimeout):
        return Kind.TIMEOUT
    if isinstance(error, ccxt.AuthenticationError):
        # Without an answer it comes from signing, so nothing was sent.
        return Kind.BAD_KEY
    # Refused, or its name unknown: the connection never was, so nothing was sent over it.
    return Kind.UNREACHABLE if isinstance(error.__cause__, aiohttp.ClientConnectorError) else Kind.CONNECTION


def _kind(venue: Venue, status: int, code: int | None, message: str) -> Kind:
    by_code = _kind_of_code(venue, code, message) if code is not None and code != 0 else None
    # What is said of one key, by the venue's own code, is no reason for anybody else to stop.
    of_one_key = by_code in (Kind.BAD_KEY, Kind.NOT_PERMITTED)
    if (
        status == 418
        or (status == 403 and not of_one_key)
        or (status == 429 and venue is Venue.BINANCE and code != _TOO_MANY_ORDERS)
    ):
        return Kind.BANNED
    if status == 429:
        return Kind.RATE_LIMITED
    if by_code is not None:
        return by_code
    if status == 408 or status >= 500:
        # Also where there is a code that is not listed: only a code that is known to mean so is a certain no.
        return Kind.TIMEOUT if status == 408 else Kind.VENUE_FAILURE
    return Kind.REFUSED if code or not 200 <= status < 300 else Kind.BAD_ANSWER


def _kind_of_code(venue: Venue, code: int, message: str) -> Kind | None:
    if venue is Venue.BINANCE:
        same = code == -4028 and _EXISTS.search(message)
        return Kind.UNCHANGED if same else BINANCE.get(code)
    if code == 110017 and _TRUNCATED.search(message):
        # The position is there, but resting reduce-only orders leave nothing of it for this one.
        return Kind.REDUCE_ONLY_CONFLICT
    if code == 10001:
        return next((kind for pattern, kind in _PARAMETERS if pattern.search(message)), Kind.REFUSED)
    return BYBIT.get(code)


def _code_and_message(body: str) -> tuple[int | None, str]:
    try:
        content: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None, ""
    if not isinstance(content, dict):
        return None, ""
    raw = content.get("code", content.get("retCode"))
    message = content.get("msg", content.get("retMsg"))
    try:
        return (int(raw) if raw is not None else None), str(message or "")
    except (TypeError, ValueError):
        return None, str(message or "")


def _describe(body: str) -> str:
    if not body.strip():
        return "an empty answer"
    return "an answer that is HTML" if body.lstrip().startswith("<") else "an answer that cannot be read"


def _retry_at(kind: Kind, headers: Mapping[str, str], message: str, now: datetime) -> datetime | None:
    """When the venue says to come back; None where it does not, or not in a way that can be meant."""
    by_name = {name.lower(): value for name, value in headers.items()}
    wait_ms = 1000 * _count(by_name.get("retry-after", ""))
    banned_until = _BANNED_UNTIL.search(message)
    if wait_ms == 0 and banned_until is not None:
        wait_ms = int(banned_until.group(1)) - to_milliseconds(now)
    elif wait_ms == 0 and kind is Kind.RATE_LIMITED:
        # Of one account's limit, a moment away: the ban of an address does not end with it.
        wait_ms = _count(by_name.get("x-bapi-limit-reset-timestamp", "")) - to_milliseconds(now)
    return now + min(timedelta(milliseconds=wait_ms), _LONGEST_WAIT) if 0 < wait_ms < _NO_WAIT_MS else None


def _count(text: str) -> int:
    return int(text) if len(text) <= 20 and text.isascii() and text.isdigit() else 0
