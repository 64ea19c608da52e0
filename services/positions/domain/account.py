"""An account at a venue. The venue's own user id identifies it; the API key is its replaceable credential."""

from dataclasses import dataclass
from datetime import datetime

from services.common.trading.extremes import TriggerPrice
from services.common.trading.side import Venue

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Account:
    """`verified` (the venue confirmed the key) is needed to read; `trading_enabled` as well, to trade.

    `can_trade` and `ip_restricted` are what the venue says of the key; `refusal` is why it is no longer verified.
    `auto_manage`: positions that are adopted from now on are managed. `trigger_price`: which price triggers the levels
    of its positions. A removed account has no key any more.
    """

    account_id: str
    user_id: str
    venue: Venue
    venue_user_id: str
    name: str
    masked_key: str
    verified: bool
    trading_enabled: bool
    created_at: datetime
    verified_at: datetime | None
    version: int = 1
    can_trade: bool = False
    ip_restricted: bool = False
    auto_manage: bool = False
    refusal: str = ""
    removed_at: datetime | None = None
    trigger_price: TriggerPrice = TriggerPrice.MARK


def mask_key(api_key: str) -> str:
    """The first and last characters of a key, enough for its owner to know it again."""
    if len(api_key) < 4 * _SHOWN:
        return "…"
    return f"{api_key[:_SHOWN]}…{api_key[-_SHOWN:]}"
