"""What Binance says of the orders behind fills, each asked for once.

`userTrades` names an order's number only: client id, type and reduce-only come from the order. Since conditional
orders became algo orders, the order that one of them sent is an ordinary market or limit order; the list of algo
orders says which (`actualOrderId`).
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, from_milliseconds, optional_text, rows, text, to_milliseconds
from services.common.exchange.time_windows import split_windows
from services.common.trading.client_order_id import parse_client_order_id
from services.common.trading.fill import OrderKind

ORDER = Endpoint("fapiPrivate", "GET", "order")
ALL_ORDERS = Endpoint("fapiPrivate", "GET", "allOrders", weight=5, answer=list)
ALL_ALGO_ORDERS = Endpoint("fapiPrivate", "GET", "allAlgoOrders", weight=5, answer=list)

ASK_ONE_BY_ONE = 5
"""Up to this many orders are asked for one by one (weight 1 each); more, as a list (weight 5)."""
KEPT_PER_CLIENT = 500
_ALGO_LEAD = timedelta(days=7)

_KINDS = {
    "MARKET": OrderKind.MARKET,
    "LIMIT": OrderKind.LIMIT,
    "STOP": OrderKind.STOP,
    "STOP_MARKET": OrderKind.STOP,
    "TAKE_PROFIT": OrderKind.TAKE_PROFIT,
    "TAKE_PROFIT_MARKET": OrderKind.TAKE_PROFIT,
    "TRAILING_STOP_MARKET": OrderKind.TRAILING_STOP,
    "LIQUIDATION": OrderKind.LIQUIDATION,
}


_Number = tuple[str, str]
"""Symbol and number of an order: each symbol counts its own."""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What never changes about an order."""

    client_order_id: str | None
    kind: OrderKind


def parse_order_facts(row: Row) -> OrderFacts:
    """What an order's row says about it. The venue's own orders are known by their client ids."""
    client_order_id = optional_text(row, "clientOrderId")
    return OrderFacts(client_order_id, order_kind(row, client_order_id))


def order_kind(row: Row, client_order_id: str | None) -> OrderKind:
    """The kind of an order, from its client id where the venue sent it, else from its type."""
    name = client_order_id or ""
    if name.startswith("autoclose-"):
        return OrderKind.LIQUIDATION
    if name.startswith("adl_autoclose"):
        return OrderKind.ADL
    if name.startswith("settlement_autoclose"):
        # Of a contract that is delivered or delisted: the venue's doing, by no order of anybody's.
        return OrderKind.UNKNOWN
    return _KINDS.get(str(row.get("origType") or row.get("type") or ""), OrderKind.UNKNOWN)


class OrdersSeen:
    """Facts about orders by number, kept beside each client."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[VenueClient, OrderedDict[_Number, OrderFacts]] = WeakKeyDictionary()

    async def facts(
        self, client: VenueClient, symbol: str, order_ids: Collection[str], first: datetime, last: datetime, lane: Lane
    ) -> dict[str, OrderFacts]:
        """The facts of these orders, whose fills lie between `first` and `last`. Raises VenueError.

        An order that the venue does not know any more is left out.
        """
        known = self._known.setdefault(client, OrderedDict())
        missing = [order_id for order_id in dict.fromkeys(order_ids) if (symbol, order_id) not in known]
        if missing:
            found = await self._ask(client, symbol, missing, first, last, lane)
            found = await _tell_algo_orders(client, symbol, found, first, last, lane)
            known.update({(symbol, order_id): facts for order_id, facts in found.items()})
        answer = {order_id: known[symbol, order_id] for order_id in order_ids if (symbol, order_id) in known}
        while len(known) > KEPT_PER_CLIENT:
            known.popitem(last=False)
        return answer

    async def _ask(
        self, client: VenueClient, symbol: str, order_ids: list[str], first: datetime, last: datetime, lane: Lane
    ) -> dict[str, OrderFacts]:
        found: dict[str, OrderFacts] = {}
        left = set(order_ids)
        if len(order_ids) > ASK_ONE_BY_ONE:
            for row in await list_orders(client, symbol, first, last, lane):
                if str(row.get("orderId")) in left:
                    found[str(row["orderId"])] = parse_order_facts(row)
            left -= found.keys()
        for order_id in [one for one in order_ids if one in left][:KEPT_PER_CLIENT]:
            try:
                row = await client.call(ORDER, {"symbol": symbol, "orderId": order_id}, lane=lane)
            except VenueError as error:
                if error.kind is not VenueErrorKind.NOT_FOUND:
                    raise
                continue
            found[order_id] = parse_order_facts(row)
        return found


async def list_orders(
    client: VenueClient, symbol: str, since: datetime, until: datetime, lane: Lane, endpoint: Endpoint = ALL_ORDERS
) -> list[Row]:
    """All orders of a symbol that were made between two instants. Raises VenueError."""
    found: list[Row] = []
    id_name, time_name = ("algoId", "createTime") if endpoint is ALL_ALGO_ORDERS else ("orderId", "time")
    for start, end in split_windows(since, until):
        params: dict[str, object] = {
            "symbol": symbol,
            "startTime": to_milliseconds(start),
            "endTime": to_milliseconds(end),
            "limit": 1000,
        }
        seen: set[str] = set()
        while True:
            answer = await client.call(endpoint, params, lane=lane)
            try:
                page = [row for row in rows(answer) if text(row, id_name) not in seen]
                seen.update(text(row, id_name) for row in page)
                newest = max((int(text(row, time_name)) for row in page), default=0)
            except ValueError as error:
                raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"orders cannot be read: {error}") from None
            found.extend(page)
            if len(answer) < 1000 or not page or from_milliseconds(newest) >= end:
                break
            params["startTime"] = newest
    return found


async def _tell_algo_orders(
    client: VenueClient, symbol: str, found: dict[str, OrderFacts], first: datetime, last: datetime, lane: Lane
) -> dict[str, OrderFacts]:
    # Only what could have been sent by a conditional order of the user's: ours never are.
    doubtful = [
        order_id
        for order_id, facts in found.items()
        if facts.kind in (OrderKind.MARKET, OrderKind.LIMIT) and parse_client_order_id(facts.client_order_id) is None
    ]
    if not doubtful:
        return found
    try:
        algo_orders = await list_orders(client, symbol, first - _ALGO_LEAD, last, lane, ALL_ALGO_ORDERS)
    except VenueError as error:
        if error.outcome_unknown or error.kind in (VenueErrorKind.RATE_LIMITED, VenueErrorKind.BANNED):
            raise
        return found
    kinds = {
        str(row.get("actualOrderId")): _KINDS.get(str(row.get("orderType")), OrderKind.UNKNOWN) for row in algo_orders
    }
    return {
        order_id: OrderFacts(facts.client_order_id, kinds.get(order_id, facts.kind))
        for order_id, facts in found.items()
    }
