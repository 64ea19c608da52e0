"""What Binance says about an API key: its restrictions, and the user id of its account.

Both are asked at the spot host; its limits are counted apart from those of futures.
"""

from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, text
from services.common.exchange.keys import KeyReport

RESTRICTIONS = Endpoint("sapi", "GET", "account/apiRestrictions")
SPOT_ACCOUNT = Endpoint("private", "GET", "account", weight=1)


async def read_key(client: VenueClient, lane: Lane) -> KeyReport:
    """The venue's report. Raises VenueError."""
    restrictions = await client.call(RESTRICTIONS, lane=lane)
    account = await client.call(SPOT_ACCOUNT, {"omitZeroBalances": "true"}, lane=lane)
    try:
        return parse_key(restrictions, text(account, "uid"))
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the key's report: {error}") from None


def parse_key(restrictions: Row, user_id: str) -> KeyReport:
    """The answer of apiRestrictions. Moving money between an owner's wallets is not withdrawing. Raises ValueError."""
    return KeyReport(
        valid=True,
        can_read=_flag(restrictions, "enableReading"),
        can_trade=restrictions.get("enableFutures") is True,
        can_withdraw=_flag(restrictions, "enableWithdrawals"),
        ip_restricted=restrictions.get("ipRestrict") is True,
        venue_user_id=user_id,
    )


def _flag(row: Row, name: str) -> bool:
    value = row.get(name)
    if not isinstance(value, bool):
        raise ValueError(f"field {name} is neither true nor false")
    return value
