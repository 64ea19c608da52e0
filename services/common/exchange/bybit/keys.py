"""What Bybit says about an API key."""

from collections.abc import Mapping

from services.common.exchange.budget import Lane
from services.common.exchange.bybit.pages import read_result
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, text
from services.common.exchange.keys import KeyReport

QUERY_API = Endpoint("private", "GET", "v5/user/query-api")


async def read_key(client: VenueClient, lane: Lane) -> KeyReport:
    """The venue's report. Raises VenueError."""
    answer = await client.call(QUERY_API, lane=lane)
    try:
        return parse_key(read_result(answer))
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the key's report: {error}") from None


def parse_key(result: Row) -> KeyReport:
    """The `result` of query-api. Raises ValueError: what cannot be read might be the right to withdraw."""
    permissions = result.get("permissions")
    if not isinstance(permissions, Mapping):
        raise ValueError("permissions are missing")
    if not isinstance(permissions.get("Wallet"), list):
        raise ValueError("the permissions of Wallet are not a list")
    contract = {str(one) for one in permissions.get("ContractTrade") or ()}
    derivatives = {str(one) for one in permissions.get("Derivatives") or ()}
    every = {str(one).lower() for group in permissions.values() if isinstance(group, list) for one in group}
    addresses = [str(one) for one in result.get("ips") or ()]
    if text(result, "readOnly") not in ("0", "1"):
        raise ValueError("readOnly is neither 0 nor 1")
    read_only = text(result, "readOnly") == "1"
    trades = "Order" in contract or "DerivativesTrade" in derivatives
    return KeyReport(
        valid=True,
        can_read=bool(contract or derivatives),
        can_trade=trades and not read_only,
        can_withdraw=any("withdraw" in one for one in every) and not read_only,
        ip_restricted=bool(addresses) and "*" not in addresses,
        venue_user_id=text(result, "userID"),
    )
