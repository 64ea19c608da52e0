"""What a venue says about an API key."""

from dataclasses import dataclass
from typing import Protocol

from services.common.exchange.credentials import Credentials
from services.common.trading.side import Venue


@dataclass(frozen=True, slots=True)
class KeyReport:
    """The venue's answer about a key.

    `valid` is None where the venue could not be asked (then `reason` says why and nothing else counts), False where it
    refused the key. `venue_user_id` identifies the account whichever of its keys is used.
    """

    valid: bool | None
    can_read: bool = False
    can_trade: bool = False
    can_withdraw: bool = False
    ip_restricted: bool = False
    venue_user_id: str | None = None
    reason: str = ""


class KeyVerifier(Protocol):
    """Asks a venue about a key."""

    async def verify_key(self, venue: Venue, credentials: Credentials) -> KeyReport:
        """Whether the key is valid, what it may do, and whose it is. Never raises for a venue's error."""
        ...
