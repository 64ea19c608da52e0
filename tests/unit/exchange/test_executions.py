"""Fills of kinds that are rare: none is dropped, and none is told as the user's own hand where it was the venue's."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.common.exchange.binance.orders_seen import parse_order_facts
from services.common.exchange.budget import Budget, BudgetLimits, Lane
from services.common.exchange.bybit.account import ORDER_HISTORY, read_hedge_mode
from services.common.exchange.bybit.fills import parse_fill, read_fills
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.trading.exit_reason import external_cause
from services.common.trading.fill import OrderKind
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import PositionSide, Venue
from tests.factories import NOON
from tests.unit.exchange.test_pages import Script, ScriptedClient, execution


async def read(*rows: dict[str, Any]) -> Any:
    client = ScriptedClient(Script([list(rows)]))
    return await read_fills(client, "BTCUSDT", "USDT", NOON, NOON + timedelta(days=1), Lane.LIVE, hedged=False)


async def test_the_leg_of_a_spread_is_a_fill() -> None:
    reading = await read(execution(1, 1, 100), {**execution(2, 2, 100), "execType": "FutureSpread"})
    assert reading.status is ReadingStatus.COMPLETE
    assert [fill.quantity for fill in reading.fills] == [Decimal(1), Decimal(2)]


@pytest.mark.parametrize("kind", ["ReverseSplitSettle", "SomethingNew", "UNKNOWN", None, ""])
async def test_an_execution_of_a_kind_that_nobody_knows_leaves_the_list_partial(kind: str | None) -> None:
    # It may have changed the position or not: a list without it is not said to be whole.
    reading = await read(execution(1, 1, 100), {**execution(2, 2, 100), "execType": kind})
    assert reading.status is ReadingStatus.PARTIAL
    assert [fill.fill_id for fill in reading.fills] == ["e1"]
    assert "e2" in reading.reason or str(kind) in reading.reason


async def test_funding_is_no_fill_and_costs_nothing() -> None:
    reading = await read(execution(1, 1, 100), {**execution(2, 2, 100), "execType": "Funding"})
    assert reading.status is ReadingStatus.COMPLETE
    assert len(reading.fills) == 1


@pytest.mark.parametrize("kind", ["Settle", "Delivery", "MovePosition"])
async def test_what_the_venue_settled_was_not_the_users_hand(kind: str) -> None:
    reading = await read({**execution(1, 1, 100), "execType": kind, "orderType": "Market"})
    assert external_cause(reading.fills) == "unknown"


@pytest.mark.parametrize("name", ["settlement_autoclose-123", "settlement_autoclose-"])
def test_what_binance_settled_at_a_delisting_was_not_the_users_hand(name: str) -> None:
    assert parse_order_facts({"clientOrderId": name, "type": "MARKET"}).kind is OrderKind.UNKNOWN


@pytest.mark.parametrize("closed", [None, "NaN", ...])
def test_in_hedge_mode_a_fill_that_does_not_say_what_it_closed_has_no_leg(closed: Any) -> None:
    # Taken for an opening of the other leg, the exit of this one was never found.
    row = {**execution(1, 1, 100), "closedSize": closed}
    if closed is ...:
        del row["closedSize"]
    with pytest.raises(ValueError, match=r"closedSize|NaN"):
        parse_fill(row, "USDT", hedged=True)
    assert parse_fill(row, "USDT", hedged=False).position_side is PositionSide.BOTH
    assert parse_fill({**row, "closedSize": ""}, "USDT", hedged=True).position_side is PositionSide.SHORT
    liquidated = parse_fill({**row, "execType": "BustTrade"}, "USDT", hedged=True)
    assert liquidated.position_side is PositionSide.LONG


class Delisted(VenueClient):
    """A venue that lists no slot of a symbol any more, and its orders still. It stands for the wire alone."""

    def __init__(self, slots: list[dict[str, Any]] | None, orders: list[dict[str, Any]]) -> None:
        super().__init__(None, Budget(Venue.BYBIT, BudgetLimits(1, 100)))
        self._slots = slots
        self._orders = orders

    async def call(
        self,
        endpoint: Endpoint,
        params: Mapping[str, Any] | None = None,
        *,
        lane: Lane,
        weight: int | None = None,
        signed_at: datetime | None = None,
    ) -> Any:
        if endpoint is ORDER_HISTORY:
            return {"result": {"list": self._orders}}
        if self._slots is None:
            raise VenueError(Venue.BYBIT, VenueErrorKind.UNKNOWN_SYMBOL, "params error: symbol invalid")
        return {"result": {"list": self._slots}}


@pytest.mark.parametrize("slots", [None, []])
@pytest.mark.parametrize(("slot", "hedged"), [(0, False), (1, True), ("2", True)])
async def test_the_mode_of_a_symbol_that_is_delisted_is_told_by_its_orders(
    slots: list[dict[str, Any]] | None, slot: Any, hedged: bool
) -> None:
    # Without it no fill of that symbol could be read, and no exit be found.
    client = Delisted(slots, [{"orderId": "1", "positionIdx": slot}])
    assert await read_hedge_mode(client, "GONEUSDT", Lane.LIVE) is hedged


async def test_a_symbol_without_slots_and_orders_has_no_mode() -> None:
    with pytest.raises(VenueError):
        await read_hedge_mode(Delisted([], []), "GONEUSDT", Lane.LIVE)
    with pytest.raises(VenueError) as raised:
        await read_hedge_mode(Delisted(None, []), "GONEUSDT", Lane.LIVE)
    assert raised.value.kind is VenueErrorKind.UNKNOWN_SYMBOL
