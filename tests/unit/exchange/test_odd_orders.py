"""Answers about orders that are odd: what may have taken effect is never called rejected."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from services.common.exchange.budget import Budget, BudgetLimits, Lane
from services.common.exchange.classification import Answer, classify_answer
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import to_milliseconds
from services.common.exchange.orders import binance_orders, bybit_orders
from services.common.exchange.orders.following import ended
from services.common.exchange.orders.outcome import Rejected
from services.common.trading.side import Venue
from tests.factories import NOON

STAMP = to_milliseconds(NOON)
BINANCE_ORDER: dict[str, Any] = {
    "orderId": 7, "clientOrderId": "tdm-1", "symbol": "BTCUSDT", "positionSide": "BOTH", "side": "SELL",
    "type": "MARKET", "status": "FILLED", "reduceOnly": True, "origQty": "1", "executedQty": "1", "avgPrice": "100",
    "updateTime": STAMP,
}  # fmt: skip
BYBIT_ORDER: dict[str, Any] = {
    "orderId": "7", "orderLinkId": "tdm-1", "symbol": "BTCUSDT", "positionIdx": 0, "side": "Sell",
    "orderType": "Market", "orderStatus": "Filled", "reduceOnly": True, "qty": "1", "cumExecQty": "1",
    "avgPrice": "100", "updatedTime": str(STAMP),
}  # fmt: skip
PARSERS: dict[str, Any] = {
    "binance": (binance_orders.parse_order, BINANCE_ORDER, "executedQty", "status"),
    "bybit": (bybit_orders.parse_order, BYBIT_ORDER, "cumExecQty", "orderStatus"),
}
ENDED = {"binance": ("FILLED", "EXPIRED", "CANCELED", "EXPIRED_IN_MATCH"), "bybit": ("Filled", "Cancelled")}
CASES = [(venue, status) for venue, names in ENDED.items() for status in names]


class Wire(VenueClient):
    """Gives one answer to everything. It stands for the wire alone."""

    def __init__(self, venue: Venue, answer: Any) -> None:
        super().__init__(None, Budget(venue, BudgetLimits(1, 100)))
        self._answer = answer

    async def call(
        self,
        endpoint: Endpoint,
        params: Mapping[str, Any] | None = None,
        *,
        lane: Lane,
        weight: int | None = None,
        signed_at: datetime | None = None,
    ) -> Any:
        return self._answer


@pytest.mark.parametrize(("venue", "status"), CASES)
@pytest.mark.parametrize("filled", [None, "", "-1", "NaN"])
def test_an_ended_order_that_does_not_say_what_was_filled_is_no_order_without_fills(
    venue: str, status: str, filled: str | None
) -> None:
    parse, row, filled_name, status_name = PARSERS[venue]
    with pytest.raises(ValueError, match=r"missing|not|cannot"):
        parse({**row, status_name: status, filled_name: filled})


@pytest.mark.parametrize("venue", PARSERS)
def test_an_order_that_is_filled_with_nothing_contradicts_itself(venue: str) -> None:
    parse, row, filled_name, _ = PARSERS[venue]
    with pytest.raises(ValueError, match="filled"):
        parse({**row, filled_name: "0"})


@pytest.mark.parametrize(("venue", "status"), [case for case in CASES if case[1].lower() != "filled"])
def test_an_order_that_ended_with_nothing_filled_is_rejected(venue: str, status: str) -> None:
    parse, row, filled_name, status_name = PARSERS[venue]
    order = parse({**row, status_name: status, filled_name: "0"})
    assert isinstance(ended(order, Decimal(1), Decimal(1)), Rejected)


@pytest.mark.parametrize(
    ("venue", "status", "body"),
    [
        (Venue.BINANCE, 408, ""),
        (Venue.BINANCE, 408, "<html>"),
        (Venue.BINANCE, 500, '{"code": -9999, "msg": "?"}'),
        (Venue.BINANCE, 502, '{"code": 502, "msg": "Bad Gateway"}'),
        (Venue.BINANCE, 503, '{"code": -1200, "msg": "Unknown error, please check your request or try again later."}'),
        (Venue.BINANCE, 504, '{"code": "504", "msg": "Gateway Timeout"}'),
        (Venue.BYBIT, 500, '{"retCode": 99999, "retMsg": "?"}'),
        (Venue.BYBIT, 504, '{"code": 504, "msg": "timeout"}'),
        (Venue.BYBIT, 408, "<html>"),
    ],
)
def test_a_failure_with_a_code_that_nobody_knows_leaves_the_outcome_open(venue: Venue, status: int, body: str) -> None:
    assert classify_answer(venue, Answer(status=status, body=body), NOON).outcome_unknown


def test_a_failure_whose_code_says_that_nothing_was_done_is_certain() -> None:
    throttled = Answer(status=503, body='{"code": -1008, "msg": "Request throttled by system-level protection"}')
    assert classify_answer(Venue.BINANCE, throttled, NOON).kind is VenueErrorKind.OVERLOADED
    unknown = Answer(status=400, body='{"code": -9999, "msg": "no"}')
    assert classify_answer(Venue.BINANCE, unknown, NOON).kind is VenueErrorKind.REFUSED


async def test_the_answer_about_another_order_is_not_this_order() -> None:
    # Bybit takes an id that it does not understand for none at all, and then lists whatever there is.
    listed = {"result": {"list": [{**BYBIT_ORDER, "orderLinkId": "somebody-elses", "orderId": "8"}]}}
    bybit = bybit_orders.BybitOrders()
    with pytest.raises(VenueError) as refused:
        await bybit.find(Wire(Venue.BYBIT, listed), "BTCUSDT", "tdm-1", NOON)
    assert refused.value.kind is VenueErrorKind.BAD_ANSWER
    with pytest.raises(VenueError) as refused:
        await bybit.find_acknowledged(Wire(Venue.BYBIT, listed), "BTCUSDT", "7")
    assert refused.value.kind is VenueErrorKind.BAD_ANSWER
    found = await bybit.find(Wire(Venue.BYBIT, {"result": {"list": [BYBIT_ORDER]}}), "BTCUSDT", "tdm-1", NOON)
    assert found is not None
    binance = binance_orders.BinanceOrders()
    with pytest.raises(VenueError) as refused:
        await binance.find(Wire(Venue.BINANCE, BINANCE_ORDER), "BTCUSDT", "tdm-2", NOON)
    assert refused.value.kind is VenueErrorKind.BAD_ANSWER
    ours = await binance.find(Wire(Venue.BINANCE, BINANCE_ORDER), "BTCUSDT", "tdm-1", NOON)
    assert ours is not None
    with pytest.raises(VenueError) as refused:
        await binance.refresh(Wire(Venue.BINANCE, {**BINANCE_ORDER, "orderId": 8}), ours)
    assert refused.value.kind is VenueErrorKind.BAD_ANSWER
