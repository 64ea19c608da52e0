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
    """The `result` of query-api. Raises ValueError."""
    permissions = result.get("permissions")
    if not isinstance(permissions, Mapping):
        raise ValueError("permissions are missing")
    contract = {str(one) for one in permissions.get("ContractTrade") or ()}
    derivatives = {str(one) for one in permissions.get("Derivatives") or ()}
    addresses = [str(one) for one in result.get("ips") or ()]
    read_only = str(result.get("readOnly")) != "0"
    trades = "Order" in contract or "DerivativesTrade" in derivatives
    return KeyReport(
        valid=True,
        can_read=bool(contract or derivatives),
        can_trade=trades and not read_only,
        can_withdraw="Withdraw" in {str(one) for one in permissions.get("Wallet") or ()} and not read_only,
        ip_restricted=bool(addresses) and addresses != ["*"],
        venue_user_id=text(result, "userID"),
    )
