"""What can go wrong at a venue, as one typed error.

An error's text never holds a URL, a key or a signature. It has no cause and no context: both would carry the request.
"""

from datetime import datetime
from enum import StrEnum

from services.common.trading.side import Venue


class VenueErrorKind(StrEnum):
    """The fact behind an error of a venue."""

    TIMEOUT = "timeout"
    """No answer in time; what was asked may have happened."""
    UNREACHABLE = "unreachable"
    """The connection was refused: nothing was sent."""
    CONNECTION = "connection"
    """The connection broke; what was asked may have happened."""
    BAD_ANSWER = "bad_answer"
    """An answer that is not what the venue documents: HTML, cut or empty JSON, a field missing."""
    VENUE_FAILURE = "venue_failure"
    """The venue failed inside; what was asked may have happened."""
    OVERLOADED = "overloaded"
    """The venue refused the request because it is overloaded."""
    RATE_LIMITED = "rate_limited"
    """Too many requests, by the venue's count or by ours; nothing happened."""
    BANNED = "banned"
    """The venue refuses this address for a time; nothing happened."""
    BAD_KEY = "bad_key"
    """The key is unknown, expired, wrongly signed, or may not be used from this address."""
    NOT_PERMITTED = "not_permitted"
    """The key or the account may not do this."""
    CLOCK = "clock"
    """The request's time was outside of what the venue accepts; nothing happened."""
    UNKNOWN_SYMBOL = "unknown_symbol"
    NOT_FOUND = "not_found"
    """The venue knows no such order."""
    INSUFFICIENT_MARGIN = "insufficient_margin"
    NOTHING_TO_REDUCE = "nothing_to_reduce"
    """A reduce-only order without a position to reduce."""
    REDUCE_ONLY_CONFLICT = "reduce_only_conflict"
    """Resting reduce-only orders of the same side take up the position."""
    FILTERS = "filters"
    """Quantity, price or notional is outside of what the market accepts."""
    POSITION_MODE = "position_mode"
    """The order's position side does not fit the account's position mode."""
    RISK_LIMIT = "risk_limit"
    """The position would be larger than leverage or the venue's risk limit allows."""
    LEVERAGE = "leverage"
    """The leverage cannot be had for this symbol or in this account's margin mode."""
    DUPLICATE_ID = "duplicate_id"
    """An open order has this client order id already."""
    UNCHANGED = "unchanged"
    """What was to be set is so already."""
    NO_LIQUIDITY = "no_liquidity"
    """The book cannot fill the order at an acceptable price."""
    MARKET_CLOSED = "market_closed"
    """The symbol is not traded now, or only for closing."""
    REFUSED = "refused"
    """The venue said no, for another reason that its code tells."""


_OUTCOME_UNKNOWN = frozenset(
    {
        VenueErrorKind.TIMEOUT,
        VenueErrorKind.CONNECTION,
        VenueErrorKind.BAD_ANSWER,
        VenueErrorKind.VENUE_FAILURE,
    }
)


class VenueError(Exception):
    """A venue did not do what was asked. `code` is the venue's own, `retry_at` is set where the time is known."""

    def __init__(
        self,
        venue: Venue,
        kind: VenueErrorKind,
        message: str,
        *,
        code: str = "",
        retry_at: datetime | None = None,
    ) -> None:
        self.venue = venue
        self.kind = kind
        self.message = message
        self.code = code
        self.retry_at = retry_at
        super().__init__(f"{venue}: {kind}{f' {code}' if code else ''}: {message}")

    @property
    def outcome_unknown(self) -> bool:
        """Whether the request may have taken effect all the same."""
        return self.kind in _OUTCOME_UNKNOWN
